//! Reads a channel PDU in hex and prints what it says; a `remdesk` message first, else `encomsp` orders.
//!
//! `cargo run -p ra-channels --example read_pdu 0e00000008000000520043005f00430054004c0000000200000029000000`

use std::error::Error;

use ra_channels::{encomsp, remdesk};

/// RESULT 41, for who gives nothing.
const NO: &str = "0e00000008000000520043005f00430054004c0000000200000029000000";

fn main() -> Result<(), Box<dyn Error>> {
    let pdu = hex::decode(std::env::args().nth(1).as_deref().unwrap_or(NO))?;
    match (remdesk::decode(&pdu), encomsp::decode(&pdu)) {
        (Ok(Some(message)), _) => println!("remdesk: {message:?}"),
        (Ok(None), _) => println!("remdesk: well-formed and of no meaning here"),
        (Err(_), Ok(orders)) => orders.iter().for_each(|order| println!("encomsp: {order:?}")),
        (Err(remdesk), Err(encomsp)) => println!("neither: {remdesk}; {encomsp}"),
    }
    Ok(())
}

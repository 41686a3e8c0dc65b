//! Finds the gateways of this computer's networks, maps a port for a minute, looks, and gives it back.
//!
//! ```text
//! cargo run -p ra-gateways --example gateways -- 192.168.1.5 3389
//! ```
//! The first argument is this computer's own address on the network to search, the second the port that should be reached.
//! What is made is ours for this run alone, as the secret is a constant.

use std::error::Error;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use ra_gateways::{Gateways, Network};
use ra_nat::{Ask, Lease, MapError, Mapper as _, Transport, is_public};
use zeroize::Zeroizing;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(local), Some(port)) = (arguments.next(), arguments.next()) else {
        return Err("usage: gateways ADDRESS PORT".into());
    };
    let (local, port): (IpAddr, u16) = (local.parse()?, port.parse()?);
    let here = move || {
        let networks = Network::look().unwrap_or_default();
        networks.into_iter().filter(|network| network.local == local).collect()
    };
    let mapper = Gateways::new(here, Zeroizing::new([0; 32]));
    let started = Instant::now();
    for gateway in mapper.gateways()? {
        println!("found {} after {:?}", gateway.id, started.elapsed());
        let seen = mapper.look(&gateway.id);
        println!("it says {seen:?}, public {:?}", seen.ok().and_then(|seen| seen.external).map(is_public));
        let internal = gateway.internal((local, port).into()).ok_or("not on this network")?;
        let mut ask = Ask {
            transport: Transport::Tcp,
            internal,
            external_port: 50_000,
            lease: Lease::For(Duration::from_secs(60)),
        };
        let mut added = mapper.add(&gateway.id, &ask);
        if added == Err(MapError::OnlyPermanent) {
            ask.lease = Lease::Permanent;
            added = mapper.add(&gateway.id, &ask);
        }
        println!("mapped {added:?} after {:?}", started.elapsed());
        if added.is_ok() {
            println!("renewed {:?}", mapper.renew(&gateway.id, &ask));
            println!("removed {:?}", mapper.delete(&gateway.id, &ask));
            println!("removed again {:?}", mapper.delete(&gateway.id, &ask));
        }
    }
    println!("done after {:?}", started.elapsed());
    Ok(())
}

//! Issues an invitation and reads it back: what a novice writes, and what an expert learns from it.
//!
//! `cargo run -p ra-ticket --example issue_and_read`

use std::error::Error;
use std::time::{SystemTime, UNIX_EPOCH};

use ra_ticket::{
    Challenge, ConnectionString2, EXTENSION, Header, Invitation, LinkSpeed, PassStub, Password, PublicKeyBlob,
    SessionId, Ticket, expert_blob,
};

fn main() -> Result<(), Box<dyn Error>> {
    // The novice. A real one takes the modulus from its own key; this one only has to look like one.
    let password = Password::from_entropy(&entropy()?);
    let stub = PassStub::from_entropy(&entropy()?);
    let key = PublicKeyBlob::from_rsa(&entropy::<256>()?, 65537);
    let listeners = vec!["192.0.2.17:3389".parse()?, "[2001:db8::17]:3389".parse()?];
    let connection = ConnectionString2::new(key.key_hash(), SessionId::from_entropy(&entropy()?), listeners)?
        .with_key_hash2(key.key_hash2());
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let header = Header { user_name: "Kim".to_owned(), start: now, length_minutes: 60, speed: LinkSpeed::Normal };

    let record = Challenge::from(password.proof(&stub));
    let file = Invitation::issue(header, Ticket::both(&connection, &password, stub))?.to_bytes();
    println!("Invitation.{EXTENSION}, {} bytes:\n{}\n", file.len(), String::from_utf8_lossy(&file));

    // The expert: what the file says to everybody ...
    let invitation = Invitation::parse(&file)?;
    println!("from {}, password needed: {}", invitation.user_name(), invitation.password_needed());
    if let Some(expiry) = invitation.expires() {
        println!("expires at {} (seconds since 1970), passed: {}", expiry.unix_seconds(), expiry.has_passed(now));
    }
    // ... what it says to those who have the password ...
    let encrypted = invitation.lh_ticket().ok_or("not a type 2 invitation")?;
    for endpoint in encrypted.decrypt(&password)?.endpoints() {
        println!("reachable at {endpoint}");
    }
    // ... and what the expert answers, inside the encrypted connection.
    let stub = invitation.pass_stub().ok_or("nothing to prove the password with")?;
    let answer = expert_blob::write("Sam", Some(&password.proof(stub)));

    // The novice again.
    let blob = expert_blob::parse(&answer)?;
    match record.meet(blob.pass()) {
        Some(_redeemed) => println!("{} redeemed the ticket; now a person has to say yes", blob.name()),
        None => println!("{} does not know the password", blob.name()),
    }
    Ok(())
}

fn entropy<const N: usize>() -> Result<[u8; N], getrandom::Error> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}

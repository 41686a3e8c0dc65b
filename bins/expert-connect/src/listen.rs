//! Waiting for the novice's computer to call: the port of `expert-connect listen`.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};

use ra_expert::{Plan, Way};
use rustix::io::Errno;

use crate::failure::Failure;

/// Opens the port that the novice's computer is to call: as asked, else everywhere at the port of the protocol.
pub(crate) fn way(plan: &Plan, at: Option<SocketAddr>) -> Result<Way, Failure> {
    if !plan.knows_the_key() {
        return Err(Failure::NoKey);
    }
    let addr = at.unwrap_or(SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), PORT));
    let listener = bind(addr).map_err(|error| Failure::CannotListen { addr, error })?;
    Ok(Way::Listening(listener))
}

/// `[::]` takes IPv4 too, and stands for `0.0.0.0` where there is no IPv6.
fn bind(addr: SocketAddr) -> io::Result<TcpListener> {
    let bound = TcpListener::bind(addr);
    match (&bound, addr.ip()) {
        (Err(error), IpAddr::V6(ip)) if ip.is_unspecified() && has_no_ipv6(error) => {
            TcpListener::bind((Ipv4Addr::UNSPECIFIED, addr.port()))
        }
        _ => bound,
    }
}

fn has_no_ipv6(error: &io::Error) -> bool {
    let code = error.raw_os_error();
    code == Some(Errno::AFNOSUPPORT.raw_os_error()) || code == Some(Errno::ADDRNOTAVAIL.raw_os_error())
}

/// Remote Desktop's own, as the novice's.
const PORT: u16 = 3389;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

    use super::*;

    #[test]
    fn a_port_that_somebody_has_is_no_port_to_wait_at() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let error = bind(taken.local_addr().unwrap()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    }
}

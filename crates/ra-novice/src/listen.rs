//! Ports, and the way of a connection from the socket to the proof.

use std::cell::{Cell, RefCell};
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use ra_channels::remdesk::{Proof, ResultCode, Version};
use ra_policy::{ControlAllowed, HelpAllowed};
use ra_session::invitations::Source;
use ra_ticket::{RcTicket, Redeemed, UntrustedName, expert_blob};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::Instant;

use crate::book::{Found, Verdict};
use crate::driver;
use crate::event::{HostEvent, RefusedCause};
use crate::host::{HostError, Shared};
use crate::prompt::Asker;
use crate::rdp::{self, Allowance, ClientHello, FramesOut, FromExpert, Line};

/// How long a connection may take to say which ticket it wants to redeem.
pub const CLIENT_INFO_WITHIN: Duration = Duration::from_secs(10);
/// How long it may take to prove the password.
pub const PROOF_WITHIN: Duration = Duration::from_secs(30);
/// What it may send before that, bytes. An honest connection sequence takes about 6 KiB.
pub const READ_BEFORE_PROOF: usize = 64 * 1024;

/// A port that is bound and does not listen yet: it is ours, and nobody can come in.
#[derive(Debug)]
pub struct Port {
    addr: SocketAddr,
    socket: TcpSocket,
}

impl Port {
    /// Binds a port; 0 picks a free one. `[::]` takes IPv4 too, and stands for `0.0.0.0` where there is no IPv6.
    ///
    /// # Errors
    /// What the system says.
    pub fn bind(addr: SocketAddr) -> std::io::Result<Self> {
        let bound = Self::bind_exactly(addr);
        match (&bound, addr.ip()) {
            (Err(error), IpAddr::V6(ip)) if ip.is_unspecified() && has_no_ipv6(error) => {
                Self::bind_exactly((std::net::Ipv4Addr::UNSPECIFIED, addr.port()).into())
            }
            _ => bound,
        }
    }

    fn bind_exactly(addr: SocketAddr) -> std::io::Result<Self> {
        let socket = if addr.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        // A port in TIME_WAIT from the run before is not taken; one that somebody listens on is.
        socket.set_reuseaddr(true)?;
        socket.bind(addr)?;
        Ok(Self { addr: socket.local_addr()?, socket })
    }

    /// The address as bound, with the real port.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    pub(crate) fn listen(self) -> Result<(SocketAddr, TcpListener), HostError> {
        let addr = self.addr;
        let listener = self.socket.listen(BACKLOG).map_err(|source| HostError::Listen { addr, source })?;
        Ok((addr, listener))
    }
}

/// Lets connections in, one task each, until it is aborted.
pub(crate) async fn let_in(shared: Rc<Shared>, listener: TcpListener) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                tokio::task::spawn_local(receive(Rc::clone(&shared), stream, peer));
            }
            Err(error) => {
                // Out of descriptors, most likely: others have to go first.
                tracing::warn!(%error, "a connection could not be taken");
                tokio::time::sleep(PAUSE_AFTER_FAILURE).await;
            }
        }
    }
}

/// An expert that has redeemed a ticket.
pub(crate) struct Proved {
    pub(crate) line: Line,
    pub(crate) frames: FramesOut,
    pub(crate) redeemed: Redeemed,
    pub(crate) help: HelpAllowed,
    pub(crate) control: Option<ControlAllowed>,
    pub(crate) found: Found,
    pub(crate) asker: Asker,
}

async fn receive(shared: Rc<Shared>, stream: TcpStream, peer: SocketAddr) {
    prepare(&stream);
    let source = Source::of(peer.ip());
    let place = shared.door.borrow_mut().enter(source);
    let proved = tokio::select! {
        biased;
        _ = place.shown_out => None,
        proved = tokio::time::timeout(PROOF_WITHIN, prove(&shared, stream, peer)) => proved.unwrap_or(None),
    };
    shared.door.borrow_mut().leave(place.number);
    if let Some(proved) = proved {
        let session = tokio::task::spawn_local(driver::run(Rc::clone(&shared), proved));
        if session.await.is_err() {
            // A bug. The seat went down with the session and shut both gates; it is not replaced.
            tracing::error!("a session broke down");
            shared.stand_up(None);
        }
    }
}

/// From the socket to a redeemed ticket. `None`: it came to nothing, and everybody who should know does.
async fn prove(shared: &Shared, stream: TcpStream, peer: SocketAddr) -> Option<Proved> {
    let started = Instant::now();
    let admitted: RefCell<Option<(Found, HelpAllowed)>> = RefCell::new(None);
    let heard = Cell::new(false);
    let admit = |hello: ClientHello| {
        heard.set(true);
        *admitted.borrow_mut() = look_up(shared, &hello, peer);
        admitted.borrow().is_some()
    };
    let accepted = tokio::select! {
        biased;
        accepted = rdp::accept(stream, Allowance::bytes(READ_BEFORE_PROOF), shared.tls.clone(), shared.screen.size(), admit) => accepted,
        () = async {
            tokio::time::sleep_until(started + CLIENT_INFO_WITHIN).await;
            if heard.get() { std::future::pending().await }
        } => return None,
    };
    let line = match accepted {
        Ok(line) => line,
        Err(rdp::Refusal::Ticket) => return None,
        Err(refusal) => {
            tracing::debug!(%peer, cause = %refusal, "a connection came to nothing");
            return None;
        }
    };
    let (found, help) = admitted.borrow_mut().take()?;
    redeem(shared, line, found, help, peer).await
}

/// R28 to R32: policy first, then the ticket; the peer and the novice hear nothing of a refusal.
fn look_up(shared: &Shared, hello: &ClientHello, peer: SocketAddr) -> Option<(Found, HelpAllowed)> {
    shared.refresh();
    // Neither cause is told to anybody here, at no verbosity: only the administrator's audit log (issue 3) will know.
    let help = (shared.policy)().may_connect().ok()?;
    let found = shared.book.borrow().find(&hello.session_id, &hello.alternate_shell, shared.now())?;
    shared.report(HostEvent::ExpertConnecting { peer });
    Some((found, help))
}

async fn redeem(shared: &Shared, mut line: Line, found: Found, help: HelpAllowed, peer: SocketAddr) -> Option<Proved> {
    let frames = line.begin(shared.view.clone()).ok()?;
    let mut proved: Option<(Redeemed, Asker)> = None;
    loop {
        let heard = match line.next().await {
            Ok(heard) => heard,
            Err(error) => {
                tracing::debug!(%peer, %error, "gone before the proof");
                return None;
            }
        };
        match heard {
            FromExpert::Proof(proof) if proved.is_none() => {
                let version = proof.version;
                let Some(judged) = judge(shared, &mut line, &found, &proof, peer) else {
                    line.close().await;
                    return None;
                };
                line.proved().ok()?;
                proved = Some(judged);
                if version == Version::One {
                    continue;
                }
            }
            FromExpert::DesktopRequested if proved.is_some() => {}
            FromExpert::WrongVersion => {
                let _ = line.wrong_version();
                refuse(shared, peer, RefusedCause::Protocol);
                line.close().await;
                return None;
            }
            FromExpert::Broken(what, code) => {
                tracing::debug!(%peer, what, "the protocol was broken");
                let _ = line.result(code);
                refuse(shared, peer, RefusedCause::Protocol);
                line.close().await;
                return None;
            }
            FromExpert::Left => {
                line.close().await;
                return None;
            }
            _ => continue,
        }
        let (redeemed, asker) = proved.take()?;
        let may_control = if found.view_only { None } else { (shared.policy)().may_control().ok() };
        return Some(Proved { line, frames, redeemed, help, control: may_control, found, asker });
    }
}

/// Judges one proof, tells the expert what is wrong with it, and the novice's side where it should know.
fn judge(
    shared: &Shared,
    line: &mut Line,
    found: &Found,
    proof: &Proof,
    peer: SocketAddr,
) -> Option<(Redeemed, Asker)> {
    let malformed = |line: &mut Line| {
        let _ = line.result(ResultCode::InvalidParameterString);
        refuse(shared, peer, RefusedCause::Protocol);
    };
    let Ok(blob) = expert_blob::parse(proof.expert_blob.expose()) else {
        malformed(line);
        return None;
    };
    // Version 1 names the ticket once more; whole strings differ between peers, the session id inside may not.
    if let Some(named) = proof.connection_string.as_ref().and_then(|text| text.expose().parse::<RcTicket>().ok())
        && !shared.book.borrow().is_session_of(&found.id, named.session_id())
    {
        malformed(line);
        return None;
    }
    shared.refresh();
    let verdict = shared.book.borrow_mut().judge(&found.id, Source::of(peer.ip()), blob.pass(), shared.now());
    let told = match verdict {
        Ok(Verdict::Redeemed(redeemed)) => return Some((redeemed, asker(blob.name(), peer))),
        Ok(Verdict::Wrong(gone)) => {
            refuse(shared, peer, RefusedCause::WrongPassword);
            shared.report_gone(gone.into_iter().collect());
            line.wrong_password()
        }
        Ok(Verdict::Locked) => {
            refuse(shared, peer, RefusedCause::Locked);
            line.result(ResultCode::HelpSessionAccessDenied)
        }
        Ok(Verdict::Gone) => line.result(ResultCode::HelpSessionExpired),
        Err(error) => {
            // What cannot be counted is not accepted: else guessing would be free on a full disk.
            tracing::error!(%error, "a proof could not be counted");
            line.result(ResultCode::InternalError)
        }
    };
    if let Err(error) = told {
        tracing::debug!(%peer, %error, "the expert could not be told");
    }
    None
}

fn asker(name: &UntrustedName, peer: SocketAddr) -> Asker {
    let name = name.as_str();
    Asker { name: if name.is_empty() { "somebody".to_owned() } else { name.to_owned() }, peer }
}

pub(crate) fn refuse(shared: &Shared, peer: SocketAddr, cause: RefusedCause) {
    tracing::debug!(%peer, cause = cause.name(), "refused");
    shared.report(HostEvent::Refused { peer, cause });
}

/// A dead peer must not keep the seat for hours, and a key must not wait for a full packet.
fn prepare(stream: &TcpStream) {
    use rustix::net::sockopt;
    let set = || -> rustix::io::Result<()> {
        sockopt::set_tcp_nodelay(stream, true)?;
        sockopt::set_socket_keepalive(stream, true)?;
        sockopt::set_tcp_keepidle(stream, KEEPALIVE_EVERY)?;
        sockopt::set_tcp_keepintvl(stream, KEEPALIVE_EVERY)?;
        sockopt::set_tcp_user_timeout(stream, u32::try_from(UNACKNOWLEDGED_FOR.as_millis()).unwrap_or(u32::MAX))
    };
    if let Err(error) = set() {
        tracing::debug!(%error, "a socket option was refused");
    }
}

fn has_no_ipv6(error: &std::io::Error) -> bool {
    let code = error.raw_os_error();
    code == Some(rustix::io::Errno::AFNOSUPPORT.raw_os_error())
        || code == Some(rustix::io::Errno::ADDRNOTAVAIL.raw_os_error())
}

/// Connections the kernel keeps until we take them: as many as may wait at the door, twice.
const BACKLOG: u32 = 64;
const PAUSE_AFTER_FAILURE: Duration = Duration::from_millis(100);
const KEEPALIVE_EVERY: Duration = Duration::from_secs(10);
/// A peer whose TCP acknowledges nothing for this long is gone.
const UNACKNOWLEDGED_FOR: Duration = Duration::from_secs(30);

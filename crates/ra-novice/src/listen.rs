//! Ports, and the way of a connection from the socket to the proof.

use std::cell::{Cell, RefCell};
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use ra_channels::remdesk::{Proof, ResultCode, Version};
use ra_policy::{ControlAllowed, Denied, HelpAllowed, Policy};
use ra_session::Admission;
use ra_session::offers::Helper;
use ra_ticket::{RcTicket, UNSOLICITED_HELP, UntrustedName, expert_blob};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::Instant;

use crate::arrival::{Arrival, Duplex, Peer};
use crate::audit::Cause;
use crate::book::{Found, NotFound, Verdict};
use crate::driver;
use crate::event::{HostEvent, RefusedCause};
use crate::helpers::KnownHelper;
use crate::host::{HostError, Shared};
use crate::offer;
use crate::prompt::{Asker, Known};
use crate::rdp::{self, Allowance, ClientHello, FramesOut, FromExpert, Line, LineError};

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
                prepare(&stream);
                welcome(&shared, Arrival::new(stream, peer));
            }
            Err(error) => {
                // Out of descriptors, most likely: others have to go first.
                tracing::warn!(%error, "a connection could not be taken");
                tokio::time::sleep(PAUSE_AFTER_FAILURE).await;
            }
        }
    }
}

/// Lets one connection in, whatever way it came, in a task of its own.
pub(crate) fn welcome(shared: &Rc<Shared>, arrival: Arrival) {
    tokio::task::spawn_local(receive(Rc::clone(shared), arrival));
}

/// An expert who has proved a right to ask.
pub(crate) struct Proved {
    pub(crate) line: Line,
    pub(crate) frames: FramesOut,
    pub(crate) admission: Admission,
    pub(crate) control: Option<ControlAllowed>,
    pub(crate) standing: Standing,
    pub(crate) asker: Asker,
}

/// By what right an expert is here.
#[derive(Clone, Debug)]
pub(crate) enum Standing {
    /// With an invitation.
    Ticket(Found),
    /// Without one: a helper who is known here.
    Offer(KnownHelper),
}

impl From<NotFound> for Cause {
    fn from(why: NotFound) -> Self {
        match why {
            NotFound::Unknown => Self::UnknownTicket,
            NotFound::Expired => Self::ExpiredTicket,
            NotFound::Ended => Self::EndedTicket,
        }
    }
}

impl Standing {
    /// The same invitation, or the same helper.
    pub(crate) fn is_the_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Ticket(one), Self::Ticket(other)) => one.id == other.id,
            (Self::Offer(one), Self::Offer(other)) => one.proved == other.proved,
            (Self::Ticket(_), Self::Offer(_)) | (Self::Offer(_), Self::Ticket(_)) => false,
        }
    }

    /// A helper without an invitation.
    pub(crate) fn helper(&self) -> Option<&Helper> {
        match self {
            Self::Ticket(_) => None,
            Self::Offer(helper) => Some(&helper.proved),
        }
    }

    /// Whether this expert may be given control, as policy stands now.
    pub(crate) fn may_control(&self, policy: &Policy) -> Option<ControlAllowed> {
        match self {
            Self::Ticket(found) if found.view_only => None,
            Self::Ticket(_) => policy.may_control().ok(),
            Self::Offer(_) => policy.may_control_offered().ok(),
        }
    }
}

/// Somebody whose first words were good; what is left is the proof.
enum Admitted {
    Ticket(Found, HelpAllowed),
    /// Without a helper where only a password can still say who it is.
    Offer(Option<KnownHelper>),
}

/// A connection that came to nothing.
enum Nothing {
    /// Neither the expert nor the novice was told why; the administrator is.
    Refused(Cause),
    /// Whoever should know has been told, the administrator included.
    Told,
    /// The expert went before it was judged.
    Left,
}

/// Takes one connection from the door to its end; true when a session came of it.
pub(crate) async fn receive(shared: Rc<Shared>, arrival: Arrival) -> bool {
    let Arrival { stream, peer, words } = arrival;
    let place = shared.door.borrow_mut().enter(peer.source());
    let proved = tokio::select! {
        biased;
        _ = place.shown_out => Err(Nothing::Refused(Cause::ShownOut)),
        proved = tokio::time::timeout(PROOF_WITHIN, prove(&shared, stream, &peer)) => {
            proved.unwrap_or(Err(Nothing::Refused(Cause::TooSlow)))
        }
    };
    shared.door.borrow_mut().leave(place.number);
    if let Err(Nothing::Refused(cause)) = proved {
        shared.note_refusal(&peer, cause, None);
    }
    let Ok(mut proved) = proved else { return false };
    proved.asker.words = words;
    let session = tokio::task::spawn_local(driver::run(Rc::clone(&shared), proved));
    if session.await.is_err() {
        // A bug. The seat went down with the session and shut both gates; it is not replaced.
        tracing::error!("a session broke down");
        shared.stand_up(None);
    }
    true
}

/// From the first byte to a proved right to ask.
async fn prove(shared: &Rc<Shared>, stream: Box<dyn Duplex>, peer: &Peer) -> Result<Proved, Nothing> {
    let started = Instant::now();
    let admitted: RefCell<Option<Result<Admitted, Nothing>>> = RefCell::new(None);
    let heard = Cell::new(false);
    let admit = |hello: ClientHello| {
        heard.set(true);
        let looked_up = look_up(shared, &hello, peer).map_err(|nothing| match nothing {
            // The line is written before the connection closes: whoever saw it close finds it in the log.
            Nothing::Refused(cause) => {
                shared.note_refusal(peer, cause, None);
                Nothing::Told
            }
            nothing => nothing,
        });
        let is_admitted = looked_up.is_ok();
        *admitted.borrow_mut() = Some(looked_up);
        is_admitted
    };
    let picture = (shared.screen.size(), shared.link());
    let accepted = tokio::select! {
        biased;
        accepted = rdp::accept(stream, Allowance::bytes(READ_BEFORE_PROOF), || shared.tls(), picture, admit) => accepted,
        () = async {
            tokio::time::sleep_until(started + CLIENT_INFO_WITHIN).await;
            if heard.get() { std::future::pending().await }
        } => return Err(Nothing::Refused(Cause::TooSlow)),
    };
    // Without a Client Info nothing was looked up.
    let looked_up = admitted.borrow_mut().take().unwrap_or(Err(Nothing::Refused(Cause::Protocol)));
    match accepted {
        Ok(line) => redeem(shared, line, looked_up?, peer).await,
        Err(refusal) => {
            if !matches!(refusal, rdp::Refusal::Ticket) {
                tracing::debug!(%peer, cause = %refusal, "a connection came to nothing");
            }
            Err(looked_up.err().unwrap_or(Nothing::Refused(Cause::Protocol)))
        }
    }
}

/// R28 to R32: policy, the ticket, HelpAssistant; the peer and the novice hear nothing of a refusal, at no verbosity.
fn look_up(shared: &Shared, hello: &ClientHello, peer: &Peer) -> Result<Admitted, Nothing> {
    shared.refresh();
    let policy = (shared.policy)();
    let admitted = if hello.session_id == UNSOLICITED_HELP {
        offer::look_up(shared, &policy, hello, peer).map(Admitted::Offer).map_err(Nothing::Refused)?
    } else {
        look_up_ticket(shared, &policy, hello, peer)?
    };
    if !matches!(admitted, Admitted::Offer(None)) {
        shared.report(HostEvent::ExpertConnecting { peer: peer.clone() });
    }
    Ok(admitted)
}

fn look_up_ticket(shared: &Shared, policy: &Policy, hello: &ClientHello, peer: &Peer) -> Result<Admitted, Nothing> {
    let (source, now) = (peer.source(), shared.now());
    let found = shared.book.borrow().find(&hello.session_id, now);
    let helper = found.as_ref().ok().and_then(|found| found.helper.as_ref());
    let help = policy.may_connect_for(helper);
    let found = match (found, &help) {
        (Ok(found), _) => found,
        // Whoever has no ticket is refused for that, whatever policy would say about who has one.
        (Err(why), Ok(_) | Err(Denied::Buddy)) => return Err(Nothing::Refused(why.into())),
        (Err(_), Err(_)) => return Err(Nothing::Refused(Cause::Policy)),
    };
    let help = help.map_err(|denied| {
        Nothing::Refused(if matches!(denied, Denied::Buddy) { Cause::NotOfficial } else { Cause::Policy })
    })?;
    // Asked here so that nobody is bothered in vain; the logon that counts comes with the proof.
    let logged_on = shared.book.borrow().log_on(&found.id, now);
    drop(logged_on.map_err(|_| Nothing::Refused(Cause::Account))?);
    if found.helper.as_ref().is_some_and(|helper| !(shared.helpers)().may_be(helper, hello.key)) {
        return Err(Nothing::Refused(Cause::NotOfficial));
    }
    let shell = shared.book.borrow_mut().judge_alternate_shell(&found.id, source, &hello.alternate_shell, now);
    match shell {
        Ok(None | Some(Verdict::Redeemed(_))) => Ok(Admitted::Ticket(found, help)),
        Ok(Some(Verdict::Wrong(gone))) => {
            refuse(shared, peer, RefusedCause::WrongPassword, None);
            shared.report_gone(gone.into_iter().collect());
            Err(Nothing::Told)
        }
        Ok(Some(Verdict::Locked)) => {
            refuse(shared, peer, RefusedCause::Locked, None);
            Err(Nothing::Told)
        }
        Ok(Some(Verdict::Gone)) => Err(Nothing::Refused(Cause::EndedTicket)),
        Err(error) => {
            tracing::error!(%error, "a guess at the password could not be counted");
            Err(Nothing::Refused(Cause::Internal))
        }
    }
}

async fn redeem(shared: &Rc<Shared>, mut line: Line, admitted: Admitted, peer: &Peer) -> Result<Proved, Nothing> {
    let frames = line.begin(shared.view.clone()).map_err(|_| Nothing::Left)?;
    let is_stranger = matches!(admitted, Admitted::Offer(None));
    let broke_off = || {
        if is_stranger {
            offer::stranger_broke_off(shared, peer);
        } else {
            refuse(shared, peer, RefusedCause::Protocol, None);
        }
    };
    let mut admitted = Some(admitted);
    let mut proved: Option<(Admission, Standing, Asker)> = None;
    loop {
        let heard = match line.next().await {
            Ok(heard) => heard,
            Err(error) => {
                tracing::debug!(%peer, %error, "gone before the proof");
                return Err(Nothing::Left);
            }
        };
        match heard {
            FromExpert::Proof(proof) if proved.is_none() => {
                let version = proof.version;
                // There is one proof for each connection: the guard above saw that none came before.
                let Some(admitted) = admitted.take() else { return Err(Nothing::Told) };
                let judged = match admitted {
                    Admitted::Ticket(found, help) => judge(shared, &mut line, found, help, &proof, peer),
                    Admitted::Offer(helper) => offer::judge(shared, &mut line, helper, &proof, peer).await,
                };
                let Some(judged) = judged else {
                    line.close().await;
                    return Err(Nothing::Told);
                };
                line.proved().map_err(|_| Nothing::Left)?;
                proved = Some(judged);
                if version == Version::One {
                    continue;
                }
            }
            FromExpert::DesktopRequested if proved.is_some() => {}
            FromExpert::WrongVersion => {
                let _ = line.wrong_version();
                broke_off();
                line.close().await;
                return Err(Nothing::Told);
            }
            FromExpert::Broken(what, code) => {
                tracing::debug!(%peer, what, "the protocol was broken");
                let _ = line.result(code);
                broke_off();
                line.close().await;
                return Err(Nothing::Told);
            }
            FromExpert::Left => {
                line.close().await;
                return Err(Nothing::Left);
            }
            _ => continue,
        }
        let Some((admission, standing, asker)) = proved.take() else { continue };
        let control = standing.may_control(&(shared.policy)());
        return Ok(Proved { line, frames, admission, control, standing, asker });
    }
}

/// Judges one proof, tells the expert what is wrong with it, and the novice's side where it should know.
fn judge(
    shared: &Shared,
    line: &mut Line,
    found: Found,
    help: HelpAllowed,
    proof: &Proof,
    peer: &Peer,
) -> Option<(Admission, Standing, Asker)> {
    let Ok(blob) = expert_blob::parse(proof.expert_blob.expose()) else {
        return malformed(shared, line, peer);
    };
    // Version 1 names the ticket once more; whole strings differ between peers, the session id inside may not.
    if let Some(named) = proof.connection_string.as_ref().and_then(|text| text.expose().parse::<RcTicket>().ok())
        && !shared.book.borrow().is_session_of(&found.id, named.session_id())
    {
        return malformed(shared, line, peer);
    }
    shared.refresh();
    let now = shared.now();
    let verdict = shared.book.borrow_mut().judge(&found.id, peer.source(), blob.pass(), now);
    let told = match verdict {
        Ok(Verdict::Redeemed(redeemed)) => match shared.book.borrow().log_on(&found.id, now) {
            Ok(logged_on) => {
                let admission = Admission::by_ticket(redeemed, help, logged_on);
                return Some((admission, Standing::Ticket(found), asker(blob.name(), peer)));
            }
            // The account went between the first words and the proof.
            Err(_) => {
                shared.note_refusal(peer, Cause::Account, None);
                line.result(ResultCode::HelpSessionExpired)
            }
        },
        Ok(Verdict::Wrong(gone)) => {
            refuse(shared, peer, RefusedCause::WrongPassword, None);
            shared.report_gone(gone.into_iter().collect());
            line.wrong_password()
        }
        Ok(Verdict::Locked) => {
            refuse(shared, peer, RefusedCause::Locked, None);
            line.result(ResultCode::HelpSessionAccessDenied)
        }
        Ok(Verdict::Gone) => {
            let why = shared.book.borrow().why_gone(&found.id);
            shared.note_refusal(peer, why.into(), None);
            line.result(ResultCode::HelpSessionExpired)
        }
        Err(error) => {
            // What cannot be counted is not accepted: else guessing would be free on a full disk.
            tracing::error!(%error, "a proof could not be counted");
            shared.note_refusal(peer, Cause::Internal, None);
            line.result(ResultCode::InternalError)
        }
    };
    note(told, peer);
    None
}

pub(crate) fn malformed<T>(shared: &Shared, line: &mut Line, peer: &Peer) -> Option<T> {
    refuse(shared, peer, RefusedCause::Protocol, None);
    note(line.result(ResultCode::InvalidParameterString), peer);
    None
}

pub(crate) fn note(told: Result<(), LineError>, peer: &Peer) {
    if let Err(error) = told {
        tracing::debug!(%peer, %error, "the expert could not be told");
    }
}

fn asker(name: &UntrustedName, peer: &Peer) -> Asker {
    let name = name.as_str();
    Asker {
        name: if name.is_empty() { "somebody".to_owned() } else { name.to_owned() },
        known: Known::Claimed,
        peer: peer.clone(),
        // Whoever came by a code is given them when the proof is done.
        words: None,
    }
}

/// A refusal that the novice hears of; `helper` is one who offered.
pub(crate) fn refuse(shared: &Shared, peer: &Peer, cause: RefusedCause, helper: Option<&Helper>) {
    tracing::debug!(%peer, cause = cause.name(), "refused");
    shared.note_refusal(peer, cause.into(), helper);
    shared.report(HostEvent::Refused { peer: peer.clone(), cause });
}

/// A dead peer must not keep the seat for hours, and a key must not wait for a full packet.
pub(crate) fn prepare(stream: &TcpStream) {
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
/// A peer whose TCP acknowledges nothing, or has no room, for this long is gone: as patient as the screen is.
const UNACKNOWLEDGED_FOR: Duration = crate::screen::SILENT_AFTER;

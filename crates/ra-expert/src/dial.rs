//! Dialling: several addresses, one of which is the novice's computer; the first that proves it wins.
//!
//! The race goes up to the TLS handshake and no further. What is said until then is nobody's secret: a connection
//! request without a name. The losers are closed before the winner hears a byte of Client Info.
//! Source: lifecycle R24 to R27, R41.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::sync::Arc;
use std::time::Duration;

use ra_ticket::{Endpoint, Host, KeyFingerprint};
use rustls::crypto::CryptoProvider;
use rustls::{ClientConfig, pki_types};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_rustls::TlsConnector;
use tracing::{debug, info};

use crate::event::{EndReason, Face, ViewerEvent};
use crate::identity::HelperIdentity;
use crate::pin::{Fingerprint, Judgement, Pin, Pinned};
use crate::rdp::{Introduction, Secured};
use crate::way::{Duplex, Redial, Transport};

/// An encrypted connection to an endpoint that has shown its key.
pub(crate) struct Line {
    pub(crate) endpoint: Endpoint,
    pub(crate) secured: Secured,
    /// The key that was shown, where it is of a kind that has a name.
    pub(crate) key: Option<KeyFingerprint>,
    /// How long the TCP handshake of a dialled address took, which is one round trip.
    pub(crate) round_trip: Option<Duration>,
}

/// How the endpoints are tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pace {
    /// A new attempt after so long although others are under way; `None`: strictly one after the other.
    stagger: Option<Duration>,
    /// One attempt at most, up to and including TLS.
    patience: Duration,
    /// Of that, for the TCP connection to one address.
    connect: Duration,
}

impl Pace {
    /// A new attempt every 250 ms, or as soon as none is left; the first with the right key wins.
    pub(crate) const RACE: Self = Self { stagger: Some(STAGGER), patience: ATTEMPT, connect: ATTEMPT };
    /// One after the other, 30 s each, as in 2001.
    pub(crate) const AS_IN_2001: Self = Self { stagger: None, patience: ATTEMPT, connect: ATTEMPT };
    /// After a loss, when a try that was begun before the path is back would only keep waiting.
    pub(crate) const AGAIN: Self = Self { stagger: Some(STAGGER), patience: AGAIN, connect: CONNECT_AGAIN };
}

/// Reaches the computer that made the invitation, or says why not. Each attempt starts with [`ViewerEvent::Trying`].
pub(crate) async fn dial(
    endpoints: &[Endpoint],
    other: Option<&Other>,
    caller: &Caller,
    pace: Pace,
    introduction: &Introduction,
    face: &Arc<dyn Face>,
) -> Result<Line, EndReason> {
    // A key that nobody can judge must not win a race: whoever answers fastest would be the one who is asked about.
    let pace = if caller.pin.tells() { pace } else { Pace { stagger: None, ..pace } };
    let mut waiting = endpoints.iter();
    let mut other = other;
    let mut attempts: JoinSet<Result<Shown, Failure>> = JoinSet::new();
    let mut next_start = Instant::now();
    let mut wrong_key = false;
    loop {
        // What is brought takes longer than a near address, and costs a relay work: it starts with the second.
        let left = waiting.len() > 0 || other.is_some();
        let may_start = left && (pace.stagger.is_some() || attempts.is_empty());
        tokio::select! {
            biased;
            Some(done) = attempts.join_next() => match done.unwrap_or(Err(Failure::Unreachable)) {
                Ok(shown) => match accept(shown, face).await {
                    Some(line) => {
                        attempts.shutdown().await;
                        face.event(&ViewerEvent::Connected { endpoint: line.endpoint.clone() });
                        return Ok(line);
                    }
                    None => return Err(EndReason::WrongComputer),
                },
                Err(Failure::WrongKey) => {
                    wrong_key = true;
                    next_start = Instant::now();
                }
                Err(Failure::Unreachable) => next_start = Instant::now(),
            },
            () = sleep_until(next_start), if may_start => {
                let its_turn = pace.stagger.is_some() && waiting.len() < endpoints.len() || waiting.len() == 0;
                if let Some(brought) = other.take_if(|_| its_turn) {
                    face.event(&ViewerEvent::Trying { endpoint: brought.endpoint.clone() });
                    attempts.spawn(bring(brought.clone(), caller.clone(), introduction.clone(), pace.patience));
                    next_start = Instant::now() + pace.stagger.unwrap_or_default();
                } else if let Some(endpoint) = waiting.next() {
                    face.event(&ViewerEvent::Trying { endpoint: endpoint.clone() });
                    let reach = Reach::Dial { patience: pace.connect };
                    let attempt =
                        attempt(endpoint.clone(), reach, caller.clone(), introduction.clone(), pace.patience);
                    attempts.spawn(attempt);
                    next_start = Instant::now() + pace.stagger.unwrap_or_default();
                }
            }
            else => {
                return Err(if wrong_key { EndReason::WrongComputer } else { EndReason::NotReached });
            }
        }
    }
}

/// A way beside the addresses, by which somebody brings a connection.
#[derive(Clone)]
pub(crate) struct Other {
    pub(crate) redial: Arc<dyn Redial>,
    pub(crate) endpoint: Endpoint,
}

/// One attempt by that way.
async fn bring(other: Other, caller: Caller, introduction: Introduction, patience: Duration) -> Result<Shown, Failure> {
    let Other { redial, endpoint } = other;
    let stream = match timeout(patience, redial.redial()).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => {
            debug!(%endpoint, %error, "nobody there");
            return Err(Failure::Unreachable);
        }
        Err(_) => return Err(Failure::Unreachable),
    };
    let reach = Reach::There { stream, local: SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), 0) };
    attempt(endpoint, reach, caller, introduction, patience).await
}

/// What a call goes by: whom it looks for, and as whom.
#[derive(Clone)]
pub(crate) struct Caller {
    pub(crate) pin: Pin,
    /// Shown only to a computer whose key the pin knows, and only if it asks.
    pub(crate) identity: Option<Arc<HelperIdentity>>,
}

/// Learns the key of a computer that was never called before and asks a person about it. Nothing but the handshake is
/// said, and our own key is not shown.
pub(crate) async fn learn(
    endpoints: &[Endpoint],
    introduction: &Introduction,
    face: &Arc<dyn Face>,
) -> Result<KeyFingerprint, EndReason> {
    let caller = Caller { pin: Pin::Computer(None), identity: None };
    for endpoint in endpoints {
        face.event(&ViewerEvent::Trying { endpoint: endpoint.clone() });
        let reach = Reach::Dial { patience: ATTEMPT };
        let attempt = attempt(endpoint.clone(), reach, caller.clone(), introduction.clone(), ATTEMPT).await;
        let Ok(Shown { line, .. }) = attempt else { continue };
        let Some(key) = line.key else { continue };
        drop(line);
        let (asked, endpoint) = (Arc::clone(face), endpoint.clone());
        let question = tokio::task::spawn_blocking(move || asked.accept_computer(&endpoint, key));
        return if question.await.unwrap_or(false) { Ok(key) } else { Err(EndReason::WrongComputer) };
    }
    Err(EndReason::NotReached)
}

/// Over a connection that is there already: what was dialled and what was brought are judged alike.
pub(crate) async fn over(
    stream: Box<dyn Duplex>,
    endpoint: Endpoint,
    caller: &Caller,
    introduction: &Introduction,
    patience: Duration,
    face: &Arc<dyn Face>,
) -> Result<Line, EndReason> {
    face.event(&ViewerEvent::Trying { endpoint: endpoint.clone() });
    let reach = Reach::There { stream, local: SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), 0) };
    let shown = attempt(endpoint, reach, caller.clone(), introduction.clone(), patience).await;
    let shown = shown.map_err(|failure| match failure {
        Failure::WrongKey => EndReason::WrongComputer,
        Failure::Unreachable => EndReason::NotReached,
    })?;
    let line = accept(shown, face).await.ok_or(EndReason::WrongComputer)?;
    face.event(&ViewerEvent::Connected { endpoint: line.endpoint.clone() });
    Ok(line)
}

/// A line whose key was not wrong.
pub(crate) struct Shown {
    pub(crate) line: Line,
    judgement: Judgement,
    fingerprint: Fingerprint,
}

/// Why an attempt gave no line; the log knows more, the expert is not told (R27).
pub(crate) enum Failure {
    Unreachable,
    WrongKey,
}

/// Takes a line whose key the ticket knows, and asks a person about any other.
async fn accept(shown: Shown, face: &Arc<dyn Face>) -> Option<Line> {
    let Shown { line, judgement, fingerprint, .. } = shown;
    let accepted = match judgement {
        Judgement::Right => true,
        Judgement::Wrong => false,
        Judgement::Unknown => {
            let (face, endpoint) = (Arc::clone(face), line.endpoint.clone());
            let question = tokio::task::spawn_blocking(move || face.accept_key(&endpoint, &fingerprint));
            question.await.unwrap_or(false)
        }
    };
    accepted.then_some(line)
}

/// Where the connection of an attempt comes from.
pub(crate) enum Reach {
    /// The endpoint is dialled; each of its addresses has so long to take the connection.
    Dial { patience: Duration },
    /// It is there; this end has that address.
    There { stream: Box<dyn Duplex>, local: SocketAddr },
}

/// One attempt, for as long as there is patience.
pub(crate) async fn attempt(
    endpoint: Endpoint,
    reach: Reach,
    caller: Caller,
    introduction: Introduction,
    patience: Duration,
) -> Result<Shown, Failure> {
    match timeout(patience, shake_hands(endpoint.clone(), reach, caller, introduction)).await {
        Ok(Ok(shown)) => Ok(shown),
        Ok(Err(Attempt::WrongKey)) => {
            info!(%endpoint, "another computer answers here");
            Err(Failure::WrongKey)
        }
        Ok(Err(error)) => {
            debug!(%endpoint, %error, "no session here");
            Err(Failure::Unreachable)
        }
        Err(_) => {
            debug!(%endpoint, "no answer in time");
            Err(Failure::Unreachable)
        }
    }
}

/// What goes wrong in one attempt.
#[derive(Debug, thiserror::Error)]
enum Attempt {
    #[error("the name or the address leads nowhere")]
    Network(#[from] io::Error),
    #[error("the other side does not agree to TLS: {0}")]
    Negotiation(String),
    #[error("its key is not the key of the invitation")]
    WrongKey,
}

async fn shake_hands(
    endpoint: Endpoint,
    reach: Reach,
    caller: Caller,
    introduction: Introduction,
) -> Result<Shown, Attempt> {
    let (stream, local, round_trip) = match reach {
        Reach::Dial { patience } => {
            let (stream, round_trip) = connect(&endpoint, patience).await?;
            stream.set_nodelay(true)?;
            let local = stream.local_addr()?;
            (Transport::new(Box::new(stream)), local, Some(round_trip))
        }
        Reach::There { stream, local } => (Transport::new(stream), local, None),
    };
    let (stream, agreed) = introduction.negotiate(stream, local).await.map_err(Attempt::Negotiation)?;

    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let identity = caller.identity.filter(|_| caller.pin.tells());
    let verifier = Arc::new(Pinned::new(caller.pin, Arc::clone(&provider)));
    let tls = tls_config(provider, Arc::clone(&verifier), identity.as_deref()).map_err(io::Error::other)?;
    let stream = TlsConnector::from(Arc::new(tls)).connect(nobody_s_name(), stream).await;
    let seen = verifier.seen();
    match (stream, seen) {
        (_, Some(seen)) if seen.judgement == Judgement::Wrong => Err(Attempt::WrongKey),
        (Ok(stream), Some(seen)) => {
            let line = Line { endpoint, secured: agreed.secured(stream), key: seen.key, round_trip };
            Ok(Shown { line, judgement: seen.judgement, fingerprint: seen.fingerprint })
        }
        // It shows a certificate, and cannot sign with the key in it.
        (Err(error), _) if is_about_the_certificate(&error) => Err(Attempt::WrongKey),
        (Err(error), _) => Err(error.into()),
        (Ok(_), None) => Err(Attempt::Negotiation("no certificate was shown".to_owned())),
    }
}

/// TLS wants a name; none is sent, and the verifier looks at keys only.
fn nobody_s_name() -> pki_types::ServerName<'static> {
    pki_types::ServerName::IpAddress(IpAddr::V4(Ipv4Addr::UNSPECIFIED).into())
}

fn is_about_the_certificate(error: &io::Error) -> bool {
    let error = error.get_ref().and_then(|error| error.downcast_ref::<rustls::Error>());
    matches!(error, Some(rustls::Error::InvalidCertificate(_)))
}

/// TLS 1.2 or later, no resumption, no name sent: the invitation's address is nobody's business on the way.
fn tls_config(
    provider: Arc<CryptoProvider>,
    verifier: Arc<Pinned>,
    identity: Option<&HelperIdentity>,
) -> Result<ClientConfig, rustls::Error> {
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let mut config = match identity {
        Some(identity) => builder.with_client_auth_cert(vec![identity.certificate()], identity.key())?,
        None => builder.with_no_client_auth(),
    };
    config.enable_sni = false;
    config.resumption = rustls::client::Resumption::disabled();
    Ok(config)
}

/// Opens the TCP connection, and tells how long the address that answered took to; a name that has several addresses is
/// tried at each of them in turn, for so long.
async fn connect(endpoint: &Endpoint, patience: Duration) -> io::Result<(TcpStream, Duration)> {
    let port = endpoint.port;
    let addresses: Vec<SocketAddr> = match &endpoint.host {
        Host::Ipv4(address) => vec![SocketAddr::new(IpAddr::V4(*address), port)],
        Host::Ipv6(address) if address.is_unicast_link_local() => on_each_interface(*address, port),
        Host::Ipv6(address) => vec![SocketAddr::new(IpAddr::V6(*address), port)],
        Host::Name(name) => tokio::net::lookup_host((name.as_str(), port)).await?.take(MAX_ADDRESSES).collect(),
    };
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in addresses {
        let begun = Instant::now();
        let connected = timeout(patience, TcpStream::connect(address)).await;
        match connected.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
            Ok(stream) => return Ok((stream, begun.elapsed())),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// A link-local address means something on one network only, and the ticket cannot know by which of our interfaces
/// that network is reached. Source: invitation-file 6.2.
fn on_each_interface(address: Ipv6Addr, port: u16) -> Vec<SocketAddr> {
    let Ok(interfaces) = std::fs::read_dir("/sys/class/net") else { return Vec::new() };
    interfaces
        .filter_map(|interface| std::fs::read_to_string(interface.ok()?.path().join("ifindex")).ok())
        .filter_map(|index| index.trim().parse().ok())
        .filter(|&index| index != LOOPBACK)
        .take(MAX_ADDRESSES)
        .map(|index| SocketAddr::V6(SocketAddrV6::new(address, port, 0, index)))
        .collect()
}

/// Between the starts of two attempts. Long enough that the listed order still means something, short enough that
/// a dead first address costs nobody's patience (RFC 8305 recommends the same).
const STAGGER: Duration = Duration::from_millis(250);
/// One attempt at most, up to and including TLS. Source: lifecycle R24.
pub(crate) const ATTEMPT: Duration = Duration::from_secs(30);
/// The same after a loss: enough for a bad way, and soon enough for another try.
const AGAIN: Duration = Duration::from_secs(8);
/// TCP sends its first two requests within this time, so that one leaves each second.
const CONNECT_AGAIN: Duration = Duration::from_secs(2);
/// Addresses of one name, or interfaces for one link-local address.
const MAX_ADDRESSES: usize = 16;
/// Linux gives the loopback interface the first index.
const LOOPBACK: u32 = 1;

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use ra_ticket::{ConnectionString2, Invitation, KeyHash, PassStub, Password, SessionId, Ticket};
    use ra_ticket::{Header, LinkSpeed};
    use tokio::net::TcpListener;

    use super::*;
    use crate::Plan;

    /// Notes when each endpoint was tried.
    #[derive(Default)]
    struct Clock(Mutex<Vec<(Endpoint, Instant)>>);

    impl Face for Clock {
        fn event(&self, event: &ViewerEvent) {
            if let ViewerEvent::Trying { endpoint } = event {
                self.0.lock().unwrap().push((endpoint.clone(), Instant::now()));
            }
        }
    }

    /// The shape of the test at 0, 30 and 60 seconds, in a time that a test run has.
    #[tokio::test]
    async fn s044_s045_r024_the_listed_order_and_the_next_one_only_after_the_patience() {
        let half_a_minute = Duration::from_secs(30);
        assert_eq!(Pace::AS_IN_2001, Pace { stagger: None, patience: half_a_minute, connect: half_a_minute });

        // They take the connection and never say a word.
        let silent = [listener().await, listener().await, listener().await];
        let endpoints: Vec<Endpoint> = silent.iter().map(|(_, endpoint)| endpoint.clone()).collect();
        let plan = plan(endpoints.clone());
        let clock = Arc::new(Clock::default());
        let face: Arc<dyn Face> = clock.clone();
        let pace = Pace { patience: Duration::from_millis(200), ..Pace::AS_IN_2001 };
        let introduction = Introduction::new(&plan, "test");
        let begun = Instant::now();
        let end =
            dial(&plan.endpoints, None, &Caller { pin: plan.pin, identity: None }, pace, &introduction, &face).await;
        assert_eq!(end.err(), Some(EndReason::NotReached));
        assert!(begun.elapsed() >= 3 * pace.patience, "the last one had its time, too");

        let tried = clock.0.lock().unwrap();
        assert_eq!(tried.iter().map(|(endpoint, _)| endpoint.clone()).collect::<Vec<_>>(), endpoints);
        for pair in tried.windows(2) {
            let (before, after) = (pair[0].1, pair[1].1);
            assert!(after - before >= pace.patience, "too early by {:?}", pace.patience.saturating_sub(after - before));
        }
    }

    async fn listener() -> (TcpListener, Endpoint) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = listener.local_addr().unwrap().to_string().parse().unwrap();
        (listener, endpoint)
    }

    fn plan(endpoints: Vec<Endpoint>) -> Plan {
        let password = Password::new("Tulip-4711").unwrap();
        let connection =
            ConnectionString2::new(KeyHash::from([7; 20]), SessionId::from_entropy(&[1; 48]), endpoints).unwrap();
        let ticket = Ticket::type2(&connection, &password, PassStub::parse("g*3Kdr_7XwzQb0").unwrap());
        let header = Header { user_name: "Kim".to_owned(), start: 0, length_minutes: 60, speed: LinkSpeed::Normal };
        Plan::open(&Invitation::issue(header, ticket).unwrap(), Some(&password)).unwrap()
    }
}

//! A station: one iroh endpoint. The only module that knows iroh, whose interface moves from version to version.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use iroh::endpoint::{
    Accepting, Connection, PathList, PortmapperConfig, QuicTransportConfig, RecvStream, RelayStatus, SendStream,
    VarInt, WeakConnectionHandle, presets,
};
use iroh::tls::CaTlsConfig;
use iroh::{
    Endpoint, EndpointAddr, EndpointId, RelayConfig, RelayMap, RelayMode, SecretKey, TransportAddr, Watcher as _,
};
use n0_future::StreamExt as _;
use ra_rendezvous::RelayUrl;
use rustls::pki_types::CertificateDer;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use zeroize::Zeroizing;

use crate::pipe::{Path, Pipe};

/// Why the other side was not met.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum P2pError {
    /// No relay is known, so nobody could find the other side.
    #[error("no relay is known")]
    NoRelay,
    /// None of the relays answered in time; what the last one said, where it said anything.
    #[error("no relay can be reached: {0}")]
    RelaysSilent(String),
    /// Nobody with this code is there: mistyped, ended, or on other relays.
    #[error("nobody waits with this code")]
    NobodyThere,
    /// The connection broke off.
    #[error("the connection broke off")]
    BrokeOff,
    /// What the two sides said to each other.
    #[error(transparent)]
    Meeting(#[from] ra_rendezvous::MeetingError),
    /// The system gives no random numbers.
    #[error("the system gives no random numbers")]
    NoRandomness,
    /// The system gives no memory for the key, no socket, or no certificates to trust.
    #[error("this computer cannot do it: {0}")]
    Local(String),
}

/// The relays through which the two sides find each other, and whose certificates are believed.
#[derive(Clone, Debug)]
pub struct Relays {
    urls: Vec<RelayUrl>,
    roots: Option<Vec<CertificateDer<'static>>>,
}

impl Relays {
    /// These relays, by the certificates that this computer trusts: an organisation's relays may have one of its own.
    #[must_use]
    pub fn new(urls: Vec<RelayUrl>) -> Self {
        Self { urls, roots: None }
    }

    /// Believes these certificates only.
    #[must_use]
    pub fn with_roots(self, roots: Vec<CertificateDer<'static>>) -> Self {
        Self { roots: Some(roots), ..self }
    }

    /// True where nobody can be found.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.urls.is_empty()
    }

    /// In the order of the list.
    #[must_use]
    pub fn urls(&self) -> &[RelayUrl] {
        &self.urls
    }

    fn iroh(&self) -> impl Iterator<Item = iroh::RelayUrl> {
        // Ours in iroh's words: the same kind of URL, so that none is refused.
        self.urls.iter().filter_map(|url| url.as_str().parse().ok())
    }

    fn roots(&self) -> Result<Vec<CertificateDer<'static>>, P2pError> {
        if let Some(roots) = &self.roots {
            return Ok(roots.clone());
        }
        let found = rustls_native_certs::load_native_certs();
        for error in &found.errors {
            tracing::debug!(%error, "a certificate cannot be used");
        }
        if found.certs.is_empty() {
            return Err(P2pError::Local(
                "it trusts no certificates, so relays cannot be told from impostors (install ca-certificates)"
                    .to_owned(),
            ));
        }
        Ok(found.certs)
    }
}

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// A meeting by code; Remote Desktop follows on the same connection.
    Meeting,
    /// Remote Desktop at once, whose own proof of the ticket stands at its beginning.
    Desktop,
}

/// One endpoint, with its key and its relays.
#[derive(Clone, Debug)]
pub(crate) struct Station {
    endpoint: Endpoint,
    relays: Relays,
    lines: Lines,
    /// Whether the relay that knew this station has gone, and none has taken its place.
    adrift: watch::Receiver<bool>,
    keeper: Arc<Keeper>,
}

/// The connections of a station, for as long as somebody else holds them.
#[derive(Clone, Debug, Default)]
struct Lines(Arc<Mutex<Vec<WeakConnectionHandle>>>);

/// Looks after a station's place at the relays; ends when that is closed, or with the last holder.
#[derive(Debug)]
struct Keeper(JoinHandle<()>);

/// Somebody calls, and has not said a word yet.
pub(crate) struct Ringing(Accepting, Lines);

/// A connection to one other station.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    connection: Connection,
}

impl Station {
    /// Opens a station with the key of this seed, or with a new one.
    pub(crate) async fn open(seed: Option<Zeroizing<[u8; 32]>>, relays: &Relays) -> Result<Self, P2pError> {
        Self::with_key(seed.map_or_else(SecretKey::generate, |seed| SecretKey::from_bytes(&seed)), relays).await
    }

    /// A new station under the same key, to take this one's place. What a router gave leads to the port of the old one, so
    /// it is not taken along.
    pub(crate) async fn again(&self) -> Result<Self, P2pError> {
        Self::with_key(self.endpoint.secret_key().clone(), &self.relays).await
    }

    async fn with_key(key: SecretKey, relays: &Relays) -> Result<Self, P2pError> {
        let map = RelayMap::empty();
        for url in relays.iroh() {
            map.insert(url.clone(), Arc::new(RelayConfig::from(url)));
        }
        let mode = if map.is_empty() { RelayMode::Disabled } else { RelayMode::Custom(map) };
        let transport = QuicTransportConfig::builder()
            // Nothing here uses one-way streams, and few connections go over one line: a limit for whoever calls.
            .max_concurrent_uni_streams(VarInt::from_u32(0))
            .max_concurrent_bidi_streams(VarInt::from_u32(STREAMS))
            .default_path_keep_alive_interval(HEARTBEAT)
            .default_path_max_idle_timeout(SILENT)
            .build();
        let builder = Endpoint::builder(presets::Minimal)
            .secret_key(key)
            .alpns(vec![Purpose::Meeting.alpn().to_vec(), Purpose::Desktop.alpn().to_vec()])
            .relay_mode(mode)
            .ca_tls_config(CaTlsConfig::custom_roots(relays.roots()?))
            .transport_config(transport)
            // Routers are `ra-gateways`'s to speak to, and to tidy up at.
            .portmapper_config(PortmapperConfig::Disabled);
        let endpoint = builder.bind().await.map_err(|error| P2pError::Local(error.to_string()))?;
        let lines = Lines::default();
        let (tell, adrift) = watch::channel(false);
        let keeper = tokio::spawn(keep(endpoint.clone(), relays.clone(), lines.clone(), tell));
        Ok(Self { endpoint, relays: relays.clone(), lines, adrift, keeper: Arc::new(Keeper(keeper)) })
    }

    /// Waits until a relay knows this station.
    pub(crate) async fn online(&self, within: Duration) -> Result<String, P2pError> {
        let online = timeout(within, self.endpoint.online()).await;
        let status = self.endpoint.home_relay_status().get();
        if online.is_ok() {
            let home = status.iter().find(|relay| relay.is_connected());
            return Ok(home.map(|relay| host(relay.url())).unwrap_or_default());
        }
        let why = status.iter().find_map(|relay| {
            let said = relay.auth_denied_reason().map(|why| format!("it refuses: {why}"));
            said.or_else(|| relay.last_error().map(ToString::to_string))
        });
        Err(P2pError::RelaysSilent(why.unwrap_or_else(|| "none answered".to_owned())))
    }

    pub(crate) fn id(&self) -> [u8; 32] {
        *self.endpoint.id().as_bytes()
    }

    /// An address of ours that a router gave us, for others to try.
    pub(crate) async fn add_outside(&self, address: SocketAddr) {
        self.endpoint.add_external_addr(address).await;
    }

    /// One that is not ours any more.
    pub(crate) async fn remove_outside(&self, address: SocketAddr) {
        self.endpoint.remove_external_addr(&address).await;
    }

    /// Where its datagrams arrive on this computer.
    pub(crate) fn sockets(&self) -> Vec<SocketAddr> {
        self.endpoint.bound_sockets()
    }

    /// The next caller; `None` once the station is closed.
    pub(crate) async fn next(&self) -> Option<Ringing> {
        loop {
            match self.endpoint.accept().await?.accept() {
                Ok(accepting) => return Some(Ringing(accepting, self.lines.clone())),
                // A stray datagram; the next one may be a caller.
                Err(error) => tracing::debug!(%error, "not a call"),
            }
        }
    }

    /// Calls a station by its key, through whichever of the relays knows it.
    pub(crate) async fn call(&self, id: &[u8; 32], relays: &Relays, purpose: Purpose) -> Result<Line, P2pError> {
        let id = EndpointId::from_bytes(id).map_err(|_| P2pError::NobodyThere)?;
        let address = relays.iroh().fold(EndpointAddr::new(id), EndpointAddr::with_relay_url);
        let connection = self.endpoint.connect(address, purpose.alpn()).await.map_err(|error| {
            tracing::debug!(%error, "no answer to the call");
            P2pError::NobodyThere
        })?;
        Ok(self.lines.keep(connection))
    }

    /// Waits until the relay that knew this station has gone and none has taken its place.
    pub(crate) async fn adrift(&self) {
        self.turned(true).await;
    }

    /// Waits until a relay knows it again.
    pub(crate) async fn found(&self) {
        self.turned(false).await;
    }

    async fn turned(&self, to: bool) {
        let mut adrift = self.adrift.clone();
        if adrift.wait_for(|adrift| *adrift == to).await.is_err() {
            // Nobody looks any more: the station is being closed.
            std::future::pending().await
        }
    }

    /// Waits until a relay knows a station that none has known yet, asking at once what the relays can be reached for when
    /// they are silent.
    pub(crate) async fn taken_in(&self) {
        while timeout(ASK_EVERY, self.endpoint.online()).await.is_err() {
            look_for_relays(&self.endpoint, &self.relays).await;
        }
    }

    /// Whether there is a choice of relays.
    pub(crate) fn has_several_relays(&self) -> bool {
        self.relays.urls.len() > 1
    }

    /// Makes the relay of a line this station's own, for whom nobody calls: that of a station is the only one of which it
    /// hears at once that it has gone. All relays count again then.
    pub(crate) async fn settle(&self, line: &Line) {
        let paths = line.connection.paths();
        let relay = paths.iter().find_map(|path| match path.remote_addr() {
            TransportAddr::Relay(relay) => Some(relay.clone()),
            _ => None,
        });
        let Some(relay) = relay else { return };
        for other in self.relays.iroh().filter(|other| *other != relay) {
            self.endpoint.remove_relay(&other).await;
        }
    }

    /// Whether anybody is connected.
    pub(crate) fn is_talking(&self) -> bool {
        !self.lines.open().is_empty()
    }

    /// Says goodbye to everybody. What was written and not yet delivered has a moment to get there.
    pub(crate) async fn close(&self) {
        // Somebody may hold a station long after its end, and nobody looks for relays for it then.
        self.keeper.0.abort();
        let _ = timeout(CLOSING, self.endpoint.close()).await;
    }
}

impl Ringing {
    /// Answers; `None` for a caller who breaks off, takes too long or wants something that nobody has here.
    pub(crate) async fn answer(self) -> Option<(Line, Purpose)> {
        let connection = timeout(HANDSHAKE, self.0).await.ok()?.ok()?;
        let purpose = Purpose::of(connection.alpn())?;
        Some((self.1.keep(connection), purpose))
    }
}

impl Lines {
    fn keep(&self, connection: Connection) -> Line {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Those that are over go, so that there are never more than connections at a time.
        kept.retain(|line| line.upgrade().is_some_and(|line| line.close_reason().is_none()));
        kept.push(connection.weak_handle());
        tokio::spawn(end_when_silent(connection.weak_handle()));
        Line { connection }
    }

    fn open(&self) -> Vec<Line> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let open = kept.iter().filter_map(WeakConnectionHandle::upgrade).map(|connection| Line { connection });
        open.filter(|line| line.connection.close_reason().is_none()).collect()
    }

    /// Ends those that go through this relay.
    fn end_through(&self, relay: &iroh::RelayUrl) {
        let gone = Path::Relay(host(relay));
        for line in self.open().into_iter().filter(|line| line.path() == gone) {
            line.close();
        }
    }
}

/// Ends a connection on which nothing has come for [`SILENT_BEATS`] heartbeats: whoever would come back has to know that it is
/// lost, and iroh would wait half a minute.
async fn end_when_silent(line: WeakConnectionHandle) {
    let (mut heard, mut silent) = (0, 0);
    while silent < SILENT_BEATS {
        sleep(HEARTBEAT).await;
        let Some(connection) = line.upgrade().filter(|connection| connection.close_reason().is_none()) else { return };
        let now = connection.stats().udp_rx.datagrams;
        silent = if now == heard { silent + 1 } else { 0 };
        heard = now;
    }
    if let Some(connection) = line.upgrade() {
        tracing::info!("nothing is heard of the other side");
        Line { connection }.close();
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Notices that the relay which knew a station has gone, and does what iroh leaves: it would look for another relay twice a
/// minute, knock at the old one after pauses that grow with the outage up to half a minute, and leave the connections
/// through it to their time-outs.
async fn keep(endpoint: Endpoint, relays: Relays, lines: Lines, adrift: watch::Sender<bool>) {
    let mut home = endpoint.home_relay_status();
    let mut now = home.get();
    let mut known = None;
    loop {
        if let Some(relay) = connected(&now) {
            adrift.send_replace(false);
            known = Some(relay);
        } else if let Some(lost) = known.take_if(|known| now.iter().any(|relay| relay.url() == known)) {
            tracing::info!(relay = %host(&lost), "the relay is gone");
            look_for_relays(&endpoint, &relays).await;
            knock(&endpoint, relays.iroh().filter(|relay| *relay != lost));
            // A relay that was only started anew has its time.
            let found = timeout(RESTART, endpoint.online()).await;
            if found.is_err() || connected(&home.get()).is_some_and(|relay| relay != lost) {
                lines.end_through(&lost);
            }
            if found.is_err() {
                adrift.send_replace(true);
                while timeout(ASK_EVERY, endpoint.online()).await.is_err() {
                    look_for_relays(&endpoint, &relays).await;
                }
            }
            now = home.get();
            continue;
        }
        now = match home.updated().await {
            Ok(now) => now,
            Err(_) => return,
        };
    }
}

fn connected(home: &[RelayStatus]) -> Option<iroh::RelayUrl> {
    home.iter().find(|relay| relay.is_connected()).map(|relay| relay.url().clone())
}

/// Has iroh look at once which relays can be reached: it does when its list changes, and a relay that is put there a second
/// time is a change to it.
async fn look_for_relays(endpoint: &Endpoint, relays: &Relays) {
    for relay in relays.iroh() {
        endpoint.insert_relay(relay.clone(), Arc::new(RelayConfig::from(relay))).await;
    }
}

/// Has these relays know the endpoint now, not only once iroh has weighed them against the one that is silent. A connection to
/// a relay is made by calling somebody through it: nobody has this key, and nobody answers.
fn knock(endpoint: &Endpoint, relays: impl Iterator<Item = iroh::RelayUrl>) {
    let nobody = SecretKey::generate().public();
    for relay in relays {
        let endpoint = endpoint.clone();
        tokio::spawn(async move {
            let address = EndpointAddr::new(nobody).with_relay_url(relay);
            let _nobody_answers = timeout(KNOCK, endpoint.connect(address, Purpose::Desktop.alpn())).await;
        });
    }
}

impl Line {
    /// 32 bytes that both ends compute alike and nobody else can.
    pub(crate) fn exporter(&self, label: &[u8]) -> Result<[u8; 32], P2pError> {
        let mut bytes = [0; 32];
        let exported = self.connection.export_keying_material(&mut bytes, label, b"");
        exported.map_err(|_| P2pError::BrokeOff)?;
        Ok(bytes)
    }

    pub(crate) async fn open(&self) -> Result<(SendStream, RecvStream), P2pError> {
        self.connection.open_bi().await.map_err(|_| P2pError::BrokeOff)
    }

    pub(crate) async fn accept(&self) -> Result<(SendStream, RecvStream), P2pError> {
        self.connection.accept_bi().await.map_err(|_| P2pError::BrokeOff)
    }

    /// A stream as the engines take it.
    pub(crate) fn pipe(&self, (send, receive): (SendStream, RecvStream)) -> Pipe {
        Pipe { stream: Box::new(tokio::io::join(receive, send)), path: self.path() }
    }

    /// The way that is taken now.
    pub(crate) fn path(&self) -> Path {
        chosen(&self.connection.paths())
    }

    /// Waits until the way is another one than this; `None` when the connection is over.
    pub(crate) async fn path_other_than(&self, known: &Path) -> Option<Path> {
        let mut events = self.connection.path_events();
        loop {
            let now = self.path();
            if now != *known {
                return Some(now);
            }
            // Whatever it is, the way is looked at anew.
            events.next().await?;
        }
    }

    /// The key of the other side.
    pub(crate) fn peer(&self) -> [u8; 32] {
        *self.connection.remote_id().as_bytes()
    }

    pub(crate) async fn closed(&self) {
        self.connection.closed().await;
    }

    pub(crate) fn close(&self) {
        self.connection.close(VarInt::from_u32(0), b"");
    }

    /// Closes it when what was said last has had time to arrive: closing throws away what is still on its way.
    pub(crate) async fn close_gently(&self) {
        let round_trip = self.connection.paths().iter().find(|path| path.is_selected()).map(|path| path.rtt());
        let settled = round_trip.unwrap_or_default().saturating_mul(2) + LAST_WORDS;
        let _ = timeout(settled.min(CLOSING), self.closed()).await;
        self.close();
    }
}

/// The public key of the station that has this seed.
pub(crate) fn id_of(seed: &[u8; 32]) -> [u8; 32] {
    *SecretKey::from_bytes(seed).public().as_bytes()
}

impl Purpose {
    const fn alpn(self) -> &'static [u8] {
        match self {
            Self::Meeting => b"ra-meet/1",
            Self::Desktop => b"ra-rdp/1",
        }
    }

    fn of(alpn: &[u8]) -> Option<Self> {
        [Self::Meeting, Self::Desktop].into_iter().find(|purpose| purpose.alpn() == alpn)
    }
}

/// The path that is taken; before one is chosen, any.
fn chosen(paths: &PathList<'_>) -> Path {
    let chosen = paths.iter().find(|path| path.is_selected()).or_else(|| paths.iter().next());
    match chosen.as_ref().map(|path| path.remote_addr()) {
        Some(TransportAddr::Ip(address)) => Path::Direct(canonical(*address)),
        Some(TransportAddr::Relay(url)) => Path::Relay(host(url)),
        _ => Path::Relay(String::new()),
    }
}

fn canonical(address: SocketAddr) -> SocketAddr {
    match address.ip().to_canonical() {
        IpAddr::V4(v4) => SocketAddr::new(v4.into(), address.port()),
        IpAddr::V6(_) => address,
    }
}

fn host(url: &iroh::RelayUrl) -> String {
    url.host_str().unwrap_or_default().trim_end_matches('.').to_owned()
}

/// Each way of a connection carries two small packets so often, also the one that is only kept ready.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// A direct way that was silent so long, after the packet that nobody answered, is left for the one through the relay: an
/// address that has changed is to cost less than five seconds, and of three heartbeats one arrives on a bad line too.
const SILENT: Duration = Duration::from_secs(3);
/// Longer than most hitches of a wireless network or of the stream to a relay, since control is gone with the connection.
const SILENT_BEATS: u32 = 6;
/// At once on one connection: a session, its successor, a few runs of the meeting.
const STREAMS: u32 = 8;
/// A caller's QUIC handshake, through a relay on the other side of the world.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// So long a relay may be away without a line through it being given up: as long as a service takes to start anew. Up to then
/// the pauses of iroh, which grow with the outage, are short too.
const RESTART: Duration = Duration::from_secs(2);
/// As long as a relay on the other side of the world takes to know somebody.
const KNOCK: Duration = Duration::from_secs(3);
/// While no relay is there; a look costs a few packets to each. A path that is back is to be used within five seconds.
const ASK_EVERY: Duration = Duration::from_secs(1);
/// Beside two round trips, for a packet that was lost.
const LAST_WORDS: Duration = Duration::from_millis(50);
/// Closing tells each peer, and waits for it a moment.
const CLOSING: Duration = Duration::from_secs(2);

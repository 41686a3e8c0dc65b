//! A station: one iroh endpoint. The only module that knows iroh, whose interface moves from version to version.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use iroh::endpoint::{
    Accepting, Connection, PathList, PortmapperConfig, QuicTransportConfig, RecvStream, SendStream, VarInt, presets,
};
use iroh::tls::CaTlsConfig;
use iroh::{
    Endpoint, EndpointAddr, EndpointId, RelayConfig, RelayMap, RelayMode, SecretKey, TransportAddr, Watcher as _,
};
use n0_future::StreamExt as _;
use ra_rendezvous::RelayUrl;
use rustls::pki_types::CertificateDer;
use tokio::time::timeout;
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
}

/// Somebody calls, and has not said a word yet.
pub(crate) struct Ringing(Accepting);

/// A connection to one other station.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    connection: Connection,
}

impl Station {
    /// Opens a station with the key of this seed, or with a new one.
    pub(crate) async fn open(seed: Option<Zeroizing<[u8; 32]>>, relays: &Relays) -> Result<Self, P2pError> {
        let key = seed.map_or_else(SecretKey::generate, |seed| SecretKey::from_bytes(&seed));
        let map = RelayMap::empty();
        for url in relays.iroh() {
            map.insert(url.clone(), Arc::new(RelayConfig::from(url)));
        }
        let mode = if map.is_empty() { RelayMode::Disabled } else { RelayMode::Custom(map) };
        let transport = QuicTransportConfig::builder()
            // Nothing here uses one-way streams, and few connections go over one line: a limit for whoever calls.
            .max_concurrent_uni_streams(VarInt::from_u32(0))
            .max_concurrent_bidi_streams(VarInt::from_u32(STREAMS))
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
        Ok(Self { endpoint })
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

    /// The next caller; `None` once the station is closed.
    pub(crate) async fn next(&self) -> Option<Ringing> {
        loop {
            match self.endpoint.accept().await?.accept() {
                Ok(accepting) => return Some(Ringing(accepting)),
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
        Ok(Line { connection })
    }

    /// Says goodbye to everybody. What was written and not yet delivered has a moment to get there.
    pub(crate) async fn close(&self) {
        let _ = timeout(CLOSING, self.endpoint.close()).await;
    }
}

impl Ringing {
    /// Answers; `None` for a caller who breaks off, takes too long or wants something that nobody has here.
    pub(crate) async fn answer(self) -> Option<(Line, Purpose)> {
        let connection = timeout(HANDSHAKE, self.0).await.ok()?.ok()?;
        let purpose = Purpose::of(connection.alpn())?;
        Some((Line { connection }, purpose))
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

/// At once on one connection: a session, its successor, a few runs of the meeting.
const STREAMS: u32 = 8;
/// A caller's QUIC handshake, through a relay on the other side of the world.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Beside two round trips, for a packet that was lost.
const LAST_WORDS: Duration = Duration::from_millis(50);
/// Closing tells each peer, and waits for it a moment.
const CLOSING: Duration = Duration::from_secs(2);

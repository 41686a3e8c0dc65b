//! The way of an invitation file: an endpoint beside the ports, for whom no address leads to this computer.

use std::sync::Arc;
use std::time::Duration;

use ra_rendezvous::Route;
use tokio::sync::{Mutex, Semaphore, watch};
use tokio::time::timeout;

use crate::anew::{self, Anew};
use crate::meeting::Stop;
use crate::pipe::Pipe;
use crate::place::{AtRelays, Spare};
use crate::station::{Line, P2pError, Purpose, Relays, Station};

/// The novice's side: known to the relays, and not yet open.
pub struct Standby {
    place: AtRelays,
    route: Route,
    arrive: Arc<dyn Fn(Pipe) + Send + Sync>,
    stopped: watch::Receiver<bool>,
}

impl Standby {
    /// Makes an endpoint with a key of its own and has the relays know it; five seconds at most.
    ///
    /// `arrive` takes each connection of whoever calls: a stranger, until the ticket is proved inside. It may not block.
    ///
    /// # Errors
    ///
    /// [`P2pError::NoRelay`], [`P2pError::RelaysSilent`] and [`P2pError::Local`].
    pub async fn open(
        relays: &Relays,
        arrive: impl Fn(Pipe) + Send + Sync + 'static,
    ) -> Result<(Self, Stop), P2pError> {
        if relays.is_empty() {
            return Err(P2pError::NoRelay);
        }
        let station = Station::open(None, relays).await?;
        if let Err(silent) = station.online(ONLINE).await {
            station.close().await;
            return Err(silent);
        }
        let route = Route { endpoint: station.id(), relays: relays.urls().to_vec() };
        let (stop, stopped) = watch::channel(false);
        Ok((Self { place: AtRelays::new(station), route, arrive: Arc::new(arrive), stopped }, Stop::new(stop)))
    }

    /// What goes into the invitation.
    #[must_use]
    pub const fn route(&self) -> &Route {
        &self.route
    }

    /// Lets callers in until [`Stop`].
    pub async fn run(mut self) {
        let places = Arc::new(Semaphore::new(CALLERS));
        let stopped = self.stopped.clone();
        loop {
            let ringing = tokio::select! {
                biased;
                _ = self.stopped.wait_for(|stopped| *stopped) => break,
                ringing = self.place.next() => ringing,
            };
            let Some(ringing) = ringing else { break };
            // Whoever finds no place is not answered: the engine's own door would send them away too.
            let Ok(place) = Arc::clone(&places).try_acquire_owned() else { continue };
            let (arrive, mut stopped) = (Arc::clone(&self.arrive), stopped.clone());
            tokio::spawn(async move {
                let serving = async {
                    let Some((line, Purpose::Desktop)) = ringing.answer().await else { return };
                    while let Ok(Ok(stream)) = timeout(IDLE, line.accept()).await {
                        arrive(line.pipe(stream));
                    }
                    // It has been silent for long, or is over; streams that are open live on with their connection.
                    line.closed().await;
                };
                tokio::select! {
                    _ = stopped.wait_for(|stopped| *stopped) => {}
                    () = serving => {}
                }
                drop(place);
            });
        }
        self.place.station().close().await;
    }
}

/// The expert's side of a route: nobody is called before a connection is wanted.
pub struct Reached {
    route: Route,
    relays: Relays,
    /// What was made for the first connection, and the newest line.
    made: Mutex<Option<(Station, Line)>>,
}

impl Reached {
    /// Through the relays of the route.
    #[must_use]
    pub fn new(route: Route) -> Self {
        let relays = Relays::new(route.relays.clone());
        Self { route, relays, made: Mutex::default() }
    }

    /// The host name of the first relay, which stands for the way.
    #[must_use]
    pub fn relay(&self) -> String {
        self.route.relays.first().map(ra_rendezvous::RelayUrl::host).unwrap_or_default()
    }

    /// Calls the computer of the route and opens a connection for Remote Desktop. Whether it is the one that made the
    /// invitation is for RDP's TLS to find out, as with an address.
    ///
    /// # Errors
    ///
    /// [`P2pError::NobodyThere`], [`P2pError::BrokeOff`] and [`P2pError::Local`].
    pub async fn pipe(&self) -> Result<Pipe, P2pError> {
        let mut made = self.made.lock().await;
        let Some((held, lost)) = &*made else {
            let station = Spare::new(Station::open(None, &self.relays).await?);
            let call = station.station.call(&self.route.endpoint, &self.relays, Purpose::Desktop);
            let line = timeout(CALL, call).await.unwrap_or(Err(P2pError::NobodyThere))?;
            let pipe = line.open().await.map(|stream| line.pipe(stream));
            let station = station.take();
            station.settle(&line).await;
            *made = Some((station, line));
            return pipe;
        };
        lost.close();
        let call = anew::call(held, self.route.endpoint, &self.relays, Purpose::Desktop);
        let Anew { line, station } = timeout(CALL, call).await.map_err(|_| P2pError::NobodyThere)?;
        let pipe = line.open().await.map(|stream| line.pipe(stream));
        let old = held.clone();
        let now = match station {
            Some(station) => {
                tokio::spawn(async move { old.close().await });
                station
            }
            None => old,
        };
        now.settle(&line).await;
        *made = Some((now, line));
        pipe
    }

    /// Says goodbye.
    pub async fn close(&self) {
        if let Some((station, line)) = self.made.lock().await.take() {
            line.close_gently().await;
            station.close().await;
        }
    }
}

/// How long the relays may take to know us: an invitation waits no longer for gateways either.
const ONLINE: Duration = Duration::from_secs(5);
/// A call through a relay on the other side of the world.
const CALL: Duration = Duration::from_secs(25);
/// Callers at a time, each with a few streams; the engine has a door of its own behind.
const CALLERS: usize = 32;
/// Between two streams of one caller; after it no more of them are taken.
const IDLE: Duration = Duration::from_secs(120);

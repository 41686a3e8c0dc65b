//! A place at the relays that outlives them: when the relay that knew it was away, the station is replaced by another one
//! under the same key.
//!
//! A station of iroh knocks at a relay that is down after pauses that double up to half a minute, and would be found so much
//! later than the relay. A new one knocks at once.

use std::time::Duration;

use tokio::time::{sleep, timeout};

use crate::station::{Ringing, Station};

/// The station of those who are called.
pub(crate) struct AtRelays {
    station: Station,
}

/// A station that is closed when nobody takes it.
pub(crate) struct Spare {
    pub(crate) station: Station,
    taken: bool,
}

impl AtRelays {
    pub(crate) const fn new(station: Station) -> Self {
        Self { station }
    }

    pub(crate) const fn station(&self) -> &Station {
        &self.station
    }

    /// The next caller; `None` once the station is closed.
    pub(crate) async fn next(&mut self) -> Option<Ringing> {
        loop {
            tokio::select! {
                biased;
                ringing = self.station.next() => return ringing,
                next = renewed(&self.station) => {
                    let old = std::mem::replace(&mut self.station, next);
                    tokio::spawn(async move { old.close().await });
                }
            }
        }
    }
}

/// Waits until the station has lost its relay and nobody talks to it, and then for another one that a relay knows.
async fn renewed(station: &Station) -> Station {
    loop {
        station.adrift().await;
        // Where there are others the station itself is soon known to one of them, and of two under one key a relay knows one.
        let patience = if station.has_several_relays() { ANOTHER } else { Duration::ZERO };
        if timeout(patience, station.found()).await.is_ok() {
            continue;
        }
        if station.is_talking() {
            // Directly: those do without a relay.
            let _ = timeout(LOOK_AGAIN, station.found()).await;
            continue;
        }
        let next = match station.again().await {
            Ok(next) => Spare::new(next),
            Err(error) => {
                tracing::debug!(%error, "no new station");
                sleep(LOOK_AGAIN).await;
                continue;
            }
        };
        tokio::select! {
            biased;
            () = station.found() => {}
            () = next.station.taken_in() => if !station.is_talking() {
                tracing::info!("a relay knows this computer again");
                return next.take();
            },
        }
    }
}

impl Spare {
    pub(crate) const fn new(station: Station) -> Self {
        Self { station, taken: false }
    }

    pub(crate) fn take(mut self) -> Station {
        self.taken = true;
        self.station.clone()
    }
}

impl Drop for Spare {
    fn drop(&mut self) {
        let Ok(thread) = tokio::runtime::Handle::try_current() else { return };
        if !self.taken {
            let station = self.station.clone();
            thread.spawn(async move { station.close().await });
        }
    }
}

/// Between two looks at what cannot be waited for.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// For iroh to weigh its relays: three seconds for those that are silent, and one more.
const ANOTHER: Duration = Duration::from_secs(4);

//! Calling anew after a loss: by the station that is there, and soon by others beside it.
//!
//! The old one knows ways that a new one has to find, and its pauses between two knocks at a relay have grown with the
//! outage; a new one knows nothing and knocks at once. Whoever gets through first is it.

use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};

use crate::place::Spare;
use crate::station::{Line, P2pError, Purpose, Relays, Station};

/// A line that came about, and the station that it belongs to where that is a new one.
pub(crate) struct Anew {
    pub(crate) line: Line,
    pub(crate) station: Option<Station>,
}

/// Calls until somebody answers; dropped, it ends all that it began. `held` is the station of the line that was lost.
pub(crate) async fn call(held: &Station, id: [u8; 32], relays: &Relays, purpose: Purpose) -> Anew {
    let mut calls: JoinSet<Result<(Line, Option<Spare>), P2pError>> = JoinSet::new();
    {
        let (held, relays) = (held.clone(), relays.clone());
        calls.spawn(async move { Ok((held.call(&id, &relays, purpose).await?, None)) });
    }
    let mut next = interval_at(Instant::now() + STAGGER, STAGGER);
    next.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            Some(called) = calls.join_next() => {
                if let Ok(Ok((line, station))) = called {
                    return Anew { line, station: station.map(Spare::take) };
                }
            }
            _ = next.tick(), if calls.len() < AT_ONCE => {
                let relays = relays.clone();
                calls.spawn(async move {
                    let station = Spare::new(Station::open(None, &relays).await?);
                    let call = station.station.call(&id, &relays, purpose);
                    let line = timeout(TRY, call).await.unwrap_or(Err(P2pError::NobodyThere))?;
                    Ok((line, Some(station)))
                });
            }
        }
    }
}

/// Between two stations: each knocks at a relay that is down after pauses as long as it has tried, and a path that is back is
/// to be used within five seconds.
const STAGGER: Duration = Duration::from_millis(1500);
/// A call through a relay on the other side of the world.
const TRY: Duration = Duration::from_secs(6);
/// The old one and those that [`TRY`] and [`STAGGER`] make.
const AT_ONCE: usize = 6;

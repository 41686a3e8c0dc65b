//! Coming back: the way to the same computer once more, after the connection that the novice agreed to was lost.
//!
//! The novice's computer has promised a secret on that connection; shown on another one, after the same key and the same
//! proof as ever, it brings the picture back without a question. Control has to be asked for again. Source: ADR 14.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use ra_ticket::Endpoint;
use tokio::time::{Instant, sleep_until, timeout_at};
use tracing::{debug, info};

use crate::dial::{Caller, Line, Other, Pace, dial, over};
use crate::event::{EndReason, Face, ViewerEvent};
use crate::pin::Pin;
use crate::rdp::Introduction;
use crate::wait::wait;
use crate::way::Redial;

/// How the same computer is reached once more.
pub(crate) enum Again {
    /// Its addresses are dialled, the one first that was there before, and what else there is beside them.
    Dial(Vec<Endpoint>, Option<Other>),
    /// Whoever brought the first connection brings another one.
    Redial(Arc<dyn Redial>, Endpoint),
    /// It calls again, at the same port.
    Listen(SocketAddr),
}

/// The way back, as long as it is open.
pub(crate) struct WayBack<'a> {
    pub(crate) again: &'a Again,
    pub(crate) caller: &'a Caller,
    pub(crate) introduction: &'a Introduction,
    /// Until then the novice's computer waits.
    pub(crate) until: Instant,
}

impl Again {
    /// The addresses with the one in front that was reached before.
    pub(crate) fn dial(endpoints: &[Endpoint], reached: &Endpoint, other: Option<Other>) -> Self {
        // What was brought has no address to dial.
        let first = endpoints.iter().filter(|endpoint| *endpoint == reached);
        let others = endpoints.iter().filter(|endpoint| *endpoint != reached);
        Self::Dial(first.chain(others).cloned().collect(), other)
    }
}

impl WayBack<'_> {
    /// Tries until the computer is reached again; `None` when the time is over.
    pub(crate) async fn find(&self, face: &Arc<dyn Face>) -> Option<Line> {
        // A try each second is nothing to tell a person of.
        let quiet: Arc<dyn Face> = Arc::new(Quiet(Arc::clone(face)));
        loop {
            let next = Instant::now() + BETWEEN_TRIES;
            match timeout_at(self.until, self.reach(&quiet)).await {
                Ok(Ok(line)) => return Some(line),
                Ok(Err(reason)) => debug!(reason = reason.word(), "not back yet"),
                Err(_) => {
                    info!("the way did not come back in time");
                    return None;
                }
            }
            sleep_until(next.min(self.until)).await;
        }
    }

    async fn reach(&self, face: &Arc<dyn Face>) -> Result<Line, EndReason> {
        match self.again {
            Again::Dial(endpoints, other) => {
                dial(endpoints, other.as_ref(), self.caller, Pace::AGAIN, self.introduction, face).await
            }
            Again::Redial(redial, endpoint) => {
                let opened = tokio::time::timeout(REDIAL_WITHIN, redial.redial()).await;
                let stream = opened.unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()));
                let stream = stream.map_err(|error| {
                    debug!(%error, "no connection");
                    EndReason::NotReached
                })?;
                over(stream, endpoint.clone(), self.caller, self.introduction, REDIAL_WITHIN, face).await
            }
            Again::Listen(addr) => {
                let listener = TcpListener::bind(addr).map_err(|error| {
                    debug!(%error, "the port is not to be had");
                    EndReason::NotReached
                })?;
                wait(listener, self.caller, self.introduction, &**face).await
            }
        }
    }
}

/// By what the computer is known that was reached before: by what the plan says, or by the key that it showed, since nobody
/// is asked about it again.
pub(crate) fn pin_of(pin: &Pin, line: &Line) -> Option<Pin> {
    if pin.tells() { Some(pin.clone()) } else { line.key.map(|key| Pin::Computer(Some(key))) }
}

/// A face that is told of a success only, and asked nothing.
struct Quiet(Arc<dyn Face>);

impl Face for Quiet {
    fn event(&self, event: &ViewerEvent) {
        if matches!(event, ViewerEvent::Connected { .. }) {
            self.0.event(event);
        }
    }
}

/// From the start of one try to the start of the next.
const BETWEEN_TRIES: Duration = Duration::from_secs(1);
/// As long as a dialled address has.
const REDIAL_WITHIN: Duration = Duration::from_secs(8);

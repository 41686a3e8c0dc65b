//! Waiting: a port that the novice's computer dials, and a crowd of strangers who find it too.
//!
//! The callers are judged as computers that were dialled are: by the key that they show in the handshake, before a word
//! is said that means anything to anybody. Whoever is slow, silent or somebody else is closed, and nobody who waits keeps
//! the right one out. Source: S90, lifecycle R41.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use ra_ticket::Endpoint;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, Id, JoinSet};
use tracing::{debug, info, warn};

use crate::dial::{Caller, Failure, Line, Reach, Shown, attempt};
use crate::event::{EndReason, Face, ViewerEvent};
use crate::rdp::Introduction;

/// Waits until the computer that made the invitation has called. Starts with [`ViewerEvent::Listening`].
pub(crate) async fn wait(
    listener: std::net::TcpListener,
    caller: &Caller,
    introduction: &Introduction,
    face: &dyn Face,
) -> Result<Line, EndReason> {
    if !caller.pin.tells() {
        // The first stranger would be the one whom a person is asked about.
        info!("the invitation does not say by which key its computer is known");
        return Err(EndReason::WrongComputer);
    }
    let open = || -> io::Result<(TcpListener, SocketAddr)> {
        listener.set_nonblocking(true)?;
        let addr = listener.local_addr()?;
        Ok((TcpListener::from_std(listener)?, addr))
    };
    let (listener, addr) = open().map_err(|error| {
        warn!(%error, "the port cannot be listened on");
        EndReason::NotReached
    })?;
    face.event(&ViewerEvent::Listening { addr });
    let mut hall = Hall::default();
    loop {
        tokio::select! {
            biased;
            Some(shown) = hall.next() => if let Ok(shown) = shown {
                hall.callers.shutdown().await;
                face.event(&ViewerEvent::Connected { endpoint: shown.line.endpoint.clone() });
                return Ok(shown.line);
            },
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => hall.let_in(stream, peer, caller, introduction),
                Err(error) => {
                    // Out of descriptors, most likely: others have to go first.
                    warn!(%error, "a call could not be taken");
                    tokio::time::sleep(PAUSE_AFTER_FAILURE).await;
                }
            },
        }
    }
}

/// Those who have called and have shown no key yet.
#[derive(Default)]
struct Hall {
    callers: JoinSet<Result<Shown, Failure>>,
    /// By arrival.
    inside: Vec<Inside>,
}

struct Inside {
    from: IpAddr,
    task: AbortHandle,
}

impl Hall {
    /// Somebody has shown a key, or failed to. `None` when nobody is inside.
    async fn next(&mut self) -> Option<Result<Shown, Failure>> {
        let (id, shown) = match self.callers.join_next_with_id().await? {
            Ok((id, shown)) => (id, shown),
            Err(error) => (error.id(), Err(Failure::Unreachable)),
        };
        self.forget(id);
        Some(shown)
    }

    fn forget(&mut self, id: Id) {
        self.inside.retain(|inside| inside.task.id() != id);
    }

    fn let_in(&mut self, stream: TcpStream, peer: SocketAddr, caller: &Caller, introduction: &Introduction) {
        let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
        if self.inside.len() >= MOST_CALLERS {
            self.make_room();
        }
        debug!(%peer, "somebody calls");
        let endpoint = Endpoint::from(peer);
        let Ok(local) = stream.set_nodelay(true).and_then(|()| stream.local_addr()) else { return };
        let reach = Reach::There { stream: Box::new(stream), local };
        let task = self.callers.spawn(attempt(endpoint, reach, caller.clone(), introduction.clone(), GREETING));
        self.inside.push(Inside { from: peer.ip(), task });
    }

    /// Sends away who came first of the address that has most callers inside: so the one right caller stays.
    fn make_room(&mut self) {
        let count = |from: IpAddr| self.inside.iter().filter(|inside| inside.from == from).count();
        // Among equals the one who came first.
        let most = self.inside.iter().map(|inside| count(inside.from)).max();
        let oldest = self.inside.iter().position(|inside| Some(count(inside.from)) == most);
        if let Some(place) = oldest {
            self.inside.remove(place).task.abort();
        }
    }
}

/// Callers that are heard at one time.
const MOST_CALLERS: usize = 16;
/// How long a caller may take to agree to TLS and show its key: a few round trips, also on a bad line.
const GREETING: Duration = Duration::from_secs(10);
const PAUSE_AFTER_FAILURE: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;

    fn from(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    #[tokio::test]
    async fn who_is_sent_away_is_the_oldest_of_the_address_that_calls_most() {
        let mut hall = Hall::default();
        for last in [7, 1, 1, 2, 1] {
            let task = hall.callers.spawn(std::future::pending());
            hall.inside.push(Inside { from: from(last), task });
        }
        let left = |hall: &Hall| hall.inside.iter().map(|inside| inside.from).collect::<Vec<_>>();
        hall.make_room();
        assert_eq!(left(&hall), [7, 1, 2, 1].map(from));
        hall.make_room();
        assert_eq!(left(&hall), [7, 2, 1].map(from));
        hall.make_room();
        assert_eq!(left(&hall), [2, 1].map(from), "nobody calls most: the one who came first");
        // Those who were sent away end, and take nobody else with them.
        for _ in 0..3 {
            assert!(hall.next().await.unwrap().is_err());
        }
        assert_eq!(left(&hall), [2, 1].map(from));
    }
}

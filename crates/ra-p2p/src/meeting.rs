//! The novice's side: a code's place at the relays, and the one expert who is welcome there.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use ra_rendezvous::{Code, Guesses, MeetingError, Refusal, Secret, Slip, check_words, endpoint_seed};
use tokio::sync::watch;

use crate::pipe::{Path, Pipe};
use crate::place::AtRelays;
use crate::run;
use crate::station::{Line, P2pError, Purpose, Relays, Ringing, Station};

/// What a meeting is for, and under which code.
pub struct Terms {
    /// The code that both sides have.
    pub code: Code,
    /// The person's password, where one goes with the code.
    pub password: Option<zeroize::Zeroizing<String>>,
    /// What the expert gets once both were right.
    pub slip: Slip,
    /// Where the expert will look.
    pub relays: Relays,
}

/// What happens at a meeting, for the people at it and for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MeetingNews {
    /// Somebody tried a wrong code or password; so many more tries are left, and none at 0.
    Wrong {
        /// How many.
        left: u32,
        /// Where it came from.
        path: Path,
    },
    /// The expert has proved the code: nobody else is let in from now on.
    Met {
        /// Four words for both screens.
        words: [&'static str; 4],
        /// The way there.
        path: Path,
    },
    /// The way is another one now: most begin at a relay and become direct.
    Path(Path),
    /// The expert has gone and has not come back within a minute: a code is good once, so nobody can come any more.
    Over,
}

/// Ends a meeting from any thread; dropped, it ends it too.
#[derive(Debug)]
pub struct Stop(watch::Sender<bool>);

impl Stop {
    pub(crate) const fn new(stop: watch::Sender<bool>) -> Self {
        Self(stop)
    }

    /// Closes the place at the relays and every connection.
    pub fn now(&self) {
        self.0.send_replace(true);
    }
}

/// The outside addresses of a meeting's endpoint, which the other side tries beside those that it learns by itself.
#[derive(Clone, Debug)]
pub struct Outside(Station);

impl Outside {
    /// Lets others try an address that a router gave us for UDP. Nothing happens once the meeting is over.
    pub async fn add(&self, address: SocketAddr) {
        self.0.add_outside(address).await;
    }

    /// Lets others try it no longer.
    pub async fn remove(&self, address: SocketAddr) {
        self.0.remove_outside(address).await;
    }
}

/// A place at the relays, taken and not yet open.
pub struct Meeting {
    place: AtRelays,
    table: Arc<Table>,
    relay: String,
    stopped: watch::Receiver<bool>,
}

/// What all calls to one code share.
struct Table {
    secret: Secret,
    needs_password: bool,
    slip: Slip,
    state: Mutex<State>,
    unproved: AtomicUsize,
    tell: Box<dyn Fn(MeetingNews) + Send + Sync>,
    arrive: Box<dyn Fn(Pipe) + Send + Sync>,
}

#[derive(Default)]
struct State {
    guesses: Guesses,
    /// Somebody has proved the code.
    met: bool,
    /// Their connections, of which a broken one may live on beside its successor.
    lines: u32,
    /// How often all of them had ended.
    partings: u32,
}

impl Meeting {
    /// Takes the code's place at the relays; nobody is let in before [`Meeting::run`].
    ///
    /// `tell` hears what happens, `arrive` takes each connection of the expert; neither may block. Takes a few round trips to
    /// a relay, eight seconds at most.
    ///
    /// # Errors
    ///
    /// [`P2pError::NoRelay`], [`P2pError::RelaysSilent`] and [`P2pError::Local`].
    pub async fn open(
        terms: Terms,
        tell: impl Fn(MeetingNews) + Send + Sync + 'static,
        arrive: impl Fn(Pipe) + Send + Sync + 'static,
    ) -> Result<(Self, Stop), P2pError> {
        if terms.relays.is_empty() {
            return Err(P2pError::NoRelay);
        }
        let code = terms.code;
        let secret = Secret::new(&code, terms.password.as_ref().map(|password| password.as_str()));
        // Twenty milliseconds of work, and other tasks may be waiting.
        let seed = tokio::task::spawn_blocking(move || endpoint_seed(&code)).await.ok().flatten();
        let seed = seed.ok_or_else(|| P2pError::Local("no memory for the key".to_owned()))?;
        let station = Station::open(Some(seed), &terms.relays).await?;
        let relay = station.online(ONLINE).await?;
        let table = Arc::new(Table {
            secret,
            needs_password: terms.password.is_some(),
            slip: terms.slip,
            state: Mutex::default(),
            unproved: AtomicUsize::new(0),
            tell: Box::new(tell),
            arrive: Box::new(arrive),
        });
        let (stop, stopped) = watch::channel(false);
        Ok((Self { place: AtRelays::new(station), table, relay, stopped }, Stop(stop)))
    }

    /// The host name of the relay that knows the way here.
    #[must_use]
    pub fn relay(&self) -> &str {
        &self.relay
    }

    /// Where its datagrams arrive on this computer: for a router to send on to.
    #[must_use]
    pub fn sockets(&self) -> Vec<SocketAddr> {
        self.place.station().sockets()
    }

    /// Where what routers gave us goes, also while the meeting runs.
    #[must_use]
    pub fn outside(&self) -> Outside {
        Outside(self.place.station().clone())
    }

    /// Lets callers in until [`Stop`], then closes every connection.
    pub async fn run(mut self) {
        let stopped = self.stopped.clone();
        loop {
            tokio::select! {
                biased;
                _ = self.stopped.wait_for(|stopped| *stopped) => break,
                ringing = self.place.next() => match ringing {
                    Some(ringing) => {
                        tokio::spawn(serve(ringing, Arc::clone(&self.table), stopped.clone()));
                    }
                    None => break,
                },
            }
        }
        self.place.station().close().await;
    }
}

/// One call, from the first ring to its end.
async fn serve(ringing: Ringing, table: Arc<Table>, mut stopped: watch::Receiver<bool>) {
    let serving = async {
        // Whoever is neither expert nor novice can only make a handshake here: the code itself is unknown to them.
        let Some((line, purpose)) = ringing.answer().await else { return };
        let proved = match purpose {
            Purpose::Meeting => meet(&line, &table).await,
            // A second connection of the same session: its ticket is proved inside.
            Purpose::Desktop => table.state().met,
        };
        if proved {
            table.state().lines += 1;
            hand_on(&line, &table).await;
            line.close();
            table.await_return().await;
        } else {
            line.close();
        }
    };
    tokio::select! {
        _ = stopped.wait_for(|stopped| *stopped) => {}
        () = serving => {}
    }
}

/// Runs the meeting until the caller has proved the code; false when it comes to nothing.
async fn meet(line: &Line, table: &Table) -> bool {
    let _place = match Place::take(&table.unproved) {
        Some(place) => place,
        None => {
            let _ = decline(line, Refusal::Busy).await;
            return false;
        }
    };
    let waiting = async {
        loop {
            let mut stream = line.accept().await.ok().map(|(send, receive)| tokio::io::join(receive, send))?;
            if let Some(refusal) = table.refuses() {
                let _ = run::refuse(&mut stream, refusal).await;
                linger(line).await;
                return None;
            }
            let binding = line.exporter(BINDING).ok()?;
            let welcomed = run::judge(&mut stream, &table.secret, &binding, table.needs_password).await;
            let reply = match welcomed {
                Ok(welcomed) if table.meet_once() => welcomed.hand_over(&table.slip).ok()?,
                Ok(_) => Refusal::Ended.to_message(),
                Err(P2pError::Meeting(MeetingError::Wrong)) => {
                    let left = table.state().guesses.wrong();
                    (table.tell)(MeetingNews::Wrong { left, path: line.path() });
                    let _ = run::say(&mut stream, &Refusal::Wrong { left }.to_message()).await;
                    if left == 0 {
                        linger(line).await;
                        return None;
                    }
                    continue;
                }
                // The question whether there is a password, or somebody who broke off: no guess.
                Err(P2pError::BrokeOff) => continue,
                Err(error) => {
                    tracing::debug!(%error, "a meeting came to nothing");
                    return None;
                }
            };
            if run::say(&mut stream, &reply).await.is_ok() && table.state().met {
                return Some(check_words(&line.exporter(WORDS).ok()?));
            }
            return None;
        }
    };
    let met = tokio::time::timeout(PROVED_WITHIN, waiting).await.ok().flatten();
    if let Some(words) = met {
        (table.tell)(MeetingNews::Met { words, path: line.path() });
    }
    met.is_some()
}

/// Hands on each stream of a caller who is known, and tells of better ways, until the call is over.
async fn hand_on(line: &Line, table: &Table) {
    let pipes = async {
        while let Ok(stream) = line.accept().await {
            (table.arrive)(line.pipe(stream));
        }
    };
    let paths = async {
        let mut known = line.path();
        while let Some(path) = line.path_other_than(&known).await {
            (table.tell)(MeetingNews::Path(path.clone()));
            known = path;
        }
    };
    tokio::join!(pipes, paths);
}

async fn decline(line: &Line, refusal: Refusal) -> Result<(), P2pError> {
    let (send, receive) = line.accept().await?;
    run::refuse(&mut tokio::io::join(receive, send), refusal).await?;
    linger(line).await;
    Ok(())
}

/// The last words get there before the connection is closed: the other side closes it, or has had its time.
async fn linger(line: &Line) {
    let _ = tokio::time::timeout(LINGER, line.closed()).await;
}

impl Table {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn refuses(&self) -> Option<Refusal> {
        let state = self.state();
        (state.met || state.guesses.left() == 0).then_some(Refusal::Ended)
    }

    /// After the end of a connection of the expert: was it the last?
    async fn await_return(&self) {
        let parting = {
            let mut state = self.state();
            state.lines -= 1;
            if state.lines > 0 {
                return;
            }
            state.partings += 1;
            state.partings
        };
        tokio::time::sleep(RETURNS_WITHIN).await;
        let is_over = {
            let state = self.state();
            state.lines == 0 && state.partings == parting
        };
        if is_over {
            (self.tell)(MeetingNews::Over);
        }
    }

    /// True for the first who proves the code, as long as it has not ended.
    fn meet_once(&self) -> bool {
        let mut state = self.state();
        let first = !state.met && state.guesses.left() > 0;
        state.met |= first;
        first
    }
}

/// One of the places for callers who have proved nothing yet.
struct Place<'a>(&'a AtomicUsize);

impl<'a> Place<'a> {
    fn take(taken: &'a AtomicUsize) -> Option<Self> {
        let place = Self(taken);
        if taken.fetch_add(1, Ordering::AcqRel) < UNPROVED { Some(place) } else { None }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// What the PAKE is bound to, and what the check words are made of: two labels, so that words say nothing about the first.
pub(crate) const BINDING: &[u8] = b"EXPORTER-remote-assistance-meeting";
pub(crate) const WORDS: &[u8] = b"EXPORTER-remote-assistance-words";

/// How long a relay may take to know us. Source: the invitation waits for gateways as long.
const ONLINE: Duration = Duration::from_secs(8);
/// Callers who have the code and have proved nothing yet.
const UNPROVED: usize = 8;
/// A person reads a password out and another types it; then the code can be tried anew.
const PROVED_WITHIN: Duration = Duration::from_secs(300);
/// A lost expert may come back so long. Source: issue 5, the secret of a session.
const RETURNS_WITHIN: Duration = Duration::from_secs(60);
/// One round trip through a far relay.
const LINGER: Duration = Duration::from_secs(2);

//! Agents: small programs in the other sessions of the novice, which only ask (S49, R34).
//!
//! The host listens on a socket below `$XDG_RUNTIME_DIR`, and an agent in each session connects. An agent shows questions
//! and brings answers; it captures nothing and injects nothing. It hands over the key to its display, and the host opens
//! that itself if it has none of its own. An agent counts when its program is the very file that the host runs, it is in
//! a session of this user that lives (see `sessions`), and it came before control was ever granted (see
//! [`crate::places`]). All of it is looked at again when it answers.
//!
//! Everything here runs on one thread of its own, a task for each agent. An agent that does not read, says nonsense or
//! says too much is gone; it holds up nobody else.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use ra_desktop::X11Access;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Notify, Semaphore, mpsc, oneshot};
use tokio::task::LocalSet;
use tokio::time::timeout;
use zeroize::Zeroizing;

use crate::durable;
use crate::places::{Ballot, Inquiry, Place, PlaceId, Places, Standing};
use crate::prompt::{NoPlaceToAsk, PlaceName, Status};

mod line;
mod peer;
mod sessions;
mod wire;

pub use line::{HostLine, Speaker};
pub use peer::meeting_place;
pub use wire::{On, Scene};

use peer::{NotOurs, Peer, Program, Session};
use sessions::Sessions;
use wire::{FromAgent, FromHost, LONGEST_LINE};

/// Lets agents in for as long as it lives.
///
/// Of several hosts of one user, one is asked through the agents; another takes over when it goes.
#[derive(Debug)]
pub struct Agents {
    /// Dropping it ends the thread.
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    displays: Arc<Displays>,
}

/// What a person does at an agent beside answering. It only ever takes away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// Control back.
    TakeBack,
    /// The end of the session.
    Stop,
}

/// The displays of the agents that count.
#[derive(Debug, Default)]
struct Displays {
    here: Mutex<BTreeMap<PlaceId, X11Access>>,
    came: Condvar,
}

impl Agents {
    /// Starts listening in that directory (see [`meeting_place`]); agents that count come to `places`.
    ///
    /// # Errors
    /// When this system gives no thread, or does not tell which program this is.
    pub fn listen(
        directory: &Path,
        places: Places,
        on_wish: impl Fn(Wish) + Send + 'static,
    ) -> Result<Self, io::Error> {
        Self::listen_with(directory, places, Rules::of_the_system()?, on_wish)
    }

    fn listen_with(
        directory: &Path,
        places: Places,
        rules: Rules,
        on_wish: impl Fn(Wish) + Send + 'static,
    ) -> Result<Self, io::Error> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel();
        let displays: Arc<Displays> = Arc::default();
        let hall = Hall {
            places,
            displays: Arc::clone(&displays),
            rules,
            on_wish: Box::new(on_wish),
            seats: Semaphore::new(MOST_AGENTS),
        };
        let directory = directory.to_owned();
        let thread = std::thread::Builder::new().name("agents".to_owned()).spawn(move || {
            runtime.block_on(LocalSet::new().run_until(let_in(Rc::new(hall), &directory, stopped)));
            // A display that is slow to answer is not waited for.
            runtime.shutdown_background();
        })?;
        Ok(Self { stop: Some(stop), thread: Some(thread), displays })
    }

    /// The display of the agent that came first, of those with a window that count; waits until one is there, or for so
    /// long.
    #[must_use]
    pub fn display(&self, patience: Duration) -> Option<X11Access> {
        let here = lock(&self.displays.here);
        let waited = self.displays.came.wait_timeout_while(here, patience, |here| here.is_empty());
        waited.unwrap_or_else(PoisonError::into_inner).0.values().next().cloned()
    }
}

impl Drop for Agents {
    fn drop(&mut self) {
        self.stop.take();
        if let Some(thread) = self.thread.take() {
            // A panic in it was reported already.
            let _ = thread.join();
        }
    }
}

/// What an agent is held against.
#[derive(Debug)]
struct Rules {
    program: Program,
    sessions: Sessions,
    uid: u32,
}

impl Rules {
    fn of_the_system() -> io::Result<Self> {
        let uid = rustix::process::geteuid().as_raw();
        Ok(Self { program: Program::own()?, sessions: Sessions::of_the_system(), uid })
    }

    /// Where the agent is, if it counts; the display that it names has to let us in where nobody else keeps sessions.
    async fn admit(&self, peer: &Peer, on: &On) -> Result<Where, NotOurs> {
        let session = peer.check(self.program, &self.sessions, self.uid)?;
        Where::of(&session, on).await
    }
}

/// Where an agent is.
struct Where {
    name: PlaceName,
    access: Option<X11Access>,
}

impl Where {
    async fn of(session: &Session, on: &On) -> Result<Self, NotOurs> {
        match (on, &session.terminal) {
            (On::Terminal, Some(terminal)) => Ok(Self { name: PlaceName::agent(terminal), access: None }),
            (On::Terminal, None) => Err(NotOurs::Session),
            (On::Display { display, cookie }, _) => {
                let access = X11Access::named(display, cookie.as_ref().map(wire::Cookie::bytes));
                if !session.known && !answers(access.clone()).await {
                    return Err(NotOurs::Session);
                }
                // A display in a network is somewhere else, and not for sharing; a window there can ask all the same.
                let name = access.as_ref().map_or_else(|| "window".to_owned(), X11Access::display);
                Ok(Self { name: PlaceName::agent(&name), access })
            }
        }
    }
}

/// Whether a display lets us in, found out beside everything else: its server may be slow.
async fn answers(access: Option<X11Access>) -> bool {
    let Some(access) = access else { return false };
    tokio::task::spawn_blocking(move || access.answers()).await.unwrap_or(false)
}

/// What all agents share.
struct Hall {
    places: Places,
    displays: Arc<Displays>,
    rules: Rules,
    on_wish: Box<dyn Fn(Wish) + Send>,
    seats: Semaphore,
}

/// Listens until it is told to stop.
async fn let_in(hall: Rc<Hall>, directory: &Path, mut stopped: oneshot::Receiver<()>) {
    let mut listening = None;
    loop {
        if listening.is_none() {
            listening = Listening::bind(directory).unwrap_or_else(|error| {
                tracing::debug!(directory = %directory.display(), %error, "no socket for agents");
                None
            });
        }
        let next = async {
            match &listening {
                Some(Listening { listener, .. }) => match listener.accept().await {
                    Ok((stream, _)) => Some(stream),
                    Err(error) => {
                        tracing::warn!(%error, "an agent could not be let in");
                        tokio::time::sleep(TICK).await;
                        None
                    }
                },
                None => {
                    tokio::time::sleep(TICK).await;
                    None
                }
            }
        };
        tokio::select! {
            _ = &mut stopped => return,
            stream = next => if let Some(stream) = stream {
                tokio::task::spawn_local(attend(Rc::clone(&hall), stream));
            },
        }
    }
}

/// The socket, and the lock that says whose it is; the system lets go of the lock when its process dies.
struct Listening {
    listener: UnixListener,
    socket: PathBuf,
    _lock: File,
}

impl Listening {
    /// Makes the socket; `None` while another living process has it.
    fn bind(directory: &Path) -> io::Result<Option<Self>> {
        peer::prepare(directory)?;
        let socket = peer::socket_in(directory);
        let Some(lock) = durable::try_lock(&socket.with_extension("lock"))? else { return Ok(None) };
        // Made under another name, so that an agent that sees the socket can connect to it.
        let unfinished = socket.with_extension("new");
        match fs::remove_file(&unfinished) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(&unfinished)?;
        fs::set_permissions(&unfinished, fs::Permissions::from_mode(durable::PRIVATE))?;
        fs::rename(&unfinished, &socket)?;
        Ok(Some(Self { listener, socket, _lock: lock }))
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        // The lock is still held, so it is this host's socket; a name left behind would be replaced later.
        let _ = fs::remove_file(&self.socket);
    }
}

/// Hears one agent out, to its end.
async fn attend(hall: Rc<Hall>, stream: UnixStream) {
    // More than anybody has sessions: the one too many is not heard, the others are not disturbed.
    let Ok(_seat) = hall.seats.try_acquire() else { return };
    match Agent::meet(&hall, stream).await {
        Ok(mut agent) => {
            let end = agent.stay(&hall).await;
            tracing::debug!(place = %agent.name, error = ?end.err(), "an agent has gone");
            lock(&hall.displays.here).remove(&agent.place);
            hall.places.leave(agent.place);
        }
        Err(error) => tracing::warn!(%error, "an agent was turned away"),
    }
}

/// An agent that was let in.
struct Agent {
    peer: Peer,
    on: On,
    name: PlaceName,
    place: PlaceId,
    lines: Lines,
    writer: OwnedWriteHalf,
    words: mpsc::Receiver<FromHost>,
    desk: Arc<Desk>,
}

impl Agent {
    async fn meet(hall: &Hall, stream: UnixStream) -> io::Result<Self> {
        let peer = Peer::of(&stream)?;
        let (reader, mut writer) = stream.into_split();
        let mut lines = Lines::of(reader);
        let first = timeout(INTRODUCTION, lines.next()).await.map_err(|_| io::ErrorKind::TimedOut)??;
        let FromAgent::Here { on } = first else { return Err(io::ErrorKind::InvalidData.into()) };
        let place = match hall.rules.admit(&peer, &on).await {
            Ok(place) => place,
            Err(refusal) => {
                say(&mut writer, &FromHost::Unwelcome { why: refusal.to_string() }).await?;
                return Err(io::Error::other(refusal));
            }
        };
        let (speak, words) = mpsc::channel(MOST_WORDS);
        let desk =
            Arc::new(Desk { speak, stuck: Notify::new(), counts: AtomicBool::new(false), ballot: Mutex::default() });
        let Where { name, access } = place;
        let place = hall.places.arrive(name.clone(), Box::new(AgentPlace { desk: Arc::clone(&desk), questions: 0 }));
        tracing::info!(place = %name, "an agent has come");
        if let Some(access) = access.filter(|_| desk.counts.load(Ordering::Relaxed)) {
            lock(&hall.displays.here).insert(place, access);
            hall.displays.came.notify_all();
        }
        Ok(Self { peer, on, name, place, lines, writer, words, desk })
    }

    async fn stay(&mut self, hall: &Hall) -> io::Result<()> {
        loop {
            tokio::select! {
                word = self.words.recv() => match word {
                    Some(word) => say(&mut self.writer, &word).await?,
                    None => return Ok(()),
                },
                () = self.desk.stuck.notified() => return Err(io::ErrorKind::TimedOut.into()),
                heard = self.lines.next() => match heard? {
                    FromAgent::Answer { question, yes } => self.answer(hall, question, yes).await?,
                    FromAgent::TakeBack => (hall.on_wish)(Wish::TakeBack),
                    FromAgent::Stop => (hall.on_wish)(Wish::Stop),
                    FromAgent::Here { .. } => return Err(io::ErrorKind::InvalidData.into()),
                },
            }
        }
    }

    /// Hands an answer in, if the agent still is what it was when it came.
    async fn answer(&self, hall: &Hall, question: u64, yes: bool) -> io::Result<()> {
        let ballot = lock(&self.desk.ballot).take_if(|(number, _)| *number == question);
        // A question that was taken away meanwhile.
        let Some((_, ballot)) = ballot else { return Ok(()) };
        hall.rules.admit(&self.peer, &self.on).await.map_err(io::Error::other)?;
        ballot.cast(yes);
        Ok(())
    }
}

/// What the engine's side and the agent's task share.
struct Desk {
    speak: mpsc::Sender<FromHost>,
    /// The agent takes nothing any more.
    stuck: Notify,
    counts: AtomicBool,
    /// The open question here, and the way to answer it.
    ballot: Mutex<Option<(u64, Ballot)>>,
}

impl Desk {
    fn say(&self, word: FromHost) -> Result<(), NoPlaceToAsk> {
        self.speak.try_send(word).map_err(|_| {
            self.stuck.notify_one();
            NoPlaceToAsk
        })
    }
}

/// An agent as the engine sees it. Nothing here waits.
struct AgentPlace {
    desk: Arc<Desk>,
    questions: u64,
}

impl Place for AgentPlace {
    fn greet(&mut self, standing: Standing) {
        let counts = standing == Standing::Counts;
        self.desk.counts.store(counts, Ordering::Relaxed);
        // Whoever cannot be told is gone, and that is noticed where it matters.
        let _ = self.desk.say(FromHost::Welcome { counts });
    }

    fn ask(&mut self, inquiry: &Inquiry, ballot: Ballot) -> Result<(), NoPlaceToAsk> {
        self.questions += 1;
        *lock(&self.desk.ballot) = Some((self.questions, ballot));
        self.desk.say(FromHost::ask(self.questions, inquiry))
    }

    fn withdraw(&mut self) {
        lock(&self.desk.ballot).take();
        let _ = self.desk.say(FromHost::Withdraw);
    }

    fn show(&mut self, status: &Status) {
        let _ = self.desk.say(FromHost::status(status));
    }
}

/// Reads lines that are not too long.
struct Lines {
    reader: BufReader<OwnedReadHalf>,
    /// What has come of the next line. Wiped, since the first holds a cookie.
    line: Zeroizing<Vec<u8>>,
}

impl Lines {
    fn of(reader: OwnedReadHalf) -> Self {
        // Never more than this is put there, so it never moves.
        Self { reader: BufReader::new(reader), line: Zeroizing::new(Vec::with_capacity(LONGEST_LINE)) }
    }

    /// The next line. May be given up and called again; nothing is lost.
    async fn next(&mut self) -> io::Result<FromAgent> {
        let room = (LONGEST_LINE - self.line.len()) as u64;
        (&mut self.reader).take(room).read_until(b'\n', &mut self.line).await?;
        if self.line.last() != Some(&b'\n') {
            let full = self.line.len() >= LONGEST_LINE;
            return Err(if full { io::ErrorKind::InvalidData } else { io::ErrorKind::UnexpectedEof }.into());
        }
        let said = wire::from_agent(&self.line);
        self.line.clear();
        said
    }
}

async fn say(writer: &mut OwnedWriteHalf, word: &FromHost) -> io::Result<()> {
    let line = wire::line_of(word)?;
    timeout(READS_WITHIN, writer.write_all(&line)).await.map_err(|_| io::ErrorKind::TimedOut)?
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Many times the sessions that a person has at one time.
const MOST_AGENTS: usize = 32;
/// Words on their way to one agent. An agent reads each at once; a status follows a status every few seconds at most.
const MOST_WORDS: usize = 32;
/// How long an agent may take to say where it is: it says so at once.
const INTRODUCTION: Duration = Duration::from_secs(5);
/// An agent that has not read for so long is gone.
const READS_WITHIN: Duration = Duration::from_secs(5);
/// How often a host that found the socket taken looks whether it is free.
const TICK: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests;

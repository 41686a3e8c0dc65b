//! The expert's side: from a code to the novice's computer.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use ra_rendezvous::{Code, MeetingError, Refusal, Secret, Slip, check_words, endpoint_seed};
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::anew::{self, Anew};
use crate::meeting::{BINDING, WORDS};
use crate::pipe::{Path, Pipe};
use crate::run;
use crate::station::{Line, P2pError, Purpose, Relays, Station};

/// A connection to a computer that has taken the code's place; whether it knows the code is still open.
pub struct Caller {
    station: Station,
    line: Line,
    code: Code,
    relays: Relays,
    needs_password: bool,
}

/// The novice's computer, proved.
pub struct Met {
    /// The newest ones: they are replaced when they have died.
    held: Mutex<(Station, Line)>,
    replaced: Notify,
    id: [u8; 32],
    relays: Relays,
    slip: Option<Slip>,
    words: [&'static str; 4],
}

impl Caller {
    /// Looks for whoever waits with this code, through whichever of the relays knows it.
    ///
    /// # Errors
    ///
    /// [`P2pError::NoRelay`]; [`P2pError::RelaysSilent`] when none can be reached; [`P2pError::NobodyThere`] when none knows
    /// the code; [`P2pError::Meeting`] with what the other side refused for.
    pub async fn find(code: Code, relays: Relays) -> Result<Self, P2pError> {
        if relays.is_empty() {
            return Err(P2pError::NoRelay);
        }
        let of = code.clone();
        let seed = tokio::task::spawn_blocking(move || endpoint_seed(&of)).await.ok().flatten();
        let seed = seed.ok_or_else(|| P2pError::Local("no memory for the key".to_owned()))?;
        let id = crate::station::id_of(&seed);
        let station = Station::open(None, &relays).await?;
        let found = async {
            let line = match timeout(CALL, station.call(&id, &relays, Purpose::Meeting)).await {
                Ok(line) => line?,
                // Which of the two it was decides what the person can do about it.
                Err(_) => return Err(station.online(Duration::ZERO).await.err().unwrap_or(P2pError::NobodyThere)),
            };
            let mut stream = line.open().await.map(|(send, receive)| tokio::io::join(receive, send))?;
            let needs_password = run::needs_password(&mut stream).await?;
            Ok((line, needs_password))
        };
        match found.await {
            Ok((line, needs_password)) => Ok(Self { station, line, code, relays, needs_password }),
            Err(error) => {
                station.close().await;
                Err(error)
            }
        }
    }

    /// Whether the novice chose a password that goes with the code.
    #[must_use]
    pub const fn needs_password(&self) -> bool {
        self.needs_password
    }

    /// Proves the code and the password. A wrong password gives the caller back for another try, as long as the novice's
    /// side bears one.
    ///
    /// # Errors
    ///
    /// [`P2pError::Meeting`] with [`Refusal::Wrong`] or another refusal; [`MeetingError::Wrong`] when it is the other side
    /// that does not know the secret.
    pub async fn prove(self, password: Option<&str>) -> Result<Met, (Option<Self>, P2pError)> {
        let secret = Secret::new(&self.code, password);
        let proved = async {
            let binding = self.line.exporter(BINDING)?;
            let mut stream = self.line.open().await.map(|(send, receive)| tokio::io::join(receive, send))?;
            let slip = run::prove(&mut stream, &secret, &binding).await?;
            Ok((slip, check_words(&self.line.exporter(WORDS)?)))
        };
        match proved.await {
            Ok((slip, words)) => {
                let Self { station, line, relays, .. } = self;
                let id = line.peer();
                station.settle(&line).await;
                Ok(Met {
                    held: Mutex::new((station, line)),
                    replaced: Notify::new(),
                    id,
                    relays,
                    slip: Some(slip),
                    words,
                })
            }
            Err(error @ P2pError::Meeting(MeetingError::Refused(Refusal::Wrong { left: 1.. }))) => {
                Err((Some(self), error))
            }
            Err(error) => {
                self.station.close().await;
                Err((None, error))
            }
        }
    }
}

impl Met {
    /// The invitation and its password; given out once.
    pub fn take_slip(&mut self) -> Option<Slip> {
        self.slip.take()
    }

    /// Four words, the same on the novice's screen.
    #[must_use]
    pub const fn words(&self) -> [&'static str; 4] {
        self.words
    }

    /// The way that is taken now.
    #[must_use]
    pub fn path(&self) -> Path {
        self.line().path()
    }

    /// Waits until the way is another one than this, also that of a connection which took the place of one that was lost. For
    /// one who waits at a time; waits for ever when nothing changes any more.
    pub async fn path_other_than(&self, known: &Path) -> Path {
        loop {
            let line = self.line();
            if let Some(path) = line.path_other_than(known).await {
                return path;
            }
            self.replaced.notified().await;
        }
    }

    /// Opens a connection for Remote Desktop, over the line that is there or, when it is dead, over a new one.
    ///
    /// # Errors
    ///
    /// [`P2pError::NobodyThere`] and [`P2pError::BrokeOff`].
    pub async fn pipe(&self) -> Result<Pipe, P2pError> {
        let line = self.line();
        if let Ok(Ok(stream)) = timeout(OPEN, line.open()).await {
            return Ok(line.pipe(stream));
        }
        self.pipe_anew().await
    }

    /// As [`Met::pipe`], over a new line: for whoever has found out that what went over the old one is lost.
    ///
    /// # Errors
    ///
    /// As [`Met::pipe`].
    pub async fn pipe_anew(&self) -> Result<Pipe, P2pError> {
        let (station, _) = self.held();
        let call = anew::call(&station, self.id, &self.relays, Purpose::Desktop);
        let Anew { line, station: new } = timeout(CALL, call).await.map_err(|_| P2pError::NobodyThere)?;
        let stream = timeout(OPEN, line.open()).await.unwrap_or(Err(P2pError::BrokeOff))?;
        let pipe = line.pipe(stream);
        let now = (new.clone().unwrap_or(station), line);
        now.0.settle(&now.1).await;
        let (old, lost) = std::mem::replace(&mut *self.held.lock().unwrap_or_else(PoisonError::into_inner), now);
        lost.close();
        self.replaced.notify_one();
        if new.is_some() {
            tokio::spawn(async move { old.close().await });
        }
        Ok(pipe)
    }

    fn held(&self) -> (Station, Line) {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn line(&self) -> Line {
        self.held().1
    }

    /// Waits until the connection of the moment is over.
    pub async fn closed(&self) {
        let line = self.line();
        line.closed().await;
    }

    /// Says goodbye, and waits a moment until it is heard.
    pub async fn close(&self) {
        let (station, line) = self.held();
        line.close_gently().await;
        station.close().await;
    }
}

/// A call through a relay on the other side of the world; a relay that does not know the other side says nothing.
const CALL: Duration = Duration::from_secs(15);
/// Opening a stream costs no round trip; it waits only where too many are open.
const OPEN: Duration = Duration::from_secs(2);

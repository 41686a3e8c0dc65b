//! What is kept at relays while the host runs, on the same thread.

use std::sync::{Arc, OnceLock};

use ra_novice::arrival::Arrival;
use ra_novice::prompt::CheckWords;
use ra_p2p::{Pipe, Stop};
use tokio::runtime::{Builder, Handle, Runtime};

use crate::code::peer;
use crate::failure::Failure;
use crate::hosting::Seated;

/// The runtime of an endpoint. It gets on with its work while something is waited for, and while the host runs.
pub(crate) struct Network(Runtime);

impl Network {
    pub(crate) fn start() -> Result<Self, Failure> {
        let runtime = Builder::new_current_thread().enable_all().build();
        runtime.map(Self).map_err(|error| Failure::chain(&error))
    }

    /// Where something can be begun on it from elsewhere.
    pub(crate) fn handle(&self) -> Handle {
        self.0.handle().clone()
    }

    /// Waits for something that lives there.
    pub(crate) fn wait<T>(&self, open: impl Future<Output = T>) -> T {
        self.0.block_on(open)
    }

    /// Lets callers in for as long as the host runs, which has to run here; `open` ends soon after `stop`.
    pub(crate) fn while_hosting<T>(
        self,
        open: impl Future<Output = ()> + Send + 'static,
        stop: &Stop,
        host: impl FnOnce(&Runtime) -> T,
    ) -> T {
        let open = self.0.spawn(open);
        let outcome = host(&self.0);
        stop.now();
        // Whoever is still connected hears that it is over.
        let _ = self.0.block_on(async { tokio::time::timeout(GOODBYE, open).await });
        self.0.shutdown_timeout(GOODBYE);
        outcome
    }
}

/// The words of the one meeting of a code, once there was one.
pub(crate) type Words = Arc<OnceLock<CheckWords>>;

/// Takes a connection to the host's own door, once it runs, with the words where there are some.
pub(crate) fn arrive(seated: &Seated, words: Words) -> impl Fn(Pipe) + Send + Sync + 'static {
    let host = seated.door();
    move |pipe| {
        if let Some(host) = host.get() {
            host.arrive(Arrival::new(pipe.stream, peer(&pipe.path)).with_words(words.get().cloned()));
        }
    }
}

/// How long the goodbye to a helper may take.
const GOODBYE: std::time::Duration = std::time::Duration::from_secs(2);

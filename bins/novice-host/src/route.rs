//! The route of an invitation file: where relays are known, the helper finds this computer also where no address leads to it.

use ra_novice::arrival::Arrival;
use ra_novice::settings::Paths;
use ra_p2p::{Pipe, Relays, Standby, Stop};
use tokio::runtime::{Builder, Runtime};

use crate::cli;
use crate::code::{GOODBYE, peer};
use crate::failure::Failure;
use crate::hosting::Seated;
use crate::relays;
use crate::tell::Teller;

/// An endpoint that the relays know, with the thread that keeps it.
pub(crate) struct ByRelay {
    runtime: Runtime,
    standby: Standby,
    stop: Stop,
}

impl ByRelay {
    /// Makes one where relays are named or known. Relays that do not answer are no reason to make no invitation: its
    /// addresses are left.
    pub(crate) fn take(
        options: &cli::Invite,
        paths: &Paths,
        seated: &Seated,
        teller: &Teller,
    ) -> Result<Option<Self>, Failure> {
        let relays = Relays::new(relays::named_or_known(&options.relay, paths)?);
        if relays.is_empty() || options.kind == cli::Kind::V1 {
            return Ok(None);
        }
        let runtime = Builder::new_multi_thread().worker_threads(1).thread_name("p2p").enable_all().build();
        let runtime = runtime.map_err(|error| Failure::chain(&error))?;
        let host = seated.door();
        let arrive = move |pipe: Pipe| {
            if let Some(host) = host.get() {
                host.arrive(Arrival::new(pipe.stream, peer(&pipe.path)));
            }
        };
        match runtime.block_on(Standby::open(&relays, arrive)) {
            Ok((standby, stop)) => Ok(Some(Self { runtime, standby, stop })),
            Err(error) => {
                tracing::info!(%error, "no route by relays");
                teller.say("No relay answers, so this invitation works where its addresses lead to this computer.");
                Ok(None)
            }
        }
    }

    /// As it stands in the invitation.
    pub(crate) fn text(&self) -> String {
        self.standby.route().to_string()
    }

    /// Lets callers in for as long as the host runs.
    pub(crate) fn while_hosting<T>(self, host: impl FnOnce() -> T) -> T {
        let Self { runtime, standby, stop } = self;
        let open = runtime.spawn(standby.run());
        let outcome = host();
        stop.now();
        // Whoever is still connected hears that it is over.
        let _ = runtime.block_on(async { tokio::time::timeout(GOODBYE, open).await });
        runtime.shutdown_timeout(GOODBYE);
        outcome
    }
}

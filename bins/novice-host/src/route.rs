//! The route of an invitation file: where relays are known, the helper finds this computer also where no address leads to it.

use ra_p2p::{Relays, Standby, Stop};
use ra_rendezvous::RelayUrl;
use tokio::runtime::Runtime;

use crate::failure::Failure;
use crate::hosting::Seated;
use crate::relayed::{Network, Words, arrive};
use crate::tell::Teller;

/// An endpoint that the relays know, with the runtime that keeps it.
pub(crate) struct ByRelay {
    network: Network,
    standby: Standby,
    stop: Stop,
}

impl ByRelay {
    /// Makes one where relays are named or known. Relays that do not answer are no reason to make no invitation: its
    /// addresses are left.
    pub(crate) fn take(relays: Vec<RelayUrl>, seated: &Seated, teller: &Teller) -> Result<Option<Self>, Failure> {
        let relays = Relays::new(relays);
        if relays.is_empty() {
            return Ok(None);
        }
        let network = Network::start()?;
        match network.wait(Standby::open(&relays, arrive(seated, Words::default()))) {
            Ok((standby, stop)) => Ok(Some(Self { network, standby, stop })),
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
    pub(crate) fn while_hosting<T>(self, host: impl FnOnce(&Runtime) -> T) -> T {
        let Self { network, standby, stop } = self;
        network.while_hosting(standby.run(), &stop, host)
    }
}

//! Calls of a mapper, each on a thread of its own, so that a gateway that says nothing holds up nothing but itself.

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Instant;

use ra_nat::{Ask, Gateway, GatewayId, Granted, MapError, Mapper, Seen};

/// The calls that are under way.
///
/// INVARIANT: at most one for each gateway, and one search; so however long a mapper takes, threads do not pile up.
pub(super) struct Calls {
    mapper: Arc<dyn Mapper>,
    under_way: HashSet<GatewayId>,
    searching: bool,
    sender: Sender<Heard>,
    receiver: Receiver<Heard>,
}

/// What a gateway can be asked.
#[derive(Clone, Copy, Debug)]
pub(super) enum Call {
    Look,
    Add(Ask),
    Renew(Ask),
    Delete(Ask),
}

/// What whoever waits for answers hears.
pub(super) enum Heard {
    /// The search is over.
    Found(Result<Vec<Gateway>, MapError>),
    /// A gateway has answered, or the mapper has given up.
    Answer(GatewayId, Answer),
    /// There may be something to do.
    Wake,
    /// There is nothing to do any more.
    Stop,
}

/// What became of a [`Call`].
pub(super) enum Answer {
    Seen(Result<Seen, MapError>),
    Added(Result<Granted, MapError>),
    /// With what the gateway says about itself, where it does.
    Renewed(Result<(Granted, Seen), MapError>),
    Deleted(Result<(), MapError>),
}

impl Calls {
    pub(super) fn new(mapper: Arc<dyn Mapper>) -> Self {
        let (sender, receiver) = channel();
        Self { mapper, under_way: HashSet::new(), searching: false, sender, receiver }
    }

    /// Where somebody else may say [`Heard::Wake`] and [`Heard::Stop`].
    pub(super) fn sender(&self) -> Sender<Heard> {
        self.sender.clone()
    }

    /// Looks for gateways.
    pub(super) fn search(&mut self) {
        if !std::mem::replace(&mut self.searching, true) {
            let mapper = Arc::clone(&self.mapper);
            self.start(move || Heard::Found(guarded(|| mapper.gateways())));
        }
    }

    /// Asks a gateway; false, and nothing happens, while another call to it is under way.
    pub(super) fn ask(&mut self, gateway: &GatewayId, call: Call) -> bool {
        let free = self.under_way.insert(gateway.clone());
        if free {
            let (mapper, gateway) = (Arc::clone(&self.mapper), gateway.clone());
            self.start(move || {
                let answer = call.carry_out(&*mapper, &gateway);
                Heard::Answer(gateway, answer)
            });
        }
        free
    }

    pub(super) fn is_under_way(&self, gateway: &GatewayId) -> bool {
        self.under_way.contains(gateway)
    }

    pub(super) fn is_searching(&self) -> bool {
        self.searching
    }

    /// Waits for what comes next; `None` when that is nothing until `deadline`.
    pub(super) fn hear(&mut self, deadline: Instant) -> Option<Heard> {
        let heard = self.receiver.recv_timeout(deadline.saturating_duration_since(Instant::now())).ok()?;
        match &heard {
            Heard::Found(_) => self.searching = false,
            Heard::Answer(gateway, _) => {
                self.under_way.remove(gateway);
            }
            Heard::Wake | Heard::Stop => {}
        }
        Some(heard)
    }

    fn start(&self, call: impl FnOnce() -> Heard + Send + 'static) {
        let sender = self.sender.clone();
        // Whoever asked may have stopped waiting; then nobody needs the answer.
        let started = std::thread::Builder::new().name("gateway".to_owned()).spawn(move || drop(sender.send(call())));
        if let Err(error) = started {
            // It stays under way: what no thread asks is as good as what no gateway answers.
            tracing::warn!(%error, "no thread to ask a gateway");
        }
    }
}

impl Call {
    fn carry_out(self, mapper: &dyn Mapper, gateway: &GatewayId) -> Answer {
        match self {
            Self::Look => Answer::Seen(guarded(|| mapper.look(gateway))),
            Self::Add(ask) => Answer::Added(guarded(|| mapper.add(gateway, &ask))),
            Self::Renew(ask) => Answer::Renewed(guarded(|| {
                let granted = mapper.renew(gateway, &ask)?;
                Ok((granted, mapper.look(gateway).unwrap_or_default()))
            })),
            Self::Delete(ask) => Answer::Deleted(guarded(|| mapper.delete(gateway, &ask))),
        }
    }
}

/// A mapper that breaks down over what somebody on the network sent has not answered; the host goes on.
fn guarded<T>(call: impl FnOnce() -> Result<T, MapError>) -> Result<T, MapError> {
    catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|_| {
        tracing::error!("a mapper broke down");
        Err(MapError::Unreachable)
    })
}

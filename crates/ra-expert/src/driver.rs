//! The driver: dial, join, session, in this order, and one reason at the end.

use std::sync::Arc;
use std::time::Duration;

use ra_channels::remdesk::{Credentials, RemdeskExpert};
use ra_session::RETURN_WITHIN;
use ra_ticket::{AccountLogin, expert_blob};
use tokio::time::{Instant, sleep, sleep_until};
use tracing::{info, warn};
use zeroize::Zeroizing;

use crate::again::{self, Again, WayBack};
use crate::dial::{self, Caller, Other, dial, learn, over};
use crate::event::{EndReason, Face, ViewerEvent};
use crate::identity::HelperIdentity;
use crate::input::{Controls, Order};
use crate::picture::Picture;
use crate::pin::Pin;
use crate::pipeline::{Decoding, Pipeline};
use crate::plan::{Account, Plan, Version};
use crate::rdp::{Ending, Introduction, Session, WireError, join};
use crate::stats::Counters;
use crate::wait::wait;
use crate::way::Way;

/// What the expert wishes for one session.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Options {
    /// How the expert is called on the novice's side; empty: `Expert`.
    pub name: String,
    /// Addresses strictly one after the other, 30 s each, as in 2001.
    pub sequential: bool,
    /// Ask for control as soon as the picture is there.
    pub request_control: bool,
    /// The session ends by itself this long after the novice said yes.
    pub time_limit: Option<Duration>,
    /// The helper's own key: needed to offer help, and shown to a novice's computer that asks for it.
    pub identity: Option<Arc<HelperIdentity>>,
    /// Typed once, when control is granted.
    pub text: Option<Zeroizing<String>>,
}

/// One attempt to help: made from a plan, run once.
pub struct Viewer {
    plan: Plan,
    way: Way,
    options: Options,
    face: Arc<dyn Face>,
    picture: Picture,
    controls: Controls,
    counters: Counters,
}

impl Viewer {
    /// Makes a viewer; nothing happens before [`Viewer::run`].
    #[must_use]
    pub fn new(plan: Plan, options: Options, face: Arc<dyn Face>) -> Self {
        let (picture, controls, counters) = (Picture::default(), Controls::default(), Counters::default());
        Self { plan, way: Way::Dial, options, face, picture, controls, counters }
    }

    /// The same by another way than dialling the endpoints of the plan.
    #[must_use]
    pub fn by(self, way: Way) -> Self {
        Self { way, ..self }
    }

    /// The novice's desktop, as soon as there is one.
    #[must_use]
    pub fn picture(&self) -> Picture {
        self.picture.clone()
    }

    /// The way for keys, pointer and wishes.
    #[must_use]
    pub fn controls(&self) -> Controls {
        self.controls.clone()
    }

    /// What the session costs and brings.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.counters.clone()
    }

    /// Reaches the novice and stays until the end, which is also the last event.
    ///
    /// Needs a tokio runtime with I/O and time. Dropping the future closes the connection without a goodbye; to end in
    /// good order use [`Controls::end`].
    pub async fn run(self) -> EndReason {
        let face = Arc::clone(&self.face);
        let offers = self.plan.is_offer();
        let reason = self.attempt().await;
        let reason = if offers { reason.of_an_offer() } else { reason };
        info!(reason = reason.word(), "ended");
        face.event(&ViewerEvent::Ended { reason });
        reason
    }

    async fn attempt(self) -> EndReason {
        let Self { mut plan, way, options, face, picture, controls, counters } = self;
        let pace = if options.sequential { dial::Pace::AS_IN_2001 } else { dial::Pace::RACE };
        let introduction = Introduction::new(&plan, CLIENT_NAME);
        let sight = || Sight::open(&picture, &counters, &face);
        let Some(first_sight) = sight() else { return EndReason::Lost };
        let reached = async {
            let pin = match &plan.pin {
                Pin::Computer(None) if matches!(way, Way::Dial | Way::DialAlso { .. }) => {
                    Pin::Computer(Some(learn(&plan.endpoints, &introduction, &face).await?))
                }
                // Nobody can be asked in the middle of the one connection that there is.
                Pin::Computer(None) => return Err(EndReason::WrongComputer),
                pin => pin.clone(),
            };
            // From here on only a computer with a known key is spoken to, and what is said may be secret.
            let login = match plan.account.take() {
                Some(account) => Some(login(account, &face).await?),
                None => None,
            };
            let remdesk = said_on_remdesk(&plan, &options.name, login.as_ref())?;
            // Whoever wants to be known by an account keeps the key to themselves.
            let mut caller = Caller { pin, identity: options.identity.clone().filter(|_| login.is_none()) };
            let (line, again) = match way {
                Way::Dial => {
                    let line = dial(&plan.endpoints, None, &caller, pace, &introduction, &face).await?;
                    let again = Again::dial(&plan.endpoints, &line.endpoint, None);
                    (line, Some(again))
                }
                Way::DialAlso { other, endpoint } => {
                    let other = Other { redial: other, endpoint };
                    let line = dial(&plan.endpoints, Some(&other), &caller, pace, &introduction, &face).await?;
                    let again = Again::dial(&plan.endpoints, &line.endpoint, Some(other));
                    (line, Some(again))
                }
                Way::Over { stream, endpoint, again } => {
                    let line = over(stream, endpoint.clone(), &caller, &introduction, dial::ATTEMPT, &face).await?;
                    (line, again.map(|redial| Again::Redial(redial, endpoint)))
                }
                Way::Listening(listener) => {
                    let addr = listener.local_addr();
                    let line = wait(listener, &caller, &introduction, &*face).await?;
                    (line, addr.ok().map(Again::Listen))
                }
            };
            if let Some(round_trip) = line.round_trip {
                counters.round_trip(round_trip);
            }
            let pin = again::pin_of(&caller.pin, &line);
            let joined = join(line.secured, remdesk, first_sight.decoding.inlet(), dial::ATTEMPT).await;
            let joined = joined.map_err(|error| not_joined(&error))?;
            let again = again.zip(pin).map(|(again, pin)| {
                caller.pin = pin;
                again
            });
            Ok((joined, caller, login, again))
        };
        let (joined, caller, login, again) = tokio::select! {
            reached = reached => match reached {
                Ok(reached) => reached,
                Err(reason) => return reason,
            },
            () = asked_to_end(&controls) => return EndReason::Asked,
        };
        let wishes = Wishes {
            request_control: options.request_control,
            time_limit: options.time_limit,
            text: options.text,
            time_up: None,
        };
        let mut ending = Session::new(joined, first_sight, &*face, &controls, wishes, None).run().await;

        // The loss that is being made up for, and how often the computer closed before its first word since.
        let mut lost: Option<(Instant, u32)> = None;
        while let (Ending { reason: EndReason::Lost, promise: Some(secret), time_up, .. }, Some(again)) =
            (&ending, &again)
        {
            let (secret, time_up) = (secret.clone(), *time_up);
            let (until, closed) = lost.unwrap_or_else(|| {
                face.event(&ViewerEvent::Reconnecting);
                (Instant::now() + RETURN_WITHIN, 0)
            });
            controls.forget_input();
            let way_back = WayBack { again, caller: &caller, introduction: &introduction, until };
            let returning = async {
                if closed > 0 {
                    sleep(BEFORE_ANOTHER).await;
                }
                let line = way_back.find(&face).await.ok_or(EndReason::Lost)?;
                let sight = sight().ok_or(EndReason::Lost)?;
                let remdesk = said_on_remdesk(&plan, &options.name, login.as_ref())?;
                let joined = join(line.secured, remdesk, sight.decoding.inlet(), JOIN_AGAIN).await;
                let joined = joined.map_err(|error| not_joined(&error))?;
                // Control has to be asked for, and what was to be typed then is not meant for now.
                let wishes = Wishes { request_control: false, time_limit: None, text: None, time_up };
                Ok(Session::new(joined, sight, &*face, &controls, wishes, Some(secret.clone())))
            };
            let session = tokio::select! {
                session = returning => session,
                () = asked_to_end(&controls) => return EndReason::Asked,
                () = sleep_until(time_up.unwrap_or(until)), if time_up.is_some() => return EndReason::Asked,
            };
            let next = match session {
                Ok(session) => session.run().await,
                Err(reason) => Ending { reason, promise: None, time_up, refused: false },
            };
            (ending, lost) = match next.reason {
                // Whatever a no is called for somebody who comes for the first time: this session is lost.
                _ if next.refused => return EndReason::Lost,
                // It closed, or was silent, before the picture was back: the same secret may still be good.
                EndReason::NotReached | EndReason::NoAnswer if closed + 1 < CLOSED_TO_GIVE_UP => {
                    (Ending { reason: EndReason::Lost, promise: Some(secret), ..next }, Some((until, closed + 1)))
                }
                EndReason::NotReached | EndReason::NoAnswer => return EndReason::Lost,
                _ => (next, None),
            };
        }
        ending.reason
    }
}

/// Why a connection that stood was not completed, for the expert.
fn not_joined(error: &WireError) -> EndReason {
    info!(%error, "the connection was not completed");
    match error {
        // Closed after Client Info: the ticket is expired, ended or unknown, and we are not told which.
        WireError::Gone(_) | WireError::TimeOut => EndReason::NotReached,
        WireError::Protocol(_) => EndReason::Protocol,
    }
}

/// What is done by itself during a session.
pub(crate) struct Wishes {
    pub(crate) request_control: bool,
    pub(crate) time_limit: Option<Duration>,
    pub(crate) text: Option<Zeroizing<String>>,
    /// When the session has to end, where the clock runs since an earlier connection.
    pub(crate) time_up: Option<Instant>,
}

/// Everything by which the expert sees.
pub(crate) struct Sight<'a> {
    pub(crate) picture: &'a Picture,
    pub(crate) decoding: Decoding,
    pub(crate) counters: Counters,
}

impl<'a> Sight<'a> {
    /// A fresh decoder that paints into this picture; none where the system gives no thread.
    fn open(picture: &'a Picture, counters: &Counters, face: &Arc<dyn Face>) -> Option<Self> {
        let decoding = Decoding::start(Pipeline::new(picture, counters), Arc::clone(face));
        let decoding = decoding.inspect_err(|error| warn!(%error, "no thread for the decoder")).ok()?;
        Some(Self { picture, decoding, counters: counters.clone() })
    }
}

/// Resolves when the expert has had enough; everything else has no meaning before the session.
async fn asked_to_end(controls: &Controls) {
    loop {
        controls.woken().await;
        if controls.take().iter().any(|order| matches!(order, Order::End)) {
            return;
        }
    }
}

/// The account with its password, which a person is asked for where nobody gave it.
async fn login(account: Account, face: &Arc<dyn Face>) -> Result<AccountLogin, EndReason> {
    let Account { name, password } = account;
    if let Some(password) = password {
        return Ok(AccountLogin { name, password });
    }
    let (asked, whose) = (Arc::clone(face), name.clone());
    let typed = tokio::task::spawn_blocking(move || asked.account_password(&whose)).await;
    // Whoever types none does not want to go on.
    let password = typed.ok().flatten().ok_or(EndReason::Asked)?;
    Ok(AccountLogin { name, password })
}

/// What will be said on `remdesk`, prepared before the computer is dialled.
fn said_on_remdesk(plan: &Plan, name: &str, login: Option<&AccountLogin>) -> Result<RemdeskExpert, EndReason> {
    let name = if name.is_empty() { NAME } else { name };
    let blob = match login {
        Some(login) => expert_blob::write_login(name, login),
        None => expert_blob::write(name, plan.proof.as_ref()),
    };
    let expert_blob = blob.as_str().into();
    let credentials = match plan.version {
        Version::One => {
            Credentials::VersionOne { connection_string: plan.connection_string.as_str().into(), expert_blob }
        }
        Version::Two => Credentials::VersionTwo {
            encrypted_stub: plan.proof.as_ref().map(|proof| proof.as_bytes()).unwrap_or_default().into(),
            expert_blob,
        },
    };
    RemdeskExpert::new(credentials).map_err(|error| {
        warn!(%error, "the invitation does not fit into a message");
        EndReason::Protocol
    })
}

/// What FreeRDP's expert is called, and ours when it has no name.
const NAME: &str = "Expert";
/// The client's computer name in the connection sequence: ours is nobody's business.
const CLIENT_NAME: &str = "expert";
/// The connection sequence on a connection that takes the place of another one.
const JOIN_AGAIN: Duration = Duration::from_secs(8);
/// After so many connections that came to nothing before the novice's word, the ticket is taken to be over.
const CLOSED_TO_GIVE_UP: u32 = 5;
/// Before another connection after one that came to nothing.
const BEFORE_ANOTHER: Duration = Duration::from_secs(1);

//! `novice-host invite --code`: an invitation that is spoken instead of sent.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use ra_novice::arrival::{Peer, RelayName};
use ra_novice::book::Scope;
use ra_novice::control::HostLock;
use ra_novice::host::WhenStopped;
use ra_novice::identity::Identity;
use ra_novice::invite::{Invited, PasswordWish, Wish, create};
use ra_novice::prompt::CheckWords;
use ra_novice::settings::{self, Paths};
use ra_novice::store::{Store, TicketKind};
use ra_p2p::{Meeting, MeetingNews, P2pError, Path, Relays, Stop, Terms};
use ra_policy::{Denied, Policy};
use ra_rendezvous::{Code, Link, Slip};
use ra_session::invitations::TicketId;
use ra_ticket::{Endpoint, Password};
use serde_json::json;
use tokio::runtime::Runtime;
use zeroize::Zeroizing;

use crate::cli;
use crate::failure::Failure;
use crate::hosting::{self, Hosting, Seated};
use crate::invite::{self, Permitted};
use crate::outside::{Asking, Giver, anybody_elsewhere};
use crate::reach;
use crate::relayed::{Network, Words, arrive};
use crate::relays;
use crate::tell::Teller;
use crate::terminal::{Screen, Terminal};
use crate::words;

/// Takes a place at the relays, says the code, and waits.
pub(crate) fn run(options: &cli::Invite, teller: &Teller) -> Result<(), Failure> {
    let Permitted { paths, policy, helper, allowed, length } = invite::permitted(options)?;
    let relays = relays::to_use(&options.relay, &paths, &policy)?;
    if relays.is_empty() {
        return Err(no_relay(&policy));
    }
    let person = match invite::password(options)? {
        PasswordWish::Given(password) => Some(password),
        // The code itself is what only the two know; a password on top is for whoever wants one.
        PasswordWish::Generated | PasswordWish::None => None,
    };
    paths.prepare_state()?;
    let lock = HostLock::take(&paths)?.ok_or_else(|| hosting::hosted_already(&paths))?;
    let mut seated = Seated::take(lock, &options.serve, options.serve.listen.clone(), &paths)?;
    invite::tell_shorter(options, length, teller);
    let mut store = Store::open(&paths.store())?;
    let identity = hosting::identity(&paths, &mut store)?;

    let entropy = Entropy::draw()?;
    let password = Password::new(&entropy.password()).map_err(|error| Failure::other(error.to_string()))?;
    let wish = Wish {
        name: options.name.clone().or_else(settings::profile_name).unwrap_or_else(|| "Somebody".to_owned()),
        password: PasswordWish::Given(password.clone()),
        kind: TicketKind::V2,
        length,
        endpoints: vec![nowhere()?],
        route: None,
        mappings: Vec::new(),
        view_only: options.view_only,
        helper,
        file: None,
    };
    let invited = create(&identity, &mut store, allowed, wish, crate::now())?;
    let link = Link::new(Code::from_entropy(&entropy.code), relays);
    let hosted = seated.take_terminal().and_then(|()| {
        let screen = seated.terminal.as_ref().map(Terminal::screen);
        let spoken = Spoken { invited: &invited, link, person, password: &password, life: length };
        spoken.host(seated, &identity, store, &paths, screen, teller)
    });
    if hosted.is_err() {
        invite::withdraw(&paths, &invited.ticket.id);
    }
    hosted
}

/// A code and all that hangs on it.
struct Spoken<'a> {
    invited: &'a Invited,
    link: Link,
    /// The person's own password.
    person: Option<Password>,
    /// The one that opens the invitation, known to no person.
    password: &'a Password,
    /// How long it is good.
    life: Duration,
}

impl Spoken<'_> {
    fn host(
        self,
        seated: Seated,
        identity: &Identity,
        store: Store,
        paths: &Paths,
        screen: Option<Screen>,
        teller: &Teller,
    ) -> Result<(), Failure> {
        let Self { invited, link, person, password, life } = self;
        let terms = Terms {
            code: link.code.clone(),
            password: person.map(|person| Zeroizing::new(person.expose().to_owned())),
            slip: Slip {
                invitation: invited.invitation.to_bytes(),
                password: Zeroizing::new(password.expose().to_owned()),
            },
            relays: Relays::new(link.relays.clone()),
        };
        let needs_password = terms.password.is_some();
        let place = RelayPlace::take(terms, &seated, teller)?;
        let giver = Giver::new(&place.meeting, place.network.handle(), teller);
        let ticket = &invited.ticket.id;
        let gateways = reach::gateways(paths);
        let asking = if anybody_elsewhere(&link.relays) {
            Some(Asking::begin(paths, &gateways, ticket, place.meeting.sockets(), life, giver.clone())?)
        } else {
            None
        };

        let until = words::local(words::at(invited.ticket.expires().0), SystemTime::now());
        let announcement = {
            let (teller, relay) = (teller.clone(), place.relay.clone());
            let event = json!({
                "ticket": invited.ticket.id.as_str(),
                "expires": words::rfc3339(words::at(invited.ticket.expires().0)),
                "endpoints": [],
                "relay": relay,
            });
            let told = in_words(&until, needs_password, screen.is_some(), &invited.ticket.id);
            let code = Zeroizing::new(format!("  Code: {}", *link.code.spoken()));
            let link = Zeroizing::new(format!("  Link: {}", *link.spoken()));
            move || {
                teller.event("invited", event);
                teller.say(&told);
                if let Some(screen) = screen {
                    screen.write_line(&code);
                    screen.write_line(&link);
                }
            }
        };
        let hosting = Hosting {
            seated,
            tls: identity.server_config()?,
            store,
            paths: paths.clone(),
            scope: Scope::Listed([invited.ticket.id.clone()].into()),
            when_stopped: WhenStopped::EndTickets,
            calls: Vec::new(),
            gateways,
            moved: Box::new(move |moved| giver.moved(moved)),
            waiting: format!("Waiting for your helper until {until}."),
        };
        place.while_hosting(|network| {
            let hosted = hosting.run(Some(network), announcement, teller);
            if let Some(asking) = asking {
                asking.settle();
            }
            hosted
        })
    }
}

/// The code's place at the relays, with the runtime that keeps it.
struct RelayPlace {
    network: Network,
    meeting: Meeting,
    stop: Stop,
    relay: String,
}

impl RelayPlace {
    fn take(terms: Terms, seated: &Seated, teller: &Teller) -> Result<Self, Failure> {
        let network = Network::start()?;
        let (telling, host) = (teller.clone(), seated.door());
        let words = Words::default();
        let known = Arc::clone(&words);
        let tell = move |news| {
            tell(&news, &telling);
            if let MeetingNews::Met { words, .. } = &news
                && let Some(words) = CheckWords::new(&words.join(" "))
            {
                // A code is good once, so there is one meeting; its connection arrives after this.
                let _ = known.set(words);
            }
            if matches!(news, MeetingNews::Wrong { left: 0, .. } | MeetingNews::Over)
                && let Some(host) = host.get()
            {
                // Nobody can come with this code any more.
                host.stop();
            }
        };
        let opened = network.wait(Meeting::open(terms, tell, arrive(seated, words)));
        let (meeting, stop) = opened.map_err(|error| failed(&error))?;
        let relay = meeting.relay().to_owned();
        Ok(Self { network, meeting, stop, relay })
    }

    /// Lets callers in for as long as the host runs.
    fn while_hosting<T>(self, host: impl FnOnce(&Runtime) -> T) -> T {
        let Self { network, meeting, stop, .. } = self;
        network.while_hosting(meeting.run(), &stop, host)
    }
}

/// Tells people what they can act on, and programs all of it.
fn tell(news: &MeetingNews, teller: &Teller) {
    match news {
        MeetingNews::Wrong { left, path } => {
            teller.event("code_refused", json!({ "left": left, "peer": path.to_string() }));
            teller.say(&match left {
                0 => "Somebody has tried a wrong password too often: the code has ended. Make a new one.".to_owned(),
                left => format!("Somebody has your code and gave a wrong password. The code bears {left} more."),
            });
        }
        MeetingNews::Met { words, path } => {
            let words = words.join(" ");
            teller.event("met", json!({ "words": words, "via": via(path), "peer": path.to_string() }));
            teller.say(&format!("Somebody has come with your code. Your helper should see the same words: {words}"));
        }
        MeetingNews::Path(path) => teller.event("path", json!({ "via": via(path), "peer": path.to_string() })),
        MeetingNews::Over => {
            teller.say("The code was for one helper, who has gone. Make a new one to be helped again.")
        }
        _ => {}
    }
}

const fn via(path: &Path) -> &'static str {
    match path {
        Path::Direct(_) => "direct",
        Path::Relay(_) => "relay",
    }
}

pub(crate) fn peer(path: &Path) -> Peer {
    match path {
        Path::Direct(address) => (*address).into(),
        Path::Relay(host) => RelayName::new(host).into(),
    }
}

fn in_words(until: &str, needs_password: bool, on_terminal: bool, ticket: &TicketId) -> String {
    let with = if needs_password { " and your password, best by phone" } else { ", best by phone" };
    let to_end = if on_terminal {
        "press q or Ctrl-C here".to_owned()
    } else {
        format!("use `novice-host tickets expire {ticket}`")
    };
    format!(
        "Tell the person who should help you this code{with}; or send them the link.\n  \
         It can be used once, until {until}. To end it earlier, {to_end}.\n  \
         Nobody sees anything before you have said yes."
    )
}

fn no_relay(policy: &Policy) -> Failure {
    if policy.official_relays().is_ok_and(|official| official.is_some()) {
        return Failure::policy(format!("{}, so nobody could find this computer by a code", Denied::NoRelay))
            .advice("Make an invitation file: it works where an address leads to this computer.");
    }
    Failure::usage("no relay is known here, so nobody could find this computer by a code").advice(
        "Name one with --relay https://relay.example.org, or list your organisation's in the file `relays` of the settings. \
         Without a relay, make an invitation file.",
    )
}

fn failed(error: &P2pError) -> Failure {
    let failure = Failure::other(error.to_string());
    match error {
        P2pError::RelaysSilent(_) => {
            failure.advice("Try again, name another one with --relay, or make an invitation file.")
        }
        _ => failure,
    }
}

/// What an invitation that is handed over in a meeting lists: the format wants an address, and nobody dials this one.
fn nowhere() -> Result<Endpoint, Failure> {
    "code.invalid:3389".parse().map_err(|_| Failure::other("an address cannot be written"))
}

/// All the randomness of one code.
#[derive(zeroize::Zeroize, zeroize::ZeroizeOnDrop)]
struct Entropy {
    code: [u8; Code::ENTROPY],
    password: [u8; 32],
}

impl Entropy {
    fn draw() -> Result<Self, Failure> {
        let mut drawn = Self { code: [0; Code::ENTROPY], password: [0; 32] };
        let filled = getrandom::fill(&mut drawn.code).and_then(|()| getrandom::fill(&mut drawn.password));
        filled.map_err(|_| Failure::other("the system gives no random numbers"))?;
        Ok(drawn)
    }

    /// Sixty-four hexadecimal digits.
    fn password(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(2 * self.password.len()));
        for byte in self.password {
            for half in [byte >> 4, byte & 15] {
                text.extend(char::from_digit(u32::from(half), 16));
            }
        }
        text
    }
}

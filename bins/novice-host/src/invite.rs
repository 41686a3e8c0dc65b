//! `novice-host invite`: policy, port, ticket, file, and then waiting for the person.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use ra_novice::book::Scope;
use ra_novice::calls::Call;
use ra_novice::control::{HostLock, HostSummary, Tickets};
use ra_novice::endpoints::{self, Surroundings};
use ra_novice::host::WhenStopped;
use ra_novice::identity::Identity;
use ra_novice::invite::{Invited, PasswordWish, Wish, create};
use ra_novice::listen::Port;
use ra_novice::mappings::Reached;
use ra_novice::policy::EffectivePolicy;
use ra_novice::settings::{self, Paths};
use ra_novice::store::{Store, TicketKind};
use ra_policy::{Denied, HelpAllowed, HelperName, Policy};
use ra_session::invitations::{EndCause, TicketId};
use ra_ticket::{Endpoint, Password};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::cli;
use crate::failure::Failure;
use crate::hosting::{self, Hosting, Seated};
use crate::reach;
use crate::relays;
use crate::tell::Teller;
use crate::terminal::Terminal;
use crate::words;

/// Makes an invitation and, unless told otherwise, hosts it until it ends.
pub(crate) fn run(options: &cli::Invite, teller: &Teller) -> Result<(), Failure> {
    if options.code {
        return by_code(options, teller);
    }
    if options.no_password && options.kind != cli::Kind::V1 {
        return Err(ra_novice::invite::InviteError::PasswordNeeded.into());
    }
    let Permitted { paths, policy, helper, allowed, length } = permitted(options)?;
    let kind = match options.kind {
        cli::Kind::Both if policy.encrypted_only() => TicketKind::V2,
        cli::Kind::Both => TicketKind::Both,
        cli::Kind::V2 => TicketKind::V2,
        cli::Kind::V1 if policy.encrypted_only() => {
            let message =
                "policy allows encrypted invitations only (CreateEncryptedOnlyTickets), and one of kind v1 is not";
            return Err(Failure::policy(message));
        }
        cli::Kind::V1 => TicketKind::V1,
    };
    // A route stands in what is encrypted, and an invitation of kind v1 has nothing such.
    let relays = relays::to_use(&options.relay, &paths, &policy)?;
    let relays = if options.kind == cli::Kind::V1 { Vec::new() } else { relays };
    let password = password(options)?;
    if options.no_serve && options.advertise.is_empty() && options.serve.addresses().iter().any(|addr| addr.port() == 0)
    {
        return Err(Failure::usage("--no-serve needs to know the port: give one with --listen"));
    }

    paths.prepare_state()?;
    let waits = Waits::find(options, &paths)?;
    tell_shorter(options, length, teller);
    if kind == TicketKind::V2 && options.kind == cli::Kind::Both {
        teller.say("This computer allows encrypted invitations only: programs of before 2007 cannot open this one.");
    }
    let mut store = Store::open(&paths.store())?;
    let identity = hosting::identity(&paths, &mut store)?;
    let listening = waits.addresses(options);
    // Whoever says where this computer can be reached knows its gateways better than we do.
    let asked = options.advertise.is_empty().then(|| reach::ask_gateways(&paths, &listening, length));
    let reached = asked.unwrap_or_default();
    let endpoints = reachable_at(options, &listening, &reached)?;
    let by_relay = match &waits {
        Waits::Here(seated) => ByRelay::take(relays, seated, teller)?,
        // A route ends with the process that keeps it, and this one does not stay.
        Waits::There(_) | Waits::Later => None,
    };
    let wish = Wish {
        name: options.name.clone().or_else(settings::profile_name).unwrap_or_else(|| "Somebody".to_owned()),
        password,
        kind,
        length,
        endpoints,
        route: by_relay.as_ref().map(ByRelay::text),
        mappings: reached.mappings.clone(),
        view_only: options.view_only,
        helper,
        file: Some(options.save.clone()),
    };
    let generated = matches!(wish.password, PasswordWish::Generated);
    if generated && !matches!(waits, Waits::Here(_)) && !hosting::has_terminal() {
        return Err(Failure::other("there is no terminal to show the new password on")
            .advice("Give one with --password-file or --password-fd."));
    }
    let invited = create(&identity, &mut store, allowed, wish, crate::now())
        .inspect_err(|_| reach::give_back(&paths, &reached))?;

    if let Waits::Here(seated) = waits {
        let promise = Promise { invited: &invited, reached: &reached, generated, dial: &options.dial };
        let host = |network: Option<&Runtime>| host(*seated, &identity, store, paths, &promise, network, teller);
        return match by_relay {
            Some(by_relay) => by_relay.while_hosting(|network| host(Some(network))),
            None => host(None),
        };
    }
    announce(&invited, teller);
    reach::tell(&reached, teller);
    if generated {
        hosting::on_terminal(&tell_password(&invited))?;
    }
    // A host that was not there before may be by now, and one that was may have gone.
    if !Tickets::open(&paths, crate::now)?.host_too(&invited.ticket.id)? {
        teller.say("Nobody waits for them yet: start `novice-host serve` for that.");
    } else if let Waits::There(host) = waits {
        teller.say(&format!(
            "The novice-host that is running already (process {}) waits for them, and asks where it was started.",
            host.process
        ));
    }
    Ok(())
}

#[cfg(not(feature = "p2p"))]
use ra_rendezvous::RelayUrl;

#[cfg(feature = "p2p")]
use crate::{code::run as by_code, route::ByRelay};

/// There is none in this build.
#[cfg(not(feature = "p2p"))]
enum ByRelay {}

#[cfg(not(feature = "p2p"))]
impl ByRelay {
    fn take(_: Vec<RelayUrl>, _: &Seated, _: &Teller) -> Result<Option<Self>, Failure> {
        Ok(None)
    }

    fn text(&self) -> String {
        match *self {}
    }

    fn while_hosting<T>(self, _: impl FnOnce(&Runtime) -> T) -> T {
        match self {}
    }
}

#[cfg(not(feature = "p2p"))]
fn by_code(_: &cli::Invite, _: &Teller) -> Result<(), Failure> {
    Err(Failure::usage("this program was built without codes; make an invitation file"))
}

/// What policy allows of what was asked for.
pub(crate) struct Permitted {
    pub(crate) paths: Paths,
    pub(crate) policy: Policy,
    pub(crate) helper: Option<HelperName>,
    pub(crate) allowed: HelpAllowed,
    pub(crate) length: Duration,
}

/// Asks policy, before anything else is done.
pub(crate) fn permitted(options: &cli::Invite) -> Result<Permitted, Failure> {
    let paths = Paths::from_environment()?;
    let policy = EffectivePolicy::read(&paths).policy;
    let helper = match &options.helper {
        Some(name) => Some(HelperName::new(name).ok_or_else(|| Failure::usage("--for needs the name of a helper"))?),
        None => None,
    };
    let allowed = policy.may_invite_for(helper.as_ref()).map_err(|denied| refused(&denied))?;
    let length = policy.ticket_length(options.expires);
    Ok(Permitted { paths, policy, helper, allowed, length })
}

/// Says that the invitation is shorter than it was asked for.
pub(crate) fn tell_shorter(options: &cli::Invite, length: Duration, teller: &Teller) {
    if length < options.expires {
        let shorter = words::duration(length);
        teller.say(&format!("This computer allows {shorter} at most, so the invitation can be used for {shorter}."));
    }
}

/// Who will wait for the expert.
enum Waits {
    /// This process.
    Here(Box<Seated>),
    /// The host that is running here already.
    There(HostSummary),
    /// Nobody yet.
    Later,
}

impl Waits {
    /// Takes the host's place, unless it is taken or not wanted.
    fn find(options: &cli::Invite, paths: &Paths) -> Result<Self, Failure> {
        if options.no_serve {
            return Ok(Self::Later);
        }
        if let Some(lock) = HostLock::take(paths)? {
            return Ok(Self::Here(Box::new(Seated::take(lock, &options.serve, options.serve.addresses(), paths)?)));
        }
        let Some(host) = Tickets::of_running_host(paths, crate::now)?.host()? else { return Ok(Self::Later) };
        if !options.dial.is_empty() {
            let process = host.process;
            return Err(Failure::other(format!(
                "novice-host is running here already (process {process}), and calls nobody for this invitation"
            ))
            .advice("End that one first, to call your helper from here."));
        }
        let elsewhere = options.serve.listen.iter().find(|wanted| !host.addresses.contains(wanted));
        if let Some(wanted) = elsewhere {
            let process = host.process;
            return Err(Failure::other(format!(
                "novice-host is running here already (process {process}), and does not wait on {wanted}"
            ))
            .advice("Leave out --listen to let that one wait for your helper too, or end it first."));
        }
        Ok(Self::There(host))
    }

    /// Where somebody will listen.
    fn addresses(&self, options: &cli::Invite) -> Vec<std::net::SocketAddr> {
        match self {
            Self::Here(seated) => seated.ports.iter().map(Port::addr).collect(),
            Self::There(host) => host.addresses.clone(),
            Self::Later => options.serve.addresses(),
        }
    }
}

/// Policy's no, and what can be done about it.
fn refused(denied: &Denied) -> Failure {
    let failure = Failure::policy(denied.to_string());
    match denied {
        Denied::Buddy => failure.advice("Name an official helper with --for; `novice-host policy explain` lists them."),
        _ => failure,
    }
}

/// What was made, and is to be told.
struct Promise<'a> {
    invited: &'a Invited,
    reached: &'a Reached,
    /// The password was made up here, and the person has to see it.
    generated: bool,
    /// The helpers who wait to be called.
    dial: &'a [Endpoint],
}

fn host(
    mut seated: Seated,
    identity: &Identity,
    store: Store,
    paths: Paths,
    promise: &Promise<'_>,
    network: Option<&Runtime>,
    teller: &Teller,
) -> Result<(), Failure> {
    let outcome = seated.take_terminal().and_then(|()| wait(seated, identity, store, &paths, promise, network, teller));
    if outcome.is_err() {
        withdraw(&paths, &promise.invited.ticket.id);
    }
    outcome
}

/// Ends the ticket of an invitation that nobody can use; a failure to do so changes nothing about the first.
pub(crate) fn withdraw(paths: &Paths, ticket: &TicketId) {
    let withdrawn =
        Store::open(&paths.store()).and_then(|mut store| store.end(ticket, EndCause::HostClosed, crate::now()));
    if let Err(error) = withdrawn {
        tracing::warn!(%error, "the ticket could not be ended");
    }
}

/// Tells what was made, and waits for whoever comes.
fn wait(
    seated: Seated,
    identity: &Identity,
    store: Store,
    paths: &Paths,
    promise: &Promise<'_>,
    network: Option<&Runtime>,
    teller: &Teller,
) -> Result<(), Failure> {
    let &Promise { invited, reached, generated, dial } = promise;
    let screen = seated.terminal.as_ref().map(Terminal::screen);
    let to_end = match &screen {
        Some(_) => "press q or Ctrl-C here".to_owned(),
        None => format!("use `novice-host tickets expire {}`", invited.ticket.id),
    };
    // The announcement comes once the port is open: who reads it may connect at once.
    let announcement = {
        let (teller, event, reached) = (teller.clone(), event(invited), reached.clone());
        let (text, password) = (in_words(invited, &to_end), generated.then(|| tell_password(invited)));
        move || {
            teller.event("invited", event);
            teller.say(&text);
            reach::tell(&reached, &teller);
            if let Some((screen, password)) = screen.zip(password) {
                screen.write_line(&password);
            }
        }
    };
    let until = words::local(words::at(invited.ticket.expires().0), SystemTime::now());
    let hosting = Hosting {
        seated,
        tls: identity.server_config()?,
        store,
        paths: paths.clone(),
        scope: Scope::Listed([invited.ticket.id.clone()].into()),
        when_stopped: WhenStopped::EndTickets,
        calls: dial.iter().map(|expert| Call { expert: expert.clone(), ticket: invited.ticket.id.clone() }).collect(),
        gateways: reach::gateways(paths),
        moved: Box::new(|_| ()),
        waiting: format!("Waiting for your helper until {until}."),
    };
    hosting.run(network, announcement, teller)
}

/// Where the invitation says that this computer is.
fn reachable_at(
    options: &cli::Invite,
    listening: &[std::net::SocketAddr],
    reached: &Reached,
) -> Result<Vec<Endpoint>, Failure> {
    if !options.advertise.is_empty() {
        return Ok(options.advertise.clone());
    }
    let around = Surroundings::look().map_err(|error| Failure::chain(&error))?;
    let endpoints = endpoints::gather(listening, &reached.external, &around);
    if endpoints.is_empty() {
        return Err(Failure::other("this computer is in no network, so nobody could reach it")
            .advice("Connect it to one, or say with --advertise HOST:PORT where it can be reached."));
    }
    Ok(endpoints)
}

pub(crate) fn password(options: &cli::Invite) -> Result<PasswordWish, Failure> {
    let from = match (&options.password_file, options.password_fd) {
        (Some(file), _) => file.clone(),
        (None, Some(descriptor)) => PathBuf::from(format!("/dev/fd/{descriptor}")),
        (None, None) if options.no_password => return Ok(PasswordWish::None),
        (None, None) => return Ok(PasswordWish::Generated),
    };
    let password = first_line(&from)?;
    let password = Password::new(&password).map_err(|error| Failure::usage(format!("{}: {error}", from.display())))?;
    Ok(PasswordWish::Given(password))
}

/// The first line of a file without its end; wiped when dropped.
fn first_line(file: &Path) -> Result<zeroize::Zeroizing<String>, Failure> {
    let failed =
        |error: std::io::Error| Failure::other(format!("cannot read the password from {}: {error}", file.display()));
    let mut opened = File::open(file).map_err(failed)?;
    let mut line = zeroize::Zeroizing::new(Vec::with_capacity(LONGEST_LINE));
    let mut byte = zeroize::Zeroizing::new([0]);
    // Byte by byte: a buffer in between would keep a copy, and a pipe may stay open behind the line.
    while line.len() < LONGEST_LINE && opened.read(&mut *byte).map_err(failed)? == 1 && *byte != [b'\n'] {
        line.push(byte[0]);
    }
    let text = str::from_utf8(&line).map_err(|_| failed(std::io::ErrorKind::InvalidData.into()))?;
    Ok(zeroize::Zeroizing::new(text.trim_end_matches('\r').to_owned()))
}

fn announce(invited: &Invited, teller: &Teller) {
    teller.event("invited", event(invited));
    teller.say(&in_words(invited, &format!("use `novice-host tickets expire {}`", invited.ticket.id)));
}

/// The event `invited`. Source: cli.md.
fn event(invited: &Invited) -> Value {
    json!({
        "ticket": invited.ticket.id.as_str(),
        "file": file_of(invited).to_string_lossy(),
        "expires": words::rfc3339(words::at(invited.ticket.expires().0)),
        "endpoints": invited.ticket.endpoints,
    })
}

fn in_words(invited: &Invited, to_end: &str) -> String {
    let until = words::local(words::at(invited.ticket.expires().0), SystemTime::now());
    let send = if invited.password.is_some() {
        "Send this file to the person who should help you, and tell them the password by another way, best by phone."
    } else {
        "Send this file to the person who should help you. It has no password: whoever gets it can ask to see your desktop."
    };
    format!(
        "Your invitation: {}\n  {send}\n  It can be used until {until}. To end it earlier, {to_end}.\n  \
         Nobody sees anything before you have said yes.",
        file_of(invited).display()
    )
}

/// An invitation that is sent has a file.
fn file_of(invited: &Invited) -> &Path {
    invited.file.as_deref().unwrap_or(Path::new(""))
}

/// What only the terminal gets to see.
fn tell_password(invited: &Invited) -> zeroize::Zeroizing<String> {
    let password = invited.password.as_ref().map(Password::expose).unwrap_or_default();
    zeroize::Zeroizing::new(format!("  Password: {password}"))
}

/// Many times the longest password, in its longest encoding.
const LONGEST_LINE: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_the_first_line_of_its_file() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("password");
        for (text, password) in
            [("Tulip-4711\nrest", "Tulip-4711"), ("a b \r\n", "a b "), ("é", "é"), ("", ""), ("\n", "")]
        {
            std::fs::write(&file, text).unwrap();
            assert_eq!(&**first_line(&file).unwrap(), password);
        }
        std::fs::write(&file, [0xff, b'\n']).unwrap();
        assert!(first_line(&file).is_err());
        assert!(first_line(&directory.path().join("none")).is_err());
    }
}

//! Waiting for experts: the desktop, the ports and the person, joined to the engine until it ends.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TrySendError, channel, sync_channel};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use ra_desktop::{Choice, OpenError};
use ra_nat::{Mapper, Transport};
use ra_novice::accounts::{Accounts, NoAccounts};
use ra_novice::agents::{self, Agents, Wish};
use ra_novice::audit::Audit;
use ra_novice::book::Scope;
use ra_novice::calls::Call;
use ra_novice::control::{ControlServer, HostLock, InUse, Tickets};
use ra_novice::endpoints::computer_name;
use ra_novice::event::HostEvent;
use ra_novice::helpers::Helpers;
use ra_novice::host::{Host, HostEnd, HostHandle, HostOptions, SharedDesktop, WhenStopped};
use ra_novice::identity::{Identity, Renewal, ServerTls};
use ra_novice::listen::Port;
use ra_novice::mappings::{MappingKeeper, Moved};
use ra_novice::places::Places;
use ra_novice::policy::{EffectivePolicy, PolicyWatch};
use ra_novice::prompt::PlaceName;
use ra_novice::settings::Paths;
use ra_novice::store::Store;
use ra_policy::Policy;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{SignalKind, signal};

use crate::cli;
use crate::failure::Failure;
use crate::port_holder;
use crate::prompt::TerminalPlace;
use crate::reach;
use crate::tell::{self, Teller};
use crate::terminal::{Key, Look, Terminal};

/// What a host needs before it makes any promise: somebody to ask, something to show, and a door.
pub(crate) struct Seated {
    /// None where only agents are there to ask.
    pub(crate) terminal: Option<Terminal>,
    pub(crate) desktop: SharedDesktop,
    pub(crate) ports: Vec<Port>,
    /// Where the person is asked.
    places: Places,
    /// Lets agents in, where the user has a place for their socket.
    agents: Option<Agents>,
    /// The host, once it runs: where the terminal's keys go, and what other commands did.
    running: Arc<OnceLock<HostHandle>>,
    /// Answers other commands from the start, so that nobody makes a second host of the same tickets.
    control: ControlServer,
    in_use: InUse,
}

/// A host that is ready to run.
pub(crate) struct Hosting {
    pub(crate) seated: Seated,
    pub(crate) tls: ServerTls,
    pub(crate) store: Store,
    pub(crate) paths: Paths,
    pub(crate) scope: Scope,
    pub(crate) when_stopped: WhenStopped,
    /// Experts who wait to be called.
    pub(crate) calls: Vec<Call>,
    /// Where mappings are renewed and removed: whoever has asked for one already knows the way to its gateway.
    pub(crate) gateways: Arc<dyn Mapper>,
    /// Hears it where an outside address for UDP has moved.
    pub(crate) moved: Box<dyn Fn(&Moved) + Send>,
    /// What it waits for, in one short sentence.
    pub(crate) waiting: String,
}

/// Hosts every ticket that is open, until none is left.
pub(crate) fn serve(options: &cli::Serve, teller: &Teller) -> Result<(), Failure> {
    let paths = Paths::from_environment()?;
    let policy = EffectivePolicy::read(&paths).policy;
    let offers = policy.may_be_offered().is_ok();
    if let Err(denied) = policy.may_serve_tickets()
        && !offers
    {
        return Err(Failure::policy(denied.to_string()));
    }
    paths.prepare_state()?;
    let mut store = Store::open(&paths.store())?;
    let tickets = store.open_tickets(crate::now())?;
    let open = tickets.len();
    if open == 0 && !offers {
        teller.say("No invitation is open, so there is nobody to wait for.");
        return Ok(());
    }
    let lock = HostLock::take(&paths)?.ok_or_else(|| hosted_already(&paths))?;
    let mut seated = Seated::take(lock, options, options.addresses(), &paths)?;
    let ports: Vec<u16> = seated.ports.iter().map(|port| port.addr().port()).collect();
    for ticket in tickets.iter().filter(|ticket| !names_one_of(&ticket.endpoints, &ports)) {
        // Behind a forwarded port that may be right, so it is only said.
        teller.say(&format!(
            "Invitation {} names another port: choose it with --listen if nobody gets through.",
            ticket.id
        ));
    }
    let identity = identity(&paths, &mut store)?;
    if offers && let Some(key) = identity.fingerprint() {
        teller.say(&format!("Help may be offered here without an invitation. The key of this computer is\n  {key}"));
    }
    if policy.may_offer_by_password().is_ok()
        && let Err(why) = accounts(&paths)
    {
        tracing::warn!("fAllowOfferByPassword has no effect here: {why}");
    }
    let waiting = match (open, offers) {
        (0, _) => "Waiting for offers of help.".to_owned(),
        (1, false) => "Waiting for 1 invitation.".to_owned(),
        (1, true) => "Waiting for 1 invitation, and for offers of help.".to_owned(),
        (_, false) => format!("Waiting for {open} invitations."),
        (_, true) => format!("Waiting for {open} invitations, and for offers of help."),
    };
    seated.take_terminal()?;
    let hosting = Hosting {
        seated,
        tls: identity.server_config()?,
        store,
        gateways: reach::gateways(&paths),
        paths,
        scope: Scope::All,
        when_stopped: WhenStopped::KeepTickets,
        calls: Vec::new(),
        moved: Box::new(|_| ()),
        waiting,
    };
    hosting.run(None, || {}, teller)
}

/// Who checks the passwords of accounts here, where an administrator wants that.
fn accounts(paths: &Paths) -> Result<Accounts, NoAccounts> {
    Accounts::of_this_computer(paths)
}

/// Another process is the host of these tickets.
pub(crate) fn hosted_already(paths: &Paths) -> Failure {
    let host = Tickets::of_running_host(paths, crate::now).and_then(|mut tickets| tickets.host());
    let process = match host {
        Ok(Some(host)) => format!(" (process {})", host.process),
        _ => String::new(),
    };
    Failure::other(format!("novice-host is running here already{process}"))
        .advice("It asks in the window where it was started. End that one first to wait here.")
}

/// Reads the policy anew at each call, and reports files that cannot be used: once, not for every stranger who connects.
fn policy_reader(paths: Paths) -> Box<dyn Fn() -> Policy> {
    let reported = RefCell::new(None);
    Box::new(move || {
        let effective = EffectivePolicy::read(&paths);
        let trouble = effective.trouble();
        if *reported.borrow() != trouble {
            if let Some(trouble) = &trouble {
                tracing::error!(trouble, "a policy file cannot be used: nobody gets help until it is repaired");
            }
            reported.replace(trouble);
        }
        effective.policy
    })
}

/// True when one of the `host:port`s of an invitation has one of these ports.
fn names_one_of(endpoints: &[String], ports: &[u16]) -> bool {
    let port_of = |endpoint: &String| endpoint.rsplit(':').next().and_then(|port| port.parse::<u16>().ok());
    endpoints.iter().filter_map(port_of).any(|port| ports.contains(&port))
}

/// The key of this installation; its certificate is renewed only while no invitation names the old one.
pub(crate) fn identity(paths: &Paths, store: &mut Store) -> Result<Identity, Failure> {
    let renewal = if store.open_tickets(crate::now())?.is_empty() { Renewal::WhenDue } else { Renewal::TicketsAreOpen };
    Ok(Identity::open(paths.state(), &computer_name(), SystemTime::now(), renewal)?)
}

/// True when this process has a terminal of its own.
pub(crate) fn has_terminal() -> bool {
    std::fs::OpenOptions::new().write(true).open("/dev/tty").is_ok()
}

/// Writes a line to the terminal, and nowhere else.
pub(crate) fn on_terminal(line: &str) -> Result<(), Failure> {
    use std::io::Write as _;
    let write = || {
        let mut terminal = std::fs::OpenOptions::new().write(true).open("/dev/tty")?;
        terminal.write_all(line.as_bytes()).and_then(|()| terminal.write_all(b"\n"))
    };
    write().map_err(|error| Failure::chain(&error))
}

impl Seated {
    /// Opens the desktop, binds the ports and answers other commands, in this order; nothing is promised to anybody yet. The
    /// terminal is left as it is: there may be gateways to wait for, and Ctrl-C meanwhile just ends the program.
    pub(crate) fn take(
        lock: HostLock,
        options: &cli::Serve,
        addresses: Vec<SocketAddr>,
        paths: &Paths,
    ) -> Result<Self, Failure> {
        let running: Arc<OnceLock<HostHandle>> = Arc::default();
        let host = Arc::clone(&running);
        let places = Places::new(move || {
            if let Some(host) = host.get() {
                host.nobody_there();
            }
        });
        let agents = let_agents_in(&places, &running);
        let somebody = has_terminal() || (agents.is_some() && places.wait_for_anybody(AGENTS_COME_WITHIN));
        if !somebody {
            return Err(Failure::other("there is no terminal here and no agent, so nobody could be asked")
                .advice("Start novice-host in a terminal window, or `novice-host agent` in your session."));
        }
        let desktop = open_desktop(options, agents.as_ref()).map_err(|error| match error {
            OpenError::NoMonitor { .. } => Failure::usage(error.to_string()),
            error => Failure::chain(&error),
        })?;
        let ports = addresses.into_iter().map(bind).collect::<Result<Vec<_>, _>>()?;
        let in_use = InUse::default();
        let changed = Arc::clone(&running);
        let on_change = move |change| {
            // A host that does not run yet reads the table when it starts.
            if let Some(host) = changed.get() {
                host.tickets_changed(change);
            }
        };
        let addresses = ports.iter().map(Port::addr).collect();
        let control = ControlServer::start(lock, paths, addresses, crate::now, in_use.clone(), on_change)?;
        if let Some(word) = desktop.demo_word() {
            // So that whoever tries things out can tell this picture from that of another run.
            tell::aside(&format!("This is the demo desktop: the word of this run is {word}."));
        }
        Ok(Self { terminal: None, desktop, ports, places, agents, running, control, in_use })
    }

    /// The host, as soon as it runs.
    #[cfg(feature = "p2p")]
    pub(crate) fn door(&self) -> Arc<OnceLock<HostHandle>> {
        Arc::clone(&self.running)
    }

    /// Takes the terminal over, where there is one. The host has to run soon after: keys count from then on.
    pub(crate) fn take_terminal(&mut self) -> Result<(), Failure> {
        let pressed = Arc::clone(&self.running);
        let on_key = move |key| {
            let Some(host) = pressed.get() else { return };
            match key {
                Key::Esc => host.esc(),
                Key::Quit | Key::HangUp => host.stop(),
            }
        };
        self.terminal = Terminal::open(look(), on_key);
        match &self.terminal {
            Some(terminal) => tell::share(terminal.screen()),
            None if has_terminal() => {
                return Err(Failure::other("the terminal cannot be used, so nobody could be asked"));
            }
            None => {}
        }
        Ok(())
    }
}

impl Hosting {
    /// Runs the host until it ends. `announce` is called when the ports are open, before the first event.
    ///
    /// `network` keeps an endpoint already, and then the host runs there too: what arrives is not handed from thread to
    /// thread, which costs a wake-up for each frame.
    pub(crate) fn run(
        self,
        network: Option<&Runtime>,
        announce: impl FnOnce() + Send + 'static,
        teller: &Teller,
    ) -> Result<(), Failure> {
        let Self { seated, tls, store, paths, scope, when_stopped, calls, gateways, moved, waiting } = self;
        let Seated { terminal, desktop, ports, places, agents, running, control, in_use } = seated;
        if let Some(terminal) = &terminal {
            places.arrive(PlaceName::terminal(), Box::new(TerminalPlace::new(terminal.screen(), waiting)));
        }
        let (events, happened) = sync_channel(MOST_UNTOLD);
        let no_ports = ports.is_empty();
        let (host, handle) = Host::new(HostOptions {
            ports,
            calls,
            tls,
            desktop,
            store,
            scope,
            when_stopped,
            policy: policy_reader(paths.clone()),
            helpers: {
                let paths = paths.clone();
                Box::new(move || Helpers::read(&paths))
            },
            accounts: accounts(&paths).ok(),
            clock: crate::now,
            prompt: Box::new(places.clone()),
            report: Box::new(move |event| {
                // Whoever prints is gone only when the program ends. Where nobody reads what is printed, the host does not wait.
                if matches!(events.try_send(event), Err(TrySendError::Full(_))) {
                    tracing::warn!("standard output takes nothing, an event is lost");
                }
            }),
            in_use,
            audit: Audit::of(&paths),
            mappings: {
                let telling = teller.clone();
                let tell = move |news: &Moved| match news.transport {
                    Transport::Tcp => reach::tell_moved(news, &telling),
                    Transport::Udp => moved(news),
                };
                MappingKeeper::start_telling(&paths, gateways, crate::now, tell)
                    .map_err(|error| Failure::chain(&error))?
            },
        });
        let (told, all_told) = channel::<()>();
        let telling = teller.clone();
        let printer = std::thread::Builder::new().name("teller".to_owned()).spawn(move || {
            // Without a port there is no first event that says it is open.
            let mut announce = Some(announce);
            if let Some(announce) = announce.take_if(|_| no_ports) {
                announce();
            }
            tell_all(&happened, announce, &telling);
            drop(told);
        });
        printer.map_err(|error| Failure::chain(&error))?;
        let narrowed = handle.clone();
        let watch = PolicyWatch::start(&paths, move || narrowed.policy_changed())
            .inspect_err(|error| tracing::warn!(%error, "changes of policy are noticed at the next question only"));
        // Keys count from here on; who pressed q before had nothing to stop but the waiting itself. What other commands do
        // counts too: the host reads the table after this.
        let _ = running.set(handle.clone());

        let run = async {
            stop_on_signals(&handle).map_err(|error| Failure::chain(&error))?;
            host.run().await.map_err(|error| Failure::chain(&error))
        };
        let end = match network {
            Some(network) => network.block_on(run),
            None => {
                let own = Builder::new_current_thread().enable_all().build();
                own.map_err(|error| Failure::chain(&error))?.block_on(run)
            }
        };
        drop((control, watch));
        // A reader of our output that does not read must not keep the program, and the terminal, for ever.
        if all_told.recv_timeout(LAST_WORDS) == Err(RecvTimeoutError::Timeout) {
            tracing::warn!("standard output takes nothing, some events were lost");
        }
        drop((agents, terminal));
        match end? {
            HostEnd::Stopped if when_stopped == WhenStopped::KeepTickets => {
                teller.say("Stopped. Nobody can connect now; the invitations stay open for the next time.");
            }
            HostEnd::Stopped => teller.say("Stopped. Nobody can connect with this invitation any more."),
            HostEnd::NoTicketLeft => teller.say("No invitation is open any more, so there is nobody to wait for."),
            HostEnd::DesktopLost => return Err(Failure::other("the desktop cannot be shown any more")),
            HostEnd::BrokenDown => {
                return Err(Failure::other("this program found a fault in itself and has stopped sharing the desktop"));
            }
        }
        Ok(())
    }
}

/// Lets agents in; what is done there to end things goes where the terminal's keys go.
fn let_agents_in(places: &Places, running: &Arc<OnceLock<HostHandle>>) -> Option<Agents> {
    let running = Arc::clone(running);
    let on_wish = move |wish| {
        let Some(host) = running.get() else { return };
        match wish {
            Wish::TakeBack => host.take_back(),
            Wish::Stop => host.end_session(),
        }
    };
    let listening = Agents::listen(&agents::meeting_place()?, places.clone(), on_wish);
    listening.inspect_err(|error| tracing::warn!(%error, "no agent can be asked")).ok()
}

/// The desktop to share. Where this process has none of its own, the one of an agent is it.
fn open_desktop(options: &cli::Serve, agents: Option<&Agents>) -> Result<SharedDesktop, OpenError> {
    let monitor = &options.monitor;
    let choice = match options.desktop {
        cli::Desktop::Auto => Choice::Auto,
        cli::Desktop::X11 => Choice::X11,
        cli::Desktop::Demo => return SharedDesktop::open(Choice::Demo, monitor),
    };
    let has_own =
        ["DISPLAY", "WAYLAND_DISPLAY"].iter().any(|name| std::env::var_os(name).is_some_and(|v| !v.is_empty()));
    match agents.filter(|_| !has_own).and_then(|agents| agents.display(AGENTS_COME_WITHIN)) {
        Some(access) => SharedDesktop::open_with(&access, monitor),
        None => SharedDesktop::open(choice, monitor),
    }
}

/// Prints what happens, in its order; the announcement goes before the first event.
fn tell_all(happened: &Receiver<HostEvent>, mut announce: Option<impl FnOnce()>, teller: &Teller) {
    for event in happened {
        if let Some(announce) = announce.take() {
            announce();
        }
        teller.tell(&event);
    }
}

/// Ctrl-C, a closed window and a polite kill all end the host in good order.
fn stop_on_signals(handle: &HostHandle) -> std::io::Result<()> {
    for kind in [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup(), SignalKind::quit()] {
        let (mut signals, handle) = (signal(kind)?, handle.clone());
        tokio::spawn(async move {
            while signals.recv().await.is_some() {
                handle.stop();
            }
        });
    }
    Ok(())
}

fn bind(addr: SocketAddr) -> Result<Port, Failure> {
    Port::bind(addr).map_err(|error| match error.kind() {
        std::io::ErrorKind::AddrInUse => taken(addr.port()),
        std::io::ErrorKind::PermissionDenied => {
            Failure::other(format!("port {} may only be used by the administrator", addr.port()))
                .advice("Choose another one, such as --listen [::]:0 for any that is free.")
        }
        _ => Failure::other(format!("cannot wait on {addr}: {error}")),
    })
}

/// Says who has the port, where that can be known, and what to do.
fn taken(port: u16) -> Failure {
    match port_holder::of(port) {
        Some(holder) if holder.name == OWN_NAME => {
            Failure::other(format!("port {port} is used by another novice-host (process {})", holder.process))
                .advice("End that one first, or add --listen [::]:0 to use any free port.")
        }
        Some(holder) => Failure::other(format!("port {port} is used by {} (process {})", holder.name, holder.process))
            .advice("Add --listen [::]:0 to use any free port; it goes into the invitation."),
        None => Failure::other(format!("port {port} is used by another program"))
            .advice("Add --listen [::]:0 to use any free port; it goes into the invitation."),
    }
}

/// What the terminal can show and what its user wants to see.
pub(crate) fn look() -> Look {
    let redraw = std::env::var_os("TERM").is_some_and(|term| !term.is_empty() && term != "dumb");
    let colour = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    Look { redraw, colour: redraw && colour }
}

const OWN_NAME: &str = "novice-host";
/// How long a host without a terminal or a desktop of its own waits for an agent. Those that run come within
/// milliseconds, and those that are being started with the session within a few seconds.
const AGENTS_COME_WITHIN: Duration = Duration::from_secs(5);
/// Events that wait to be printed: more than a session has, and a bound on what strangers can pile up while nobody reads.
const MOST_UNTOLD: usize = 4096;
/// How long the last events may take to be printed.
const LAST_WORDS: Duration = Duration::from_secs(2);

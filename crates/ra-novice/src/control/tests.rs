use std::ffi::OsString;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

use ra_session::invitations::{EndCause, Guard};
use ra_ticket::SessionId;

use super::*;
use crate::store::TicketKind;

const DEADLINE: Duration = Duration::from_secs(20);

fn clock() -> UnixTime {
    UnixTime(1_767_225_700)
}

fn id(text: &str) -> TicketId {
    TicketId::parse(text).unwrap()
}

fn row(name: &str, seed: u8) -> TicketRow {
    TicketRow {
        id: id(name),
        session_id: SessionId::from_entropy(&[seed; 48]),
        name: "Kim".to_owned(),
        needs_password: true,
        challenge: Some(zeroize::Zeroizing::new(vec![seed; 33])),
        pass_stub: Some("g*3Kdr_7XwzQb0".to_owned()),
        start: UnixTime(1_767_225_600),
        length: 3600,
        kind: TicketKind::V2,
        view_only: true,
        owner: rustix::process::getuid().as_raw(),
        helper: None,
        assistant: None,
        status: Status::Open,
        ended: None,
        file: Some("/home/kim/Invitation.MsRcIncident".into()),
        endpoints: vec!["192.0.2.17:3389".to_owned()],
        guard: Guard::default(),
    }
}

struct Place {
    directory: tempfile::TempDir,
    paths: Paths,
}

fn place() -> Place {
    let directory = tempfile::tempdir().unwrap();
    let state = directory.path().join("state");
    let variable = move |name: &str| match name {
        "RA_STATE_DIR" => Some(OsString::from(&state)),
        "HOME" => Some(OsString::from("/nowhere")),
        _ => None,
    };
    let paths = Paths::resolve(variable, false).unwrap();
    paths.prepare_state().unwrap();
    Place { directory, paths }
}

impl Place {
    fn store(&self) -> Store {
        Store::open(&self.paths.store()).unwrap()
    }

    fn serve(&self, in_use: InUse) -> (ControlServer, Receiver<Change>) {
        let (changed, changes) = channel();
        let lock = HostLock::take(&self.paths).unwrap().expect("no other host");
        let addresses = vec!["127.0.0.1:3389".parse().unwrap()];
        let server = ControlServer::start(lock, &self.paths, addresses, clock, in_use, move |change| {
            let _ = changed.send(change);
        })
        .unwrap();
        (server, changes)
    }

    fn tickets(&self) -> Tickets {
        Tickets::open(&self.paths, clock).unwrap()
    }

    /// Sends raw bytes to the socket and gives what comes back.
    fn raw(&self, bytes: &[u8]) -> Vec<u8> {
        let mut stream = UnixStream::connect(self.paths.control()).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        // The host may have hung up before all was written; what it said then is what counts.
        let _ = stream.write_all(bytes);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        answer
    }
}

#[test]
fn tickets_are_listed_shown_and_ended_through_a_running_host() {
    let place = place();
    let mut store = place.store();
    store.insert(&mut row("AAAA", 1)).unwrap();
    store.insert(&mut row("BBBB", 2)).unwrap();
    let in_use = InUse::default();
    in_use.set(Some(id("AAAA")));
    let (_server, changes) = place.serve(in_use);

    let mut tickets = place.tickets();
    assert!(matches!(tickets.place, super::Place::Host(_)));
    let listed = tickets.list().unwrap();
    assert_eq!(listed.iter().map(|ticket| ticket.in_use).collect::<Vec<_>>(), [true, false]);
    let shown = tickets.show(&id("AAAA")).unwrap().unwrap();
    assert_eq!(
        (shown.expires, shown.kind.as_str(), shown.password, shown.view_only),
        (1_767_229_200, "v2", true, true)
    );
    assert_eq!(tickets.show(&id("ZZZZ")).unwrap(), None);

    let ended = tickets.expire(&[id("AAAA"), id("ZZZZ")]).unwrap();
    assert_eq!(ended, Ended { ended: vec!["AAAA".to_owned()], not_open: vec!["ZZZZ".to_owned()] });
    assert_eq!(changes.recv_timeout(DEADLINE), Ok(Change::Table), "the host is told at once");
    assert_eq!(store.ticket(&id("AAAA"), clock()).unwrap().unwrap().status, Status::Ended(EndCause::Owner));
    assert_eq!(tickets.expire_all().unwrap().ended, ["BBBB"]);
    assert_eq!(changes.recv_timeout(DEADLINE), Ok(Change::Table));
    assert!(tickets.host_too(&id("AAAA")).unwrap());
    assert_eq!(changes.recv_timeout(DEADLINE), Ok(Change::HostToo(id("AAAA"))));
    let host = tickets.host().unwrap().unwrap();
    assert_eq!((host.process, host.addresses.len()), (std::process::id(), 1));
}

#[test]
fn the_same_works_without_a_host() {
    let place = place();
    assert!(place.tickets().list().unwrap().is_empty());
    assert_eq!(place.tickets().expire_all().unwrap(), Ended::default());
    assert!(!place.paths.store().exists(), "looking makes nothing");
    place.store().insert(&mut row("AAAA", 1)).unwrap();
    let mut tickets = place.tickets();
    assert_eq!(tickets.list().unwrap().len(), 1);
    assert!(!tickets.list().unwrap()[0].in_use);
    assert_eq!(tickets.expire(&[id("AAAA")]).unwrap().ended, ["AAAA"]);
    assert!(!tickets.host_too(&id("AAAA")).unwrap() && tickets.host().unwrap().is_none());
    assert_eq!(tickets.show(&id("AAAA")).unwrap().unwrap().status, "ended");
}

#[test]
fn r055_s033_ending_a_ticket_changes_nothing_in_the_invitation() {
    let place = place();
    let file = place.directory.path().join("Invitation.MsRcIncident");
    fs::write(&file, "the bytes that were given away").unwrap();
    let before = fs::metadata(&file).unwrap().modified().unwrap();
    let mut ticket = row("AAAA", 1);
    ticket.file = Some(file.clone());
    place.store().insert(&mut ticket).unwrap();
    assert_eq!(place.tickets().expire(&[id("AAAA")]).unwrap().ended, ["AAAA"]);
    assert_eq!(fs::read(&file).unwrap(), b"the bytes that were given away");
    assert_eq!(fs::metadata(&file).unwrap().modified().unwrap(), before);
}

#[test]
fn s007_the_invitation_can_go_and_the_ticket_stays() {
    let place = place();
    let file = place.directory.path().join("Invitation.MsRcIncident");
    fs::write(&file, "the bytes that were given away").unwrap();
    let mut ticket = row("AAAA", 1);
    ticket.file = Some(file.clone());
    place.store().insert(&mut ticket).unwrap();
    fs::remove_file(&file).unwrap();
    assert_eq!(place.tickets().show(&id("AAAA")).unwrap().unwrap().status, "open");
}

#[test]
fn no_secret_leaves_by_the_socket() {
    let place = place();
    let mut ticket = row("AAAA", 1);
    place.store().insert(&mut ticket).unwrap();
    let (_server, _changes) = place.serve(InUse::default());
    let answer = String::from_utf8(place.raw(b"{\"op\":\"list\"}\n")).unwrap();
    assert!(answer.contains("AAAA"));
    for secret in [ticket.session_id.expose(), "g*3K"] {
        assert!(!answer.contains(secret));
    }
}

#[test]
fn the_socket_is_private_and_a_dead_one_is_replaced() {
    let place = place();
    drop(UnixListener::bind(place.paths.control()).unwrap());
    let (server, _changes) = place.serve(InUse::default());
    assert_eq!(fs::metadata(place.paths.control()).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(matches!(place.tickets().place, super::Place::Host(_)));
    drop(server);
    assert!(!place.paths.control().exists());
}

#[test]
fn a_state_directory_has_one_host_at_a_time() {
    let place = place();
    let (first, _changes) = place.serve(InUse::default());
    assert!(HostLock::take(&place.paths).unwrap().is_none());
    drop(first);
    let (_second, _changes) = place.serve(InUse::default());
    assert!(matches!(place.tickets().place, super::Place::Host(_)));
}

#[test]
fn a_host_that_started_meanwhile_is_told_what_was_done_to_the_file() {
    let place = place();
    place.store().insert(&mut row("AAAA", 1)).unwrap();
    let mut tickets = place.tickets();
    let (_server, changes) = place.serve(InUse::default());
    assert!(matches!(tickets.place, super::Place::File(_)), "it looked before there was a host");
    assert_eq!(tickets.expire_all().unwrap().ended, ["AAAA"]);
    assert_eq!(changes.recv_timeout(DEADLINE), Ok(Change::Table));
}

#[test]
fn a_host_that_is_just_starting_is_waited_for() {
    let place = place();
    let lock = HostLock::take(&place.paths).unwrap().unwrap();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| Tickets::of_running_host(&place.paths, clock).unwrap().host().unwrap());
        let server = ControlServer::start(lock, &place.paths, Vec::new(), clock, InUse::default(), |_| {}).unwrap();
        assert!(waiting.join().unwrap().is_some());
        drop(server);
    });
}

#[test]
fn nobody_at_the_socket_keeps_another_one_waiting() {
    let place = place();
    place.store().insert(&mut row("AAAA", 1)).unwrap();
    let (_server, _changes) = place.serve(InUse::default());
    let call = || UnixStream::connect(place.paths.control()).unwrap();
    // Served one after the other, these would take longer than a command waits.
    let silent: Vec<UnixStream> = (1..server::CALLERS_OF_ONE).map(|_| call()).collect();
    assert_eq!(place.tickets().list().unwrap().len(), 1);
    drop(silent);
}

#[test]
fn nonsense_and_floods_do_not_stop_the_host() {
    let place = place();
    let (_server, _changes) = place.serve(InUse::default());
    for nonsense in [&b""[..], b"\n", b"{}\n", b"{\"op\":\"grant\"}\n", b"\xff\xfe\n"] {
        let answer = String::from_utf8(place.raw(nonsense)).unwrap();
        assert!(answer.is_empty() || answer.contains("no request"), "{answer}");
    }
    place.raw(&vec![b'a'; 4 << 20]);
    place.raw("{\"op\":\"list\"}\n".repeat(1000).as_bytes());
    assert!(place.tickets().list().unwrap().is_empty());
}

#[test]
fn s061_r053_in_the_table_of_the_machine_each_user_sees_and_ends_what_is_theirs() {
    let place = place();
    let mut store = place.store();
    for (name, seed, owner) in [("AAAA", 1, 4711), ("BBBB", 2, 4712), ("CCCC", 3, 4712)] {
        store.insert(&mut TicketRow { owner, ..row(name, seed) }).unwrap();
    }
    let in_use = InUse::default();
    let mut ask = |by, request: Request| {
        server::answer(&mut store, &request, &server::Asked { by, now: clock(), in_use: &in_use }).unwrap()
    };
    let kim = LocalUser::somebody(4712);
    let names = |reply| match reply {
        Reply::Tickets { tickets } => tickets.into_iter().map(|ticket| ticket.ticket).collect::<Vec<_>>(),
        other => panic!("{other:?}"),
    };
    assert_eq!(names(ask(kim, Request::List)), ["BBBB", "CCCC"]);
    assert!(names(ask(kim, Request::Show { ticket: "AAAA".to_owned() })).is_empty());
    for foreign in ["AAAA", "ZZZZ"] {
        let refused = ask(kim, Request::Expire { tickets: vec![foreign.to_owned()] });
        assert!(matches!(refused, Reply::Failed { .. }), "there or not: {refused:?}");
    }
    let ended = ask(kim, Request::Expire { tickets: vec!["BBBB".to_owned()] });
    assert!(matches!(ended, Reply::Ended(Ended { ended, .. }) if ended == ["BBBB"]));
    let ended = ask(kim, Request::ExpireAll);
    assert!(matches!(ended, Reply::Ended(Ended { ended, .. }) if ended == ["CCCC"]));
    let ended = ask(LocalUser::administrator(), Request::ExpireAll);
    assert!(matches!(ended, Reply::Ended(Ended { ended, .. }) if ended == ["AAAA"]));
}

/// The other user of the next test; by itself it shows nothing.
#[test]
fn another_user_who_knocks() {
    if let Some(socket) = std::env::var_os("RA_TEST_KNOCK") {
        let mut stream = UnixStream::connect(socket).unwrap();
        let _ = stream.write_all(b"{\"op\":\"expire_all\"}\n");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        println!("ANSWER={answer}");
    }
}

#[test]
fn r054_another_user_is_turned_away_even_where_the_directory_lets_it_in() {
    if !rustix::process::geteuid().is_root() {
        let name = "r054_another_user_is_turned_away_even_where_the_directory_lets_it_in";
        crate::probe::skip(name, "only root can start a process of another user");
        return;
    }
    let place = place();
    place.store().insert(&mut row("AAAA", 1)).unwrap();
    let (_server, _changes) = place.serve(InUse::default());
    for path in [place.directory.path(), place.paths.state(), &place.paths.control()] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o777)).unwrap();
    }
    // A copy that everybody may run, wherever the tests were built.
    let program = place.directory.path().join("knock");
    fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    let output = Command::new(&program)
        .args(["--exact", "control::tests::another_user_who_knocks", "--nocapture"])
        .env("RA_TEST_KNOCK", place.paths.control())
        .current_dir("/")
        .gid(65534)
        .uid(65534)
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("only the owner"), "{text}");
    assert_eq!(place.store().open_tickets(clock()).unwrap().len(), 1);
}

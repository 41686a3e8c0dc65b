use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::os::unix::net::UnixStream as Socket;
use std::sync::mpsc::{Receiver, channel};
use std::time::Instant;

use ra_session::{Effect, LocalEvent, Moment, Seat, Session as Visit};

use super::*;
use crate::prompt::{Answered, Asked, Asker, Known, Prompt as _, Reply};

const DEADLINE: Duration = Duration::from_secs(20);

/// A host with agents that are taken to be on a terminal of their own, whatever the test runs on.
struct Host {
    places: Places,
    agents: Option<Agents>,
    directory: tempfile::TempDir,
    wishes: Receiver<Wish>,
    nobody: Receiver<()>,
}

impl Host {
    fn new() -> Self {
        let (left, nobody) = channel();
        let places = Places::new(move || {
            let _ = left.send(());
        });
        let directory = tempfile::tempdir().unwrap();
        let (wish, wishes) = channel();
        let agents = listen(directory.path(), &places, rules(), wish);
        Self { places, agents: Some(agents), directory, wishes, nobody }
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    /// An agent that has been welcomed.
    fn agent(&self) -> HostLine {
        let mut line = HostLine::watch(self.path(), On::Terminal).unwrap();
        line.connect().unwrap();
        assert_eq!(line.hear().unwrap(), Scene::Welcome { counts: true });
        assert_eq!(line.hear().unwrap(), Scene::Show(Status::Waiting));
        line
    }

    /// A program that says what it likes.
    fn stranger(&self) -> Socket {
        let deadline = Instant::now() + DEADLINE;
        loop {
            match Socket::connect(peer::socket_in(self.path())) {
                Ok(socket) => {
                    socket.set_read_timeout(Some(DEADLINE)).unwrap();
                    return socket;
                }
                Err(error) => assert!(Instant::now() < deadline, "{error}"),
            }
        }
    }

    /// Puts a real question, and gives where its answer comes.
    fn asks(&mut self) -> Receiver<(LocalEvent, Reply)> {
        let (_, effects) = Visit::open(crate::probe::admission(), None, Seat::new().0, Moment::default());
        let Some(Effect::AskView(question)) = effects.into_iter().next() else { panic!("no question") };
        let (answered, answers) = channel();
        let answered = Answered::new(move |event, reply| {
            let _ = answered.send((event, reply));
        });
        self.places.ask(Asked::View(question), &asker(), None, answered).unwrap();
        answers
    }
}

fn listen(directory: &Path, places: &Places, rules: Rules, wish: std::sync::mpsc::Sender<Wish>) -> Agents {
    Agents::listen_with(directory, places.clone(), rules, move |wished| {
        let _ = wish.send(wished);
    })
    .unwrap()
}

fn rules() -> Rules {
    let mut rules = Rules::of_the_system().unwrap();
    rules.sessions.pretended = Some(Session { terminal: Some("pts/7".to_owned()), known: true });
    rules
}

fn asker() -> Asker {
    Asker {
        name: "Lee".to_owned(),
        known: Known::Claimed,
        peer: SocketAddr::from(([192, 0, 2, 9], 5000)).into(),
        words: None,
    }
}

fn number(scene: Scene) -> u64 {
    match scene {
        Scene::Ask(number, inquiry) => {
            assert_eq!(inquiry.about, asker());
            number
        }
        other => panic!("no question: {other:?}"),
    }
}

#[test]
fn s049_r034_two_agents_are_asked_the_first_answer_counts_and_the_other_closes() {
    for yes in [true, false] {
        let mut host = Host::new();
        let (mut first, mut second) = (host.agent(), host.agent());
        let answers = host.asks();
        let (number, other) = (number(first.hear().unwrap()), number(second.hear().unwrap()));
        second.speaker().answer(other, yes);
        let (_, reply) = answers.recv_timeout(DEADLINE).unwrap();
        assert_eq!((reply.yes, reply.place.as_str()), (yes, "agent pts/7"));
        assert_eq!(first.hear().unwrap(), Scene::Withdraw);
        first.speaker().answer(number, !yes);
        // What comes next on the line comes after the late answer.
        first.speaker().stop();
        assert_eq!(host.wishes.recv_timeout(DEADLINE), Ok(Wish::Stop));
        assert!(answers.try_recv().is_err());
    }
}

#[test]
fn an_answer_to_another_question_is_none() {
    let mut host = Host::new();
    let mut agent = host.agent();
    let answers = host.asks();
    let number = number(agent.hear().unwrap());
    for wrong in [0, number - 1, number + 1, u64::MAX] {
        agent.speaker().answer(wrong, true);
    }
    agent.speaker().take_back();
    assert_eq!(host.wishes.recv_timeout(DEADLINE), Ok(Wish::TakeBack));
    assert!(answers.try_recv().is_err());
    agent.speaker().answer(number, false);
    assert!(!answers.recv_timeout(DEADLINE).unwrap().1.yes);
}

#[test]
fn s049_another_program_is_turned_away_and_told_why() {
    let other = Program::own().unwrap();
    let (left, nobody) = channel();
    let places = Places::new(move || {
        let _ = left.send(());
    });
    let directory = tempfile::tempdir().unwrap();
    let mut strict = rules();
    strict.program = Program::of_file(Path::new("/bin/sh"));
    assert_ne!(strict.program, other);
    let agents = listen(directory.path(), &places, strict, channel().0);
    let mut line = HostLine::watch(directory.path(), On::Terminal).unwrap();
    line.connect().unwrap();
    let Scene::Unwelcome(why) = line.hear().unwrap() else { panic!("welcome") };
    assert!(why.contains("another program file"), "{why}");
    assert!(line.hear().is_err(), "and that is the end");
    assert!(!places.wait_for_anybody(Duration::ZERO));
    assert!(nobody.try_recv().is_err(), "who never counted leaves nobody alone");
    drop(agents);
}

#[test]
fn an_agent_that_hangs_up_answers_nothing_and_the_last_one_is_missed() {
    let mut host = Host::new();
    let (first, mut second) = (host.agent(), host.agent());
    let answers = host.asks();
    drop(first);
    let number = number(second.hear().unwrap());
    second.speaker().answer(number, true);
    assert!(answers.recv_timeout(DEADLINE).unwrap().1.yes, "the other one decides");
    let answers = host.asks();
    drop(second);
    host.nobody.recv_timeout(DEADLINE).unwrap();
    assert!(answers.recv_timeout(DEADLINE).is_err(), "dropped, not answered");
    assert!(!host.places.wait_for_anybody(Duration::ZERO));
}

#[test]
fn an_agent_that_makes_no_sense_is_gone_and_disturbs_nobody() {
    let mut host = Host::new();
    let mut good = host.agent();
    let here = b"{\"say\":\"here\",\"on\":\"terminal\"}\n";
    let long = vec![b'x'; LONGEST_LINE + 1];
    for words in
        [&b"nonsense\n"[..], b"{\"say\":\"stop\"}\n", &long, &[here, &long[..]].concat(), &[&here[..], here].concat()]
    {
        let mut stranger = host.stranger();
        // The host may hang up in the middle of it.
        let _ = stranger.write_all(words);
        let mut rest = Vec::new();
        if let Err(error) = stranger.read_to_end(&mut rest) {
            assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        }
    }
    let answers = host.asks();
    let number = number(good.hear().unwrap());
    good.speaker().answer(number, true);
    assert!(answers.recv_timeout(DEADLINE).unwrap().1.yes);
    assert!(host.wishes.try_recv().is_err(), "nobody who was not let in is heard");
}

#[test]
fn an_agent_that_does_not_read_is_gone_and_holds_up_nobody() {
    let mut host = Host::new();
    let mut deaf = host.stranger();
    deaf.write_all(b"{\"say\":\"here\",\"on\":\"terminal\"}\n").unwrap();
    let mut first = [0; 32];
    deaf.read_exact(&mut first).unwrap();
    let name = "x".repeat(60);
    let status = Status::Viewing { asker: Asker { name, ..asker() }, since: std::time::SystemTime::UNIX_EPOCH };
    // Until the kernel's buffers and ours are full, and the host has given up on it.
    let deadline = Instant::now() + DEADLINE;
    while host.nobody.try_recv().is_err() {
        assert!(Instant::now() < deadline, "it is still one of the places");
        host.places.show(&status);
    }
    host.places.show(&Status::Waiting);
    let mut good = host.agent();
    let answers = host.asks();
    let number = number(good.hear().unwrap());
    good.speaker().answer(number, true);
    assert!(answers.recv_timeout(DEADLINE).unwrap().1.yes);
}

#[test]
fn there_is_room_for_so_many_and_no_more() {
    let host = Host::new();
    let agents: Vec<_> = (0..MOST_AGENTS).map(|_| host.agent()).collect();
    let mut one_more = host.stranger();
    assert_eq!(one_more.read(&mut [0; 1]).unwrap(), 0);
    drop(agents);
}

#[test]
fn an_agent_finds_the_next_host_and_of_two_hosts_one_is_asked() {
    let mut host = Host::new();
    let mut agent = host.agent();
    let second_places = Places::new(|| {});
    let second = listen(host.path(), &second_places, rules(), channel().0);
    assert!(!second_places.wait_for_anybody(Duration::ZERO));
    host.agents.take();
    assert!(agent.hear().is_err());
    agent.connect().unwrap();
    assert_eq!(agent.hear().unwrap(), Scene::Welcome { counts: true });
    assert!(second_places.wait_for_anybody(DEADLINE));
    drop(second);
}

#[test]
fn the_socket_is_for_its_owner_alone() {
    let host = Host::new();
    drop(host.agent());
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&peer::socket_in(host.path())), 0o600);
    assert_eq!(mode(host.path()), 0o700);
}

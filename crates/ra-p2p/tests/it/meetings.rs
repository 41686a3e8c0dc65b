//! What two sides with a code come to.

use std::time::Duration;

use ra_p2p::{Caller, Meeting, MeetingNews, P2pError, Pipe, Relays, Stop, Terms};
use ra_rendezvous::{Code, MeetingError, Refusal, Slip};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::relay::Relay;

/// Longer than anything here takes; a busy machine is no failure.
const DEADLINE: Duration = Duration::from_secs(60);

/// The novice's side of a meeting.
struct Novice {
    code: Code,
    stop: Stop,
    news: mpsc::UnboundedReceiver<MeetingNews>,
    pipes: mpsc::UnboundedReceiver<Pipe>,
    running: tokio::task::JoinHandle<()>,
}

impl Novice {
    async fn wait(relays: Relays, password: Option<&str>) -> Self {
        let mut entropy = [0; Code::ENTROPY];
        getrandom::fill(&mut entropy).unwrap();
        let code = Code::from_entropy(&entropy);
        let (tell, news) = mpsc::unbounded_channel();
        let (arrive, pipes) = mpsc::unbounded_channel();
        let password = password.map(|password| password.to_owned().into());
        let terms = Terms { code: code.clone(), password, slip: slip(), relays };
        let tell = move |news| drop(tell.send(news));
        let opened = Meeting::open(terms, tell, move |pipe| drop(arrive.send(pipe)));
        let (meeting, stop) = timeout(DEADLINE, opened).await.unwrap().unwrap();
        assert_eq!(meeting.relay(), "127.0.0.1");
        let running = tokio::spawn(meeting.run());
        Self { code, stop, news, pipes, running }
    }

    async fn hears(&mut self) -> MeetingNews {
        timeout(DEADLINE, self.news.recv()).await.unwrap().unwrap()
    }

    async fn gets(&mut self) -> Pipe {
        timeout(DEADLINE, self.pipes.recv()).await.unwrap().unwrap()
    }
}

fn slip() -> Slip {
    Slip { invitation: b"<UPLOADINFO/>".to_vec(), password: "0".repeat(64).into() }
}

async fn find(code: &Code, relays: Relays) -> Result<Caller, P2pError> {
    timeout(DEADLINE, Caller::find(code.clone(), relays)).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_the_code_gets_the_invitation_and_a_pipe() {
    let relay = Relay::start().await;
    let mut novice = Novice::wait(relay.relays(), None).await;
    let caller = find(&novice.code, relay.relays()).await.unwrap();
    assert!(!caller.needs_password());
    let mut met = caller.prove(None).await.map_err(|(_, error)| error).unwrap();
    assert_eq!(met.take_slip(), Some(slip()));
    assert_eq!(met.take_slip(), None, "once");
    let MeetingNews::Met { words, .. } = novice.hears().await else { panic!("somebody has come") };
    assert_eq!(words, met.words(), "the same words on both screens");

    let mut expert = met.pipe().await.unwrap();
    expert.stream.write_all(b"ping").await.unwrap();
    let mut novices = novice.gets().await;
    let mut heard = [0; 4];
    timeout(DEADLINE, novices.stream.read_exact(&mut heard)).await.unwrap().unwrap();
    novices.stream.write_all(b"pong").await.unwrap();
    timeout(DEADLINE, expert.stream.read_exact(&mut heard)).await.unwrap().unwrap();
    assert_eq!(&heard, b"pong");

    novice.stop.now();
    timeout(DEADLINE, novice.running).await.unwrap().unwrap();
    timeout(DEADLINE, met.closed()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_is_good_once() {
    let relay = Relay::start().await;
    let novice = Novice::wait(relay.relays(), None).await;
    let first = find(&novice.code, relay.relays()).await.unwrap();
    let second = find(&novice.code, relay.relays()).await.unwrap();
    let met = first.prove(None).await.map_err(|(_, error)| error).unwrap();
    let refused = second.prove(None).await.map(|_| ()).map_err(|(_, error)| error).unwrap_err();
    assert_eq!(refused, P2pError::Meeting(MeetingError::Refused(Refusal::Ended)));
    let refused = find(&novice.code, relay.relays()).await.map(|_| ()).unwrap_err();
    assert_eq!(refused, P2pError::Meeting(MeetingError::Refused(Refusal::Ended)));
    met.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn five_wrong_passwords_end_a_code_and_no_pipe_comes_of_them() {
    let relay = Relay::start().await;
    let mut novice = Novice::wait(relay.relays(), Some("Tulip-4711")).await;
    let mut caller = Some(find(&novice.code, relay.relays()).await.unwrap());
    assert!(caller.as_ref().unwrap().needs_password());
    for left in [4, 3, 2, 1, 0] {
        let (again, error) = match caller.take().unwrap().prove(Some("wrong")).await {
            Ok(_) => panic!("let in with a wrong password"),
            Err(refused) => refused,
        };
        assert_eq!(error, P2pError::Meeting(MeetingError::Refused(Refusal::Wrong { left })));
        let MeetingNews::Wrong { left: told, .. } = novice.hears().await else { panic!("told of it") };
        assert_eq!(told, left);
        caller = again;
    }
    assert!(caller.is_none(), "the fifth ends it");
    let ended = find(&novice.code, relay.relays()).await.map(|_| ()).unwrap_err();
    assert_eq!(ended, P2pError::Meeting(MeetingError::Refused(Refusal::Ended)));
    assert!(novice.pipes.try_recv().is_err(), "nothing of Remote Desktop came through");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_may_be_followed_by_the_right_one() {
    let relay = Relay::start().await;
    let novice = Novice::wait(relay.relays(), Some("Tulip-4711")).await;
    let caller = find(&novice.code, relay.relays()).await.unwrap();
    let Err((Some(again), _)) = caller.prove(Some("Tulip-4712")).await else { panic!("another try is left") };
    let mut met = again.prove(Some("Tulip-4711")).await.map_err(|(_, error)| error).unwrap();
    assert_eq!(met.take_slip(), Some(slip()));
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_waits_with_another_code() {
    let relay = Relay::start().await;
    let _novice = Novice::wait(relay.relays(), None).await;
    let other = Code::from_entropy(&[9; Code::ENTROPY]);
    assert_eq!(find(&other, relay.relays()).await.map(|_| ()).unwrap_err(), P2pError::NobodyThere);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_is_not_there_is_said_to_be_so() {
    // A port that was free a moment ago and that nobody listens on.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let relay = Relay::start().await;
    let url = format!("https://127.0.0.1:{port}");
    let silent = Relays::new(vec![url.parse().unwrap()]).with_roots(relay.roots());
    let terms = Terms { code: Code::from_entropy(&[1; 10]), password: None, slip: slip(), relays: silent.clone() };
    let opened = timeout(DEADLINE, Meeting::open(terms, |_| {}, |_| {})).await.unwrap();
    assert!(matches!(opened.map(|_| ()), Err(P2pError::RelaysSilent(_))));
    let found = find(&Code::from_entropy(&[1; 10]), silent).await.map(|_| ());
    assert!(matches!(found, Err(P2pError::RelaysSilent(_))), "{found:?}");
    drop(relay);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_with_a_certificate_of_nobody_is_not_believed() {
    let (relay, other) = (Relay::start().await, Relay::start().await);
    let distrusting = relay.relays().with_roots(other.roots());
    let terms = Terms { code: Code::from_entropy(&[2; 10]), password: None, slip: slip(), relays: distrusting };
    let opened = timeout(DEADLINE, Meeting::open(terms, |_| {}, |_| {})).await.unwrap();
    assert!(matches!(opened.map(|_| ()), Err(P2pError::RelaysSilent(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_relay_there_is_no_meeting() {
    let none = Relays::new(Vec::new());
    assert_eq!(find(&Code::from_entropy(&[3; 10]), none).await.map(|_| ()).unwrap_err(), P2pError::NoRelay);
}

//! Ways to a novice's computer besides dialling it: a connection that is there already, and a port that it dials.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use ra_channels::again::Secret;
use ra_channels::encomsp::Rights;
use ra_channels::remdesk::{NoviceEvent, ResultCode};
use ra_expert::{Duplex, EndReason, Face, InputEvent, Options, Plan, Redial, Redialling, Viewer, ViewerEvent, Way};
use ra_ticket::Endpoint;
use tokio::io::{AsyncReadExt as _, DuplexStream};
use tokio::net::TcpStream;

use crate::computer::{Answer, Computer, Identity};
use crate::novice::{Heard, Line, Novice, secret_of};
use crate::witness::{PATIENCE, Witness, by_certificate, by_nothing};

#[tokio::test]
async fn s090_a_session_runs_over_a_connection_that_is_there_already() {
    let identity = Identity::new();
    let novice = Novice::listen(&identity).await;
    let (ours, theirs) = tokio::io::duplex(1 << 16);
    let called: Endpoint = "relay.example.org:443".parse().unwrap();
    let witness = Arc::new(Witness::default());
    let viewer =
        viewer(by_certificate(vec![nowhere()], identity.certificate()), Way::over(ours, called.clone()), &witness);
    let script = async {
        let mut line = novice.receive(theirs).await;
        line.hello().await;
        line.admit().await;
        witness.sees(|event| matches!(event, ViewerEvent::Viewing { .. })).await;
        let goodbye = line.remdesk().disconnect();
        line.say_remdesk(goodbye).await;
        line
    };
    let (reason, _line) = both(viewer.run(), script).await;
    assert_eq!(reason, EndReason::NoviceEnded);
    assert_eq!((witness.tried(), witness.connected()), (vec![called.clone()], Some(called)));
}

#[tokio::test]
async fn r041_another_computer_behind_a_connection_that_is_there_hears_nothing() {
    let (kim, stranger) = (Identity::new(), Identity::new());
    let computer = Computer::start(&stranger, Answer::AtOnce).await;
    let Endpoint { host, port } = computer.endpoint();
    let stream = TcpStream::connect(format!("{host}:{port}")).await.unwrap();
    let way = Way::over(stream, computer.endpoint());
    let witness = Arc::new(Witness::default());
    let reason = viewer(by_certificate(vec![nowhere()], kim.certificate()), way, &witness).run().await;
    assert_eq!((reason, witness.connected()), (EndReason::WrongComputer, None));
    assert_eq!(computer.heard().await, [Vec::<u8>::new()]);
}

#[tokio::test]
async fn s090_r041_of_all_who_call_the_one_with_the_right_key_is_heard_and_the_port_closes() {
    let (kim, stranger) = (Identity::new(), Identity::new());
    let (novice, other) = (Novice::listen(&kim).await, Novice::listen(&stranger).await);
    let (way, addr) = port();
    let witness = Arc::new(Witness::default());
    let viewer = viewer(by_certificate(vec![nowhere()], kim.certificate()), way, &witness);
    let script = async {
        witness.sees(|event| *event == ViewerEvent::Listening { addr }).await;
        // More silent ones than there is room for, one who closes at once, and one with another key.
        let mut silent = Vec::new();
        for _ in 0..40 {
            silent.push(TcpStream::connect(addr).await.unwrap());
        }
        drop(TcpStream::connect(addr).await.unwrap());
        other.shake_hands(TcpStream::connect(addr).await.unwrap()).await;

        let mut line = novice.receive(TcpStream::connect(addr).await.unwrap()).await;
        line.hello().await;
        line.admit().await;
        witness.sees(|event| matches!(event, ViewerEvent::Viewing { .. })).await;
        assert!(TcpStream::connect(addr).await.is_err(), "nobody listens any more");
        for mut stream in silent {
            // A connection request, which names nobody, and the end: by a close or, with nothing read, by a reset.
            let mut heard = Vec::new();
            let _closed = stream.read_to_end(&mut heard).await;
            assert!(heard.len() < 64, "{} bytes", heard.len());
        }
        let goodbye = line.remdesk().disconnect();
        line.say_remdesk(goodbye).await;
        line
    };
    let (reason, _line) = both(viewer.run(), script).await;
    assert_eq!(reason, EndReason::NoviceEnded);
    assert!(witness.tried().is_empty() && witness.asked.lock().unwrap().is_empty());
    let Some(Endpoint { host, .. }) = witness.connected() else { panic!("{:?}", witness.events.lock().unwrap()) };
    assert_eq!(host.to_string(), "127.0.0.1");
}

/// Whoever calls first would be the one whom a person is asked about.
#[tokio::test]
async fn a_ticket_that_names_no_key_is_not_waited_with() {
    let (way, addr) = port();
    let witness = Arc::new(Witness { accepts: true, ..Witness::default() });
    let plan = by_nothing(&[nowhere()]);
    assert!(!plan.knows_the_key());
    assert_eq!(viewer(plan, way, &witness).run().await, EndReason::WrongComputer);
    assert!(witness.asked.lock().unwrap().is_empty());
    assert!(TcpStream::connect(addr).await.is_err());
}

#[tokio::test]
async fn an_expert_who_has_had_enough_while_waiting_is_not_kept() {
    let (way, _) = port();
    let witness = Arc::new(Witness::default());
    let viewer = viewer(by_certificate(vec![nowhere()], Identity::new().certificate()), way, &witness);
    let controls = viewer.controls();
    let end = async {
        witness.sees(|event| matches!(event, ViewerEvent::Listening { .. })).await;
        controls.end();
    };
    assert_eq!(both(viewer.run(), end).await.0, EndReason::Asked);
}

/// Brings a connection each time it is asked, and hands the other ends out.
struct Brings(tokio::sync::mpsc::UnboundedSender<DuplexStream>);

impl Redial for Brings {
    fn redial(&self) -> Redialling<'_> {
        Box::pin(async {
            let (ours, theirs) = tokio::io::duplex(1 << 16);
            self.0.send(theirs).map_err(|_| std::io::Error::from(std::io::ErrorKind::ConnectionRefused))?;
            Ok(Box::new(ours) as Box<dyn Duplex>)
        })
    }
}

/// Waits for the proof, with what was shown before it.
async fn proof_and_secret(line: &mut Line) -> Option<Secret> {
    for message in line.remdesk().hello() {
        line.say_remdesk(message).await;
    }
    let mut shown = None;
    loop {
        match line.hear().await {
            Heard::Again(secret) => shown = secret.or(shown),
            Heard::Remdesk(events) if events.iter().any(|event| matches!(event, NoviceEvent::Proof(_))) => {
                return shown;
            }
            Heard::Closed => panic!("it has gone"),
            _ => {}
        }
    }
}

#[tokio::test]
async fn s052_a_session_that_is_lost_comes_back_by_its_secret_and_without_control() {
    let identity = Identity::new();
    let novice = Novice::listen(&identity).await;
    let (brings, mut brought) = tokio::sync::mpsc::unbounded_channel();
    let (ours, theirs) = tokio::io::duplex(1 << 16);
    let way = Way::over(ours, nowhere()).with_redial(Arc::new(Brings(brings)));
    let witness = Arc::new(Witness::default());
    let mut options = Options::default();
    options.request_control = true;
    let plan = by_certificate(vec![nowhere()], identity.certificate());
    let viewer = Viewer::new(plan, options, Arc::clone(&witness) as Arc<dyn Face>).by(way);
    let controls = viewer.controls();
    let script = async {
        let mut line = novice.receive(theirs).await;
        assert!(proof_and_secret(&mut line).await.is_none(), "there is none on the first connection");
        line.admit().await;
        line.promise(7).await;
        line.promise(8).await;
        line.rights(Rights::ViewAndInteract).await;
        witness.sees(|event| matches!(event, ViewerEvent::Viewing { .. })).await;
        drop(line);
        witness.sees(|event| *event == ViewerEvent::Reconnecting).await;

        // A connection that breaks before the picture is back spends nothing.
        drop(brought.recv().await.unwrap());
        let mut line = novice.receive(brought.recv().await.unwrap()).await;
        let shown = proof_and_secret(&mut line).await;
        assert!(shown == Some(secret_of(8)), "the last one that was promised");
        line.admit().await;
        line.promise(9).await;
        witness.sees(|event| matches!(event, ViewerEvent::Returned { .. })).await;
        controls.send(InputEvent::Unicode { unit: 0x61, pressed: true });
        controls.end();
        let mut heard = Vec::new();
        loop {
            match line.hear().await {
                Heard::Closed => break,
                word => heard.push(word),
            }
        }
        let touched = heard.iter().any(|word| matches!(word, Heard::Input(_) | Heard::Encomsp(_)));
        assert!(!touched, "neither a key nor a request: {heard:?}");
    };
    let (reason, ()) = both(viewer.run(), script).await;
    assert_eq!(reason, EndReason::Asked);
    assert_eq!(witness.count(|event| matches!(event, ViewerEvent::Viewing { .. })), 1);
    assert_eq!(witness.count(|event| *event == ViewerEvent::Controlling), 0);
}

#[tokio::test]
async fn who_is_not_taken_back_is_lost() {
    let identity = Identity::new();
    let novice = Novice::listen(&identity).await;
    let (brings, mut brought) = tokio::sync::mpsc::unbounded_channel();
    let (ours, theirs) = tokio::io::duplex(1 << 16);
    let way = Way::over(ours, nowhere()).with_redial(Arc::new(Brings(brings)));
    let witness = Arc::new(Witness::default());
    let viewer = viewer(by_certificate(vec![nowhere()], identity.certificate()), way, &witness);
    let script = async {
        let mut line = novice.receive(theirs).await;
        line.hello().await;
        line.admit().await;
        line.promise(7).await;
        witness.sees(|event| matches!(event, ViewerEvent::Viewing { .. })).await;
        drop(line);
        let mut line = novice.receive(brought.recv().await.unwrap()).await;
        assert!(proof_and_secret(&mut line).await == Some(secret_of(7)));
        let busy = line.remdesk().result(ResultCode::AlreadyBeingHelped);
        line.say_remdesk(busy).await;
        line
    };
    let (reason, _line) = both(viewer.run(), script).await;
    assert_eq!(reason, EndReason::Lost);
    assert_eq!(witness.count(|event| matches!(event, ViewerEvent::Returned { .. })), 0);
}

/// A novice's computer that knows no way back promises none.
#[tokio::test]
async fn without_a_promise_a_loss_is_the_end() {
    let identity = Identity::new();
    let novice = Novice::listen(&identity).await;
    let (brings, mut brought) = tokio::sync::mpsc::unbounded_channel();
    let (ours, theirs) = tokio::io::duplex(1 << 16);
    let way = Way::over(ours, nowhere()).with_redial(Arc::new(Brings(brings)));
    let witness = Arc::new(Witness::default());
    let viewer = viewer(by_certificate(vec![nowhere()], identity.certificate()), way, &witness);
    let script = async {
        let mut line = novice.receive(theirs).await;
        line.hello().await;
        line.admit().await;
        witness.sees(|event| matches!(event, ViewerEvent::Viewing { .. })).await;
    };
    let (reason, ()) = both(viewer.run(), script).await;
    assert_eq!(reason, EndReason::Lost);
    assert_eq!(witness.count(|event| *event == ViewerEvent::Reconnecting), 0);
    assert!(brought.try_recv().is_err(), "nobody was dialled again");
}

fn viewer(plan: Plan, way: Way, witness: &Arc<Witness>) -> Viewer {
    Viewer::new(plan, Options::default(), Arc::clone(witness) as Arc<dyn Face>).by(way)
}

/// A port of this machine for a novice's computer to call.
fn port() -> (Way, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    (Way::Listening(listener), addr)
}

/// An address that nobody dials in these tests.
fn nowhere() -> Endpoint {
    "192.0.2.1:3389".parse().unwrap()
}

async fn both<A, B>(one: impl Future<Output = A>, other: impl Future<Output = B>) -> (A, B) {
    tokio::time::timeout(PATIENCE, async { tokio::join!(one, other) }).await.expect("both end")
}

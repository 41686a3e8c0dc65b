use ra_policy::{Layer, Message, PolicyText, Source};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;
use crate::arrival::RelayName;
use crate::identity::{Identity, Renewal};
use crate::prompt::{Answered, Asked, Asker, NoPlaceToAsk};
use crate::settings::Paths;

/// Where nobody is ever asked.
struct Nobody;

impl Prompt for Nobody {
    fn ask(&mut self, _: Asked, _: &Asker, _: Option<&Message>, _: Answered) -> Result<(), NoPlaceToAsk> {
        Err(NoPlaceToAsk)
    }

    fn withdraw(&mut self) {}

    fn show(&mut self, _: &Status) {}
}

/// Waits for offers, so that it waits without an invitation too; it has no port.
fn policy() -> Policy {
    let settings = PolicyText::from_toml("fAllowUnsolicited = 1\n").unwrap().for_member_of(&[]);
    Policy::of([Layer::new(Source::Machine, "policy.toml", settings)])
}

fn clock() -> UnixTime {
    UnixTime(1_767_225_600)
}

fn host(paths: &Paths) -> (Host, HostHandle) {
    let identity = Identity::open(paths.state(), "novice", std::time::SystemTime::now(), Renewal::WhenDue).unwrap();
    Host::new(HostOptions {
        ports: Vec::new(),
        calls: Vec::new(),
        tls: identity.server_config().unwrap(),
        desktop: SharedDesktop::open(Choice::Demo, &MonitorChoice::All).unwrap(),
        store: Store::open(&paths.store()).unwrap(),
        scope: Scope::All,
        when_stopped: WhenStopped::KeepTickets,
        policy: Box::new(policy),
        helpers: Box::new(Helpers::default),
        accounts: None,
        clock,
        prompt: Box::new(Nobody),
        report: Box::new(|_| {}),
        in_use: InUse::default(),
        audit: Audit::at(&paths.audit(), &paths.state().join("no-journal")),
        mappings: MappingKeeper::start(paths, Arc::new(ra_nat::NoGateway), clock).unwrap(),
    })
}

#[tokio::test]
async fn s090_who_comes_by_another_way_meets_the_same_door_as_at_a_port() {
    let home = tempfile::tempdir().unwrap();
    let paths = Paths::resolve(|_| Some(home.path().as_os_str().to_owned()), false).unwrap();
    paths.prepare_state().unwrap();
    let (host, handle) = host(&paths);
    // One is there before the host runs, and five of one relay are one more than may wait at a time.
    let mut guests = Vec::new();
    let mut send = |name: &str| {
        let (ours, theirs) = tokio::io::duplex(4096);
        handle.arrive(Arrival::new(ours, RelayName::new(name)));
        guests.push(theirs);
    };
    (0..5).for_each(|_| send("relay.example.org"));
    let play = async {
        let mut said = Vec::new();
        assert_eq!(guests[0].read_to_end(&mut said).await.unwrap(), 0, "shown out, without a word");
        guests[1].write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        assert_eq!(guests[1].read_to_end(&mut said).await.unwrap(), 0, "refused, without a word");
        handle.stop();
    };
    let both = async { tokio::join!(host.run(), play) };
    let (end, ()) = tokio::time::timeout(Duration::from_secs(60), both).await.unwrap();
    assert_eq!(end.unwrap(), HostEnd::Stopped);
    let lines = audit::lines(&paths.audit()).unwrap();
    let refused = |cause| {
        format!(
            r#"{{"time":"2026-01-01T00:00:00Z","event":"refused","peer":"relay:relay.example.org","cause":"{cause}"}}"#
        )
    };
    assert_eq!(lines, [refused("shown_out"), refused("protocol")]);
}

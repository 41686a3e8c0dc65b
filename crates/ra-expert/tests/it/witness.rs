//! Somebody who watches an expert, and tickets for it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use ra_expert::{EndReason, Face, Fingerprint, Options, Plan, Viewer, ViewerEvent};
use ra_ticket::{
    ConnectionString2, Endpoint, Header, Invitation, KeyHash, LinkSpeed, PassStub, Password, RcTicket, SessionId,
    Ticket,
};
use tokio::sync::Notify;

/// Remembers what it was told; says yes or no to a key.
#[derive(Default)]
pub(crate) struct Witness {
    pub(crate) events: Mutex<Vec<ViewerEvent>>,
    pub(crate) asked: Mutex<Vec<Endpoint>>,
    pub(crate) accepts: bool,
    /// Rung at each event.
    pub(crate) bell: Notify,
}

impl Face for Witness {
    fn event(&self, event: &ViewerEvent) {
        self.events.lock().unwrap().push(event.clone());
        self.bell.notify_one();
    }

    fn accept_key(&self, endpoint: &Endpoint, _: &Fingerprint) -> bool {
        self.asked.lock().unwrap().push(endpoint.clone());
        self.accepts
    }
}

impl Witness {
    /// Waits for an event.
    pub(crate) async fn sees(&self, what: impl Fn(&ViewerEvent) -> bool) {
        self.sees_times(1, what).await;
    }

    /// Waits until an event has come so often.
    pub(crate) async fn sees_times(&self, times: usize, what: impl Fn(&ViewerEvent) -> bool) {
        let seen = async {
            while self.count(&what) < times {
                self.bell.notified().await;
            }
        };
        tokio::time::timeout(PATIENCE, seen).await.expect("the event");
    }

    /// How often an event was seen.
    pub(crate) fn count(&self, what: impl Fn(&ViewerEvent) -> bool) -> usize {
        self.events.lock().unwrap().iter().filter(|event| what(event)).count()
    }

    pub(crate) fn tried(&self) -> Vec<Endpoint> {
        let events = self.events.lock().unwrap();
        let tried = events.iter().filter_map(|event| match event {
            ViewerEvent::Trying { endpoint } => Some(endpoint.clone()),
            _ => None,
        });
        tried.collect()
    }

    pub(crate) fn connected(&self) -> Option<Endpoint> {
        self.events.lock().unwrap().iter().find_map(|event| match event {
            ViewerEvent::Connected { endpoint } => Some(endpoint.clone()),
            _ => None,
        })
    }
}

pub(crate) async fn run(plan: Plan, options: Options, witness: &Arc<Witness>) -> EndReason {
    let viewer = Viewer::new(plan, options, Arc::clone(witness) as Arc<dyn Face>);
    let reason = tokio::time::timeout(PATIENCE, viewer.run()).await.expect("an end");
    assert_eq!(witness.events.lock().unwrap().last(), Some(&ViewerEvent::Ended { reason }));
    reason
}

fn header() -> Header {
    Header { user_name: "Kim Aalbers".into(), start: 1_767_225_600, length_minutes: 60, speed: LinkSpeed::Normal }
}

/// A ticket that names the certificate.
pub(crate) fn by_certificate(endpoints: Vec<Endpoint>, certificate: &[u8]) -> Plan {
    let password = Password::new("Tulip-4711").unwrap();
    let string = ConnectionString2::new(KeyHash::from([1; 20]), SessionId::from_entropy(&[7; 48]), endpoints).unwrap();
    let string = string.with_certificate(certificate.to_vec()).unwrap();
    let ticket = Ticket::type2(&string, &password, PassStub::from_entropy(&[9; 32]));
    let invitation = Invitation::issue(header(), ticket).unwrap();
    Plan::open(&invitation, Some(&password)).unwrap()
}

/// A ticket of the first kind, which names a hash of the key.
pub(crate) fn by_key_hash(endpoints: Vec<Endpoint>, hash: KeyHash) -> Plan {
    let ticket = RcTicket::new(endpoints, SessionId::from_entropy(&[7; 48]), hash).unwrap();
    let invitation = Invitation::issue(header(), Ticket::type1_without_password(ticket)).unwrap();
    Plan::open(&invitation, None).unwrap()
}

/// A ticket that names nothing.
pub(crate) fn by_nothing(endpoints: &[Endpoint]) -> Plan {
    let list: Vec<String> = endpoints.iter().map(ToString::to_string).collect();
    let text = format!(
        r#"<UPLOADINFO TYPE="Escalated"><UPLOADDATA USERNAME="K" RCTICKET="65538,1,{},*,c2Vzc2lvbg==,*,*,*" RCTICKETENCRYPTED="0" DtStart="1" DtLength="1"/></UPLOADINFO>"#,
        list.join(";")
    );
    Plan::open(&Invitation::parse(text.as_bytes()).unwrap(), None).unwrap()
}

/// Longer than anything here takes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

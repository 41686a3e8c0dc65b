//! What the program says on standard output: text for people, or one JSON object a line for programs.

use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::sync::OnceLock;
use std::time::SystemTime;

use ra_novice::arrival::Peer;
use ra_novice::event::{HostEvent, RefusedCause, UnansweredCause, end_reason_name, revoked_by_name};
use ra_novice::prompt::PlaceName;
use ra_session::RevokedBy;
use serde_json::{Map, Value, json};

use crate::terminal::Screen;
use crate::words;

/// How this program talks on standard output.
#[derive(Debug, Clone)]
pub(crate) struct Teller {
    json: bool,
}

/// The screen whose live line has to make room for what is printed; set once when the terminal is taken over.
static SCREEN: OnceLock<Screen> = OnceLock::new();

/// Lets everything that is printed from now on make room on this screen.
pub(crate) fn share(screen: Screen) {
    // Only the first terminal of a process counts, and there is only one.
    let _ = SCREEN.set(screen);
}

impl Teller {
    pub(crate) fn new(json: bool) -> Self {
        Self { json }
    }

    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// Says something to people only.
    pub(crate) fn say(&self, text: &str) {
        if !self.json {
            print(&format!("{text}\n"));
        }
    }

    /// Says something to programs only.
    pub(crate) fn event(&self, name: &str, fields: Value) {
        if self.json {
            print(&format!("{}\n", object(name, fields, SystemTime::now())));
        }
    }

    /// Passes an object on to programs that has `event` and `time` already.
    pub(crate) fn line(&self, object: &str) {
        if self.json {
            print(&format!("{object}\n"));
        }
    }

    /// Says what happened, in the form that was asked for.
    pub(crate) fn tell(&self, event: &HostEvent) {
        match in_words(event) {
            Some(text) if !self.json => self.say(&text),
            _ => {
                let (name, fields) = in_json(event);
                self.event(name, fields);
            }
        }
    }
}

/// Says something beside the matter, on standard error.
pub(crate) fn aside(text: &str) {
    // Nobody misses it where standard error is closed.
    let _ = LogLine.write_all(format!("{text}\n").as_bytes());
}

/// One line for standard error's log, printed around the live line.
#[derive(Debug)]
pub(crate) struct LogLine;

impl io::Write for LogLine {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let write = || io::stderr().write_all(line);
        SCREEN.get().map_or_else(write, |screen| screen.around(write))?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

/// One line of JSON: `event`, `time`, and what belongs to it.
fn object(name: &str, fields: Value, now: SystemTime) -> Value {
    let mut object = Map::new();
    object.insert("event".to_owned(), name.into());
    object.insert("time".to_owned(), words::rfc3339(now).into());
    if let Value::Object(fields) = fields {
        object.extend(fields);
    }
    Value::Object(object)
}

/// A reader that went away must not end a session: what cannot be printed is lost.
fn print(text: &str) {
    let write = || {
        let mut out = io::stdout().lock();
        let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    };
    match SCREEN.get() {
        // A pipe does not disturb the live line, and a slow reader of it must not hold up the terminal.
        Some(screen) if rustix::termios::isatty(rustix::stdio::stdout()) => screen.around(write),
        _ => write(),
    }
}

/// The event for programs. Source: cli.md.
fn in_json(event: &HostEvent) -> (&'static str, Value) {
    match event {
        HostEvent::Listening { addr } => ("listening", json!({ "addr": addr.to_string() })),
        HostEvent::Calling { expert } => ("calling", json!({ "endpoint": expert.to_string() })),
        HostEvent::Unanswered { expert, cause } => {
            ("unanswered", json!({ "endpoint": expert.to_string(), "cause": cause.name() }))
        }
        HostEvent::ExpertConnecting { peer } => ("expert_connecting", json!({ "peer": peer.to_string() })),
        HostEvent::Refused { peer, cause } => ("refused", json!({ "peer": peer.to_string(), "cause": cause.name() })),
        HostEvent::ConsentAsked { kind, name, peer } => {
            ("consent_asked", json!({ "kind": kind, "name": name, "peer": peer.to_string() }))
        }
        HostEvent::Answered { kind, yes, place } => {
            ("answered", json!({ "kind": kind, "answer": if *yes { "yes" } else { "no" }, "place": place.as_str() }))
        }
        HostEvent::Viewing => ("viewing", json!({})),
        HostEvent::ControlRequested => ("control_requested", json!({})),
        HostEvent::Controlling => ("controlling", json!({})),
        HostEvent::Revoked { by } => ("revoked", json!({ "by": revoked_by_name(*by) })),
        HostEvent::Monitor { name, there } => ("monitor", json!({ "name": name, "there": there })),
        HostEvent::Lost => ("lost", json!({})),
        HostEvent::Returned { peer } => ("returned", json!({ "peer": peer.to_string() })),
        HostEvent::Ended { reason } => ("ended", json!({ "reason": end_reason_name(*reason) })),
        HostEvent::TicketEnded { ticket, cause } => {
            ("ticket_ended", json!({ "ticket": ticket.as_str(), "cause": cause.name() }))
        }
        other => ("other", json!({ "what": format!("{other:?}") })),
    }
}

/// The event for people; nothing where the question on the screen says it already.
fn in_words(event: &HostEvent) -> Option<String> {
    let at = Peer::place;
    Some(match event {
        HostEvent::Listening { addr } => listening(*addr),
        HostEvent::Calling { expert } => {
            format!("This computer calls your helper at {expert}. They wait there with `expert-connect listen`.")
        }
        HostEvent::Unanswered { expert, cause: UnansweredCause::Name } => {
            format!("There is no computer called {} now. It is looked for again until it is there.", expert.host)
        }
        HostEvent::Unanswered { expert, cause: UnansweredCause::Network } => {
            format!("Nobody waits at {expert} yet. It is called again every few seconds.")
        }
        HostEvent::ExpertConnecting { peer } => format!("Somebody at {} is connecting with your invitation.", at(peer)),
        HostEvent::Refused { peer, cause } => match cause {
            RefusedCause::WrongPassword => format!("Somebody at {} gave a wrong password and saw nothing.", at(peer)),
            RefusedCause::Locked => format!("Somebody at {} tried again too soon and was turned away.", at(peer)),
            RefusedCause::Declined => "You said no. They saw nothing.".to_owned(),
            RefusedCause::NoAnswer => "There was no answer in time, which counts as no.".to_owned(),
            RefusedCause::Busy => format!("Somebody at {} was turned away: you are being helped already.", at(peer)),
            RefusedCause::PolicyControl => {
                "They asked for control. That is not allowed here, so they were told no.".to_owned()
            }
            RefusedCause::Protocol => format!("The program at {} made no sense and was disconnected.", at(peer)),
        },
        // What was said at this very terminal need not be said again.
        HostEvent::Answered { yes, place, .. } if *place != PlaceName::terminal() => {
            format!("The answer is {}, given at {place}.", if *yes { "yes" } else { "no" })
        }
        HostEvent::ConsentAsked { .. } | HostEvent::ControlRequested | HostEvent::Answered { .. } => return None,
        HostEvent::Viewing => "They see your desktop now, and cannot touch anything.".to_owned(),
        HostEvent::Controlling => "They control your desktop now. Press ESC to take it back.".to_owned(),
        HostEvent::Revoked { by } => match by {
            RevokedBy::Esc | RevokedBy::Stop => "You took control back. They still see your desktop.".to_owned(),
            RevokedBy::Released => "They gave control back. They still see your desktop.".to_owned(),
            RevokedBy::Policy => "Control was taken back: it is not allowed here any more.".to_owned(),
        },
        HostEvent::Monitor { name, there: false } => {
            format!("The monitor {name} is gone: they see nothing until it is back, and no other one.")
        }
        HostEvent::Monitor { name, there: true } => format!("The monitor {name} is back, and they see it again."),
        HostEvent::Lost => "The connection broke. Nothing is shown while they try to come back.".to_owned(),
        HostEvent::Returned { .. } => "They are back and see your desktop again, and cannot touch anything.".to_owned(),
        HostEvent::Ended { reason } => ended(end_reason_name(*reason)).to_owned(),
        HostEvent::TicketEnded { ticket, cause } => match cause.name() {
            "expired" => format!("Invitation {ticket} is past its time and cannot be used any more."),
            "wrong_passwords" => {
                format!("Invitation {ticket} has ended: somebody tried too many wrong passwords. Make a new one.")
            }
            "refusals" => format!("Invitation {ticket} has ended, since you said no several times."),
            _ => format!("Invitation {ticket} has ended and cannot be used any more."),
        },
        _ => return None,
    })
}

/// Where the computer can be reached from now on, in one line.
fn listening(addr: SocketAddr) -> String {
    let ip = addr.ip().to_canonical();
    if ip.is_unspecified() {
        format!("Waiting on port {}, on every network this computer is in.", addr.port())
    } else if ip.is_loopback() {
        format!("Waiting on port {} for programs on this computer only.", addr.port())
    } else {
        format!("Waiting on port {}, on the network of {ip} only.", addr.port())
    }
}

fn ended(reason: &str) -> &'static str {
    match reason {
        "declined" => "You said no. They saw nothing.",
        "no_answer" => "There was no answer in time, which counts as no.",
        "stopped" => "You ended the session. Nobody sees your desktop any more.",
        "expert_left" => "They have left. Nobody sees your desktop any more.",
        "connection_lost" => "The connection is gone. Nobody sees your desktop any more.",
        "ticket_ended" => "The invitation was ended, and the session with it. Nobody sees your desktop any more.",
        "desktop_lost" => "Your desktop cannot be shown any more, so the session has ended.",
        "protocol_error" => "Their program made no sense, so the session has ended. Nobody sees your desktop any more.",
        _ => "The session has ended. Nobody sees your desktop any more.",
    }
}

#[cfg(test)]
mod tests {
    use ra_novice::event::TicketEndCause;
    use ra_session::EndReason;
    use ra_session::invitations::TicketId;

    use super::*;

    fn peer() -> Peer {
        "[::ffff:192.0.2.9]:50000".parse().unwrap()
    }

    #[test]
    fn every_line_of_json_has_its_event_and_time() {
        let (name, fields) = in_json(&HostEvent::Refused { peer: peer(), cause: RefusedCause::WrongPassword });
        let line = object(name, fields, words::at(992_646_863)).to_string();
        let line: Value = serde_json::from_str(&line).unwrap();
        assert_eq!((&line["event"], &line["time"]), (&json!("refused"), &json!("2001-06-15T23:14:23.000Z")));
        assert_eq!((&line["cause"], &line["peer"]), (&json!("wrong_password"), &json!("192.0.2.9:50000")));
    }

    #[test]
    fn the_events_have_the_names_and_fields_of_the_contract() {
        let name = |event: &HostEvent| in_json(event).0;
        let ticket = TicketId::parse("ABCD").unwrap();
        assert_eq!(name(&HostEvent::Viewing), "viewing");
        let place = PlaceName::agent(":1");
        let answered = in_json(&HostEvent::Answered { kind: "view", yes: true, place });
        assert_eq!(
            (answered.0, &answered.1["answer"], &answered.1["place"]),
            ("answered", &json!("yes"), &json!("agent :1"))
        );
        let gone = in_json(&HostEvent::Monitor { name: "DP-1".to_owned(), there: false });
        assert_eq!((gone.0, &gone.1["name"], &gone.1["there"]), ("monitor", &json!("DP-1"), &json!(false)));
        assert_eq!(name(&HostEvent::ControlRequested), "control_requested");
        assert_eq!(name(&HostEvent::Controlling), "controlling");
        assert_eq!(in_json(&HostEvent::Revoked { by: RevokedBy::Esc }).1["by"], "esc");
        assert_eq!(in_json(&HostEvent::Ended { reason: EndReason::ExpertLeft }).0, "ended");
        let ended = in_json(&HostEvent::TicketEnded { ticket, cause: TicketEndCause::Expired });
        assert_eq!(
            (ended.0, &ended.1["ticket"], &ended.1["cause"]),
            ("ticket_ended", &json!("ABCD"), &json!("expired"))
        );
        let asked = in_json(&HostEvent::ConsentAsked { kind: "view", name: "Lee".to_owned(), peer: peer() });
        assert_eq!((asked.0, &asked.1["kind"], &asked.1["name"]), ("consent_asked", &json!("view"), &json!("Lee")));
    }

    #[test]
    fn people_read_short_sentences_without_jargon() {
        let text = in_words(&HostEvent::ExpertConnecting { peer: peer() }).unwrap();
        assert_eq!(text, "Somebody at 192.0.2.9 is connecting with your invitation.");
        assert!(listening("[::]:3389".parse().unwrap()).contains("every network"));
        assert!(listening("127.0.0.1:4000".parse().unwrap()).contains("this computer only"));
        assert_eq!(in_words(&HostEvent::ControlRequested), None);
    }
}

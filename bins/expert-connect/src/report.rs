//! What the program prints: text for people, or one JSON object a line, and nothing else on standard output.

use std::io::{self, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use jiff::Timestamp;
use ra_expert::{RevokedBy, ViewerEvent};
use serde_json::{Map, Value, json};

use crate::message::Message;

/// Prints events.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    json: bool,
    novice: String,
    /// The connection was lost, so nobody is asked when it is back.
    lost: Arc<AtomicBool>,
}

impl Report {
    pub(crate) fn new(json: bool, novice: String) -> Self {
        Self { json, novice, lost: Arc::default() }
    }

    /// The event `opened`.
    pub(crate) fn opened(
        &self,
        message: &Message<'_>,
        password_needed: bool,
        endpoints: &[String],
        route: Option<String>,
    ) {
        if self.json {
            self.object(
                "opened",
                json!({
                    "name": message.name(),
                    "password_needed": password_needed,
                    "expires": message.expires_utc(),
                    "endpoints": endpoints,
                    "route": route,
                }),
            );
        }
    }

    /// Anything else, for programs only.
    pub(crate) fn note(&self, event: &str, fields: &Value) {
        if self.json {
            self.object(event, fields.clone());
        }
    }

    /// Anything the engine reports.
    pub(crate) fn event(&self, event: &ViewerEvent) {
        if self.json {
            let (name, fields) = object_of(event);
            self.object(name, fields);
        } else if let Some(line) = self.line_of(event) {
            print(&line);
        }
    }

    fn line_of(&self, event: &ViewerEvent) -> Option<String> {
        let novice = &self.novice;
        let line = match event {
            ViewerEvent::Listening { addr } => format!(
                "waiting at {addr} for {novice}'s computer to call; there it is `novice-host invite --dial` with your address \
                 and port {}",
                addr.port()
            ),
            ViewerEvent::Trying { endpoint } => format!("trying {endpoint}"),
            ViewerEvent::Connected { endpoint } if self.lost.load(Ordering::Relaxed) => {
                format!("connected to {endpoint}")
            }
            ViewerEvent::Connected { endpoint } => format!("connected to {endpoint}; waiting for {novice} to agree"),
            ViewerEvent::Viewing { width, height } => {
                format!("{novice} agreed: you see the desktop, {width}x{height}")
            }
            ViewerEvent::ControlRequested => format!("asked for control; waiting for {novice} to agree"),
            ViewerEvent::Controlling => format!("{novice} agreed: you control the desktop"),
            ViewerEvent::ControlRefused => format!("no control: {novice}, or a setting there, said no"),
            ViewerEvent::Revoked { by } => match by {
                RevokedBy::Esc => format!("{novice} pressed ESC: you see, but do not control"),
                RevokedBy::Stop => format!("{novice} took control back: you see, but do not control"),
                RevokedBy::Released => "you gave control back".to_owned(),
                RevokedBy::Policy => "a setting took control back: you see, but do not control".to_owned(),
            },
            ViewerEvent::Reconnecting => {
                self.lost.store(true, Ordering::Relaxed);
                format!("the connection to {novice}'s computer is lost; looking for it again, for a minute at most")
            }
            ViewerEvent::Returned { .. } => {
                self.lost.store(false, Ordering::Relaxed);
                "connected again: you see the desktop, but do not control".to_owned()
            }
            // The end is told by the program itself, on the way out.
            _ => return None,
        };
        Some(line)
    }

    fn object(&self, event: &str, fields: Value) {
        let mut object = Map::new();
        object.insert("event".to_owned(), event.into());
        object.insert("time".to_owned(), format!("{:.3}", Timestamp::now()).into());
        if let Value::Object(fields) = fields {
            object.extend(fields);
        }
        print(&Value::Object(object).to_string());
    }
}

/// The name of an event and its fields, as the contract has them.
fn object_of(event: &ViewerEvent) -> (&'static str, Value) {
    match event {
        ViewerEvent::Listening { addr } => ("listening", json!({ "addr": addr.to_string() })),
        ViewerEvent::Trying { endpoint } => ("trying", json!({ "endpoint": endpoint.to_string() })),
        ViewerEvent::Connected { endpoint } => ("connected", json!({ "endpoint": endpoint.to_string() })),
        ViewerEvent::Authenticated => ("authenticated", json!({})),
        ViewerEvent::Viewing { width, height } => ("viewing", json!({ "width": width, "height": height })),
        ViewerEvent::Reconnecting => ("reconnecting", json!({})),
        ViewerEvent::Returned { width, height } => ("returned", json!({ "width": width, "height": height })),
        ViewerEvent::FirstFrame { after } => {
            ("first_frame", json!({ "ms": u64::try_from(after.as_millis()).unwrap_or(u64::MAX) }))
        }
        ViewerEvent::ControlRequested => ("control_requested", json!({})),
        ViewerEvent::Controlling => ("controlling", json!({})),
        ViewerEvent::ControlRefused => ("control_refused", json!({})),
        ViewerEvent::Revoked { by } => {
            let by = match by {
                RevokedBy::Esc => "esc",
                RevokedBy::Stop => "stop",
                RevokedBy::Released => "released",
                RevokedBy::Policy => "policy",
            };
            ("revoked", json!({ "by": by }))
        }
        ViewerEvent::Ended { reason } => ("ended", json!({ "reason": reason.word() })),
        // The engine may learn new events before the contract does.
        _ => ("other", json!({})),
    }
}

/// One line on standard output. A reader that has gone away is no reason to end a session.
pub(crate) fn print(line: &str) {
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

//! `novice-host audit show`: the audit log, for its owner.

use std::time::SystemTime;

use ra_novice::audit;
use ra_novice::settings::Paths;
use serde_json::Value;

use crate::cli;
use crate::failure::Failure;
use crate::tell::Teller;
use crate::words;

/// Prints the log, the oldest line first: as it is for programs, in columns for people.
pub(crate) fn run(what: &cli::Audit, teller: &Teller) -> Result<(), Failure> {
    let cli::Audit::Show = what;
    let paths = Paths::from_environment()?;
    let lines = audit::lines(&paths.audit()).map_err(|error| Failure::chain(&error))?;
    if lines.is_empty() {
        teller.say("Nobody was refused here, and no session was logged.");
    }
    let now = SystemTime::now();
    for line in &lines {
        // A line that a full disk cut short is nobody's object, and still worth a look for a person.
        match serde_json::from_str::<Value>(line) {
            Ok(Value::Object(fields)) => {
                teller.say(&in_columns(&fields, now));
                teller.line(line);
            }
            _ => teller.say(&line.replace(char::is_control, "?")),
        }
    }
    Ok(())
}

fn in_columns(fields: &serde_json::Map<String, Value>, now: SystemTime) -> String {
    let text = |name: &str| fields.get(name).and_then(Value::as_str).unwrap_or_default();
    let time = text("time").parse::<jiff::Timestamp>().map(SystemTime::from);
    let time = time.map_or_else(|_| text("time").to_owned(), |time| words::local(time, now));
    let more = ["cause", "kind", "by", "reason", "place"].map(text).join(" ");
    let left_out = match fields.get("left_out").and_then(Value::as_u64) {
        Some(number) => format!(" (and {number} more before it)"),
        None => String::new(),
    };
    let line = format!("{time}  {:<17}  {:<39}  {}", text("event"), text("peer"), more.trim());
    format!("{}{left_out}", line.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_when_who_and_why() {
        let line = r#"{"time":"2026-01-01T00:00:00Z","event":"refused","peer":"192.0.2.7","port":1,"cause":"locked","left_out":3}"#;
        let Value::Object(fields) = serde_json::from_str(line).unwrap() else { panic!() };
        let text = in_columns(&fields, SystemTime::now());
        for word in ["refused", "192.0.2.7", "locked", "(and 3 more before it)"] {
            assert!(text.contains(word), "{text}");
        }
    }
}

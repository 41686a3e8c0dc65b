use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;

use serde_json::Value;

use super::file::{FILE_SIZE, OLDER_FILES};
use ra_ticket::KeyFingerprint;

use super::*;

const NOW: UnixTime = UnixTime(1_767_225_600);

struct Place {
    _directory: tempfile::TempDir,
    log: PathBuf,
    socket: PathBuf,
}

fn place() -> Place {
    let directory = tempfile::tempdir().unwrap();
    let (log, socket) = (directory.path().join("audit.log"), directory.path().join("journal"));
    Place { _directory: directory, log, socket }
}

impl Place {
    fn audit(&self) -> Audit {
        Audit::at(&self.log, &self.socket)
    }

    fn lines(&self) -> Vec<String> {
        lines(&self.log).unwrap()
    }
}

fn peer(text: &str) -> Peer {
    text.parse().unwrap()
}

#[test]
fn a_refusal_is_one_line_of_a_form_that_does_not_change() {
    let place = place();
    place.audit().refused(NOW, &peer("192.0.2.7:50123"), Cause::UnknownTicket, None);
    place.audit().refused(NOW, &peer("[::ffff:192.0.2.8]:1"), Cause::WrongPassword, None);
    place.audit().refused(NOW, &peer("[2001:db8::1]:2"), Cause::OfferUnverified, None);
    place.audit().refused(NOW, &peer("relay:relay.example.org:443"), Cause::EndedTicket, None);
    assert_eq!(
        place.lines(),
        [
            r#"{"time":"2026-01-01T00:00:00Z","event":"refused","peer":"192.0.2.7","port":50123,"cause":"unknown_ticket"}"#,
            r#"{"time":"2026-01-01T00:00:00Z","event":"refused","peer":"192.0.2.8","port":1,"cause":"wrong_password"}"#,
            r#"{"time":"2026-01-01T00:00:00Z","event":"refused","peer":"2001:db8::1","port":2,"cause":"offer_unverified"}"#,
            // Nothing that a filter would shut out.
            r#"{"time":"2026-01-01T00:00:00Z","event":"refused","peer":"relay:relay.example.org:443","cause":"ended_ticket"}"#,
        ]
    );
    assert_eq!(fs::metadata(&place.log).unwrap().permissions().mode() & 0o777 & !0o027, 0o640 & !0o027);
    assert_eq!(fs::metadata(&place.log).unwrap().permissions().mode() & 0o137, 0, "nothing for others");
}

#[test]
fn a_session_tells_its_steps_and_whose_key_it_was() {
    let place = place();
    let key = format!("sha256:{}", "ab".repeat(32)).parse::<KeyFingerprint>().unwrap();
    let audit = place.audit();
    audit.session(NOW, &peer("192.0.2.7:1"), &Step::ConsentAsked { kind: "view" }, Some(&Helper::Key(key)));
    audit.session(NOW, &peer("192.0.2.7:1"), &Step::Ended { reason: "stopped" }, None);
    let lines: Vec<Value> = place.lines().iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((&lines[0]["event"], &lines[0]["kind"]), (&"consent_asked".into(), &"view".into()));
    assert_eq!(lines[0]["key"], key.to_string());
    assert_eq!((&lines[1]["event"], &lines[1]["reason"]), (&"ended".into(), &"stopped".into()));
    assert!(lines[1].get("cause").is_none());
}

#[test]
fn the_words_in_the_file_and_in_the_journal_are_the_same() {
    let all = [
        Cause::UnknownTicket,
        Cause::ExpiredTicket,
        Cause::EndedTicket,
        Cause::Policy,
        Cause::NotOfficial,
        Cause::Account,
        Cause::OfferPolicy,
        Cause::OfferUnverified,
        Cause::OfferNotListed,
        Cause::WrongPassword,
        Cause::Locked,
        Cause::Declined,
        Cause::NoAnswer,
        Cause::Busy,
        Cause::PolicyControl,
        Cause::Protocol,
        Cause::TooSlow,
        Cause::ShownOut,
        Cause::Internal,
    ];
    for cause in all {
        assert_eq!(serde_json::to_value(cause).unwrap(), cause.name());
    }
    for step in [Step::Viewing, Step::ControlRequested, Step::Controlling, Step::Revoked { by: "esc" }] {
        assert_eq!(serde_json::to_value(&step).unwrap()["event"], step.name());
    }
}

#[test]
fn the_journal_gets_the_same_line_with_fields() {
    let place = place();
    let journal = UnixDatagram::bind(&place.socket).unwrap();
    journal.set_read_timeout(Some(std::time::Duration::from_secs(20))).unwrap();
    place.audit().refused(NOW, &peer("192.0.2.7:50123"), Cause::WrongPassword, None);
    let mut datagram = [0; 4096];
    let length = journal.recv(&mut datagram).unwrap();
    let text = str::from_utf8(&datagram[..length]).unwrap();
    let line = &place.lines()[0];
    for field in [
        &format!("MESSAGE={line}"),
        "PRIORITY=5",
        "SYSLOG_IDENTIFIER=remote-assistance",
        "RA_EVENT=refused",
        "RA_PEER=192.0.2.7",
        "RA_CAUSE=wrong_password",
    ] {
        assert!(text.lines().any(|line| line == field), "{field} in {text}");
    }
}

#[test]
fn a_full_file_makes_room_and_old_ones_go() {
    let place = place();
    let mut file = LogFile::at(&place.log);
    let line = "x".repeat(64 * 1024 - 1);
    let lines_of_a_file = FILE_SIZE / (64 * 1024);
    for _ in 0..(OLDER_FILES as u64 + 3) * lines_of_a_file {
        file.append(&line).unwrap();
    }
    let files = fs::read_dir(place.log.parent().unwrap()).unwrap().filter(|entry| {
        let name = entry.as_ref().unwrap().file_name();
        let name = name.to_str().unwrap();
        name.starts_with("audit.log") && !name.ends_with("lock")
    });
    assert_eq!(files.count(), OLDER_FILES + 1);
    assert_eq!(place.lines().len() as u64, (OLDER_FILES as u64 + 1) * lines_of_a_file);
}

#[test]
fn two_hosts_write_whole_lines_into_one_log_and_lose_none() {
    let place = place();
    let each = 3 * FILE_SIZE / 2 / 1024;
    std::thread::scope(|scope| {
        for who in ["a", "b"] {
            let line = who.repeat(1023);
            let mut file = LogFile::at(&place.log);
            scope.spawn(move || (0..each).for_each(|_| file.append(&line).unwrap()));
        }
    });
    let lines = place.lines();
    assert_eq!(lines.len() as u64, 2 * each);
    assert!(lines.iter().all(|line| line.len() == 1023 && (*line == "a".repeat(1023) || *line == "b".repeat(1023))));
}

#[test]
fn somebody_elses_rotation_is_noticed_and_a_link_is_not_followed() {
    let place = place();
    let mut file = LogFile::at(&place.log);
    file.append("one").unwrap();
    fs::rename(&place.log, place.log.with_extension("log.1")).unwrap();
    file.append("two").unwrap();
    assert_eq!(place.lines(), ["one", "two"]);
    let victim = place.log.with_file_name("victim");
    fs::write(&victim, "").unwrap();
    fs::remove_file(&place.log).unwrap();
    std::os::unix::fs::symlink(&victim, &place.log).unwrap();
    assert!(file.append("three").is_err());
    assert_eq!(fs::read(&victim).unwrap(), b"");
    fs::remove_file(&place.log).unwrap();
    file.append("three").unwrap();
    assert_eq!(place.lines(), ["one", "three"]);
}

#[test]
fn one_stranger_cannot_wash_the_log_away_and_what_was_left_out_is_said() {
    let place = place();
    let audit = place.audit();
    for port in 1..=1000 {
        audit.refused(NOW, &peer(&format!("192.0.2.7:{port}")), Cause::UnknownTicket, None);
    }
    audit.refused(NOW, &peer("192.0.2.8:1"), Cause::UnknownTicket, None);
    assert_eq!(place.lines().len(), LINES_A_MINUTE as usize + 1, "others are written as ever");
    let later = UnixTime(NOW.0 + 60);
    audit.refused(later, &peer("192.0.2.7:1"), Cause::UnknownTicket, None);
    let last: Value = serde_json::from_str(place.lines().last().unwrap()).unwrap();
    assert_eq!(last["left_out"], 1000 - u64::from(LINES_A_MINUTE));
    audit.refused(later, &peer("192.0.2.7:2"), Cause::UnknownTicket, None);
    assert!(!place.lines().last().unwrap().contains("left_out"), "said once");
}

#[test]
fn a_log_that_cannot_be_written_stops_nobody() {
    let place = place();
    let audit = Audit::at(&place.log.join("no/such/directory"), &place.socket);
    audit.refused(NOW, &peer("192.0.2.7:1"), Cause::UnknownTicket, None);
    assert!(audit.trouble.borrow().is_some());
    assert!(lines(&place.log).unwrap().is_empty());
}

//! Policy as an administrator reads it: tables of what is written and what then holds.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::time::Duration;

use ra_policy::{Denied, MAX_POLICY_BYTES, Policy, PolicyError, TicketTime, Units};

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

fn policy(text: &str) -> Policy {
    Policy::from_toml(text).unwrap_or_else(|error| panic!("{text:?}: {error}"))
}

/// May invite, may connect, may control, longest ticket in seconds.
fn verdicts(policy: &Policy) -> (bool, bool, bool, u64) {
    let Policy { .. } = policy;
    (
        policy.may_invite().is_ok(),
        policy.may_connect().is_ok(),
        policy.may_control().is_ok(),
        policy.longest_ticket().as_secs(),
    )
}

#[test]
fn s097_with_nothing_configured_the_defaults_of_2001_hold() {
    assert_eq!(verdicts(&Policy::default()), (true, true, true, 30 * DAY));
    assert_eq!(verdicts(&policy("")), (true, true, true, 30 * DAY));
    assert_eq!(verdicts(&policy("# nothing\n")), (true, true, true, 30 * DAY));
}

#[test]
fn s074_s075_r001_r028_r045_one_layer() {
    for (text, expected) in [
        ("fAllowToGetHelp = 1", (true, true, true, 30 * DAY)),
        ("fAllowToGetHelp = 0", (false, false, false, 30 * DAY)),
        ("fAllowToGetHelp = 4294967295", (true, true, true, 30 * DAY)),
        ("fAllowFullControl = 1", (true, true, true, 30 * DAY)),
        ("fAllowFullControl = 0", (true, true, false, 30 * DAY)),
        ("fAllowToGetHelp = 0\nfAllowFullControl = 1", (false, false, false, 30 * DAY)),
        ("fAllowToGetHelp = 1\nfAllowFullControl = 7", (true, true, true, 30 * DAY)),
    ] {
        assert_eq!(verdicts(&policy(text)), expected, "{text}");
    }
}

#[test]
fn s107_the_longest_ticket_is_a_number_and_a_unit() {
    for (text, seconds, warnings) in [
        ("MaxTicketExpiry = 1\nMaxTicketExpiryUnits = 0", MINUTE, 0),
        ("MaxTicketExpiry = 99\nMaxTicketExpiryUnits = 0", 99 * MINUTE, 0),
        ("MaxTicketExpiry = 6\nMaxTicketExpiryUnits = 1", 6 * HOUR, 0),
        ("MaxTicketExpiry = 30\nMaxTicketExpiryUnits = 2", 30 * DAY, 0),
        ("MaxTicketExpiry = 99\nMaxTicketExpiryUnits = 2", 142_560 * MINUTE, 0),
        ("MaxTicketExpiry = 6", 6 * HOUR, 0),
        ("MaxTicketExpiry = 0\nMaxTicketExpiryUnits = 2", DAY, 1),
        ("MaxTicketExpiry = 100\nMaxTicketExpiryUnits = 2", 99 * DAY, 1),
        ("MaxTicketExpiry = 4294967295", 99 * HOUR, 1),
        ("MaxTicketExpiry = 6\nMaxTicketExpiryUnits = 3", 6 * HOUR, 1),
        ("MaxTicketExpiry = 0\nMaxTicketExpiryUnits = 9", HOUR, 2),
        ("MaxTicketExpiryUnits = 0", 30 * DAY, 1),
    ] {
        let policy = policy(text);
        assert_eq!(policy.longest_ticket().as_secs(), seconds, "{text}");
        assert_eq!(policy.warnings().len(), warnings, "{text}: {:?}", policy.warnings());
    }
    assert_eq!(TicketTime::new(0, Units::Days).duration().as_secs(), DAY);
}

#[test]
fn r010_a_ticket_is_never_longer_than_the_maximum() {
    let policy = policy("MaxTicketExpiry = 6");
    for (wanted, given) in
        [(30, 30), (HOUR, HOUR), (6 * HOUR, 6 * HOUR), (6 * HOUR + 1, 6 * HOUR), (u64::MAX, 6 * HOUR)]
    {
        assert_eq!(policy.ticket_length(Duration::from_secs(wanted)), Duration::from_secs(given));
    }
}

/// The decision table for one connection: policy above, the local setting below (policy.md section 3).
#[test]
fn s096_layers_only_restrict() {
    for (above, below, expected) in [
        ("fAllowToGetHelp = 0", "", (false, false)),
        ("fAllowToGetHelp = 0", "fAllowToGetHelp = 1", (false, false)),
        ("fAllowToGetHelp = 1", "fAllowToGetHelp = 0", (false, false)),
        ("fAllowToGetHelp = 1", "fAllowToGetHelp = 1", (true, true)),
        ("fAllowToGetHelp = 1", "", (true, true)),
        ("fAllowToGetHelp = 1", "fAllowFullControl = 0", (true, false)),
        ("fAllowToGetHelp = 1\nfAllowFullControl = 0", "fAllowFullControl = 1", (true, false)),
        ("fAllowToGetHelp = 1\nfAllowFullControl = 1", "fAllowFullControl = 1", (true, true)),
        ("", "fAllowToGetHelp = 0", (false, false)),
        ("", "fAllowFullControl = 0", (true, false)),
        ("", "", (true, true)),
    ] {
        for merged in [policy(above).merge_stricter(policy(below)), policy(below).merge_stricter(policy(above))] {
            let found = (merged.may_connect().is_ok(), merged.may_control().is_ok());
            assert_eq!(found, expected, "{above:?} over {below:?}");
        }
    }
}

#[test]
fn the_shorter_time_wins_whatever_its_unit() {
    for (one, other, seconds) in [
        ("MaxTicketExpiry = 99\nMaxTicketExpiryUnits = 0", "MaxTicketExpiry = 1\nMaxTicketExpiryUnits = 1", HOUR),
        ("MaxTicketExpiry = 2\nMaxTicketExpiryUnits = 2", "MaxTicketExpiry = 47", 47 * HOUR),
        ("", "MaxTicketExpiry = 99\nMaxTicketExpiryUnits = 2", 99 * DAY),
    ] {
        assert_eq!(policy(one).merge_stricter(policy(other)).longest_ticket().as_secs(), seconds);
        assert_eq!(policy(other).merge_stricter(policy(one)).longest_ticket().as_secs(), seconds);
    }
}

#[test]
fn warnings_of_every_layer_are_kept() {
    let merged = policy("MaxTicketExpiry = 0").merge_stricter(policy("MaxTicketExpiryUnits = 2"));
    let text: Vec<String> = merged.warnings().iter().map(ToString::to_string).collect();
    assert_eq!(
        text,
        [
            "MaxTicketExpiry = 0 is outside 1 to 99, 1 is used",
            "MaxTicketExpiryUnits without MaxTicketExpiry has no effect"
        ]
    );
}

#[test]
fn a_policy_that_cannot_be_used_means_no_help_whatever_else_is_said() {
    let broken = || Policy::no_help("policy.toml: cannot be read");
    let open = || policy("fAllowToGetHelp = 1\nfAllowFullControl = 1");
    for merged in [broken(), broken().merge_stricter(open()), open().merge_stricter(broken())] {
        let denied = Denied::Unusable { reason: "policy.toml: cannot be read".into() };
        assert_eq!(merged.may_invite().unwrap_err(), denied);
        assert_eq!(merged.may_connect().unwrap_err(), denied);
        assert_eq!(merged.may_control().unwrap_err(), denied);
    }
}

#[test]
fn a_denial_names_the_setting() {
    let help = policy("fAllowToGetHelp = 0");
    assert_eq!(help.may_invite().unwrap_err(), Denied::Help);
    assert_eq!(help.may_control().unwrap_err(), Denied::Help);
    let control = policy("fAllowFullControl = 0");
    assert_eq!(control.may_control().unwrap_err(), Denied::Control);
    assert!(help.may_invite().unwrap_err().to_string().contains("fAllowToGetHelp"));
    assert!(control.may_control().unwrap_err().to_string().contains("fAllowFullControl"));
}

#[test]
fn what_is_not_understood_is_an_error_with_its_place() {
    for (text, place) in [
        ("fAllowToGetHelp = 1\nfAllowToGetHlep = 0\n", "fAllowToGetHlep"),
        ("fallowtogethelp = 0\n", "fallowtogethelp"),
        ("fAllowToGetHelp = \"no\"\n", "\"no\""),
        ("fAllowToGetHelp = false\n", "false"),
        ("fAllowToGetHelp = -1\n", "-1"),
        ("fAllowToGetHelp = 4294967296\n", "4294967296"),
        ("fAllowFullControl = 0.5\n", "0.5"),
        ("MaxTicketExpiry = [1]\n", "[1]"),
        ("[section]\n", "section"),
        ("fAllowToGetHelp = 1\nfAllowToGetHelp = 0\n", "fAllowToGetHelp"),
        ("fAllowToGetHelp\n", ""),
        ("= 1\n", ""),
    ] {
        let error = Policy::from_toml(text).unwrap_err();
        let span = error.span().unwrap_or_else(|| panic!("{text:?} has no place: {error}"));
        assert!(text[span.clone()].contains(place), "{text:?}: {error} at {:?}", &text[span]);
        let message = error.to_string();
        assert!(!message.is_empty() && !message.contains('\n'), "{message:?}");
    }
    assert_eq!(Policy::from_toml(&" ".repeat(MAX_POLICY_BYTES + 1)), Err(PolicyError::TooLarge));
    assert!(Policy::from_toml(&" ".repeat(MAX_POLICY_BYTES)).is_ok());
    assert!(Policy::from_toml(&"[".repeat(MAX_POLICY_BYTES)).is_err(), "no overflow however deep");
}

#[test]
fn the_samples_of_the_manual_parse() {
    let manual = include_str!("../../../docs/POLICY.md");
    let samples: Vec<&str> =
        manual.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap_or_default()).collect();
    assert!(!samples.is_empty());
    for sample in &samples {
        assert_eq!(policy(sample).warnings(), &[], "{sample}");
    }
    let first = policy(samples[0]);
    assert_eq!(verdicts(&first), (true, true, false, 6 * HOUR), "as the manual says of its first sample");
    for key in ["fAllowToGetHelp", "fAllowFullControl", "MaxTicketExpiry", "MaxTicketExpiryUnits"] {
        assert!(manual.contains(&format!("| `{key}` |")), "{key} has a row");
    }
}

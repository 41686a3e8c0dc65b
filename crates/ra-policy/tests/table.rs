//! Policy as an administrator reads it: tables of what is written and what then holds.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::time::Duration;

use ra_policy::registry::{Entry, REGISTRY_KEY, settings};
use ra_policy::{
    Denied, HelperName, Layer, MAX_POLICY_BYTES, Message, Offerer, Policy, PolicyError, PolicyText, Setting, Settings,
    Source, TicketTime, Units, Warning,
};

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

fn text(text: &str) -> PolicyText {
    PolicyText::from_toml(text).unwrap_or_else(|error| panic!("{text:?}: {error}"))
}

fn layer(source: Source, toml: &str) -> Layer {
    Layer::new(source, format!("{source:?}"), text(toml).for_member_of(&[]))
}

fn policy(toml: &str) -> Policy {
    Policy::of([layer(Source::Machine, toml)])
}

fn two(above: &str, below: &str) -> [Policy; 2] {
    let layers = || [layer(Source::GroupPolicy, above), layer(Source::OwnSwitches, below)];
    let [one, other] = layers();
    [Policy::of(layers()), Policy::of([other, one])]
}

fn warnings(toml: &str) -> Vec<String> {
    text(toml).warnings().map(ToString::to_string).collect()
}

/// May invite, may connect, may control, longest ticket in seconds.
fn verdicts(policy: &Policy) -> (bool, bool, bool, u64) {
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
    for (toml, seconds, count) in [
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
        assert_eq!(policy(toml).longest_ticket().as_secs(), seconds, "{toml}");
        assert_eq!(warnings(toml).len(), count, "{toml}");
    }
    assert_eq!(TicketTime::new(0, Units::Days).duration().as_secs(), DAY);
}

#[test]
fn s107_r010_a_ticket_is_never_longer_than_the_maximum() {
    let policy = policy("MaxTicketExpiry = 6");
    for (wanted, given) in
        [(30, 30), (HOUR, HOUR), (6 * HOUR, 6 * HOUR), (6 * HOUR + 1, 6 * HOUR), (u64::MAX, 6 * HOUR)]
    {
        assert_eq!(policy.ticket_length(Duration::from_secs(wanted)), Duration::from_secs(given));
    }
}

/// The decision table for one connection: policy above, the local setting below (policy.md section 3).
#[test]
fn s096_r001_r028_r045_layers_only_restrict() {
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
        for merged in two(above, below) {
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
        ("MaxTicketExpiry = 99\nMaxTicketExpiryUnits = 2", "", 99 * DAY),
    ] {
        for merged in two(one, other) {
            assert_eq!(merged.longest_ticket().as_secs(), seconds);
        }
    }
}

#[test]
fn only_the_administrator_can_permit_more_than_the_default() {
    let wide = "MaxTicketExpiry = 99\nMaxTicketExpiryUnits = 2\nfAllowUnsolicited = 1\nRAUnsolicit = [\"lee\"]\n";
    for (source, days, offered) in [
        (Source::GroupPolicy, 99, true),
        (Source::Machine, 99, true),
        (Source::Extra, 30, false),
        (Source::OwnSwitches, 30, false),
    ] {
        let policy = Policy::of([layer(source, wide)]);
        assert_eq!(policy.longest_ticket().as_secs(), days * DAY, "{source:?}");
        assert_eq!(policy.may_be_offered().is_ok(), offered, "{source:?}");
    }
}

#[test]
fn what_is_read_otherwise_than_written_is_said() {
    assert_eq!(
        warnings("MaxTicketExpiry = 0\nOptimizeBandwidth = 3\n[group.x]\nMaxTicketExpiryUnits = 2"),
        [
            "OptimizeBandwidth is read, but neither its name nor its numbers are confirmed, and it has no effect",
            "MaxTicketExpiry = 0 is outside 1 to 99, 1 is used",
            "MaxTicketExpiryUnits without MaxTicketExpiry has no effect"
        ]
    );
}

#[test]
fn a_policy_that_cannot_be_used_means_no_help_whatever_else_is_said() {
    let open = || layer(Source::GroupPolicy, "fAllowToGetHelp = 1\nfAllowFullControl = 1\nfAllowUnsolicited = 1");
    let broken = || Layer::unusable(Source::OwnSwitches, "settings.toml", "cannot be read");
    for merged in [vec![broken()], vec![broken(), open()], vec![open(), broken()]] {
        let denied = Denied::Unusable { reason: "settings.toml: cannot be read".into() };
        let merged = Policy::of(merged);
        assert_eq!(merged.may_invite().unwrap_err(), denied);
        assert_eq!(merged.may_connect().unwrap_err(), denied);
        assert_eq!(merged.may_control().unwrap_err(), denied);
        assert_eq!(merged.may_be_offered().unwrap_err(), denied);
        assert_eq!(merged.may_control_offered().unwrap_err(), denied);
    }
}

#[test]
fn s104_s105_without_buddy_help_only_an_official_helper_is_invited() {
    let helpdesk = HelperName::new("example\\Helpdesk").unwrap();
    let friend = HelperName::new("Lee").unwrap();
    let on = policy("fAllowBuddyHelp = 1\nOfficialHelpers = ['EXAMPLE\\helpdesk']");
    let off = policy("fAllowBuddyHelp = 0\nOfficialHelpers = ['EXAMPLE\\helpdesk']");
    for (helper, with, without) in [(None, true, false), (Some(&friend), true, false), (Some(&helpdesk), true, true)] {
        assert_eq!((on.may_invite_for(helper).is_ok(), off.may_invite_for(helper).is_ok()), (with, without));
        assert_eq!((on.may_connect_for(helper).is_ok(), off.may_connect_for(helper).is_ok()), (with, without));
    }
    assert_eq!(off.may_invite().unwrap_err(), Denied::Buddy);
}

#[test]
fn s076_r075_r076_r078_help_is_offered_only_where_policy_says_so() {
    let lee = Offerer { names: [HelperName::new("EXAMPLE\\Lee").unwrap()].into(), administrator: false };
    let administrator = Offerer { names: [].into(), administrator: true };
    for (toml, listed, by_administrator, control) in [
        ("", false, false, false),
        ("fAllowUnsolicited = 0", false, false, false),
        ("fAllowUnsolicited = 1", false, true, false),
        ("fAllowUnsolicited = 1\nRAUnsolicit = ['example\\lee']", true, true, false),
        ("fAllowUnsolicited = 1\nRAUnsolicit = ['lee']", false, true, false),
        ("fAllowUnsolicited = 1\nfAllowUnsolicitedFullControl = 1", false, true, true),
        ("fAllowToGetHelp = 0\nfAllowUnsolicited = 1", false, true, false),
        ("fAllowToGetHelp = 1", false, false, false),
    ] {
        let policy = policy(toml);
        assert_eq!(policy.may_offer(&lee).is_ok(), listed, "{toml}");
        assert_eq!(policy.may_offer(&administrator).is_ok(), by_administrator, "{toml}");
        assert_eq!(policy.may_control_offered().is_ok(), control, "{toml}");
    }
}

/// Solicited means that the user asked: the permission to ask is none to come unasked, and the other way round (P6).
#[test]
fn s095_r075_what_was_asked_for_and_what_was_not_are_two_settings() {
    let helper = Offerer { names: [].into(), administrator: true };
    for (toml, asked, unasked) in [
        ("fAllowToGetHelp = 1", true, false),
        ("fAllowToGetHelp = 0", false, false),
        ("fAllowToGetHelp = 1\nfAllowUnsolicited = 1", true, true),
        ("fAllowToGetHelp = 0\nfAllowUnsolicited = 1", false, true),
    ] {
        let policy = policy(toml);
        assert_eq!((policy.may_invite().is_ok(), policy.may_connect().is_ok()), (asked, asked), "{toml}");
        assert_eq!((policy.may_be_offered().is_ok(), policy.may_offer(&helper).is_ok()), (unasked, unasked), "{toml}");
    }
}

#[test]
fn s099_s100_members_of_a_group_have_their_own_values() {
    let file = text(
        "fAllowFullControl = 0\nMaxTicketExpiry = 2\n\
         [group.pupils]\nfAllowToGetHelp = 0\n\
         [group.\"domain users\"]\nfAllowFullControl = 1\nMaxTicketExpiry = 6\n\
         [group.helpdesk]\nMaxTicketExpiry = 1\nMaxTicketExpiryUnits = 2\n",
    );
    for (groups, expected) in [
        (&[][..], (true, true, false, 2 * HOUR)),
        (&["staff"], (true, true, false, 2 * HOUR)),
        (&["pupils"], (false, false, false, 2 * HOUR)),
        (&["domain users"], (true, true, true, 6 * HOUR)),
        (&["domain users", "helpdesk"], (true, true, true, 6 * HOUR)),
        (&["helpdesk"], (true, true, false, DAY)),
        (&["helpdesk", "pupils"], (false, false, false, DAY)),
        (&["Pupils"], (true, true, false, 2 * HOUR)),
    ] {
        let groups: Vec<_> = groups.iter().map(|group| (*group).to_owned()).collect();
        let policy = Policy::of([Layer::new(Source::Machine, "policy.toml", file.for_member_of(&groups))]);
        assert_eq!(verdicts(&policy), expected, "{groups:?}");
    }
}

#[test]
fn an_administrators_text_is_one_harmless_line() {
    let shown = |message: &str| Message::new(message).map(|message| message.as_str().to_owned());
    assert_eq!(shown(" Call\r\n555\u{1b}[2J \u{202e}first\u{200b}. "), Some("Call 555 [2J first.".to_owned()));
    assert_eq!((shown(""), shown(" \n "), shown("\u{202e}")), (None, None, None));
    assert_eq!(shown(&"x".repeat(5000)).unwrap().len(), ra_policy::MESSAGE_CHARS);
    let policy = policy("UseCustomMessages = 1\nViewMessage = 'See'\nShareControlMessage = ''");
    assert_eq!(policy.view_message().unwrap().as_str(), "See");
    assert_eq!(policy.control_message(), None, "an empty text is the built-in one");
}

#[test]
fn messages_need_their_switch() {
    assert_eq!(policy("ViewMessage = 'See'").view_message(), None);
    assert_eq!(policy("UseCustomMessages = 0\nViewMessage = 'See'").view_message(), None);
}

#[test]
fn who_decided_is_known() {
    let policy = Policy::of([
        layer(Source::OwnSwitches, "fAllowFullControl = 0\nMaxTicketExpiry = 9"),
        layer(Source::GroupPolicy, "fAllowFullControl = 1\nMaxTicketExpiry = 6\nLoggingEnabled = 0"),
        layer(Source::Extra, "LoggingEnabled = 1"),
    ]);
    let by = |setting| policy.decide(setting).by.map(|layer| layer.source);
    assert_eq!(by(Setting::AllowFullControl), Some(Source::OwnSwitches));
    assert_eq!(by(Setting::MaxTicketExpiry), Some(Source::GroupPolicy));
    assert_eq!(by(Setting::LoggingEnabled), Some(Source::Extra));
    assert_eq!(by(Setting::AllowToGetHelp), None);
    let others = policy.decide(Setting::AllowFullControl).others;
    assert_eq!(
        others.iter().map(|(layer, value)| (layer.source, value.to_string())).collect::<Vec<_>>(),
        [(Source::GroupPolicy, "1".to_owned())]
    );
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
        ("group = 1\n", "group"),
        ("[group]\nstaff = 1\n", "staff"),
        ("[group.staff]\nfAllowToGetHelp = 0\n[group.staff.more]\n", "more"),
        ("ViewMessage = 1\n", "1"),
        ("RAUnsolicit = 'lee'\n", "'lee'"),
        ("RAUnsolicit = [1]\n", "[1]"),
        ("fAllowToGetHelp = 1\nfAllowToGetHelp = 0\n", "fAllowToGetHelp"),
        ("fAllowToGetHelp\n", ""),
        ("= 1\n", ""),
    ] {
        let error = PolicyText::from_toml(text).unwrap_err();
        let span = error.span().unwrap_or_else(|| panic!("{text:?} has no place: {error}"));
        assert!(text[span.clone()].contains(place), "{text:?}: {error} at {:?}", &text[span]);
        let message = error.to_string();
        assert!(!message.is_empty() && !message.contains('\n'), "{message:?}");
    }
    assert_eq!(PolicyText::from_toml(&" ".repeat(MAX_POLICY_BYTES + 1)), Err(PolicyError::TooLarge));
    assert!(PolicyText::from_toml(&" ".repeat(MAX_POLICY_BYTES)).is_ok());
    assert!(PolicyText::from_toml(&"[".repeat(MAX_POLICY_BYTES)).is_err(), "no overflow however deep");
}

#[test]
fn a_local_switch_is_what_the_control_panel_has() {
    assert!(
        PolicyText::switches_from_toml("fAllowToGetHelp = 0\nfAllowFullControl = 0\nMaxTicketExpiry = 6\n").is_ok()
    );
    for text in ["fAllowUnsolicited = 1\n", "LoggingEnabled = 0\n", "[group.staff]\n", "UseCustomMessages = 1\n"] {
        assert!(PolicyText::switches_from_toml(text).is_err(), "{text}");
    }
}

#[test]
fn only_the_administrator_lets_helpers_be_known_by_a_password_and_anybody_can_forbid_it() {
    let on = "fAllowUnsolicited = 1\nfAllowOfferByPassword = 1\n";
    for (layers, expected) in [
        (vec![], Err(Denied::Offer)),
        (vec![(Source::Machine, "fAllowUnsolicited = 1\n")], Err(Denied::OfferByPassword)),
        (vec![(Source::Machine, "fAllowOfferByPassword = 1\n")], Err(Denied::Offer)),
        (vec![(Source::GroupPolicy, on)], Ok(())),
        (vec![(Source::Machine, on)], Ok(())),
        (vec![(Source::Extra, on)], Err(Denied::Offer)),
        (vec![(Source::Machine, "fAllowUnsolicited = 1\n"), (Source::Extra, on)], Err(Denied::OfferByPassword)),
        (
            vec![(Source::GroupPolicy, on), (Source::Machine, "fAllowOfferByPassword = 0\n")],
            Err(Denied::OfferByPassword),
        ),
        (vec![(Source::Machine, on), (Source::Extra, "fAllowOfferByPassword = 0\n")], Err(Denied::OfferByPassword)),
    ] {
        let policy = Policy::of(layers.iter().map(|(source, toml)| layer(*source, toml)));
        assert_eq!(policy.may_offer_by_password().map(drop), expected, "{layers:?}");
    }
    assert!(PolicyText::switches_from_toml("fAllowOfferByPassword = 1\n").is_err(), "no switch of a user's own");
}

#[test]
fn settings_are_written_as_they_are_read() {
    let toml = "fAllowToGetHelp = 0\nMaxTicketExpiry = 6\nMaxTicketExpiryUnits = 2\nRAUnsolicit = [\"EXAMPLE\\\\Lee\"]\n\
                ViewMessage = \"say \\\"no\\\"\"\n";
    let settings = text(toml).for_member_of(&[]);
    assert_eq!(text(&settings.to_toml()).for_member_of(&[]), settings, "{}", settings.to_toml());
}

#[test]
fn the_samples_of_the_manual_parse() {
    let manual = include_str!("../../../docs/POLICY.md");
    // The worked examples are for the program that reads files.
    let (manual, _) = manual.split_once("## Worked examples").unwrap();
    let samples: Vec<&str> =
        manual.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap_or_default()).collect();
    assert!(!samples.is_empty());
    for sample in &samples {
        assert_eq!(warnings(sample), [""; 0], "{sample}");
    }
    let (_, first) = manual.split_once("## Samples").unwrap();
    let first = first.split("```").nth(1).and_then(|block| block.strip_prefix("toml\n")).unwrap();
    assert_eq!(verdicts(&policy(first)), (true, true, false, 6 * HOUR), "as the manual says of its first sample");
    for setting in Setting::ALL.iter().map(|setting| setting.name()).chain(["MaxTicketExpiryUnits"]) {
        assert!(manual.contains(&format!("| `{setting}` |")), "{setting} has a row");
    }
}

#[test]
fn a_list_of_relays_allows_those_and_no_others() {
    let list = "OfficialRelays = ['https://eu.example.org', 'https://US.example.org:8443/']";
    let allowed = |policy: &Policy, relay: &str| policy.may_use_relay(relay).map_err(|denied| denied.to_string());
    let some = policy(list);
    assert_eq!(allowed(&some, "https://eu.example.org/"), Ok(()));
    assert_eq!(allowed(&some, "https://us.example.org:8443/"), Ok(()));
    let other = "policy does not allow the relay https://us.example.org/ (OfficialRelays)";
    assert_eq!(allowed(&some, "https://us.example.org/"), Err(other.to_owned()));
    assert_eq!(policy("").official_relays(), Ok(None), "not configured: whichever somebody names");
    assert_eq!(allowed(&policy(""), "https://anything.example.org/"), Ok(()));
    let none = "policy allows no relay at all (OfficialRelays)";
    assert_eq!(allowed(&policy("OfficialRelays = []"), "https://eu.example.org/"), Err(none.to_owned()));
    assert_eq!(policy("OfficialRelays = []").official_relays(), Ok(Some([].into())));
    let broken = Policy::of([layer(Source::Machine, list), Layer::unusable(Source::Extra, "x", "cannot be read")]);
    assert!(broken.official_relays().is_err() && broken.may_use_relay("https://eu.example.org").is_err());
}

/// Nothing is configured by default, which allows every relay; so whoever says something, also a user, only restricts.
#[test]
fn of_several_lists_of_relays_those_hold_that_stand_in_all() {
    let relays = |policy: &Policy| {
        let relays = policy.official_relays().unwrap();
        relays.map(|relays| relays.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "))
    };
    let (ab, bc) = ("OfficialRelays = ['https://a', 'https://b']", "OfficialRelays = ['https://B/', 'https://c']");
    for merged in two(ab, bc) {
        assert_eq!(relays(&merged).as_deref(), Some("https://b"));
    }
    for source in [Source::GroupPolicy, Source::Machine, Source::Extra] {
        assert_eq!(relays(&Policy::of([layer(source, ab)])).as_deref(), Some("https://a https://b"), "{source:?}");
    }
    assert_eq!(
        relays(&Policy::of([layer(Source::Machine, bc), layer(Source::Extra, "OfficialRelays = []")])).as_deref(),
        Some("")
    );
    assert!(PolicyText::switches_from_toml("OfficialRelays = []\n").is_err(), "no switch of a user's own");
}

#[test]
fn a_list_of_relays_is_read_strictly_from_text_and_leniently_from_a_registry() {
    for text in [
        "OfficialRelays = ['relay.example.org']",
        "OfficialRelays = ['http://a']",
        "OfficialRelays = 1",
        "OfficialRelays = 'https://a'",
    ] {
        assert!(
            PolicyText::from_toml(text).unwrap_err().to_string().contains("takes a list of at most 20 addresses"),
            "{text}"
        );
    }
    let many = |count| {
        format!("OfficialRelays = [{}]", (0..count).map(|n| format!("'https://r{n}'")).collect::<Vec<_>>().join(","))
    };
    assert!(PolicyText::from_toml(&many(20)).is_ok() && PolicyText::from_toml(&many(21)).is_err());

    let text = |text: &str| text.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect::<Vec<_>>();
    let entry = |value: &str| Entry {
        key: format!("{REGISTRY_KEY}\\OfficialRelays"),
        value: value.to_owned(),
        kind: 1,
        data: text(value),
    };
    let read = settings(&[entry("https://a"), entry("a relay")]);
    assert_eq!(read.value(Setting::OfficialRelays).map(ToString::to_string).as_deref(), Some("https://a"));
    assert_eq!(read.warnings(), [Warning::NotARelay { name: "OfficialRelays" }]);
    let read = settings(&[entry("a relay")]);
    assert_eq!(read.value(Setting::OfficialRelays).map(ToString::to_string).as_deref(), Some("none"), "not everything");
    let written = read.raw().map(|(name, raw)| (name.to_owned(), raw));
    assert_eq!(
        Settings::from_raw(written).unwrap().value(Setting::OfficialRelays),
        read.value(Setting::OfficialRelays)
    );
}

//! A second opinion: the decision tables written down once more, slowly, and compared in every combination.
//!
//! The oracle knows nothing of joining or of layers in general; it asks each layer in turn what a person would ask.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::fmt::Write as _;

use proptest::prelude::*;
use ra_policy::{HelperName, Layer, Offerer, Policy, PolicyText, Settings, Source};

/// What one layer says about invitations: not configured, no, yes; of time nothing or minutes.
#[derive(Clone, Copy, Debug)]
struct Says {
    help: Option<bool>,
    control: Option<bool>,
    buddy: Option<bool>,
    minutes: Option<u64>,
}

const TRI: [Option<bool>; 3] = [None, Some(false), Some(true)];
/// One hour, and more than the default of thirty days.
const TIMES: [Option<u64>; 3] = [None, Some(60), Some(99 * 1440)];

fn settings(toml: &str) -> Settings {
    PolicyText::from_toml(toml).unwrap().for_member_of(&[])
}

impl Says {
    fn all() -> Vec<Self> {
        let mut all = Vec::new();
        for help in TRI {
            for control in TRI {
                for buddy in TRI {
                    for minutes in TIMES {
                        all.push(Self { help, control, buddy, minutes });
                    }
                }
            }
        }
        all
    }

    fn settings(self) -> Settings {
        let mut toml = String::new();
        for (name, said) in
            [("fAllowToGetHelp", self.help), ("fAllowFullControl", self.control), ("fAllowBuddyHelp", self.buddy)]
        {
            if let Some(said) = said {
                writeln!(toml, "{name} = {}", u32::from(said)).unwrap();
            }
        }
        match self.minutes {
            Some(60) => toml.push_str("MaxTicketExpiry = 60\nMaxTicketExpiryUnits = 0\n"),
            Some(_) => toml.push_str("MaxTicketExpiry = 99\nMaxTicketExpiryUnits = 2\n"),
            None => {}
        }
        settings(&toml)
    }
}

/// Invite, control, longest time in minutes.
fn oracle(group: Says, machine: Says, own: Says) -> (bool, bool, u64) {
    let mut invite = true;
    let mut control = true;
    let mut longest = 30 * 1440;
    // The administrator may replace the thirty days.
    if group.minutes.is_some() || machine.minutes.is_some() {
        longest = u64::MAX;
    }
    for layer in [group, machine, own] {
        if layer.help == Some(false) {
            invite = false;
            control = false;
        }
        if layer.control == Some(false) {
            control = false;
        }
        if layer.buddy == Some(false) {
            invite = false;
        }
        if let Some(minutes) = layer.minutes
            && minutes < longest
        {
            longest = minutes;
        }
    }
    (invite, control, longest)
}

#[test]
fn s074_s075_s077_s093_s098_s106_s107_s109_s110_s123_every_combination_of_three_layers() {
    let all: Vec<_> = Says::all().into_iter().map(|says| (says, says.settings())).collect();
    let mut count = 0_u32;
    for (group, group_settings) in &all {
        for (machine, machine_settings) in &all {
            for (own, own_settings) in &all {
                let policy = Policy::of([
                    Layer::new(Source::GroupPolicy, "", group_settings.clone()),
                    Layer::new(Source::Machine, "", machine_settings.clone()),
                    Layer::new(Source::OwnSwitches, "", own_settings.clone()),
                ]);
                let found =
                    (policy.may_invite().is_ok(), policy.may_control().is_ok(), policy.longest_ticket().as_secs() / 60);
                assert_eq!(found, oracle(*group, *machine, *own), "{group:?} {machine:?} {own:?}");
                assert_eq!(policy.may_connect().is_ok(), policy.may_invite().is_ok());
                count += 1;
            }
        }
    }
    assert_eq!(count, 531_441);
    println!("{count} combinations");
}

#[test]
fn s076_every_combination_of_offers() {
    let lists = [None, Some(false), Some(true)];
    let toml = |offer: Option<bool>, control: Option<bool>, listed: Option<bool>, password: Option<bool>| {
        let mut toml = String::new();
        let switches = [
            ("fAllowUnsolicited", offer),
            ("fAllowUnsolicitedFullControl", control),
            // Two settings that have nothing to do with each other share one dimension.
            ("fAllowOfferByPassword", password),
            ("CreateEncryptedOnlyTickets", password),
        ];
        for (name, said) in switches {
            if let Some(said) = said {
                writeln!(toml, "{name} = {}", u32::from(said)).unwrap();
            }
        }
        if let Some(listed) = listed {
            writeln!(toml, "RAUnsolicit = ['EXAMPLE\\{}']", if listed { "Lee" } else { "Piet" }).unwrap();
        }
        settings(&toml)
    };
    let mut layers = Vec::new();
    for offer in TRI {
        for control in TRI {
            for listed in lists {
                for password in TRI {
                    layers.push(((offer, control, listed, password), toml(offer, control, listed, password)));
                }
            }
        }
    }
    let mut count = 0_u32;
    for (group, group_settings) in &layers {
        for (machine, machine_settings) in &layers {
            for switch in TRI {
                for help in TRI {
                    for administrator in [false, true] {
                        let own = Says { help, control: switch, buddy: None, minutes: None };
                        let policy = Policy::of([
                            Layer::new(Source::GroupPolicy, "", group_settings.clone()),
                            Layer::new(Source::Machine, "", machine_settings.clone()),
                            Layer::new(Source::OwnSwitches, "", own.settings()),
                        ]);
                        let lee = Offerer { names: [HelperName::new("example\\LEE").unwrap()].into(), administrator };
                        let says = |one: Option<bool>, other: Option<bool>| {
                            (one == Some(true) || other == Some(true)) && one != Some(false) && other != Some(false)
                        };
                        let offered = says(group.0, machine.0);
                        let listed = says(group.2, machine.2);
                        let control = offered && says(group.1, machine.1) && switch != Some(false);
                        assert_eq!(policy.may_offer(&lee).is_ok(), offered && (listed || administrator));
                        assert_eq!(policy.may_control_offered().is_ok(), control, "{group:?} {machine:?} {switch:?}");
                        let password = offered && says(group.3, machine.3);
                        assert_eq!(policy.may_offer_by_password().is_ok(), password, "{group:?} {machine:?}");
                        assert_eq!(policy.encrypted_only(), group.3 == Some(true) || machine.3 == Some(true));
                        count += 1;
                    }
                }
            }
        }
    }
    assert_eq!(count, 118_098);
    println!("{count} combinations");
}

/// Everything that a policy permits, so that two can be compared: no part of `less` may be more than that of `more`.
fn permits_no_more(less: &Policy, more: &Policy) -> bool {
    let lee = Offerer { names: [HelperName::new("lee").unwrap()].into(), administrator: false };
    let helpdesk = HelperName::new("helpdesk").unwrap();
    let permissions = |policy: &Policy| {
        [
            policy.may_invite().is_ok(),
            policy.may_invite_for(Some(&helpdesk)).is_ok(),
            policy.may_connect().is_ok(),
            policy.may_control().is_ok(),
            policy.may_offer(&lee).is_ok(),
            policy.may_offer(&Offerer { administrator: true, ..Offerer::default() }).is_ok(),
            policy.may_control_offered().is_ok(),
            policy.may_offer_by_password().is_ok(),
            policy.offers_chat(),
            !policy.encrypted_only(),
            !policy.logs_sessions(),
            policy.may_use_relay("https://a").is_ok(),
            policy.may_use_relay("https://b").is_ok(),
        ]
    };
    permissions(less).iter().zip(permissions(more)).all(|(less, more)| !less || more)
        && less.longest_ticket() <= more.longest_ticket()
}

fn any_settings() -> impl Strategy<Value = Settings> {
    let switch = || proptest::option::of(0_u32..2);
    let names = || proptest::option::of(proptest::collection::vec("lee|kim|helpdesk", 0..3));
    let switches = [
        "fAllowToGetHelp",
        "fAllowFullControl",
        "fAllowBuddyHelp",
        "fEnableChatControl",
        "CreateEncryptedOnlyTickets",
        "fAllowUnsolicited",
        "fAllowUnsolicitedFullControl",
        "fAllowOfferByPassword",
        "LoggingEnabled",
        "UseCustomMessages",
    ];
    let time = proptest::option::of((0_u32..120, 0_u32..4));
    let relays = proptest::option::of(proptest::collection::vec("https://[ab]", 0..3));
    (proptest::collection::vec(switch(), switches.len()), time, names(), names(), relays).prop_map(
        move |(said, time, offer, official, relays)| {
            let mut toml = String::new();
            for (name, said) in switches.iter().zip(said) {
                if let Some(said) = said {
                    writeln!(toml, "{name} = {said}").unwrap();
                }
            }
            if let Some((number, units)) = time {
                writeln!(toml, "MaxTicketExpiry = {number}\nMaxTicketExpiryUnits = {units}").unwrap();
            }
            for (name, list) in [("RAUnsolicit", offer), ("OfficialHelpers", official), ("OfficialRelays", relays)] {
                if let Some(list) = list {
                    writeln!(toml, "{name} = {list:?}").unwrap();
                }
            }
            settings(&toml)
        },
    )
}

fn any_source() -> impl Strategy<Value = Source> {
    proptest::sample::select(vec![
        Source::GroupPolicy,
        Source::Machine,
        Source::MachineSwitches,
        Source::Extra,
        Source::OwnSwitches,
    ])
}

fn any_layer() -> impl Strategy<Value = Layer> {
    (any_source(), any_settings(), 0..20).prop_map(|(source, settings, luck)| {
        if luck == 0 { Layer::unusable(source, "file", "broken") } else { Layer::new(source, "file", settings) }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// What a user can add, whatever it says, permits nothing that was not permitted before.
    #[test]
    fn s123_a_layer_of_the_user_only_restricts(
        layers in proptest::collection::vec(any_layer(), 0..5),
        more in any_settings(),
        source in proptest::sample::select(vec![Source::Extra, Source::OwnSwitches]),
    ) {
        let before = Policy::of(layers.clone());
        let after = Policy::of(layers.into_iter().chain([Layer::new(source, "more", more)]));
        prop_assert!(permits_no_more(&after, &before));
    }

    /// Nor does another layer of the administrator, where one of its kind spoke before.
    #[test]
    fn s123_where_the_administrator_has_spoken_more_layers_only_restrict(
        layers in proptest::collection::vec(any_layer(), 0..4),
        more in any_settings(),
        source in any_source(),
    ) {
        let everything = settings(
            "fAllowToGetHelp = 1\nfAllowFullControl = 1\nfAllowBuddyHelp = 1\nfEnableChatControl = 1\nLoggingEnabled = 0\n\
             CreateEncryptedOnlyTickets = 0\nfAllowUnsolicited = 1\nfAllowUnsolicitedFullControl = 1\nfAllowOfferByPassword = 1\n\
             MaxTicketExpiry = 99\nMaxTicketExpiryUnits = 2\nRAUnsolicit = ['lee', 'kim', 'helpdesk']\n\
             OfficialHelpers = ['lee', 'kim', 'helpdesk']\n",
        );
        let layers: Vec<_> = layers.into_iter().chain([Layer::new(Source::GroupPolicy, "all", everything)]).collect();
        let before = Policy::of(layers.clone());
        let after = Policy::of(layers.into_iter().chain([Layer::new(source, "more", more)]));
        prop_assert!(permits_no_more(&after, &before));
    }

    /// A restriction is a restriction wherever it is added.
    #[test]
    fn a_restriction_never_permits_more(
        layers in proptest::collection::vec(any_layer(), 0..5),
        source in any_source(),
        restriction in proptest::sample::select(vec![
            "fAllowToGetHelp = 0", "fAllowFullControl = 0", "fAllowBuddyHelp = 0", "fEnableChatControl = 0",
            "CreateEncryptedOnlyTickets = 1", "fAllowUnsolicited = 0", "fAllowUnsolicitedFullControl = 0",
            "fAllowOfferByPassword = 0", "LoggingEnabled = 1", "MaxTicketExpiry = 1", "RAUnsolicit = []", "OfficialHelpers = []",
            "OfficialRelays = ['https://a']", "OfficialRelays = []",
        ]),
    ) {
        let before = Policy::of(layers.clone());
        let after = Policy::of(layers.iter().cloned().chain([Layer::new(source, "more", settings(restriction))]));
        prop_assert!(permits_no_more(&after, &before), "{restriction}");
        let broken = Policy::of(layers.into_iter().chain([Layer::unusable(source, "more", "broken")]));
        prop_assert!(permits_no_more(&broken, &before));
        prop_assert!(broken.may_invite().is_err() && broken.may_connect().is_err() && broken.may_control().is_err());
    }

    /// In whatever order layers are found, the verdicts are the same.
    #[test]
    fn the_order_of_layers_decides_nothing(layers in proptest::collection::vec(any_layer(), 0..6)) {
        let one = Policy::of(layers.clone());
        let other = Policy::of(layers.into_iter().rev());
        prop_assert!(permits_no_more(&one, &other) && permits_no_more(&other, &one));
    }
}

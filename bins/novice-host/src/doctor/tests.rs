use ra_nat::fake::FakeGateways;

use super::firewall::Keeper;
use super::*;

fn on(local: &str, router: Option<&str>, gateway: Option<Result<&str, Unmapped>>) -> OnNetwork {
    let network = Network {
        interface: "eth0".to_owned(),
        index: 2,
        local: local.parse().unwrap(),
        router: router.map(|router| router.parse().unwrap()),
    };
    let id = GatewayId::new("upnp 192.168.1.1 from 192.168.1.5").unwrap();
    let seen = Seen { external: Some("11.0.0.1".parse().unwrap()), up_for: None };
    let outcome = |given: Result<&str, _>| given.map(|external| external.parse().unwrap());
    let answered = |given| Answered { id, seen, gave: outcome(given), took_back: true };
    OnNetwork { network, gateway: gateway.map(answered) }
}

fn findings(networks: Vec<OnNetwork>, judged: Judged) -> Findings {
    Findings {
        port: PORT,
        networks,
        firewall: Firewall { judged, keeper: Keeper::Nftables },
        relays: Relays::default(),
    }
}

fn closed() -> Judged {
    Judged::Closed("a rule".to_owned())
}

fn non_upnp() -> OnNetwork {
    on("192.168.1.5", Some("192.168.1.1"), None)
}

fn upnp() -> OnNetwork {
    on("192.168.1.5", Some("192.168.1.1"), Some(Ok("11.0.0.1:50000")))
}

#[test]
fn s089_a_novice_behind_a_router_without_upnp_is_told_before_the_invitation_is_sent() {
    let found = findings(vec![non_upnp()], Judged::Open);
    let told = found.to_json();
    assert_eq!((&told["row"], &told["file"]), (&json!("non_upnp"), &json!("own_network")));
    assert_eq!(told["either_dials"], json!({ "public": "novice_dials", "upnp": "novice_dials", "non_upnp": "no" }));
    assert!(found.in_words().iter().any(|line| line.contains("not for who is elsewhere")));
}

#[test]
fn r071_with_upnp_or_a_public_address_a_file_reaches_everybody() {
    for (network, row) in [(upnp(), "upnp"), (on("11.0.0.5", Some("11.0.0.1"), None), "public")] {
        let found = findings(vec![network], Judged::Open);
        let told = found.to_json();
        assert_eq!((&told["row"], &told["file"], &told["plain_rdp"]), (&json!(row), &json!("yes"), &json!("yes")));
        assert_eq!(told["either_dials"]["non_upnp"], "expert_dials");
        assert_eq!(told["next"], json!([]), "there is nothing to do");
    }
    let second = on("192.168.1.5", Some("192.168.1.1"), Some(Err(Unmapped::NotPublic(AddressClass::Private))));
    let found = findings(vec![second], Judged::Open);
    assert_eq!(found.to_json()["row"], "non_upnp");
    assert!(found.in_words()[0].contains("behind another router"), "{:?}", found.in_words());
}

#[test]
fn s114_the_next_steps_are_messenger_and_then_the_administrator() {
    let found = findings(vec![non_upnp()], Judged::Open);
    assert_eq!(found.steps(), [Step::TryMessenger, Step::AskAdministrator]);
    let words = found.in_words();
    let [.., first, second] = &words[..] else { panic!("{words:?}") };
    assert!(first.contains("connect to them yourself") && !first.contains("--code"), "{first}");
    assert!(second.contains("administrator") && second.contains("TCP port 3389"), "{second}");
    let with_relay = Findings { relays: Relays { configured: 1, ..Relays::default() }, ..found };
    assert_eq!(with_relay.to_json()["code"], "yes");
    assert!(with_relay.in_words().iter().any(|line| line.contains("invite --code")));
}

#[test]
fn r068_a_firewall_of_this_computer_that_is_shut_is_named_with_what_opens_it() {
    let found = findings(vec![upnp()], closed());
    assert_eq!(found.to_json()["file"], "no");
    assert_eq!(
        found.to_json()["either_dials"],
        json!({ "public": "novice_dials", "upnp": "novice_dials", "non_upnp": "no" })
    );
    assert_eq!(found.steps(), [Step::OpenHere, Step::TryMessenger, Step::AskAdministrator]);
    let words = found.in_words();
    assert!(words.iter().any(|line| line.contains("lets nobody in at port 3389: a rule")), "{words:?}");
    assert!(words.iter().any(|line| line.contains("tcp dport 3389 accept")), "{words:?}");
    let unknown = findings(vec![upnp()], Judged::NotKnown("only root reads it".to_owned()));
    assert_eq!(unknown.to_json()["firewall"]["state"], "not_known");
    assert!(unknown.in_words().iter().any(|line| line.contains("is not known: only root reads it")));
}

#[test]
fn without_a_network_nothing_works_and_it_says_so() {
    let found = findings(Vec::new(), Judged::Open);
    assert_eq!((found.file(), found.code()), (Leads::Nowhere, false));
    assert!(found.in_words()[0].contains("no network"));
}

#[test]
fn only_networks_that_are_listened_on_count() {
    let at = |address: &str| address.parse::<IpAddr>().unwrap();
    for (listener, local, heard) in [
        ("::", "192.168.1.5", true),
        ("::", "2a00::5", true),
        ("0.0.0.0", "192.168.1.5", true),
        ("0.0.0.0", "2a00::5", false),
        ("192.168.1.5", "192.168.1.5", true),
        ("::ffff:192.168.1.5", "192.168.1.5", true),
        ("127.0.0.1", "192.168.1.5", false),
    ] {
        assert_eq!(takes(at(listener), at(local)), heard, "{listener} {local}");
    }
}

#[test]
fn an_opened_firewall_of_ipv6_counts_for_who_has_it() {
    let opened = on("2001:db8::5", Some("fe80::1"), Some(Ok("[2001:db8::5]:3389")));
    let found = findings(vec![opened], Judged::Open);
    assert_eq!((found.side(), found.file()), (Side::Closed, Leads::WithIpv6));
    assert_eq!(found.to_json()["file"], "ipv6");
    assert_eq!(found.steps(), [Step::TryMessenger, Step::AskAdministrator], "not everybody has it");
}

#[test]
fn s114_what_was_tried_at_a_gateway_is_given_back() {
    let directory = tempfile::tempdir().unwrap();
    let state = directory.path().as_os_str().to_owned();
    let variable = |name: &str| matches!(name, "RA_STATE_DIR" | "RA_CONFIG_DIR").then(|| state.clone());
    let paths = Paths::resolve(variable, false).unwrap();
    let world = FakeGateways::new();
    let router = "upnp 192.168.1.1 from 192.168.1.5";
    world.install(router, "192.168.1.5", "11.0.0.1");
    let found = world.gateways().unwrap();
    let mapper = Arc::new(Known { mapper: Arc::new(world.clone()), found });
    let listening: [SocketAddr; 1] = ["[::]:3389".parse().unwrap()];
    let tried = try_a_mapping(&paths, mapper.clone(), &listening);
    let id = GatewayId::new(router).unwrap();
    let (gave, took_back) = outcome(tried.as_ref(), &id);
    assert_eq!((gave.map(|external| external.ip()), took_back), (Ok("11.0.0.1".parse().unwrap()), true));
    assert_eq!(world.asked(router).len(), 1, "it was really asked");
    assert!(world.table(router).is_empty(), "and nothing stays");
    assert_eq!(outcome(None, &id), (Err(Unmapped::NoAnswer), true));
    // Where it was not confirmed, nobody claims that it is gone.
    let stuck = Tried { reached: tried.unwrap().reached, left: vec![gave.unwrap()] };
    assert_eq!(outcome(Some(&stuck), &id), (gave, false));
    let answered = Answered { id, seen: Seen::default(), gave, took_back: false };
    let mut network = upnp();
    network.gateway = Some(answered);
    assert!(network.in_words().contains("does not say that it has taken that back"), "{}", network.in_words());
    assert_eq!(network.to_json()["given_back"], false);
}

#[test]
fn where_policy_leaves_no_relay_that_is_why_a_code_does_not_work() {
    let why = "policy allows no relay at all (OfficialRelays)".to_owned();
    let relays = Relays { configured: 0, why_none: Some(why), official: json!([]) };
    let found = Findings { relays, ..findings(vec![upnp()], Judged::Open) };
    let told = found.to_json();
    assert_eq!((&told["code"], &told["official_relays"]), (&json!("no"), &json!([])));
    assert_eq!(told["no_relay"], "policy allows no relay at all (OfficialRelays)");
    let line = "A code: will not work, policy allows no relay at all (OfficialRelays).";
    assert!(found.in_words().iter().any(|told| told == line), "{:?}", found.in_words());
}

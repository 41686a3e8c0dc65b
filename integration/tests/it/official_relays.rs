//! Relays as an administrator lists them: that list is the list, on both sides.

use std::fs;

use integration::relay::Relay;
use integration::{Cast, Failure, Outcome, Stage};

use crate::codes::{after, code_of};
use crate::offers::computer;

/// The policy that lists these relays.
fn listing(relays: &[&str]) -> String {
    format!("OfficialRelays = {relays:?}\n")
}

/// A novice with nothing but `--code`, on a computer with this policy.
fn saying<'a>(test: &str, stage: &'a Stage, policy: &str) -> Result<Option<Cast<'a>>, Failure> {
    let novice = computer(test, stage, policy, "")?;
    Ok(novice.map(|novice| novice.args(["invite", "--code", "--desktop", "demo"])))
}

#[test]
fn the_administrators_list_of_relays_needs_no_other_and_allows_no_other() -> Outcome {
    let test = "the_administrators_list_of_relays_needs_no_other_and_allows_no_other";
    let (stage, expert_side) = (Stage::new()?, Stage::new()?);
    let relay = Relay::start(stage.path())?;
    let policy = listing(&[relay.url(), "https://eu.example.org"]);
    // One that is not in it is refused, wherever it is named, before anything is promised.
    let Some(other) = saying(test, &stage, &policy)? else { return Ok(()) };
    let mut other = other.args(["--relay", "https://other.example.org"]).start()?;
    assert_eq!(other.exit_code()?, Some(77), "{}", other.report());
    let sentence = "policy does not allow the relay https://other.example.org/ (OfficialRelays)";
    assert!(other.report().contains(sentence), "{}", other.report());
    assert_eq!(other.story(), Vec::<String>::new());
    let settings = stage.path().join("novice/config/relays");
    fs::write(&settings, "https://other.example.org\n")?;
    let Some(other) = saying(test, &stage, &policy)? else { return Ok(()) };
    let mut other = other.start()?;
    assert_eq!(other.exit_code()?, Some(77), "{}", other.report());
    assert!(other.report().contains(sentence) && other.report().contains("config/relays"), "{}", other.report());
    fs::remove_file(&settings)?;

    // Nobody names one: the list itself is enough, here and there.
    let Some(novice) = saying(test, &stage, &listing(&[relay.url()]))? else { return Ok(()) };
    let mut novice = relay.believed_by(novice).start()?;
    let code = code_of(&mut novice)?;
    let link = novice.until("a link on the terminal", |output| after(&output.terminal, "Link: "))?;
    expert_side.policy(&listing(&["https://eu.example.org"]))?;
    let typing = |text: &str| {
        let expert = expert_side.expert_called("expert").args(["code", text, "--yes", "--no-window"]);
        relay.believed_by(expert)
    };
    let mut refused = typing(&link).start()?;
    assert_eq!(refused.exit_code()?, Some(77), "{}", refused.report());
    assert!(refused.report().contains("allows none of the relays that the link names"), "{}", refused.report());
    let mut refused = typing(&code).args(["--relay", relay.url()]).start()?;
    assert_eq!(refused.exit_code()?, Some(77), "{}", refused.report());
    assert!(!novice.has_seen("met"), "{}", novice.report());

    expert_side.policy(&listing(&[relay.url()]))?;
    let mut expert = typing(&code).start()?;
    novice.says("y", "view")?;
    expert.wait_event("first_frame").map(drop)
}

#[test]
fn an_empty_list_of_relays_means_classic_reach_only() -> Outcome {
    let test = "an_empty_list_of_relays_means_classic_reach_only";
    let stage = Stage::new()?;
    let none = listing(&[]);
    let Some(novice) = saying(test, &stage, &none)? else { return Ok(()) };
    let mut novice = novice.start()?;
    assert_eq!(novice.exit_code()?, Some(77), "{}", novice.report());
    let sentence = "policy allows no relay at all (OfficialRelays), so nobody could find this computer by a code";
    assert!(novice.report().contains(sentence), "{}", novice.report());
    let Some(show) = computer(test, &stage, &none, "")? else { return Ok(()) };
    let mut show = show.in_words().args(["policy", "show"]).start()?;
    assert_eq!(show.exit_code()?, Some(0), "{}", show.report());
    assert!(
        show.text().contains("Relays              none: this computer is reached by its addresses only"),
        "{}",
        show.text()
    );
    // A file needs no relay.
    let Some(novice) = computer(test, &stage, &none, "")? else { return Ok(()) };
    let mut novice = novice.invites("Kim Aalbers").start()?;
    novice.wait_event("listening")?;
    let mut expert = stage.expert().start()?;
    assert_eq!(expert.wait_event("opened")?.text("route"), None);
    novice.says("y", "view")?;
    expert.wait_event("first_frame").map(drop)
}

#[test]
fn of_a_file_whose_relay_is_not_allowed_the_addresses_remain() -> Outcome {
    let (stage, expert_side) = (Stage::new()?, Stage::new()?);
    let relay = Relay::start(stage.path())?;
    let novice = stage.novice().invites("Kim Aalbers").args(["--relay", relay.url()]);
    let mut novice = relay.believed_by(novice).start()?;
    novice.wait_event("listening")?;
    expert_side.policy(&listing(&["https://eu.example.org"]))?;
    let expert = expert_side.expert_called("expert").opens(&stage.invitation());
    let mut expert = relay.believed_by(expert.with("--password-file", stage.password_file())).start()?;
    let why = expert.wait_event("route_refused")?.text("why").unwrap_or_default().to_owned();
    assert_eq!(why, format!("policy does not allow the relay {}/ (OfficialRelays)", relay.url()));
    assert_eq!(expert.wait_event("connected")?.text("endpoint"), Some(stage.addr().to_string().as_str()));
    novice.says("y", "view")?;
    expert.wait_event("first_frame").map(drop)
}

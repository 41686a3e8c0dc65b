//! Help that is offered without an invitation: what the administrator, the helper and the person at the computer feel.

use std::fs;

use integration::{Cast, Failure, Outcome, Person, Stage, probe};

/// A novice's computer whose administrator has written these files; `None`, said aloud, where no mounts can be had.
pub(crate) fn computer<'a>(
    test: &str,
    stage: &'a Stage,
    policy: &str,
    helpers: &str,
) -> Result<Option<Cast<'a>>, Failure> {
    if let Err(refusal) = probe::namespaces(&["--mount"]) {
        probe::skip(test, &refusal);
        return Ok(None);
    }
    // An /etc of its own, so that nobody's real one is touched: with the accounts, and what the test says.
    let etc = stage.path().join("etc");
    fs::create_dir_all(etc.join("remote-assistance"))?;
    for name in ["passwd", "group", "nsswitch.conf"] {
        fs::copy(format!("/etc/{name}"), etc.join(name))?;
    }
    fs::write(etc.join("remote-assistance/policy.toml"), policy)?;
    fs::write(etc.join("remote-assistance/helpers.toml"), helpers)?;
    let script = format!("mount --bind '{}' /etc && exec \"$@\"", etc.display());
    Ok(Some(stage.novice().through(["unshare", "--mount", "sh", "-c", &script, "sh"])))
}

pub(crate) fn serve(novice: Cast<'_>, stage: &Stage) -> Result<Person, Failure> {
    let addr = stage.addr().to_string();
    let mut novice = novice.args(["serve", "--listen", &addr, "--desktop", "demo"]).start()?;
    novice.wait_event("listening")?;
    Ok(novice)
}

/// The helper's key, made at this first use.
fn key(stage: &Stage) -> Result<String, Failure> {
    let mut show = stage.expert_called("expert").args(["identity", "show"]).start()?;
    let key = show.wait_event("identity")?.text("key").unwrap_or_default().to_owned();
    assert_eq!(show.exit_code()?, Some(0), "{}", show.report());
    Ok(key)
}

/// An offer to the stage's computer; at the first visit its key is asked about, and accepted.
pub(crate) fn offer(stage: &Stage, first: bool, more: &[&str]) -> Result<Person, Failure> {
    let addr = stage.addr().to_string();
    let words = ["offer", &addr, "--yes", "--no-window", "--name", "The Bank"];
    let helper = stage.expert_called("expert").args(words).args(more).start()?;
    if first {
        helper.wait_terminal("Is this the computer you mean?")?;
        helper.type_line("y")?;
    }
    Ok(helper)
}

#[test]
fn s079_s111_s115_s118_s121_r075_r076_r077_a_listed_helper_offers_and_sees_after_the_yes_only() -> Outcome {
    let stage = Stage::new()?;
    let policy = format!("fAllowUnsolicited = 1\nRAUnsolicit = ['{}']\n", key(&stage)?);
    let Some(novice) = computer(
        "s079_s111_s115_s118_s121_r075_r076_r077_a_listed_helper_offers_and_sees_after_the_yes_only",
        &stage,
        &policy,
        "",
    )?
    else {
        return Ok(());
    };
    let mut novice = serve(novice, &stage)?;
    let mut helper = offer(&stage, true, &["--request-control", "--type", "x"])?;
    let asked = novice.wait_event("consent_asked")?;
    assert_eq!(asked.text("kind"), Some("view"));
    assert!(asked.text("name").is_some_and(|name| name.starts_with("sha256:")), "never the claimed name: {asked}");
    assert!(!novice.terminal().contains("The Bank"), "{}", novice.report());
    assert!(!helper.has_seen("viewing") && !helper.has_seen("first_frame"), "{}", helper.report());
    novice.type_line("y")?;
    helper.wait_event("first_frame")?;
    // Whether such a helper may ask for control is a setting of its own, and it is not set (R78).
    assert_eq!(novice.wait_event("refused")?.text("cause"), Some("policy_control"));
    helper.wait_event("control_refused").map(drop)
}

#[test]
fn s116_s120_s122_r078_where_policy_permits_control_the_novice_is_asked_again() -> Outcome {
    let stage = Stage::new()?;
    let policy = "fAllowUnsolicited = 1\nfAllowUnsolicitedFullControl = 1\nRAUnsolicit = ['root']\n";
    let helpers = format!("'{}' = 'root'\n", key(&stage)?);
    let Some(novice) = computer(
        "s116_s120_s122_r078_where_policy_permits_control_the_novice_is_asked_again",
        &stage,
        policy,
        &helpers,
    )?
    else {
        return Ok(());
    };
    let mut novice = serve(novice, &stage)?;
    let mut helper = offer(&stage, true, &["--request-control", "--type", "x"])?;
    let asked = novice.says("y", "view")?;
    assert_eq!(asked.text("name"), Some("root"), "the account that the key is bound to");
    helper.wait_event("first_frame")?;
    let asked = novice.wait_event("consent_asked")?;
    assert_eq!(asked.text("kind"), Some("control"));
    assert!(!helper.has_seen("controlling"), "{}", helper.report());
    novice.type_line("y")?;
    helper.wait_event("controlling").map(drop)
}

#[test]
fn s119_r079_without_the_setting_or_with_an_unlisted_key_an_offer_is_refused_in_silence() -> Outcome {
    let test = "s119_r079_without_the_setting_or_with_an_unlisted_key_an_offer_is_refused_in_silence";
    for policy in ["", "fAllowUnsolicited = 1\nRAUnsolicit = ['somebody']\n"] {
        let stage = Stage::new()?;
        key(&stage)?;
        let Some(novice) = computer(test, &stage, policy, "")? else { return Ok(()) };
        let mut novice = novice.invites("Kim Aalbers").start()?;
        novice.wait_event("listening")?;
        let mut helper = offer(&stage, true, &[])?;
        assert_eq!(helper.exit_code()?, Some(69), "{}", helper.report());
        assert_eq!(novice.story(), ["invited", "listening"], "{}", novice.report());
        // The computer is remembered: the second time nobody is asked about its key.
        let mut again = offer(&stage, false, &[])?;
        assert_eq!(again.exit_code()?, Some(69), "{}", again.report());
    }
    Ok(())
}

#[test]
fn s116_r076_a_helper_who_is_known_and_not_on_the_list_is_told_that_policy_forbids_it() -> Outcome {
    let stage = Stage::new()?;
    let policy = "fAllowUnsolicited = 1\nRAUnsolicit = ['somebody']\n";
    let helpers = format!("'{}' = 'root'\n", key(&stage)?);
    let test = "s116_r076_a_helper_who_is_known_and_not_on_the_list_is_told_that_policy_forbids_it";
    let Some(novice) = computer(test, &stage, policy, &helpers)? else { return Ok(()) };
    let novice = serve(novice, &stage)?;
    let mut helper = offer(&stage, true, &[])?;
    assert_eq!(helper.exit_code()?, Some(77), "{}", helper.report());
    assert!(!novice.has_seen("consent_asked"), "{}", novice.report());
    Ok(())
}

#[test]
fn a_no_to_the_computer_s_key_ends_the_offer_and_yes_on_the_command_line_does_not_answer_it() -> Outcome {
    let stage = Stage::new()?;
    let mut novice = stage.novice().invites("Kim Aalbers").start()?;
    novice.wait_event("listening")?;
    let mut helper = offer(&stage, false, &[])?;
    helper.wait_terminal("Is this the computer you mean?")?;
    helper.type_line("n")?;
    assert_eq!(helper.exit_code()?, Some(89), "{}", helper.report());
    Ok(())
}

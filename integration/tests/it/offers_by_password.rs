//! Offers of help by the password of an account: what PAM says counts, after the computer's key is known, and only there
//! where the administrator wants it.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use integration::{Cast, Failure, Outcome, PATIENCE, Person, Stage, probe, programs_dir};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify;
use rustix::process::Signal;

use crate::offers::{computer, offer as offer_by_key, serve};

/// The password of every account of these tests.
const SECRET: &str = "Narcis;4711=é";
const BY_PASSWORD: &str = "fAllowUnsolicited = 1\nfAllowOfferByPassword = 1\nRAUnsolicit = ['helpdesk']\n";

/// The computer of a machine whose PAM goes by these rules, as service `remote-assistance`. Its accounts are lee, of the group
/// helpdesk, and eve, of no other than her own.
fn machine<'a>(test: &str, stage: &'a Stage, policy: &str, rules: &str) -> Result<Option<Cast<'a>>, Failure> {
    if !probe::is_root() {
        probe::skip(test, "only root keeps the table of a machine");
        return Ok(None);
    }
    let Some(novice) = computer(test, stage, policy, "")? else { return Ok(None) };
    let etc = stage.path().join("etc");
    let add = |file: &str, lines: &str| {
        let old = fs::read_to_string(Path::new("/etc").join(file))?;
        fs::write(etc.join(file), format!("{old}{lines}"))
    };
    add("passwd", "lee:x:4711:4711::/:/bin/sh\neve:x:4713:4713::/:/bin/sh\n")?;
    add("group", "lee:x:4711:\neve:x:4713:\nhelpdesk:x:4710:lee\n")?;
    fs::write(etc.join("nsswitch.conf"), "passwd: files\nshadow: files\ngroup: files\ninitgroups: files\n")?;
    fs::create_dir_all(etc.join("pam.d"))?;
    fs::write(etc.join("pam.d/remote-assistance"), rules)?;
    Ok(Some(novice))
}

/// As [`machine`], with libpam-wrapper in front of PAM and its table of passwords behind it.
fn wrapped<'a>(test: &str, stage: &'a Stage, policy: &str) -> Result<Option<Cast<'a>>, Failure> {
    let Some(matrix) = matrix(test) else { return Ok(None) };
    let table =
        stage.write("passwords", &format!("lee:{SECRET}:remote-assistance\neve:{SECRET}:remote-assistance\n"))?;
    let rule = |kind: &str| format!("{kind} required {} passdb={}\n", matrix.display(), table.display());
    let rules = stage.path().join("rules");
    fs::create_dir_all(&rules)?;
    fs::write(rules.join("remote-assistance"), rule("auth") + &rule("account"))?;
    let folder = format!("PAM_WRAPPER_SERVICE_DIR={}", rules.display());
    let wrapper = ["env", "LD_PRELOAD=libpam_wrapper.so", "PAM_WRAPPER=1", &folder];
    // The rules of the computer itself let nobody in, so that a wrapper that is not there is noticed.
    let novice = machine(test, stage, policy, "auth required pam_deny.so\naccount required pam_deny.so\n")?;
    Ok(novice.map(|novice| novice.through(wrapper)))
}

/// The module of libpam-wrapper that knows a table of passwords.
fn matrix(test: &str) -> Option<PathBuf> {
    let found = in_a_library_folder("pam_wrapper/pam_matrix.so");
    if found.is_none() {
        assert!(!probe::must_have_everything(), "missing: libpam-wrapper; `cargo xtask test` installs it");
        probe::skip(test, "not installed: libpam-wrapper");
    }
    found
}

/// Waits until these are the causes in the audit log: a line may come after the connection that it is about has closed.
fn noted(stage: &Stage, expected: &[&str]) -> Outcome {
    let deadline = Instant::now() + PATIENCE;
    loop {
        // Watched before it is read, so that nothing is missed in between.
        let changes = inotify::init(inotify::CreateFlags::CLOEXEC)?;
        inotify::add_watch(&changes, stage.path().join("novice/state"), inotify::WatchFlags::MODIFY)?;
        let found = causes(stage).unwrap_or_default();
        if found == expected {
            return Ok(());
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Failure::new(format!("the audit log has {found:?} and should have {expected:?}")));
        }
        poll(&mut [PollFd::new(&changes, PollFlags::IN)], Timespec::try_from(left).ok().as_ref())?;
    }
}

/// Stops the host in good order: libpam-wrapper takes its folder in /tmp away with it.
fn ends(mut novice: Person) -> Outcome {
    novice.signal(Signal::TERM)?;
    novice.exit_code().map(drop)
}

/// A file below the folder of libraries of this kind of machine.
fn in_a_library_folder(name: &str) -> Option<PathBuf> {
    let folders = fs::read_dir("/usr/lib").ok()?.filter_map(Result::ok);
    folders.map(|folder| folder.path().join(name)).find(|path| path.exists())
}

/// An offer as this account with this password; at the first visit the computer's key is asked about, and accepted.
fn offer(stage: &Stage, account: &str, password: &str, first: bool) -> Result<Person, Failure> {
    let file = stage.write("secret", &format!("{password}\n"))?;
    let addr = stage.addr().to_string();
    let words = ["offer", &addr, "--account", account, "--yes", "--no-window", "--name", "The Bank", "--password-file"];
    let helper = stage.expert_called("expert").args(words).arg(file).start()?;
    if first {
        helper.wait_terminal("Is this the computer you mean?")?;
        helper.type_line("y")?;
    }
    Ok(helper)
}

/// The causes in the audit log, the oldest first.
fn causes(stage: &Stage) -> Result<Vec<String>, Failure> {
    let log = fs::read_to_string(stage.path().join("novice/state/audit.log"))?;
    let cause = |line: &str| Some(line.split_once("\"cause\":\"")?.1.split_once('"')?.0.to_owned());
    // The first visit of a helper looks at the key and leaves.
    Ok(log.lines().filter_map(cause).filter(|cause| cause != "protocol").collect())
}

#[test]
fn s116_r076_r077_r078_the_right_password_of_a_listed_account_leads_to_the_question_and_no_further() -> Outcome {
    let test = "s116_r076_r077_r078_the_right_password_of_a_listed_account_leads_to_the_question_and_no_further";
    let stage = Stage::new()?;
    let Some(novice) = wrapped(test, &stage, BY_PASSWORD)? else { return Ok(()) };
    let mut novice = serve(novice, &stage)?;
    let mut helper = offer(&stage, "lee", SECRET, true)?;
    let asked = novice.wait_event("consent_asked")?;
    assert_eq!((asked.text("kind"), asked.text("name")), (Some("view"), Some("lee")), "never the claimed name");
    novice.wait_terminal("They gave the password of the account lee on this computer, and connect from 127.")?;
    assert!(!novice.terminal().contains("The Bank"), "{}", novice.report());
    assert!(!helper.has_seen("viewing") && !helper.has_seen("first_frame"), "{}", helper.report());
    novice.type_line("y")?;
    helper.wait_event("first_frame")?;
    let log = fs::read_to_string(stage.path().join("novice/state/audit.log"))?;
    assert!(log.contains(r#""account":"lee""#), "{log}");
    for place in [log, novice.report(), helper.report()] {
        assert!(!place.contains("Narcis"), "a password is never written down: {place}");
    }
    assert!(!stage.path().join("expert/state/expert.key").exists(), "who is known by an account needs no key");
    ends(novice)
}

#[test]
fn s119_r039_r079_a_wrong_password_is_refused_and_counted_and_no_account_is_told_from_another() -> Outcome {
    let test = "s119_r039_r079_a_wrong_password_is_refused_and_counted_and_no_account_is_told_from_another";
    let stage = Stage::new()?;
    let Some(novice) = wrapped(test, &stage, BY_PASSWORD)? else { return Ok(()) };
    let novice = serve(novice, &stage)?;
    for (at, account) in ["lee", "nobody-is-called-so", "eve", "root", "lee"].into_iter().enumerate() {
        let mut helper = offer(&stage, account, "Tulp", at == 0)?;
        assert_eq!(helper.exit_code()?, Some(83), "{}", helper.report());
    }
    // Now the right one does not help either, and nothing says that it was right.
    let mut helper = offer(&stage, "lee", SECRET, false)?;
    assert_eq!(helper.exit_code()?, Some(69), "{}", helper.report());
    assert_eq!(novice.story(), ["listening"], "strangers are nothing to the novice: {}", novice.report());
    noted(&stage, &[&["wrong_password"; 5][..], &["locked"]].concat())?;
    ends(novice)
}

#[test]
fn s119_r079_without_the_setting_a_password_is_met_with_silence() -> Outcome {
    let test = "s119_r079_without_the_setting_a_password_is_met_with_silence";
    for policy in ["", "fAllowUnsolicited = 1\nRAUnsolicit = ['lee', 'helpdesk']\n", "fAllowOfferByPassword = 1\n"] {
        let stage = Stage::new()?;
        let Some(novice) = wrapped(test, &stage, policy)? else { return Ok(()) };
        let mut novice = novice.invites("Kim Aalbers").start()?;
        novice.wait_event("listening")?;
        let mut helper = offer(&stage, "lee", SECRET, true)?;
        assert_eq!(helper.exit_code()?, Some(69), "{}", helper.report());
        assert_eq!(novice.story(), ["invited", "listening"], "{}", novice.report());
        ends(novice)?;
    }
    Ok(())
}

#[test]
fn s119_r079_where_passwords_count_a_helper_with_neither_a_known_key_nor_an_account_is_met_with_silence() -> Outcome {
    let test = "s119_r079_where_passwords_count_a_helper_with_neither_a_known_key_nor_an_account_is_met_with_silence";
    let stage = Stage::new()?;
    let Some(novice) = wrapped(test, &stage, BY_PASSWORD)? else { return Ok(()) };
    let novice = serve(novice, &stage)?;
    for at in 0..6 {
        let mut helper = offer_by_key(&stage, at == 0, &[])?;
        assert_eq!(helper.exit_code()?, Some(69), "{}", helper.report());
    }
    assert_eq!(novice.story(), ["listening"], "{}", novice.report());
    noted(&stage, &[&["offer_unverified"; 5][..], &["locked"]].concat())?;
    ends(novice)
}

#[test]
fn s116_r076_the_right_password_of_an_account_that_is_not_listed_is_told_that_policy_forbids_it() -> Outcome {
    let test = "s116_r076_the_right_password_of_an_account_that_is_not_listed_is_told_that_policy_forbids_it";
    let stage = Stage::new()?;
    let Some(novice) = wrapped(test, &stage, BY_PASSWORD)? else { return Ok(()) };
    let novice = serve(novice, &stage)?;
    let mut helper = offer(&stage, "eve", SECRET, true)?;
    assert_eq!(helper.exit_code()?, Some(77), "{}", helper.report());
    assert!(!novice.has_seen("consent_asked"), "{}", novice.report());
    noted(&stage, &["offer_not_listed"])?;
    ends(novice)
}

#[test]
fn r079_a_host_of_a_user_says_that_it_can_check_no_password_and_does_not() -> Outcome {
    let test = "r079_a_host_of_a_user_says_that_it_can_check_no_password_and_does_not";
    let stage = Stage::new()?;
    // Rules that would let anybody in.
    let rules = "auth required pam_permit.so\naccount required pam_permit.so\n";
    let Some(novice) = machine(test, &stage, BY_PASSWORD, rules)? else { return Ok(()) };
    // A copy that everybody may run, and a home of the user's own.
    let (copy, home) = (stage.path().join("novice-host"), stage.path().join("novice"));
    fs::copy(programs_dir().join("novice-host"), &copy)?;
    fs::set_permissions(stage.path(), fs::Permissions::from_mode(0o711))?;
    fs::create_dir_all(home.join("state"))?;
    for folder in [&home, &home.join("state")] {
        chown(folder, Some(4713), Some(4713))?;
    }
    let instead = format!("shift; exec '{}' \"$@\"", copy.display());
    let as_eve = ["setpriv", "--reuid=4713", "--regid=4713", "--clear-groups", "sh", "-c", &instead, "sh"];
    let novice = serve(novice.through(as_eve), &stage)?;
    let sentence = "fAllowOfferByPassword has no effect here: only a host that root runs for the machine";
    novice.until("the sentence about it", |seen| seen.err.contains(sentence).then_some(()))?;
    let mut helper = offer(&stage, "lee", SECRET, true)?;
    assert_eq!(helper.exit_code()?, Some(69), "{}", helper.report());
    noted(&stage, &["offer_unverified"])?;
    Ok(())
}

#[test]
fn a_computer_without_pam_runs_everything_else_and_says_that_it_has_none() -> Outcome {
    let test = "a_computer_without_pam_runs_everything_else_and_says_that_it_has_none";
    let stage = Stage::new()?;
    let Some(novice) = machine(test, &stage, BY_PASSWORD, "")? else { return Ok(()) };
    // What is there in place of the library is no library.
    let hidden = in_a_library_folder("libpam.so.0");
    let hide = hidden.map(|path| format!("mount --bind /dev/null '{}' && exec \"$@\"", path.display()));
    let hide = hide.unwrap_or_else(|| "exec \"$@\"".to_owned());
    let novice = serve(novice.through(["sh", "-c", &hide, "sh"]), &stage)?;
    let sentence = "fAllowOfferByPassword has no effect here: this computer has no PAM that could be used";
    novice.until("the sentence about it", |seen| seen.err.contains(sentence).then_some(()))?;
    let mut helper = offer(&stage, "lee", SECRET, true)?;
    assert_eq!(helper.exit_code()?, Some(69), "{}", helper.report());
    noted(&stage, &["offer_unverified"])?;
    Ok(())
}

#[test]
fn the_password_is_asked_for_after_the_computer_is_known_and_a_changed_key_gets_none() -> Outcome {
    let test = "the_password_is_asked_for_after_the_computer_is_known_and_a_changed_key_gets_none";
    let stage = Stage::new()?;
    let Some(novice) = wrapped(test, &stage, BY_PASSWORD)? else { return Ok(()) };
    let mut novice = serve(novice, &stage)?;
    let addr = stage.addr().to_string();
    let words = ["offer", &addr, "--account", "lee", "--yes", "--no-window"];
    let asks = |helper: &Person| helper.terminal().contains("Password of the account lee");

    let mut helper = stage.expert_called("expert").args(words).start()?;
    helper.wait_terminal("Is this the computer you mean?")?;
    assert!(!asks(&helper), "{}", helper.report());
    helper.type_line("n")?;
    assert_eq!(helper.exit_code()?, Some(89), "{}", helper.report());
    assert!(!asks(&helper), "{}", helper.report());

    let helper = stage.expert_called("expert").args(words).start()?;
    helper.wait_terminal("Is this the computer you mean?")?;
    helper.type_line("y")?;
    helper.wait_terminal("Password of the account lee on that computer: ")?;
    helper.type_line(SECRET)?;
    assert_eq!(novice.wait_event("consent_asked")?.text("name"), Some("lee"));
    assert!(!helper.terminal().contains("Narcis"), "what is typed is not shown: {}", helper.terminal());
    drop(helper);

    // Another computer sits at the address, or the same one with another key.
    let known = stage.path().join("expert/state/known_hosts");
    let line = fs::read_to_string(&known)?;
    let (computer, key) = line.trim_end().split_once(" sha256:").ok_or_else(|| Failure::new(line.clone()))?;
    fs::write(&known, format!("{computer} sha256:{}\n", key.chars().rev().collect::<String>()))?;
    let mut helper = offer(&stage, "lee", "Tulp", false)?;
    assert_eq!(helper.exit_code()?, Some(89), "{}", helper.report());
    // Once the host has ended, everything that it had to note is noted.
    ends(novice)?;
    assert!(!causes(&stage)?.contains(&"wrong_password".to_owned()), "it was not sent: {:?}", causes(&stage)?);
    Ok(())
}

/// The shipped rules on Debian's own, with the accounts of a real shadow file.
#[test]
fn r079_with_the_shipped_rules_a_password_of_the_shadow_file_counts_and_an_expired_account_does_not() -> Outcome {
    let test = "r079_with_the_shipped_rules_a_password_of_the_shadow_file_counts_and_an_expired_account_does_not";
    let shipped = include_str!("../../../bins/novice-host/pam/remote-assistance");
    if !Path::new("/etc/pam.d/common-auth").exists() || !probe::has_all(test, &["openssl"]) {
        probe::skip(test, "not the PAM rules of Debian");
        return Ok(());
    }
    let stage = Stage::new()?;
    let policy =
        format!("{BY_PASSWORD}RAUnsolicit = ['helpdesk', 'eve']\n").replacen("RAUnsolicit = ['helpdesk']\n", "", 1);
    let Some(novice) = machine(test, &stage, &policy, shipped)? else { return Ok(()) };
    let etc = stage.path().join("etc");
    for rules in ["common-auth", "common-account"] {
        fs::copy(Path::new("/etc/pam.d").join(rules), etc.join("pam.d").join(rules))?;
    }
    let hash = Command::new("openssl").args(["passwd", "-6", SECRET]).output()?;
    let hash = String::from_utf8_lossy(&hash.stdout).trim().to_owned();
    // The last field but one is the day on which the account ended.
    let shadow = format!("root:*:19000:0:99999:7:::\nlee:{hash}:19000:0:99999:7:::\neve:{hash}:19000:0:99999:7::1:\n");
    fs::write(etc.join("shadow"), shadow)?;
    let mut novice = serve(novice, &stage)?;
    for (at, (account, password)) in [("lee", "Tulp"), ("eve", SECRET), ("root", SECRET)].into_iter().enumerate() {
        let mut helper = offer(&stage, account, password, at == 0)?;
        assert_eq!(helper.exit_code()?, Some(83), "{account}: {}", helper.report());
    }
    noted(&stage, &["wrong_password", "account", "wrong_password"])?;
    let mut helper = offer(&stage, "lee", SECRET, false)?;
    assert_eq!(novice.says("y", "view")?.text("name"), Some("lee"));
    helper.wait_event("first_frame").map(drop)
}

/// A module that does not answer: it waits for somebody to write into a pipe.
#[test]
fn a_slow_module_disturbs_nobody_and_whoever_does_not_wait_for_it_is_counted_all_the_same() -> Outcome {
    let test = "a_slow_module_disturbs_nobody_and_whoever_does_not_wait_for_it_is_counted_all_the_same";
    let stage = Stage::new()?;
    let (begun, go) = (stage.path().join("begun"), stage.path().join("go"));
    let script = stage.path().join("module");
    // A pipe opens when both ends are there.
    let waits = format!("#!/bin/sh\n: > '{}'\n: < '{}'\nexit 1\n", begun.display(), go.display());
    let rules = format!("auth required pam_exec.so quiet {}\naccount required pam_permit.so\n", script.display());
    let Some(novice) = machine(test, &stage, BY_PASSWORD, &rules)? else { return Ok(()) };
    fs::write(&script, waits)?;
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755))?;
    for pipe in [&begun, &go] {
        if !Command::new("mkfifo").arg(pipe).status()?.success() {
            return Err(Failure::new("mkfifo"));
        }
    }
    let mut novice = novice.invites("Kim Aalbers").start()?;
    novice.wait_event("listening")?;
    let helper = offer(&stage, "lee", "Tulp", true)?;
    // The module runs from here on.
    fs::read(&begun)?;
    let mut expert = stage.expert().start()?;
    novice.says("y", "view")?;
    expert.wait_event("first_frame")?;
    // Gone before the answer, to try the next one at once: this one counts.
    drop(helper);
    fs::write(&go, "")?;
    noted(&stage, &["internal"])?;
    fs::write(&script, "#!/bin/sh\nexit 1\n")?;
    for _ in 0..4 {
        let mut helper = offer(&stage, "lee", "Tulp", false)?;
        assert_eq!(helper.exit_code()?, Some(83), "{}", helper.report());
    }
    let mut helper = offer(&stage, "lee", "Tulp", false)?;
    assert_eq!(helper.exit_code()?, Some(69), "it was the first of five: {}", helper.report());
    noted(&stage, &[&["internal"; 5][..], &["locked"]].concat())?;
    Ok(())
}

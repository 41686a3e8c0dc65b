//! Policy, as those feel it who live under it.

use std::fs;

use integration::hostile::call;
use integration::{Outcome, Stage, probe};

use crate::session::{NO_INPUT, Session, input_so_far};

#[test]
fn s074_s077_s093_r001_where_help_is_off_nobody_invites() -> Outcome {
    let stage = Stage::new()?;
    stage.policy("fAllowToGetHelp = 0\n")?;
    let mut novice = stage.novice().invites("Kim Aalbers").start()?;
    assert_eq!(novice.exit_code()?, Some(77), "{}", novice.report());
    let said = novice.report();
    assert!(said.contains("policy does not allow Remote Assistance on this computer (fAllowToGetHelp)"), "{said}");
    assert!(!stage.invitation().exists() && call([127, 0, 0, 1].into(), stage.addr())?.is_none());
    Ok(())
}

#[test]
fn s109_r001_the_persons_own_switch_is_enough() -> Outcome {
    let stage = Stage::new()?;
    let mut set = stage.novice().args(["settings", "set", "fAllowToGetHelp", "off"]).start()?;
    assert_eq!(set.exit_code()?, Some(0), "{}", set.report());
    let mut novice = stage.novice().invites("Kim Aalbers").start()?;
    assert_eq!(novice.exit_code()?, Some(77), "{}", novice.report());
    let mut explain = stage.novice().in_words().args(["policy", "explain"]).start()?;
    assert_eq!(explain.exit_code()?, Some(0), "{}", explain.report());
    let said = explain.text();
    assert!(
        said.contains("fAllowToGetHelp = 0\n    decided by") && said.contains("settings.toml (your own switches)"),
        "{said}"
    );
    Ok(())
}

#[test]
fn s050_s098_r028_an_expert_is_refused_before_any_question_once_policy_says_no() -> Outcome {
    let stage = Stage::new()?;
    let mut novice = stage.novice().invites("Kim Aalbers").start()?;
    novice.wait_event("listening")?;
    stage.policy("fAllowToGetHelp = 0\n")?;
    let mut expert = stage.expert().start()?;
    assert_eq!(expert.exit_code()?, Some(69), "{}", expert.report());
    for event in ["consent_asked", "expert_connecting", "refused"] {
        assert!(!novice.has_seen(event), "{}", novice.report());
    }
    // A file that nobody understands allows nothing either; when it is mended, the ticket is as good as before.
    stage.policy("fAllowToGetHelp = perhaps\n")?;
    let mut expert = stage.expert().start()?;
    assert_eq!(expert.exit_code()?, Some(69), "{}", expert.report());
    stage.policy("fAllowToGetHelp = 1\n")?;
    let _expert = stage.expert().start()?;
    novice.wait_event("consent_asked").map(drop)
}

#[test]
fn s075_s110_control_ends_at_once_when_policy_narrows() -> Outcome {
    let mut session = Session::controlling("tulips")?;
    session.stage.policy("fAllowFullControl = 0\n")?;
    assert_eq!(session.novice.wait_event("revoked")?.text("by"), Some("policy"));
    // The wire does not say why.
    session.expert.wait_event("revoked")?;
    assert!(session.novice.process().runs() && !session.novice.has_seen("ended"), "looking on is not affected");
    Ok(())
}

#[test]
fn s106_r045_a_request_is_judged_by_the_policy_of_that_moment() -> Outcome {
    let mut session = Session::asked_with(|novice| novice, |expert| expert.args(["--request-control", "--type", "x"]))?;
    session.novice.wait_terminal("wants to see your desktop")?;
    session.stage.policy("fAllowFullControl = 0\n")?;
    session.novice.says("y", "view")?;
    assert_eq!(session.novice.wait_event("refused")?.text("cause"), Some("policy_control"));
    assert_eq!(input_so_far(&session.expert.picture()?), NO_INPUT);
    Ok(())
}

#[test]
fn s107_r010_a_longer_wish_is_cut_and_that_is_said() -> Outcome {
    let stage = Stage::new()?;
    stage.policy("MaxTicketExpiry = 5\nMaxTicketExpiryUnits = 0\n")?;
    let mut novice = stage.novice().in_words().invites("Kim Aalbers").arg("--no-serve").start()?;
    assert_eq!(novice.exit_code()?, Some(0), "{}", novice.report());
    let said = novice.text();
    assert!(said.contains("allows 5 minutes at most"), "{said}");
    let file = fs::read_to_string(stage.invitation())?;
    assert!(file.contains("DtLength=\"5\""), "{file}");
    Ok(())
}

#[test]
fn where_only_encrypted_tickets_are_allowed_no_clear_one_is_written() -> Outcome {
    let stage = Stage::new()?;
    stage.policy("CreateEncryptedOnlyTickets = 1\n")?;
    let mut novice = stage.novice().invites("Kim Aalbers").arg("--no-serve").start()?;
    assert_eq!(novice.exit_code()?, Some(0), "{}", novice.report());
    let file = fs::read_to_string(stage.invitation())?;
    assert!(!file.contains("RCTICKET=") && file.contains("LHTICKET="), "{file}");
    let mut older = stage.novice().invites("Kim Aalbers").args(["--kind", "v1"]).start()?;
    assert_eq!(older.exit_code()?, Some(77), "{}", older.report());
    Ok(())
}

#[test]
fn r035_the_administrators_text_stands_beside_the_question() -> Outcome {
    let stage = Stage::new()?;
    stage.policy(
        "UseCustomMessages = 1\nViewMessage = 'Call 555 first.'\nShareControlMessage = 'Never type passwords.'\n",
    )?;
    let mut novice = stage.novice().invites("Kim Aalbers").start()?;
    novice.wait_event("listening")?;
    let _expert = stage.expert().args(["--request-control", "--type", "x"]).watches()?;
    novice.says("y", "view")?;
    novice.wait_terminal("Call 555 first.")?;
    novice.wait_terminal("wants to see your desktop")?;
    novice.wait_terminal("Never type passwords.")?;
    novice.wait_terminal("everything that you can do on this computer")
}

#[test]
fn a_registry_pol_that_samba_wrote_is_read() -> Outcome {
    const WRITE: &str = r#"
import sys
from samba.dcerpc import preg, misc
from samba.ndr import ndr_pack
KEY = "Software\\Policies\\Microsoft\\Windows NT\\Terminal Services"
def entry(key, value, kind, data):
    e = preg.entry(); e.keyname = key; e.valuename = value; e.type = kind; e.data = data; return e
entries = [
    entry(KEY, "fAllowToGetHelp", misc.REG_DWORD, 1),
    entry(KEY, "fAllowFullControl", misc.REG_DWORD, 0),
    entry(KEY, "MaxTicketExpiry", misc.REG_DWORD, 3),
    entry(KEY, "MaxTicketExpiryUnits", misc.REG_DWORD, 2),
    entry(KEY + "\\RAUnsolicit", "**delvals.", misc.REG_SZ, " "),
    entry(KEY + "\\RAUnsolicit", "EXAMPLE\\Helpdesk", misc.REG_SZ, "EXAMPLE\\Helpdesk"),
    entry(KEY, "UseCustomMessages", misc.REG_DWORD, 1),
    entry(KEY, "ViewMessage", misc.REG_SZ, "Zuur; [zoet] \u00e9\u20ac"),
    entry(KEY, "**del.LoggingEnabled", misc.REG_SZ, " "),
]
f = preg.file(); f.header.signature = "PReg"; f.header.version = 1
f.num_entries = len(entries); f.entries = entries
open(sys.argv[1], "wb").write(ndr_pack(f))
"#;
    let name = "a_registry_pol_that_samba_wrote_is_read";
    // Debian's own interpreter: another one does not see Debian's packages.
    let python = "/usr/bin/python3";
    let has_samba = std::process::Command::new(python).args(["-c", "import samba.dcerpc.preg"]).output();
    if !has_samba.is_ok_and(|output| output.status.success()) {
        probe::skip(name, "python3-samba");
        return Ok(());
    }
    let stage = Stage::new()?;
    let file = stage.path().join("Registry.pol");
    let wrote = std::process::Command::new(python).args(["-c", WRITE]).arg(&file).output()?;
    assert!(wrote.status.success(), "{}", String::from_utf8_lossy(&wrote.stderr));

    let bytes = fs::read(&file)?;
    let entries = ra_policy::registry::read(&bytes).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(ra_policy::registry::to_bytes(&entries), bytes, "byte for byte as Samba has it");
    let settings: Vec<_> =
        ra_policy::registry::settings(&entries).raw().map(|(name, raw)| format!("{name}={raw:?}")).collect();
    assert_eq!(
        settings,
        [
            "fAllowToGetHelp=Number(1)",
            "fAllowFullControl=Number(0)",
            "MaxTicketExpiry=Number(3)",
            "MaxTicketExpiryUnits=Number(2)",
            r#"RAUnsolicit=Names(["EXAMPLE\\Helpdesk"])"#,
            "UseCustomMessages=Number(1)",
            "ViewMessage=Text(\"Zuur; [zoet] é€\")",
        ]
    );
    let mut check = stage.novice().args(["policy", "check"]).arg(&file).start()?;
    assert_eq!(check.exit_code()?, Some(0), "{}", check.report());
    Ok(())
}

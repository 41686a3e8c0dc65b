//! Files in the places of a computer, as its root directory would have them.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc::channel;
use std::time::Duration;

use ra_policy::registry::{Entry, REGISTRY_KEY, to_bytes};
use ra_policy::{Denied, Setting, Source};

use super::*;

struct Computer {
    root: tempfile::TempDir,
    places: Places,
    groups: Vec<String>,
}

impl Computer {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let places = Places::under(root.path());
        Self { root, places, groups: Vec::new() }
    }

    fn file(&self, path: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.root.path().join(path.trim_start_matches('/'));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        path
    }

    fn paths(&self) -> Paths {
        let home = self.root.path().join("home/kim");
        let more = self.root.path().join("more.toml");
        let variable = |name: &str| match name {
            "HOME" => Some(OsString::from(&home)),
            "RA_POLICY_FILE" => Some(OsString::from(&more)),
            _ => None,
        };
        Paths::resolve(variable, false).unwrap().with_places(self.places.clone()).with_groups(self.groups.clone())
    }

    fn policy(&self) -> EffectivePolicy {
        EffectivePolicy::read(&self.paths())
    }

    fn denied(&self) -> String {
        match self.policy().policy.may_invite() {
            Ok(_) => "allowed".to_owned(),
            Err(denied) => denied.to_string(),
        }
    }
}

fn registry_pol(value: &str, number: u32) -> Vec<u8> {
    let (key, value) = (REGISTRY_KEY.to_owned(), value.to_owned());
    to_bytes(&[Entry { key, value, kind: 4, data: number.to_le_bytes().to_vec() }])
}

const SAMBA: &str = "/var/cache/samba/gpo_cache/EXAMPLE.ORG/POLICIES/{A}/MACHINE/REGISTRY.POL";
const ADSYS: &str = "/var/cache/adsys/sysvol/Policies/{B}/Machine/Registry.pol";

#[test]
fn no_policy_file_means_the_defaults_of_2001() {
    let effective = Computer::new().policy();
    assert!(effective.policy.may_invite().is_ok() && effective.policy.may_control().is_ok());
    assert!(effective.policy.layers().is_empty());
    assert!(effective.files.iter().all(|file| matches!(file.found, Found::Nothing)) && effective.trouble().is_none());
}

#[test]
fn every_layer_is_found_in_its_place() {
    for (place, source) in [
        (SAMBA, Source::GroupPolicy),
        (ADSYS, Source::GroupPolicy),
        ("/var/cache/adsys/gpo_cache/x/machine/registry.POL", Source::GroupPolicy),
        ("/etc/remote-assistance/policy.toml", Source::Machine),
        ("/etc/remote-assistance/policy.d/50-site.toml", Source::Machine),
        ("/etc/remote-assistance/settings.toml", Source::MachineSwitches),
        ("/more.toml", Source::Extra),
        ("/home/kim/.config/remote-assistance/settings.toml", Source::OwnSwitches),
    ] {
        let computer = Computer::new();
        let bytes = match source {
            Source::GroupPolicy => registry_pol("fAllowToGetHelp", 0),
            _ => b"fAllowToGetHelp = 0\n".to_vec(),
        };
        let path = computer.file(place, bytes);
        let policy = computer.policy().policy;
        assert_eq!(policy.may_invite().unwrap_err(), Denied::Help, "{place}");
        let by = policy.decide(Setting::AllowToGetHelp).by.unwrap();
        assert_eq!((by.source, by.name.as_str()), (source, path.to_str().unwrap()));
    }
}

#[test]
fn what_is_no_policy_is_passed_over() {
    let computer = Computer::new();
    computer.file("/etc/remote-assistance/policy.d/README", "not a policy");
    computer.file("/var/cache/samba/gpo_cache/EXAMPLE.ORG/POLICIES/{A}/USER/REGISTRY.POL", "about users");
    computer.file("/var/cache/samba/gpo_cache/EXAMPLE.ORG/POLICIES/{A}/GPT.INI", "[General]");
    assert!(computer.policy().policy.layers().is_empty());
}

#[test]
fn a_file_that_cannot_be_understood_means_no_help() {
    for (place, bytes) in [
        ("/etc/remote-assistance/policy.toml", &b"fAllowToGetHelp = maybe"[..]),
        ("/etc/remote-assistance/policy.toml", b"\xff\xfe"),
        ("/etc/remote-assistance/policy.d/1.toml", b"fAllowToGetHlep = 1"),
        ("/etc/remote-assistance/settings.toml", b"fAllowUnsolicited = 1"),
        ("/home/kim/.config/remote-assistance/settings.toml", b"["),
        ("/more.toml", b"="),
        (SAMBA, b"PReg\x01\0\0\0["),
        (ADSYS, b""),
    ] {
        let computer = Computer::new();
        let path = computer.file(place, bytes);
        assert!(computer.denied().contains(path.to_str().unwrap()), "{place}: {}", computer.denied());
        assert!(computer.policy().policy.may_control().is_err() && computer.policy().trouble().is_some());
    }
    let computer = Computer::new();
    computer.file("/etc/remote-assistance/policy.toml", vec![b'#'; ra_policy::MAX_POLICY_BYTES + 1]);
    assert!(computer.denied().contains("larger"));
    let computer = Computer::new();
    fs::create_dir_all(computer.root.path().join("etc/remote-assistance/policy.toml")).unwrap();
    assert!(computer.denied().contains("not a file"));
}

#[test]
fn what_others_can_write_is_not_believed() {
    let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    for place in [
        "/etc/remote-assistance/policy.toml",
        "/etc/remote-assistance/policy.d/1.toml",
        "/etc/remote-assistance/settings.toml",
        SAMBA,
    ] {
        let computer = Computer::new();
        let bytes = if place == SAMBA { registry_pol("fAllowToGetHelp", 1) } else { b"fAllowToGetHelp = 1\n".to_vec() };
        let path = computer.file(place, bytes);
        assert_eq!(computer.denied(), "allowed", "{place}");
        for wrong in [0o664, 0o646] {
            mode(&path, wrong);
            assert!(computer.denied().contains("may write it"), "{place}: {}", computer.denied());
        }
        mode(&path, 0o600);
        mode(path.parent().unwrap(), 0o777);
        assert!(computer.denied().contains("may write it"), "{place}: {}", computer.denied());
    }
    let mut computer = Computer::new();
    computer.file("/etc/remote-assistance/policy.toml", "fAllowToGetHelp = 1\n");
    computer.places.administrator += 1;
    assert!(computer.denied().contains("belongs to user"), "{}", computer.denied());
    // A user's own files may be of a group, as many systems make them; not of everybody.
    let computer = Computer::new();
    let own = computer.file("/more.toml", "fAllowToGetHelp = 1\n");
    mode(&own, 0o664);
    assert_eq!(computer.denied(), "allowed");
    mode(&own, 0o666);
    assert!(computer.denied().contains("everybody may write it"));
}

#[test]
fn a_user_reads_what_root_has_published() {
    let mut computer = Computer::new();
    let fourteen = registry_pol("MaxTicketExpiry", 14);
    computer.file(SAMBA, &fourteen);
    computer.file(ADSYS, registry_pol("fAllowFullControl", 0));
    let root = computer.places.clone();
    computer.places = root.clone().for_a_user();
    // Caches are there, nothing is published: no help, and the sentence says what to start.
    assert!(computer.denied().contains("remote-assistance-policy.service"), "{}", computer.denied());

    let (file, count) = publish(&root).unwrap();
    assert_eq!((count, fs::metadata(&file).unwrap().permissions().mode() & 0o777), (2, 0o644));
    let policy = computer.policy().policy;
    assert!(policy.may_invite().is_ok() && policy.may_control().is_err());
    assert_eq!(policy.longest_ticket().as_secs(), 14 * 3600);
    let by = policy.decide(Setting::AllowFullControl).by.unwrap();
    assert!(by.name.ends_with(ADSYS) && by.source == Source::GroupPolicy, "the file, not its copy: {}", by.name);

    // What cannot be used by root cannot be used by anybody.
    computer.file(SAMBA, &fourteen[..20]);
    publish(&root).unwrap();
    assert!(computer.denied().contains("REGISTRY.POL"), "{}", computer.denied());
    for text in [
        "",
        "{}",
        "{\"version\": 2, \"files\": []}",
        "{\"version\":1,\"files\":[{\"file\":\"x\",\"values\":{\"y\":1}}]}",
    ] {
        fs::write(&file, text).unwrap();
        assert_ne!(computer.denied(), "allowed", "{text}");
    }
    publish(&root).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o666)).unwrap();
    assert!(computer.denied().contains("may write it"));
}

#[test]
fn s099_s100_a_section_is_for_the_members_of_its_group() {
    let mut computer = Computer::new();
    computer.file(
        "/etc/remote-assistance/policy.toml",
        "fAllowFullControl = 0\n[group.pupils]\nfAllowToGetHelp = 0\n[group.staff]\nfAllowFullControl = 1\n",
    );
    for (groups, help, control) in [(&[][..], true, false), (&["pupils"], false, false), (&["staff"], true, true)] {
        computer.groups = groups.iter().map(|group| (*group).to_owned()).collect();
        let policy = computer.policy().policy;
        assert_eq!((policy.may_invite().is_ok(), policy.may_control().is_ok()), (help, control), "{groups:?}");
    }
}

#[test]
fn s077_s109_s110_a_switch_is_set_and_holds() {
    let computer = Computer::new();
    let paths = computer.paths();
    set_switch(&paths, "fAllowFullControl", Some(0)).unwrap();
    set_switch(&paths, "MaxTicketExpiry", Some(6)).unwrap();
    let file = set_switch(&paths, "MaxTicketExpiryUnits", Some(0)).unwrap();
    assert_eq!(file, computer.root.path().join("home/kim/.config/remote-assistance/settings.toml"));
    let policy = computer.policy().policy;
    assert!(policy.may_invite().is_ok() && policy.may_control().is_err());
    assert_eq!(policy.longest_ticket().as_secs(), 360);
    set_switch(&paths, "fAllowFullControl", None).unwrap();
    set_switch(&paths, "fAllowToGetHelp", Some(0)).unwrap();
    assert_eq!(computer.policy().policy.may_connect().unwrap_err(), Denied::Help);

    for (name, value) in [("fAllowUnsolicited", 1), ("x", 1), ("MaxTicketExpiry", 100), ("MaxTicketExpiryUnits", 7)] {
        let before = fs::read(&file).unwrap();
        assert!(set_switch(&paths, name, Some(value)).is_err(), "{name}");
        assert_eq!(fs::read(&file).unwrap(), before);
    }
    fs::write(&file, "what is this").unwrap();
    assert!(matches!(set_switch(&paths, "fAllowToGetHelp", Some(1)), Err(SwitchError::Unusable { .. })));
}

#[test]
fn s077_the_machines_switch_holds_for_every_user() {
    let computer = Computer::new();
    computer.file("/etc/remote-assistance/settings.toml", "fAllowToGetHelp = 0\n");
    for home in ["kim", "lee"] {
        let home = computer.root.path().join(home);
        let paths = Paths::resolve(|name| (name == "HOME").then(|| home.clone().into_os_string()), false).unwrap();
        let policy = EffectivePolicy::read(&paths.with_places(computer.places.clone())).policy;
        assert_eq!(policy.may_invite().unwrap_err(), Denied::Help);
    }
}

#[test]
fn a_change_anywhere_is_noticed() {
    let computer = Computer::new();
    let paths = computer.paths();
    let (changed, noticed) = channel();
    let _watch = PolicyWatch::start(&paths, move || {
        let _ = changed.send(());
    })
    .unwrap();
    for place in [
        "/more.toml",
        "/etc/remote-assistance/policy.toml",
        "/etc/remote-assistance/policy.d/1.toml",
        "/home/kim/.config/remote-assistance/settings.toml",
        SAMBA,
    ] {
        // Directories first: who makes them and writes at once may be noticed late, but is noticed.
        let path = computer.root.path().join(place.trim_start_matches('/'));
        for directory in path.parent().unwrap().ancestors().collect::<Vec<_>>().into_iter().rev() {
            if !directory.exists() {
                fs::create_dir(directory).unwrap();
                noticed.recv_timeout(Duration::from_secs(10)).unwrap_or_else(|_| panic!("{}", directory.display()));
            }
        }
        while noticed.try_recv().is_ok() {}
        fs::write(&path, "fAllowToGetHelp = 0\n").unwrap();
        noticed.recv_timeout(Duration::from_secs(10)).unwrap_or_else(|_| panic!("{place}"));
    }
}

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};

use super::*;

/// Fresh keys are the slow part of these tests, so one directory with a key is made once and copied.
fn directory_with_a_key() -> tempfile::TempDir {
    use std::sync::OnceLock;
    static MADE: OnceLock<tempfile::TempDir> = OnceLock::new();
    let made = MADE.get_or_init(|| {
        let directory = tempfile::tempdir().unwrap();
        open(directory.path(), NOW, Renewal::WhenDue).unwrap();
        directory
    });
    let copy = tempfile::tempdir().unwrap();
    for file in [KEY_FILE, CERTIFICATE_FILE] {
        fs::copy(made.path().join(file), copy.path().join(file)).unwrap();
    }
    copy
}

fn open(directory: &Path, day: u64, renewal: Renewal) -> Result<Identity, IdentityError> {
    Identity::open(directory, "novice.example.test", UNIX_EPOCH + DAY * u32::try_from(day).unwrap(), renewal)
}

/// A day of November 2026, counted from 1970.
const NOW: u64 = 20_777;

#[test]
fn the_key_is_private_and_stays() {
    let directory = directory_with_a_key();
    let first = open(directory.path(), NOW, Renewal::WhenDue).unwrap();
    let second = open(directory.path(), NOW + 1, Renewal::WhenDue).unwrap();
    assert_eq!(first.certificate(), second.certificate());
    assert_eq!(first.key_hash(), second.key_hash());
    assert!(first.key_hash2().to_string().starts_with("sha256:"));
    for file in [KEY_FILE, CERTIFICATE_FILE] {
        assert_eq!(fs::metadata(directory.path().join(file)).unwrap().permissions().mode() & 0o777, 0o600, "{file}");
    }
}

#[test]
fn the_certificate_says_what_an_invitation_promises() {
    use x509_cert::ext::pkix::{ExtendedKeyUsage, KeyUsage, KeyUsages};

    let directory = directory_with_a_key();
    let identity = open(directory.path(), NOW, Renewal::WhenDue).unwrap();
    let certificate = x509_cert::Certificate::from_der(identity.certificate()).unwrap();
    let tbs = certificate.tbs_certificate();
    assert_eq!(tbs.subject().to_string(), "CN=novice.example.test");
    assert_eq!(tbs.issuer(), tbs.subject());
    assert_eq!(tbs.validity().not_before.to_unix_duration(), DAY * u32::try_from(NOW - 1).unwrap());
    assert_eq!(tbs.validity().not_after.to_unix_duration(), DAY * u32::try_from(NOW + 183).unwrap());
    let (_, usage) = tbs.get_extension::<KeyUsage>().unwrap().unwrap();
    assert_eq!(usage.0, KeyUsages::DigitalSignature | KeyUsages::KeyEncipherment | KeyUsages::DataEncipherment);
    let (_, extended) = tbs.get_extension::<ExtendedKeyUsage>().unwrap().unwrap();
    assert_eq!(extended.0.iter().map(ToString::to_string).collect::<Vec<_>>(), ["1.3.6.1.5.5.7.3.1"]);
}

#[test]
fn both_hashes_are_of_the_certificate_s_own_key() {
    let directory = directory_with_a_key();
    let identity = open(directory.path(), NOW, Renewal::WhenDue).unwrap();
    let certificate = x509_cert::Certificate::from_der(identity.certificate()).unwrap();
    let spki = certificate.tbs_certificate().subject_public_key_info().to_der().unwrap();
    let key = <rsa::RsaPublicKey as rsa::pkcs8::DecodePublicKey>::from_public_key_der(&spki).unwrap();
    let blob = PublicKeyBlob::from_rsa(&key.n_bytes(), 65537);
    assert_eq!(blob.as_bytes().len(), 284);
    assert_eq!(blob.key_hash(), identity.key_hash());
    assert!(identity.key_hash2().matches(&blob));
}

#[test]
fn tls_takes_the_key() {
    let directory = directory_with_a_key();
    let config = open(directory.path(), NOW, Renewal::WhenDue).unwrap().server_config().unwrap();
    assert!([config.silent, config.asking].iter().all(|tls| tls.send_tls13_tickets == 0));
}

#[test]
fn a_certificate_is_renewed_near_its_end_but_never_under_an_open_ticket() {
    let directory = directory_with_a_key();
    let first = open(directory.path(), NOW, Renewal::WhenDue).unwrap();
    let early = open(directory.path(), NOW + 82, Renewal::WhenDue).unwrap();
    assert_eq!(first.certificate(), early.certificate());
    let pinned = open(directory.path(), NOW + 400, Renewal::TicketsAreOpen).unwrap();
    assert_eq!(first.certificate(), pinned.certificate());
    let renewed = open(directory.path(), NOW + 84, Renewal::WhenDue).unwrap();
    assert_ne!(first.certificate(), renewed.certificate());
    assert_eq!(first.key_hash(), renewed.key_hash());
    let again = open(directory.path(), NOW + 84, Renewal::WhenDue).unwrap();
    assert_eq!(renewed.certificate(), again.certificate());
}

#[test]
fn a_certificate_that_is_missing_or_of_another_key_is_made_anew() {
    let directory = directory_with_a_key();
    let first = open(directory.path(), NOW, Renewal::WhenDue).unwrap();
    fs::write(directory.path().join(CERTIFICATE_FILE), "not a certificate").unwrap();
    let second = open(directory.path(), NOW + 1, Renewal::TicketsAreOpen).unwrap();
    assert_ne!(first.certificate(), second.certificate());
    fs::remove_file(directory.path().join(CERTIFICATE_FILE)).unwrap();
    let third = open(directory.path(), NOW, Renewal::WhenDue).unwrap();
    assert_eq!(first.key_hash(), third.key_hash());
}

#[test]
fn a_damaged_key_is_reported_and_kept() {
    let directory = directory_with_a_key();
    let key_file = directory.path().join(KEY_FILE);
    let whole = fs::read(&key_file).unwrap();
    for damaged in [&whole[..whole.len() / 2], b"", b"-----BEGIN"] {
        fs::write(&key_file, damaged).unwrap();
        assert!(matches!(open(directory.path(), NOW, Renewal::WhenDue), Err(IdentityError::BadKey { .. })));
        assert_eq!(fs::read(&key_file).unwrap(), damaged);
    }
}

#[test]
fn a_key_that_others_can_read_is_refused() {
    let directory = directory_with_a_key();
    fs::set_permissions(directory.path().join(KEY_FILE), fs::Permissions::from_mode(0o640)).unwrap();
    assert!(matches!(open(directory.path(), NOW, Renewal::WhenDue), Err(IdentityError::Exposed { mode: 0o640, .. })));
}

#[test]
fn what_a_crash_left_is_swept_away() {
    let directory = directory_with_a_key();
    let left = directory.path().join(".host-0011223344556677.part");
    fs::write(&left, "half a key").unwrap();
    open(directory.path(), NOW, Renewal::WhenDue).unwrap();
    assert!(!left.exists());
}

#[test]
fn nothing_of_the_key_is_printed() {
    let directory = directory_with_a_key();
    let identity = open(directory.path(), NOW, Renewal::WhenDue).unwrap();
    assert_eq!(format!("{identity:?}"), "Identity { .. }");
}

/// One of the eight processes of the next test; by itself it shows nothing.
#[test]
fn one_process_of_the_race() {
    if let Some(directory) = std::env::var_os("RA_TEST_RACE") {
        let identity = open(Path::new(&directory), NOW, Renewal::WhenDue).unwrap();
        println!("KEY={}", identity.key_hash());
    }
}

#[test]
fn eight_processes_at_once_end_with_one_key() {
    let directory = tempfile::tempdir().unwrap();
    let mut racers = Vec::new();
    for _ in 0..8 {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "identity::tests::one_process_of_the_race", "--nocapture"]);
        command.env("RA_TEST_RACE", directory.path()).stdout(Stdio::piped()).stderr(Stdio::null());
        racers.push(command.spawn().unwrap());
    }
    let mut keys: Vec<String> = Vec::new();
    for racer in racers {
        let output = String::from_utf8(racer.wait_with_output().unwrap().stdout).unwrap();
        let key = output.lines().find_map(|line| line.split("KEY=").nth(1)).map(str::to_owned);
        keys.push(key.unwrap_or_else(|| panic!("a process failed: {output}")));
    }
    keys.dedup();
    assert_eq!(keys.len(), 1, "{keys:?}");
    let left: Vec<_> = fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 3, "key, certificate and lock: {left:?}");
}

use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, Stdio};

use ra_session::account::LogonRight;

use super::*;

/// When the tickets of these tests are made.
const START: u64 = 1_767_225_600;

fn id(text: &str) -> TicketId {
    TicketId::parse(text).unwrap()
}

fn at(seconds: u64) -> UnixTime {
    UnixTime(START + seconds)
}

/// A ticket of one hour.
fn row(name: &str, seed: u8) -> TicketRow {
    TicketRow {
        id: id(name),
        session_id: SessionId::from_entropy(&[seed; 48]),
        name: "Kim Aalbers".to_owned(),
        needs_password: true,
        challenge: Some(Zeroizing::new(vec![seed; 33])),
        pass_stub: Some("g*3Kdr_7XwzQb0".to_owned()),
        start: at(0),
        length: 3600,
        kind: TicketKind::Both,
        view_only: false,
        owner: rustix::process::getuid().as_raw(),
        helper: None,
        assistant: None,
        status: Status::Open,
        ended: None,
        file: Some("/home/kim/Invitation.MsRcIncident".into()),
        endpoints: vec!["192.0.2.17:3389".to_owned(), "[2001:db8::5]:3389".to_owned()],
        guard: Guard::default(),
    }
}

fn store_in(directory: &Path) -> Store {
    Store::open(&directory.join("tickets.sqlite3")).unwrap()
}

fn names(rows: &[TicketRow]) -> Vec<&str> {
    rows.iter().map(|row| row.id.as_str()).collect()
}

#[test]
fn s014_r004_a_ticket_survives_that_the_table_is_closed_and_opened() {
    let directory = tempfile::tempdir().unwrap();
    let mut written = row("AAAA", 1);
    written.guard = Guard {
        wrong_proofs: 5,
        failed_from: vec![Source::of("192.0.2.9".parse().unwrap()), Source::of("2001:db8::1".parse().unwrap())],
        locked_until: at(60),
        refusals: 2,
        quiet_until: at(10),
    };
    let mut store = store_in(directory.path());
    assert!(store.all(at(1)).unwrap().is_empty());
    store.insert(&mut written).unwrap();
    drop(store);
    assert_eq!(store_in(directory.path()).all(at(1)).unwrap(), [written]);
}

#[test]
fn the_file_is_private_and_must_be() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("tickets.sqlite3");
    store_in(directory.path()).insert(&mut row("AAAA", 1)).unwrap();
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    assert!(matches!(Store::open(&file), Err(StoreError::Exposed { .. })));
}

#[test]
fn a_link_in_the_place_of_the_file_is_not_followed() {
    let directory = tempfile::tempdir().unwrap();
    let elsewhere = directory.path().join("elsewhere");
    fs::write(&elsewhere, "").unwrap();
    std::os::unix::fs::symlink(&elsewhere, directory.path().join("tickets.sqlite3")).unwrap();
    assert!(Store::open(&directory.path().join("tickets.sqlite3")).is_err());
}

#[test]
fn r052_s060_a_ticket_expires_by_itself_at_its_time_limit() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = store_in(directory.path());
    store.insert(&mut row("AAAA", 1)).unwrap();
    assert_eq!(names(&store.open_tickets(at(3599)).unwrap()), ["AAAA"]);
    assert!(store.open_tickets(at(3600)).unwrap().is_empty());
    let ticket = store.ticket(&id("AAAA"), at(3600)).unwrap().unwrap();
    assert_eq!((ticket.status, ticket.ended), (Status::Expired, Some(at(3600))));
}

#[test]
fn r063_a_ticket_seen_expired_stays_expired_when_the_clock_goes_back() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = store_in(directory.path());
    store.insert(&mut row("AAAA", 1)).unwrap();
    assert_eq!(store.sweep(at(3600)).unwrap(), [id("AAAA")]);
    drop(store);
    let mut store = store_in(directory.path());
    assert!(store.open_tickets(at(10)).unwrap().is_empty());
    assert!(!store.end(&id("AAAA"), EndCause::Owner, at(10)).unwrap());
    assert_eq!(store.ticket(&id("AAAA"), at(10)).unwrap().unwrap().status, Status::Expired);
}

#[test]
fn an_ended_ticket_keeps_its_cause_and_nothing_to_guess_from() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = store_in(directory.path());
    let mut ticket = row("AAAA", 0x5a);
    ticket.guard.failed_from = vec![Source::of("192.0.2.9".parse().unwrap())];
    store.insert(&mut ticket).unwrap();
    assert!(store.end(&id("AAAA"), EndCause::WrongPasswords, at(5)).unwrap());
    assert!(!store.end(&id("AAAA"), EndCause::Owner, at(6)).unwrap(), "it ends once");
    let ended = store.ticket(&id("AAAA"), at(7)).unwrap().unwrap();
    assert_eq!((ended.status, ended.ended), (Status::Ended(EndCause::WrongPasswords), Some(at(5))));
    assert_eq!((ended.challenge, ended.needs_password), (None, true));
    drop(store);
    let bytes = fs::read(directory.path().join("tickets.sqlite3")).unwrap();
    assert!(!bytes.windows(33).any(|window| window == [0x5a; 33]), "the proof must be gone from the disk too");
}

#[test]
fn a_row_becomes_a_ticket_only_while_it_is_open_and_whole() {
    let mut stored = row("AAAA", 1);
    let password = ra_ticket::Password::new("Tulip-4711").unwrap();
    let stub = PassStub::parse("g*3Kdr_7XwzQb0").unwrap();
    stored.challenge = Some(Challenge::from(password.proof(&stub)).to_stored());
    stored.assistant = Some(AssistantPassword::from_entropy(&[7; 32]));
    let ticket = stored.to_ticket().unwrap().unwrap();
    assert!(ticket.challenge.meet(Some(&password.proof(&stub).to_hex())).is_some());
    assert_eq!((ticket.issued, ticket.expires), (at(0), at(3600)));
    let mut ended = stored.clone();
    ended.status = Status::Ended(EndCause::Owner);
    assert!(ended.to_ticket().unwrap().is_none());
    // A record that lost its proof must not turn into a ticket without a password.
    stored.challenge = Some(Zeroizing::new(vec![0]));
    assert!(stored.to_ticket().is_err());
    stored.challenge = None;
    assert!(stored.to_ticket().unwrap().is_none());
}

#[test]
fn every_end_cause_reads_back() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = store_in(directory.path());
    for (seed, status) in STATUSES.into_iter().enumerate() {
        let mut ticket = row(&format!("T{seed}"), u8::try_from(seed).unwrap());
        (ticket.status, ticket.ended) = (status, (status != Status::Open).then_some(at(1)));
        store.insert(&mut ticket).unwrap();
        assert_eq!(store.ticket(&ticket.id, at(2)).unwrap().unwrap().status, status);
    }
}

#[test]
fn all_open_tickets_end_together_and_the_expired_stay_expired() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = store_in(directory.path());
    let mut short = row("CCCC", 3);
    short.length = 60;
    for mut ticket in [row("AAAA", 1), row("BBBB", 2), short] {
        store.insert(&mut ticket).unwrap();
    }
    let mut ended = store.end_all(EndCause::Owner, at(61)).unwrap();
    ended.sort();
    assert_eq!(ended, [id("AAAA"), id("BBBB")]);
    assert_eq!(store.ticket(&id("CCCC"), at(61)).unwrap().unwrap().status, Status::Expired);
}

#[test]
fn what_is_counted_is_kept_for_open_tickets_only() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = store_in(directory.path());
    store.insert(&mut row("AAAA", 1)).unwrap();
    let guard =
        Guard { wrong_proofs: 3, failed_from: vec![Source::of("192.0.2.9".parse().unwrap())], ..Guard::default() };
    store.save_guard(&id("AAAA"), &guard, None, at(1)).unwrap();
    assert_eq!(store.ticket(&id("AAAA"), at(1)).unwrap().unwrap().guard, guard);
    store.end(&id("AAAA"), EndCause::Owner, at(2)).unwrap();
    store.save_guard(&id("AAAA"), &Guard { wrong_proofs: 9, ..Guard::default() }, None, at(3)).unwrap();
    assert_eq!(store.ticket(&id("AAAA"), at(3)).unwrap().unwrap().guard.wrong_proofs, 3);
}

#[test]
fn the_last_no_is_counted_and_ends_the_ticket_in_one_step() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = store_in(directory.path());
    store.insert(&mut row("AAAA", 1)).unwrap();
    let guard = Guard { refusals: 3, ..Guard::default() };
    store.save_guard(&id("AAAA"), &guard, Some(EndCause::Refusals), at(2)).unwrap();
    let after = store.ticket(&id("AAAA"), at(2)).unwrap().unwrap();
    assert_eq!((after.guard.refusals, after.status), (3, Status::Ended(EndCause::Refusals)));
    assert!(!store.account(at(2)).unwrap().is_enabled());
    // A cause that comes too late changes nothing.
    store.save_guard(&id("AAAA"), &guard, Some(EndCause::WrongPasswords), at(3)).unwrap();
    assert_eq!(store.ticket(&id("AAAA"), at(3)).unwrap().unwrap().status, Status::Ended(EndCause::Refusals));
}

#[test]
fn two_tickets_never_share_a_name_or_a_session() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = store_in(directory.path());
    store.insert(&mut row("AAAA", 1)).unwrap();
    assert!(store.insert(&mut row("AAAA", 2)).is_err());
    assert!(store.insert(&mut row("BBBB", 1)).is_err());
    assert_eq!(store.all(at(1)).unwrap().len(), 1);
}

#[test]
fn old_tickets_are_forgotten() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = store_in(directory.path());
    store.insert(&mut row("AAAA", 1)).unwrap();
    store.end(&id("AAAA"), EndCause::Owner, at(0)).unwrap();
    assert_eq!(store.all(at(REMEMBERED.as_secs() - 1)).unwrap().len(), 1);
    assert!(store.all(at(REMEMBERED.as_secs())).unwrap().is_empty());
}

#[test]
fn a_change_by_another_handle_is_noticed_once() {
    let directory = tempfile::tempdir().unwrap();
    let (mut one, mut other) = (store_in(directory.path()), store_in(directory.path()));
    assert!(!one.changed().unwrap());
    other.insert(&mut row("AAAA", 1)).unwrap();
    assert!(one.changed().unwrap());
    assert!(!one.changed().unwrap());
}

#[test]
fn a_table_from_the_future_or_from_elsewhere_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("tickets.sqlite3");
    drop(store_in(directory.path()));
    Connection::open(&file).unwrap().pragma_update(None, "user_version", FORMAT + 1).unwrap();
    assert!(matches!(Store::open(&file), Err(StoreError::Newer { .. })));
    Connection::open(&file).unwrap().pragma_update(None, "application_id", 7).unwrap();
    assert!(matches!(Store::open(&file), Err(StoreError::Damaged(_))));
    fs::write(&file, "no table at all, but long enough to be looked at as one").unwrap();
    assert!(matches!(Store::open(&file), Err(StoreError::Damaged(_))));
}

#[test]
fn several_processes_may_make_the_table_at_once() {
    let directory = tempfile::tempdir().unwrap();
    std::thread::scope(|scope| {
        for seed in 0..8 {
            let directory = directory.path();
            scope.spawn(move || store_in(directory).insert(&mut row(&format!("T{seed}"), seed)).unwrap());
        }
    });
    assert_eq!(store_in(directory.path()).all(at(1)).unwrap().len(), 8);
}

/// The victim of the next test: writes tickets for ever and says each name after it is durable.
#[test]
fn a_process_that_writes_until_it_is_killed() {
    if let Some(directory) = std::env::var_os("RA_TEST_VICTIM") {
        let mut store = store_in(Path::new(&directory));
        for turn in store.all(at(1)).unwrap().len().. {
            let mut ticket = row(&format!("T{turn}"), 0);
            let mut entropy = [0; 48];
            entropy[..8].copy_from_slice(&turn.to_le_bytes());
            ticket.session_id = SessionId::from_entropy(&entropy);
            store.insert(&mut ticket).unwrap();
            println!("WROTE=T{turn}");
        }
    }
}

#[test]
fn s014_s056_no_ticket_is_lost_when_the_process_is_killed_while_writing() {
    let directory = tempfile::tempdir().unwrap();
    let mut promised = 0;
    for round in 0..12 {
        let mut victim = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "store::tests::a_process_that_writes_until_it_is_killed", "--nocapture"])
            .env("RA_TEST_VICTIM", directory.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // Killed after a number of tickets that differs each time, wherever in the next one it then is.
        let mut lines = BufReader::new(victim.stdout.take().unwrap()).lines();
        let mut seen = 0;
        while seen <= round % 5 {
            let line = lines.next().expect("the victim writes until it is killed").unwrap();
            seen += usize::from(line.contains("WROTE="));
        }
        victim.kill().unwrap();
        let told = seen + lines.map_while(Result::ok).filter(|line| line.contains("WROTE=")).count();
        assert_eq!(victim.wait().unwrap().signal(), Some(9));
        promised += told;

        let all = store_in(directory.path()).all(at(1)).unwrap();
        assert!(all.len() >= promised, "round {round}: {promised} were promised, {} are there", all.len());
        // The one in the middle may have made it; nothing is there by half.
        assert!(all.len() <= promised + 1);
        assert!(all.iter().all(|ticket| ticket.challenge.is_some() && ticket.endpoints.len() == 2));
        promised = all.len();
    }
}

/// Runs inside a small file system; by itself it shows nothing.
#[test]
fn a_process_on_a_full_disk() {
    if let Some(directory) = std::env::var_os("RA_TEST_FULL") {
        let directory = Path::new(&directory);
        let mut store = store_in(directory);
        store.insert(&mut row("AAAA", 1)).unwrap();
        // Leaves no room, not even for the journal.
        let filler = fs::File::create(directory.join("filler")).unwrap();
        while std::io::Write::write(&mut &filler, &[0; 4096]).is_ok_and(|written| written > 0) {}
        let error = (0..1000_u32)
            .find_map(|turn| {
                let mut ticket = row(&format!("B{turn}"), 0);
                let mut entropy = [9; 48];
                entropy[..4].copy_from_slice(&turn.to_le_bytes());
                ticket.session_id = SessionId::from_entropy(&entropy);
                store.insert(&mut ticket).err()
            })
            .expect("the disk is full");
        assert!(error.is_full(), "{error:?}");
        let kept = store.ticket(&id("AAAA"), at(1)).unwrap().unwrap();
        assert_eq!(TicketRow { assistant: None, ..kept }, row("AAAA", 1));
        drop(store);
        fs::remove_file(directory.join("filler")).unwrap();
        let kept = store_in(directory).ticket(&id("AAAA"), at(1)).unwrap().unwrap();
        assert_eq!(TicketRow { assistant: None, ..kept }, row("AAAA", 1));
        println!("FULL=handled");
    }
}

#[test]
fn a_full_disk_is_an_error_and_the_old_state_stays() {
    let directory = tempfile::tempdir().unwrap();
    let name = "a_full_disk_is_an_error_and_the_old_state_stays";
    let test = "store::tests::a_process_on_a_full_disk";
    let Some(output) = crate::probe::on_a_small_disk(name, test, "RA_TEST_FULL", directory.path(), "128k") else {
        return;
    };
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("FULL=handled"), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn s009_s013_s057_s058_r002_r057_r058_helpassistant_comes_and_goes_with_the_tickets_and_outlives_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = store_in(directory.path());
    let fresh = store.account(at(0)).unwrap();
    assert!(!fresh.is_enabled() && fresh.right() == LogonRight::None);
    store.insert(&mut row("AAAA", 1)).unwrap();
    store.insert(&mut row("BBBB", 2)).unwrap();
    assert_eq!(store_in(directory.path()).account(at(1)).unwrap().right(), LogonRight::Held);
    store.end(&id("AAAA"), EndCause::Owner, at(5)).unwrap();
    assert!(store.account(at(5)).unwrap().is_enabled(), "another ticket is open");
    store.end(&id("BBBB"), EndCause::Owner, at(10)).unwrap();
    drop(store);
    let mut store = store_in(directory.path());
    let account = store.account(at(10)).unwrap();
    assert!(!account.is_enabled());
    assert_eq!(account.right(), LogonRight::Until(at(10 + 3600)));
    assert_eq!(store.account(at(10 + 3599)).unwrap().right(), LogonRight::Until(at(10 + 3600)));
    assert_eq!(store.account(at(10 + 3600)).unwrap().right(), LogonRight::None);
    assert_eq!(store.account(at(0)).unwrap().right(), LogonRight::None, "a clock set back brings nothing back");
}

#[test]
fn r062_after_a_crash_the_hour_counts_from_the_last_ticket_s_end_and_not_from_the_restart() {
    let directory = tempfile::tempdir().unwrap();
    store_in(directory.path()).insert(&mut row("AAAA", 1)).unwrap();
    // Nobody was running when the ticket ran out.
    let mut store = store_in(directory.path());
    assert_eq!(store.account(at(3600 + 1800)).unwrap().right(), LogonRight::Until(at(7200)));
    assert!(!store.account(at(3600 + 1800)).unwrap().is_enabled());
    assert_eq!(store.account(at(7200)).unwrap().right(), LogonRight::None);
}

#[test]
fn r060_a_new_ticket_within_the_hour_keeps_the_right_and_gets_another_password() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = store_in(directory.path());
    let (mut first, mut second) = (row("AAAA", 1), row("BBBB", 2));
    store.insert(&mut first).unwrap();
    store.end(&first.id, EndCause::Owner, at(0)).unwrap();
    second.start = at(3540);
    store.insert(&mut second).unwrap();
    let account = store.account(at(3601)).unwrap();
    assert!(account.is_enabled() && account.right() == LogonRight::Held);
    assert_ne!(first.assistant, second.assistant);
    assert!(account.log_on(second.assistant.as_ref().unwrap(), at(3601)).is_ok());
    assert!(account.log_on(first.assistant.as_ref().unwrap(), at(3601)).is_err());
}

#[test]
fn a_table_of_the_first_format_is_taken_over_with_its_open_tickets() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("tickets.sqlite3");
    make_private(&file).unwrap();
    let old = Connection::open(&file).unwrap();
    old.execute_batch(SCHEMA).unwrap();
    old.pragma_update(None, "application_id", APPLICATION).unwrap();
    old.pragma_update(None, "user_version", 1).unwrap();
    old.execute(
        "INSERT INTO ticket (id, session_id, name, needs_password, challenge, start, length, kind, view_only, status, endpoints)
         VALUES ('AAAA', 'abc', 'Kim', 1, x'00', ?1, 3600, 'both', 0, 'open', '[]')",
        [signed(START)],
    )
    .unwrap();
    drop(old);
    let mut store = Store::open(&file).unwrap();
    let ticket = store.ticket(&id("AAAA"), at(1)).unwrap().unwrap();
    assert_eq!(ticket.owner, rustix::process::getuid().as_raw());
    assert!(store.account(at(1)).unwrap().log_on(ticket.assistant.as_ref().unwrap(), at(1)).is_ok());
}

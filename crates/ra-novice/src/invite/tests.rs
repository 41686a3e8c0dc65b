use std::os::unix::fs::PermissionsExt as _;
use std::sync::OnceLock;
use std::time::SystemTime;

use ra_policy::Policy;
use ra_ticket::Kind;

use super::*;
use crate::identity::Renewal;

const NOW: UnixTime = UnixTime(1_767_225_600);

/// One key for all tests here: making one is slow.
fn identity() -> &'static Identity {
    static MADE: OnceLock<(tempfile::TempDir, Identity)> = OnceLock::new();
    let (_, identity) = MADE.get_or_init(|| {
        let directory = tempfile::tempdir().unwrap();
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(NOW.0);
        let identity = Identity::open(directory.path(), "novice", now, Renewal::WhenDue).unwrap();
        (directory, identity)
    });
    identity
}

struct Place {
    directory: tempfile::TempDir,
    store: Store,
}

impl Place {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(&directory.path().join("tickets.sqlite3")).unwrap();
        fs::create_dir(directory.path().join("home")).unwrap();
        Self { directory, store }
    }

    fn file(&self) -> PathBuf {
        self.directory.path().join("home/Invitation.MsRcIncident")
    }

    fn wish(&self, kind: TicketKind, password: PasswordWish) -> Wish {
        Wish {
            name: "Kim Aalbers".to_owned(),
            password,
            kind,
            length: Duration::from_secs(90),
            endpoints: ["192.0.2.17:3389", "[2001:db8::5]:3389"].iter().map(|text| text.parse().unwrap()).collect(),
            route: None,
            mappings: Vec::new(),
            view_only: false,
            helper: None,
            file: Some(self.file()),
        }
    }

    fn create(&mut self, kind: TicketKind, password: PasswordWish) -> Result<Invited, InviteError> {
        let wish = self.wish(kind, password);
        create(identity(), &mut self.store, Policy::default().may_invite().unwrap(), wish, NOW)
    }

    fn written(&self) -> Invitation {
        Invitation::parse(&fs::read(self.file()).unwrap()).unwrap()
    }

    fn tickets(&mut self) -> usize {
        self.store.all(NOW).unwrap().len()
    }

    fn files(&self) -> usize {
        fs::read_dir(self.directory.path().join("home")).unwrap().count()
    }
}

#[test]
fn s014_r004_r014_an_invitation_is_a_ticket_in_the_table_and_a_private_file() {
    let mut place = Place::new();
    let invited = place.create(TicketKind::Both, PasswordWish::Generated).unwrap();
    assert_eq!(place.store.all(NOW).unwrap(), std::slice::from_ref(&invited.ticket));
    assert_eq!(fs::metadata(place.file()).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(place.files(), 1);
    let written = place.written();
    assert_eq!((written.kind(), written.user_name(), written.password_needed()), (Kind::Both, "Kim Aalbers", true));
    assert_eq!((written.start(), written.length_minutes()), (Some(NOW.0), Some(2)), "minutes are rounded up");
    assert_eq!(invited.ticket.expires(), UnixTime(NOW.0 + 90), "the ticket itself is exact");
}

#[test]
fn the_file_leads_to_this_ticket_and_this_key_and_the_password_redeems_it() {
    let mut place = Place::new();
    let invited = place.create(TicketKind::Both, PasswordWish::Generated).unwrap();
    let password = invited.password.unwrap();
    let written = place.written();
    let connection = written.lh_ticket().unwrap().decrypt(&password).unwrap();
    assert_eq!(connection.session_id(), &invited.ticket.session_id);
    assert_eq!(connection.certificate(), Some(identity().certificate()));
    assert_eq!((connection.key_hash(), connection.key_hash2()), (identity().key_hash(), Some(&identity().key_hash2())));
    let first_generation = written.rc_ticket().unwrap();
    assert_eq!(first_generation.session_id(), &invited.ticket.session_id);
    assert_eq!(first_generation.addresses().len(), 1, "IPv4 only");
    let challenge = Challenge::from_stored(invited.ticket.challenge.as_ref().unwrap()).unwrap();
    let proof = password.proof(written.pass_stub().unwrap()).to_hex();
    assert!(challenge.meet(Some(&proof)).is_some());
    assert!(challenge.meet(Some(&proof.replace(['A', 'B'], "C"))).is_none());
    assert!(challenge.meet(None).is_none());
}

#[test]
fn r015_the_password_stands_neither_in_the_file_nor_in_the_table() {
    let mut place = Place::new();
    let given = PasswordWish::Given(Password::new("Tulip-4711").unwrap());
    place.create(TicketKind::Both, given).unwrap();
    for file in [place.file(), place.directory.path().join("tickets.sqlite3")] {
        let bytes = fs::read(file).unwrap();
        let utf16: Vec<u8> = "Tulip-4711".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert!(!bytes.windows(10).any(|window| window == b"Tulip-4711"));
        assert!(!bytes.windows(20).any(|window| window == utf16));
    }
}

#[test]
fn r011_r012_only_type_1_can_do_without_a_password() {
    let mut place = Place::new();
    for kind in [TicketKind::Both, TicketKind::V2] {
        assert!(matches!(place.create(kind, PasswordWish::None), Err(InviteError::PasswordNeeded)));
    }
    assert_eq!((place.tickets(), place.files()), (0, 0));
    let invited = place.create(TicketKind::V1, PasswordWish::None).unwrap();
    let written = place.written();
    assert_eq!((written.kind(), written.password_needed(), written.pass_stub()), (Kind::Type1, false, None));
    let challenge = Challenge::from_stored(invited.ticket.challenge.as_ref().unwrap()).unwrap();
    assert!(challenge.meet(None).is_some());
}

#[test]
fn each_kind_carries_what_it_says() {
    let mut place = Place::new();
    for (kind, encrypted, clear) in
        [(TicketKind::Both, true, true), (TicketKind::V2, true, false), (TicketKind::V1, false, true)]
    {
        place.create(kind, PasswordWish::Generated).unwrap();
        let written = place.written();
        assert_eq!((written.lh_ticket().is_some(), written.rc_ticket().is_some()), (encrypted, clear), "{kind:?}");
    }
}

/// From the gateways to the file and back to the gateways.
#[test]
fn s017_s086_r006_r008_r061_what_a_gateway_gave_stands_first_in_the_file_and_goes_with_the_ticket() {
    use crate::endpoints::{Surroundings, gather};
    use crate::mappings::{Mappings, Wanted};

    let mut place = Place::new();
    let network = ra_nat::fake::FakeGateways::new();
    network.set_time(NOW);
    network.install("router", "192.168.1.5", "11.0.0.1");
    let state = place.directory.path().as_os_str().to_owned();
    let variable = |name: &str| matches!(name, "RA_STATE_DIR" | "RA_CONFIG_DIR").then(|| state.clone());
    let paths = crate::settings::Paths::resolve(variable, false).unwrap();
    let mut mappings = Mappings::open(&paths, std::sync::Arc::new(network.clone())).unwrap();
    let listeners: Vec<_> = vec!["[::]:3389".parse().unwrap()];
    let (life, soon) = (Duration::from_secs(90), Duration::from_secs(20));
    let wanted = Wanted { transport: ra_nat::Transport::Tcp, listeners: listeners.clone(), life, external_port: None };
    let reached = mappings.reach(&wanted, NOW, soon);

    let addresses = vec!["192.168.1.5".parse().unwrap()];
    let around = Surroundings { name: "novice".to_owned(), addresses, preferred: Vec::new() };
    let mut wish = place.wish(TicketKind::Both, PasswordWish::Generated);
    wish.endpoints = gather(&listeners, &reached.external, &around);
    wish.mappings.clone_from(&reached.mappings);
    let allowed = Policy::default().may_invite().unwrap();
    let invited = create(identity(), &mut place.store, allowed, wish, NOW).unwrap();

    let mapped = network.table("router")[0].ask.external_port;
    let listed = place.written().rc_ticket().unwrap().addresses().to_vec();
    assert_eq!(listed[0].to_string(), format!("11.0.0.1:{mapped}"));
    assert_eq!(listed[1].to_string(), "192.168.1.5:3389");
    let later = NOW.after(ra_nat::HELD_FOR);
    mappings.settle(later, soon).unwrap();
    assert_eq!(network.table("router").len(), 1, "the ticket uses it");
    place.store.end(&invited.ticket.id, ra_session::invitations::EndCause::Owner, later).unwrap();
    mappings.settle(later, soon).unwrap();
    assert!(network.table("router").is_empty());
}

#[test]
fn r013_no_two_invitations_share_anything() {
    let mut place = Place::new();
    let one = place.create(TicketKind::Both, PasswordWish::Generated).unwrap();
    let two = place.create(TicketKind::Both, PasswordWish::Generated).unwrap();
    assert_ne!(one.ticket.session_id, two.ticket.session_id);
    assert_ne!(one.ticket.id, two.ticket.id);
    assert_ne!(one.ticket.pass_stub, two.ticket.pass_stub);
    assert_ne!(one.password.unwrap().expose(), two.password.unwrap().expose());
    assert_eq!(place.tickets(), 2, "the older file is replaced, its ticket stays");
}

#[test]
fn a_file_that_is_no_invitation_is_never_overwritten() {
    let mut place = Place::new();
    fs::write(place.file(), "my only copy of a poem").unwrap();
    assert!(matches!(place.create(TicketKind::Both, PasswordWish::Generated), Err(InviteError::Occupied { .. })));
    assert_eq!(fs::read(place.file()).unwrap(), b"my only copy of a poem");
    assert_eq!((place.tickets(), place.files()), (0, 1));
    fs::remove_file(place.file()).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", place.file()).unwrap();
    assert!(matches!(place.create(TicketKind::Both, PasswordWish::Generated), Err(InviteError::Occupied { .. })));
}

#[test]
fn a_place_that_cannot_be_written_leaves_no_ticket() {
    let mut place = Place::new();
    fs::remove_dir(place.directory.path().join("home")).unwrap();
    let error = place.create(TicketKind::Both, PasswordWish::Generated).unwrap_err();
    assert!(error.is_about_writing());
    assert_eq!(place.tickets(), 0);
}

#[test]
fn a_type_1_file_needs_an_address_that_it_can_list() {
    let mut place = Place::new();
    let mut wish = place.wish(TicketKind::V1, PasswordWish::Generated);
    wish.endpoints = vec!["[2001:db8::5]:3389".parse().unwrap()];
    let allowed = Policy::default().may_invite().unwrap();
    let error = create(identity(), &mut place.store, allowed, wish, NOW).unwrap_err();
    assert!(matches!(error, InviteError::NothingForV1));
    assert_eq!((place.tickets(), place.files()), (0, 0));
}

/// Runs inside a small file system; by itself it shows nothing.
#[test]
fn a_process_that_invites_on_a_full_disk() {
    if let Some(directory) = std::env::var_os("RA_TEST_INVITE_FULL") {
        let mut place = Place::new();
        let file = Path::new(&directory).join("Invitation.MsRcIncident");
        let invite = |place: &mut Place| {
            let mut wish = place.wish(TicketKind::Both, PasswordWish::Generated);
            wish.file = Some(file.clone());
            create(identity(), &mut place.store, Policy::default().may_invite().unwrap(), wish, NOW)
        };
        invite(&mut place).unwrap();
        let before = fs::read(&file).unwrap();
        let filler = fs::File::create(Path::new(&directory).join("filler")).unwrap();
        while std::io::Write::write(&mut &filler, &[0; 512]).is_ok_and(|written| written > 0) {}
        let error = invite(&mut place).unwrap_err();
        assert!(matches!(&error, InviteError::File { source, .. } if crate::durable::is_full(source)), "{error:?}");
        assert!(error.is_about_writing());
        assert_eq!(fs::read(&file).unwrap(), before, "the older invitation is untouched");
        assert_eq!(place.tickets(), 1);
        assert_eq!(fs::read_dir(&directory).unwrap().count(), 2, "nothing half-written is left");
        println!("FULL=handled");
    }
}

#[test]
fn a_full_disk_leaves_neither_a_ticket_nor_half_a_file() {
    let directory = tempfile::tempdir().unwrap();
    let name = "a_full_disk_leaves_neither_a_ticket_nor_half_a_file";
    let test = "invite::tests::a_process_that_invites_on_a_full_disk";
    let Some(output) = crate::probe::on_a_small_disk(name, test, "RA_TEST_INVITE_FULL", directory.path(), "32k") else {
        return;
    };
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("FULL=handled"), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
}

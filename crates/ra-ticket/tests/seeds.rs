//! What the two seed documents say of the invitation, as far as the file alone can show it.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use ra_ticket::{
    Challenge, ConnectionString2, EXTENSION, Endpoint, Header, Host, Invitation, Kind, LinkSpeed, PassStub, Password,
    PinVerdict, PublicKeyBlob, RcTicket, RcTicketProblem, SessionId, Ticket, TicketWithoutPassword, Unreadable,
    has_invitation_extension,
};

const XP: &[u8] = include_bytes!("../testdata/xp.MsRcIncident");
const XP_WRAPPED: &[u8] = include_bytes!("../testdata/xp-wrapped.MsRcIncident");
const EDITED: &[u8] = include_bytes!("../testdata/edited.MsRcIncident");

fn password() -> Password {
    Password::new("A1B2C3D4E5F6").unwrap()
}

fn stub() -> PassStub {
    PassStub::parse("W!7Qaz*_09LmNo").unwrap()
}

fn key() -> PublicKeyBlob {
    PublicKeyBlob::from_rsa(&[0xAB; 256], 65537)
}

fn endpoints(list: &[&str]) -> Vec<Endpoint> {
    list.iter().map(|text| text.parse().unwrap()).collect()
}

fn connection(list: &[&str]) -> ConnectionString2 {
    ConnectionString2::new(key().key_hash(), SessionId::from_entropy(&[9; 48]), endpoints(list)).unwrap()
}

fn rc_ticket(list: &[&str]) -> RcTicket {
    RcTicket::new(endpoints(list), SessionId::from_entropy(&[9; 48]), key().key_hash()).unwrap()
}

fn header() -> Header {
    Header { user_name: "Kim Aalbers".into(), start: 992_646_863, length_minutes: 60, speed: LinkSpeed::Normal }
}

fn issue(ticket: Ticket) -> Invitation {
    Invitation::issue(header(), ticket).unwrap()
}

fn text(invitation: &Invitation) -> String {
    String::from_utf8(invitation.to_bytes()).unwrap()
}

#[test]
fn s004_an_invitation_is_text_that_survives_a_text_editor() {
    let plain = issue(Ticket::both(&connection(&["192.0.2.17:3389"]), &password(), stub()));
    let file = plain.to_bytes();
    assert!(file.iter().all(|&byte| matches!(byte, b'\r' | b'\n' | b' '..=b'~')), "printable in every editor");
    assert!(file.starts_with(b"<?xml version=\"1.0\"?>\r\n<UPLOADINFO TYPE=\"Escalated\"><UPLOADDATA USERNAME=\""));

    // Saved by an editor with other line ends, an empty line at the end, and as "Unicode".
    let unix = text(&plain).replace("\r\n", "\n") + "\n\n";
    assert_eq!(Invitation::parse(unix.as_bytes()).unwrap(), plain);
    let unicode: Vec<u8> = [0xFEFF].into_iter().chain(unix.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    assert_eq!(Invitation::parse(&unicode).unwrap(), plain);

    // Rearranged by a person: the one of the vectors, in other words.
    let edited = Invitation::parse(EDITED).unwrap();
    assert_eq!((edited.user_name(), edited.kind(), edited.low_speed()), ("novice17", Kind::Both, true));
    assert_eq!(edited.expires().unwrap().unix_seconds(), 1_767_225_600 + 360 * 60);
    assert_eq!(edited.pass_stub().unwrap().as_str(), "W!7Qaz*_09LmNo");
    assert_eq!(edited.lh_ticket().unwrap().decrypt(&password()).unwrap().endpoints().len(), 3);
}

#[test]
fn s005_the_extension_in_any_letter_case() {
    assert_eq!(EXTENSION, "MsRcIncident");
    for path in ["Invitation.MsRcIncident", "/home/kim/a.msrcIncident", "C:\\a b.MSRCINCIDENT", "x.y.msrcincident"] {
        assert!(has_invitation_extension(path), "{path}");
    }
    for path in ["MsRcIncident", "a.MsRcIncident.txt", "a.MsRcIncident/b", ".MsRcIncident", "a.rdp", ""] {
        assert!(!has_invitation_extension(path), "{path}");
    }
}

#[test]
fn s007_the_invitation_and_the_novices_record_are_two_things() {
    let invitation = issue(Ticket::type2(&connection(&["192.0.2.17:3389"]), &password(), stub()));
    let record = Challenge::from(password().proof(invitation.pass_stub().unwrap()));
    // The file holds nothing of what the record checks with, and goes without taking the record along.
    let file = text(&invitation);
    assert!(!file.contains(&*password().proof(&stub()).to_hex()));
    drop(invitation);
    assert!(record.meet(Some(&password().proof(&stub()).to_hex())).is_some());
}

#[test]
fn s020_r017_the_name_that_the_novice_gave() {
    assert_eq!(Invitation::parse(XP).unwrap().user_name(), "Kim Aalbers");
    let shown = |name: &str| {
        let header = Header { user_name: name.into(), ..header() };
        let file = Invitation::issue(header, Ticket::type1(rc_ticket(&["10.0.0.5:3389"]), stub())).unwrap().to_bytes();
        Invitation::parse(&file).unwrap().user_name().to_owned()
    };
    assert_eq!(shown("Ana \"Novice\" & <Co>"), "Ana \"Novice\" & <Co>");
    assert_eq!(shown("Jürgen 漢字"), "Jürgen 漢字");

    // A file that another hand wrote.
    let hostile = String::from_utf8(XP.to_vec())
        .unwrap()
        .replace("Kim Aalbers", "&#x202E;mi&#10;k\u{1b}".trim_end_matches('\u{1b}'));
    assert_eq!(Invitation::parse(hostile.as_bytes()).unwrap().user_name(), "mi k");
}

#[test]
fn s022_r011_r012_r020_whether_a_password_is_asked_for() {
    assert!(Invitation::parse(XP).unwrap().password_needed());
    let clear = rc_ticket(&["10.0.0.5:3389"]);
    let encrypted = connection(&["10.0.0.5:3389"]);
    for (label, ticket, needed) in [
        ("type 1", Ticket::type1(clear.clone(), stub()), true),
        ("type 1 without password", Ticket::type1_without_password(clear), false),
        ("type 2", Ticket::type2(&encrypted, &password(), stub()), true),
        ("both", Ticket::both(&encrypted, &password(), stub()), true),
    ] {
        let invitation = issue(ticket);
        let file = text(&invitation);
        assert_eq!(file.contains("RCTICKETENCRYPTED=\"1\""), needed, "{label}");
        assert_eq!(file.contains("RCTICKETENCRYPTED=\"0\""), !needed, "{label}");
        assert_eq!(file.contains("PassStub=\""), needed, "{label}");
        assert_eq!(Invitation::parse(file.as_bytes()).unwrap().password_needed(), needed, "{label}");
        assert_eq!(TicketWithoutPassword::of(&invitation).is_some(), !needed, "{label}");
        assert!(!file.contains(password().expose()), "{label}: r015, the password goes another way");
    }
}

#[test]
fn one_sign_of_a_password_is_enough_to_ask_for_it() {
    let without = text(&issue(Ticket::type1_without_password(rc_ticket(&["10.0.0.5:3389"]))));
    let flag_only = without.replace("RCTICKETENCRYPTED=\"0\"", "RCTICKETENCRYPTED=\"1\"");
    let stub_only = without.replace("RCTICKETENCRYPTED", "PassStub=\"x\" RCTICKETENCRYPTED");
    for file in [&flag_only, &stub_only] {
        assert_ne!(*file, without);
        assert!(TicketWithoutPassword::of(&Invitation::parse(file.as_bytes()).unwrap()).is_none(), "{file}");
    }
    assert!(TicketWithoutPassword::of(&Invitation::parse(without.as_bytes()).unwrap()).is_some());
}

#[test]
fn an_encrypted_ticket_needs_a_password_whatever_the_flag_says() {
    let file = text(&issue(Ticket::type2(&connection(&["10.0.0.5:3389"]), &password(), stub())));
    for written in ["RCTICKETENCRYPTED=\"0\"", ""] {
        let invitation = Invitation::parse(file.replace("RCTICKETENCRYPTED=\"1\"", written).as_bytes()).unwrap();
        assert!(invitation.password_needed());
        assert!(TicketWithoutPassword::of(&invitation).is_none());
    }
}

#[test]
fn without_the_flag_a_stub_means_a_password() {
    let file = text(&issue(Ticket::type1(rc_ticket(&["10.0.0.5:3389"]), stub())));
    let file = file.replace(" RCTICKETENCRYPTED=\"1\"", "");
    assert!(Invitation::parse(file.as_bytes()).unwrap().password_needed());
    let file = file.replace(" PassStub=\"W!7Qaz*_09LmNo\"", "");
    assert!(!Invitation::parse(file.as_bytes()).unwrap().password_needed());
}

#[test]
fn s023_r018_when_it_expires_in_either_spelling() {
    for file in [XP.to_vec(), String::from_utf8(XP.to_vec()).unwrap().replace("DT", "Dt").into_bytes()] {
        let invitation = Invitation::parse(&file).unwrap();
        assert_eq!((invitation.start(), invitation.length_minutes()), (Some(992_646_863), Some(60)));
        assert_eq!(invitation.expires().unwrap().unix_seconds(), 992_650_463);
    }
    let written = text(&issue(Ticket::type1(rc_ticket(&["10.0.0.5:3389"]), stub())));
    assert!(written.contains("DtStart=\"992646863\" DtLength=\"60\""), "plain decimal: FreeRDP reads 0.. as octal");
}

#[test]
fn s033_s062_r019_r055_the_file_has_no_place_for_an_early_end() {
    let invitation = issue(Ticket::both(&connection(&["192.0.2.17:3389"]), &password(), stub()));
    let record = Challenge::from(password().proof(&stub()));
    let before = invitation.to_bytes();
    drop(record); // the novice ends the ticket
    assert_eq!(invitation.to_bytes(), before);
    let read = Invitation::parse(&before).unwrap();
    assert_eq!(read.expires(), invitation.expires());
    assert!(!read.expires().unwrap().has_passed(992_646_863 + 59 * 60), "the file still says open");
}

#[test]
fn s037_the_rc_ticket_alone_is_enough_to_connect() {
    // Nothing but the attribute's text: no name, no times, no stub.
    let invitation = Invitation::parse(XP).unwrap();
    let ticket: RcTicket = invitation.rc_ticket().unwrap().to_string().parse().unwrap();
    let plan: Vec<String> = ticket.addresses().iter().map(ToString::to_string).collect();
    assert_eq!(plan, ["128.54.161.5:4122", "kim.example.test:3389", "10.0.0.5:3389"]);
    assert!(!ticket.session_id().expose().is_empty());
    assert!(ticket.pins().key_hash.is_some());
}

#[test]
fn s038_s043_r008_the_address_list_keeps_every_kind_and_its_order() {
    let list = ["198.51.100.23:51234", "novice.example.test:3389", "10.0.0.5:3389"];
    let ticket = rc_ticket(&list);
    let text = ticket.to_string();
    assert!(text.starts_with("65538,1,198.51.100.23:51234;novice.example.test:3389;10.0.0.5:3389,*,"), "{text}");
    let read: RcTicket = text.parse().unwrap();
    assert_eq!(read.addresses(), endpoints(&list));
    assert!(matches!(
        read.addresses().iter().map(|address| &address.host).collect::<Vec<_>>()[..],
        [Host::Ipv4(_), Host::Name(_), Host::Ipv4(_)]
    ));
    let six = text.replace("10.0.0.5:3389", "[2001:db8::9]:3389");
    assert!(matches!(six.parse::<RcTicket>().unwrap().addresses()[2].host, Host::Ipv6(_)));
}

#[test]
fn s041_the_sample_of_2001_parses_wrapped_or_not() {
    let plain = Invitation::parse(XP).unwrap();
    let wrapped = Invitation::parse(XP_WRAPPED).unwrap();
    assert_eq!(plain, wrapped);
    let raw = core::str::from_utf8(XP).unwrap();
    assert!(raw.contains(",SolicitedHelp,"), "fields 4, 6 and 7 hold something");
    let written = plain.rc_ticket().unwrap().to_string();
    let fields: Vec<&str> = written.split(',').collect();
    assert_eq!((fields.len(), fields[3], fields[5], fields[6]), (8, "*", "*", "*"), "the published form is written");
}

#[test]
fn s042_the_version_is_checked_with_a_clear_error() {
    let good = rc_ticket(&["10.0.0.5:3389"]).to_string();
    assert!(good.starts_with("65538,1,"));
    assert_eq!(0x0001_0002, 65538);
    for (text, problem) in [
        (good.replacen("65538", "65539", 1), RcTicketProblem::Version),
        (good.replacen("65538,1", "65538,2", 1), RcTicketProblem::ProtocolType),
    ] {
        let error = text.parse::<RcTicket>().unwrap_err();
        assert_eq!(error.problem(), &problem);
        assert!(error.to_string().contains("only"), "says what is known: {error}");
    }
}

#[test]
fn the_misprint_of_the_article_is_no_address() {
    let good = rc_ticket(&["10.0.0.5:3389"]).to_string();
    let misprint = good.replace("10.0.0.5:3389", "1128.54.161.5:4122");
    assert_eq!(misprint.parse::<RcTicket>().unwrap_err().problem(), &RcTicketProblem::NoAddress);
    let beside = good.replace("10.0.0.5:3389", "1128.54.161.5:4122;10.0.0.5:3389");
    assert_eq!(beside.parse::<RcTicket>().unwrap().addresses().len(), 1, "the others are still good");
}

#[test]
fn both_tickets_of_one_file_lead_to_the_same_place() {
    let connection = connection(&["[2001:db8::4]:50311", "novice.example.test:50310", "192.0.2.17:50312"]);
    let invitation = issue(Ticket::both(&connection, &password(), stub()));
    let clear = invitation.rc_ticket().unwrap();
    let encrypted = invitation.lh_ticket().unwrap().decrypt(&password()).unwrap();
    assert_eq!(clear.session_id(), encrypted.session_id());
    assert_eq!(clear.key_hash(), Some(encrypted.key_hash()));
    assert_eq!(clear.addresses(), endpoints(&["192.0.2.17:50312"]), "old experts know IPv4 only");

    let without_ipv4 = self::connection(&["[2001:db8::4]:50311"]);
    assert_eq!(issue(Ticket::both(&without_ipv4, &password(), stub())).kind(), Kind::Type2);
}

#[test]
fn a_wrong_password_and_a_damaged_ticket_look_the_same() {
    let file = text(&issue(Ticket::type2(&connection(&["192.0.2.17:3389"]), &password(), stub())));
    let read = |file: &str, password: &str| {
        let invitation = Invitation::parse(file.as_bytes()).unwrap();
        invitation.lh_ticket().unwrap().decrypt(&Password::new(password).unwrap())
    };
    assert!(read(&file, "A1B2C3D4E5F6").is_ok());
    let at = file.find("LHTICKET=\"").unwrap() + 10;
    let digit = if &file[at..=at] == "0" { "1" } else { "0" };
    let damaged = format!("{}{digit}{}", &file[..at], &file[at + 1..]);
    for (label, result) in
        [("wrong", read(&file, "a1b2c3d4e5f6")), ("first block damaged", read(&damaged, "A1B2C3D4E5F6"))]
    {
        assert_eq!(result.unwrap_err(), Unreadable::WrongPasswordOrDamaged, "{label}");
    }
    // One in 256 wrong passwords has a good padding; the beginning has to give it away.
    for number in 0..2000 {
        assert!(read(&file, &format!("guess {number}")).is_err());
    }
}

#[test]
fn a_bare_connection_string_is_a_type_2_invitation() {
    let connection = connection(&["192.0.2.17:50312"]);
    let invitation = Invitation::parse(connection.to_string().as_bytes()).unwrap();
    assert_eq!(invitation.bare_connection_string(), Some(&connection));
    assert_eq!((invitation.kind(), invitation.user_name()), (Kind::Type2, ""));
    assert_eq!((invitation.expires(), invitation.pass_stub()), (None, None));
    assert!(!invitation.password_needed());
    assert!(TicketWithoutPassword::of(&invitation).is_none(), "that is for type 1 only");
    assert_eq!(invitation.to_bytes(), connection.to_string().into_bytes());
}

#[test]
fn the_strongest_pin_decides() {
    let certificate = vec![0x30; 40];
    let other = PublicKeyBlob::from_rsa(&[0xCD; 256], 65537);
    let hash_only = connection(&["192.0.2.17:3389"]);
    let hash2 = hash_only.clone().with_key_hash2(key().key_hash2());
    let all = hash2.clone().with_certificate(certificate.clone()).unwrap();

    assert_eq!(all.pins().compare(&certificate, None), PinVerdict::Same);
    assert_eq!(all.pins().compare(&[0x30; 41], Some(&key())), PinVerdict::Different, "byte for byte");
    assert_eq!(hash2.pins().compare(&[], Some(&key())), PinVerdict::Same);
    assert_eq!(hash2.pins().compare(&[], Some(&other)), PinVerdict::Different);
    assert_eq!(hash_only.pins().compare(&[], Some(&key())), PinVerdict::Same);
    assert_eq!(hash_only.pins().compare(&[], Some(&other)), PinVerdict::Different);
    assert_eq!(hash_only.pins().compare(&[], None), PinVerdict::Unpinned, "no RSA key to compare with");

    // KH2 is checked instead of KH, not beside it.
    let torn = connection(&["192.0.2.17:3389"]).with_key_hash2(other.key_hash2());
    assert_eq!(torn.pins().compare(&[], Some(&key())), PinVerdict::Different);

    let unreadable: RcTicket = "65538,1,h:1,*,x,*,*,*".parse().unwrap();
    assert_eq!(unreadable.pins().compare(&certificate, Some(&key())), PinVerdict::Unpinned);
}

#[test]
fn a_challenge_is_met_by_the_right_proof_only() {
    let proof = password().proof(&stub());
    let challenge = Challenge::from(proof.clone());
    assert!(challenge.meet(Some(&proof.to_hex())).is_some());
    assert!(challenge.meet(Some(&proof.to_hex().to_lowercase())).is_some());
    let cut = &proof.to_hex()[..62];
    for wrong in ["", "00", cut, &format!("{}00", &*proof.to_hex()), &"z".repeat(64), &"0".repeat(64), &"é".repeat(32)]
    {
        assert!(challenge.meet(Some(wrong)).is_none(), "{wrong}");
    }
    assert!(challenge.meet(None).is_none(), "an answer without a proof");
    let other = Password::new("A1B2C3D4E5F7").unwrap().proof(&stub());
    assert!(challenge.meet(Some(&other.to_hex())).is_none());
}

#[test]
fn a_stored_challenge_never_loses_its_password() {
    let proof = password().proof(&stub());
    let stored = Challenge::from(proof.clone()).to_stored();
    let restored = Challenge::from_stored(&stored).unwrap();
    assert!(restored.meet(Some(&proof.to_hex())).is_some());
    assert!(restored.meet(Some("00")).is_none() && restored.meet(None).is_none());
    for length in 0..stored.len() {
        let damaged = Challenge::from_stored(&stored[..length]);
        assert!(damaged.is_none_or(|challenge| challenge.meet(None).is_none()), "cut to {length}");
    }
    assert!(Challenge::from_stored(&[0, 0]).is_none());
    assert!(Challenge::from_stored(&[2]).is_none());

    let open = issue(Ticket::type1_without_password(rc_ticket(&["10.0.0.5:3389"])));
    let open = Challenge::from(TicketWithoutPassword::of(&open).unwrap());
    assert!(Challenge::from_stored(&open.to_stored()).unwrap().meet(None).is_some());
}

#[test]
fn r015_no_secret_prints() {
    let connection = connection(&["192.0.2.17:3389"]);
    let secrets = [
        format!("{:?}", connection),
        format!("{:?}", connection.session_id()),
        format!("{:?}", rc_ticket(&["10.0.0.5:3389"])),
        format!("{:?}", password()),
        format!("{:?}", password().proof(&stub())),
        format!("{:?}", Challenge::from(password().proof(&stub()))),
        format!("{:?}", issue(Ticket::both(&connection, &password(), stub()))),
        format!("{:?}", ra_ticket::expert_blob::parse("11;NAME=Expert6;PASS=A").unwrap()),
    ]
    .concat();
    let id = SessionId::from_entropy(&[9; 48]);
    for secret in [id.expose(), password().expose(), stub().as_str(), "PASS", &password().proof(&stub()).to_hex()] {
        assert!(!secrets.contains(secret), "{secrets}");
    }
}

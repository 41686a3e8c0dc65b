//! Round trips of everything that is written, and no panic for anything that is read.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use core::net::{Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;
use ra_ticket::{
    AccountLogin, AccountName, AccountPassword, ConnectionString2, Endpoint, Header, Host, Invitation, KeyHash,
    LhTicket, LinkSpeed, PassStub, Password, PublicKeyBlob, RcTicket, SessionId, Ticket, expert_blob,
};

fn host() -> impl Strategy<Value = Host> {
    prop_oneof![
        any::<[u8; 4]>().prop_map(|bytes| Host::Ipv4(Ipv4Addr::from(bytes))),
        any::<[u8; 16]>().prop_map(|bytes| Host::Ipv6(Ipv6Addr::from(bytes))),
        "[a-zé][a-z0-9_-]{0,12}(\\.[a-z]{1,5}){0,2}".prop_map(Host::Name),
    ]
}

fn endpoints(most: usize) -> impl Strategy<Value = Vec<Endpoint>> {
    let endpoint = (host(), 1..=u16::MAX).prop_map(|(host, port)| Endpoint::new(host, port).unwrap());
    proptest::collection::vec(endpoint, 1..=most)
}

fn session_id() -> impl Strategy<Value = SessionId> {
    proptest::collection::vec(any::<u8>(), 48).prop_map(|bytes| SessionId::from_entropy(&bytes.try_into().unwrap()))
}

fn rc_ticket() -> impl Strategy<Value = RcTicket> {
    (endpoints(32), session_id(), any::<[u8; 20]>())
        .prop_map(|(addresses, id, hash)| RcTicket::new(addresses, id, KeyHash::from(hash)).unwrap())
}

fn connection() -> impl Strategy<Value = ConnectionString2> {
    let certificate = proptest::option::of(proptest::collection::vec(any::<u8>(), 1..1500));
    (endpoints(16), session_id(), any::<[u8; 20]>(), any::<bool>(), certificate).prop_map(
        |(listeners, id, hash, newer, certificate)| {
            let mut connection = ConnectionString2::new(KeyHash::from(hash), id, listeners).unwrap();
            if newer {
                connection = connection.with_key_hash2(PublicKeyBlob::from_rsa(&hash, 3).key_hash2());
            }
            match certificate {
                Some(der) => connection.with_certificate(der).unwrap(),
                None => connection,
            }
        },
    )
}

fn password() -> impl Strategy<Value = Password> {
    "\\PC{1,40}".prop_map(|text| Password::new(&text).unwrap())
}

fn stub() -> impl Strategy<Value = PassStub> {
    prop_oneof![
        any::<[u8; 32]>().prop_map(|entropy| PassStub::from_entropy(&entropy)),
        "[^\\pC]{1,64}".prop_map(|text| PassStub::parse(&text).unwrap()),
    ]
}

fn ticket() -> impl Strategy<Value = Ticket> {
    prop_oneof![
        (rc_ticket(), stub()).prop_map(|(ticket, stub)| Ticket::type1(ticket, stub)),
        rc_ticket().prop_map(Ticket::type1_without_password),
        (connection(), password(), stub()).prop_map(|(c, password, stub)| Ticket::type2(&c, &password, stub)),
        (connection(), password(), stub()).prop_map(|(c, password, stub)| Ticket::both(&c, &password, stub)),
    ]
}

fn invitation() -> impl Strategy<Value = Invitation> {
    let header = (any::<String>(), any::<u32>(), any::<u32>(), any::<bool>());
    (header, ticket()).prop_map(|((user_name, start, length_minutes, slow), ticket)| {
        let speed = if slow { LinkSpeed::Slow } else { LinkSpeed::Normal };
        Invitation::issue(Header { user_name, start: start.into(), length_minutes, speed }, ticket).unwrap()
    })
}

/// Parses, and whatever comes of it stays inside the file.
fn parse(file: &[u8]) {
    match Invitation::parse(file) {
        Ok(invitation) => assert_eq!(Invitation::parse(&invitation.to_bytes()), Ok(invitation)),
        Err(error) => assert!(error.span().is_none_or(|span| span.start <= span.end && span.end <= file.len())),
    }
}

proptest! {
    #[test]
    fn an_invitation_reads_back_as_written(invitation in invitation()) {
        let file = invitation.to_bytes();
        prop_assert_eq!(Invitation::parse(&file).unwrap(), invitation.clone());
        let utf16: Vec<u8> = String::from_utf8(file).unwrap().encode_utf16().flat_map(u16::to_be_bytes).collect();
        prop_assert_eq!(Invitation::parse(&utf16).unwrap(), invitation);
    }

    #[test]
    fn an_rc_ticket_reads_back_as_written(ticket in rc_ticket()) {
        prop_assert_eq!(ticket.to_string().parse::<RcTicket>().unwrap(), ticket);
    }

    #[test]
    fn a_connection_string_reads_back_as_written_and_as_encrypted(
        connection in connection(), password in password(), other in password(),
    ) {
        prop_assert_eq!(connection.to_string().parse::<ConnectionString2>().unwrap(), connection.clone());
        let ticket: LhTicket = connection.encrypt(&password);
        prop_assert_eq!(ticket.decrypt(&password).unwrap(), connection);
        prop_assert_eq!(ticket.decrypt(&other).is_ok(), other.expose() == password.expose());
    }

    #[test]
    fn an_expert_blob_reads_back_as_written_and_as_freerdp_counts(
        name: String, password in password(), stub in stub(),
    ) {
        let proof = password.proof(&stub);
        let blob = expert_blob::write(&name, Some(&proof));
        let read = expert_blob::parse(&blob).unwrap();
        let hex = proof.to_hex();
        prop_assert_eq!(read.pass(), Some(hex.as_str()));

        let name = read.name().as_str();
        let bytes = format!("{};NAME={name}{};PASS={}\0", 5 + name.len(), 5 + hex.len(), &*hex);
        let read_bytes = expert_blob::parse(&bytes).unwrap();
        prop_assert_eq!((read_bytes.name().as_str(), read_bytes.pass()), (name, Some(hex.as_str())));

        let alone = expert_blob::write(name, None);
        let alone = expert_blob::parse(&alone).unwrap();
        prop_assert_eq!((alone.name().as_str(), alone.pass()), (name, None));
    }

    #[test]
    fn an_account_in_an_expert_blob_reads_back_as_written(
        name: String, account in "[a-z][a-z0-9\\\\@. ;=\u{e4}]{0,30}[a-z]", password in "[^\\x00\r\n]{1,100}",
    ) {
        let Ok(account) = AccountName::new(&account) else { return Ok(()) };
        let login = AccountLogin { name: account, password: AccountPassword::new(&password).unwrap() };
        let blob = expert_blob::write_login(&name, &login);
        let read = expert_blob::parse(&blob).unwrap();
        let found = read.login().unwrap();
        prop_assert_eq!((&found.name, found.password.expose()), (&login.name, password.as_str()));
    }

    #[test]
    fn any_text_behind_an_account_is_read_without_a_panic(rest in "[0-9;=A-Z\u{e4}\u{1F600}]{0,60}") {
        let _ = expert_blob::parse(&format!("11;ACCOUNT=lee13;ACCOUNTPASS=x{rest}"));
        let _ = expert_blob::parse(&format!("{rest}11;ACCOUNT=lee"));
    }

    #[test]
    fn any_bytes_are_read_without_a_panic(file: Vec<u8>) {
        parse(&file);
    }

    #[test]
    fn any_text_between_tags_is_read_without_a_panic(attributes in "[ -~]{0,80}") {
        parse(format!("<UPLOADINFO TYPE=\"Escalated\"><UPLOADDATA {attributes}/></UPLOADINFO>").as_bytes());
        parse(format!("<E><A {attributes}/><C><T><L {attributes}/></T></C></E>").as_bytes());
    }

    #[test]
    fn any_change_of_a_good_file_is_read_without_a_panic(
        invitation in invitation(), changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut file = invitation.to_bytes();
        for (place, byte) in changes {
            let place = place.index(file.len());
            file[place] = byte;
        }
        parse(&file);
    }

    #[test]
    fn any_text_is_a_ticket_or_not(text: String) {
        let _ = text.parse::<RcTicket>();
        let _ = format!("65538,1,{text},*,x,*,*,y").parse::<RcTicket>();
        let _ = text.parse::<ConnectionString2>();
        let _ = expert_blob::parse(&text);
        let _ = expert_blob::parse(&format!("9;{text}69;PASS={text}"));
    }

    #[test]
    fn any_encrypted_bytes_open_or_not(bytes in proptest::collection::vec(any::<u8>(), 16..=256), password in password()) {
        let digits = hex::encode(&bytes[..bytes.len() / 16 * 16]);
        let file = format!("<UPLOADINFO TYPE=\"Escalated\"><UPLOADDATA LHTICKET=\"{digits}\"/></UPLOADINFO>");
        let invitation = Invitation::parse(file.as_bytes()).unwrap();
        let _ = invitation.lh_ticket().unwrap().decrypt(&password);
    }
}

#[test]
fn any_truncation_of_a_good_file_is_refused_without_a_panic() {
    for file in [
        &include_bytes!("../testdata/xp.MsRcIncident")[..],
        include_bytes!("../testdata/xp-wrapped.MsRcIncident"),
        include_bytes!("../testdata/edited.MsRcIncident"),
    ] {
        let text = core::str::from_utf8(file).unwrap().trim_end();
        let utf16: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        for (file, unit) in [(text.as_bytes(), 1), (&utf16, 2)] {
            for length in 0..file.len() {
                parse(&file[..length]);
                assert!(Invitation::parse(&file[..length]).is_err(), "cut to {length} of {}", file.len() / unit);
            }
            assert!(Invitation::parse(file).is_ok());
        }
    }
}

//! The limits of what is written, at their edges.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use ra_ticket::{
    ConnectionString2, ConnectionStringProblem, Endpoint, EndpointError, ExpectedProof, Header, Host, Invitation,
    IssueError, KeyHash, KeyHash2, KeyHashError, LinkSpeed, MAX_ADDRESSES, MAX_CERTIFICATE_BYTES, MAX_FILE_BYTES,
    MAX_LISTENERS, PassStub, Password, PublicKeyBlob, RcTicket, RcTicketProblem, SessionId, Ticket,
};

fn many(number: usize) -> Vec<Endpoint> {
    (1..=number).map(|port| Endpoint::new(Host::Name("h".into()), u16::try_from(port).unwrap()).unwrap()).collect()
}

fn id() -> SessionId {
    SessionId::from_entropy(&[5; 48])
}

fn hash() -> KeyHash {
    KeyHash::from([6; 20])
}

fn hash2() -> KeyHash2 {
    PublicKeyBlob::from_rsa(&[7; 256], 65537).key_hash2()
}

fn header(start: u64) -> Header {
    Header { user_name: "Kim".into(), start, length_minutes: 60, speed: LinkSpeed::Slow }
}

#[test]
fn listeners_of_a_connection_string() {
    assert_eq!(ConnectionString2::new(hash(), id(), vec![]), Err(ConnectionStringProblem::NoListener));
    assert!(ConnectionString2::new(hash(), id(), many(MAX_LISTENERS)).is_ok());
    let error = ConnectionString2::new(hash(), id(), many(MAX_LISTENERS + 1));
    assert_eq!(error, Err(ConnectionStringProblem::TooManyListeners));
}

#[test]
fn of_a_foreign_connection_string_the_first_listeners_are_kept() {
    let text = ConnectionString2::new(hash(), id(), many(1)).unwrap().to_string();
    let one = "<L P=\"1\" N=\"h\"/>";
    let listeners = |ports: core::ops::RangeInclusive<usize>| ports.map(|port| one.replace('1', &port.to_string()));
    // Two groups, of which the second has the listener that is one too many.
    let groups: String = listeners(1..=20).chain(["</T><T>".to_owned()]).chain(listeners(21..=33)).collect();
    let read: ConnectionString2 = text.replace(one, &groups).parse().unwrap();
    assert_eq!(read.endpoints(), many(MAX_ADDRESSES));
    assert_eq!(read.transports()[1].listeners.len(), MAX_ADDRESSES - 20);
    // A group that stands elsewhere, and something else that stands among the groups, are not groups.
    let elsewhere = text.replace("<C>", "<T><L P=\"2\" N=\"x\"/></T><C><X><L P=\"3\" N=\"y\"/></X>");
    let read: ConnectionString2 = elsewhere.parse().unwrap();
    assert_eq!((read.transports().len(), read.endpoints()), (1, many(1)));
}

#[test]
fn addresses_that_nobody_can_place_are_dialled_last() {
    let endpoints = |texts: [&str; 4]| texts.map(|text| text.parse::<Endpoint>().unwrap());
    let listed = endpoints(["[fe80::1]:1", "[2001:db8::1]:1", "169.254.0.1:1", "h:1"]);
    let connection = ConnectionString2::new(hash(), id(), listed.to_vec()).unwrap();
    let dialled = endpoints(["[2001:db8::1]:1", "169.254.0.1:1", "h:1", "[fe80::1]:1"]);
    assert_eq!(connection.endpoints(), dialled);
}

#[test]
fn addresses_of_an_rc_ticket() {
    assert_eq!(RcTicket::new(vec![], id(), hash()), Err(RcTicketProblem::NoAddress));
    let ticket = RcTicket::new(many(MAX_ADDRESSES + 1), id(), hash()).unwrap();
    assert_eq!(ticket.addresses(), many(MAX_ADDRESSES));
}

#[test]
fn an_endpoint_that_no_connection_string_can_carry_is_not_written() {
    for (host, port, problem) in [
        (Host::Name("h".into()), 0, EndpointError::Port),
        (Host::Name("a,b".into()), 1, EndpointError::Host),
        (Host::Name("a;b".into()), 1, EndpointError::Host),
        (Host::Name("1.2.3.4".into()), 1, EndpointError::Host),
        (Host::Name("x\"/><L P=\"1".into()), 1, EndpointError::Host),
        (Host::Name(String::new()), 1, EndpointError::Host),
        (Host::Name("x".repeat(254)), 1, EndpointError::Host),
    ] {
        assert_eq!(Endpoint::new(host.clone(), port), Err(problem));
        let endpoint = Endpoint { host, port };
        let clear = RcTicket::new(vec![endpoint.clone()], id(), hash());
        assert_eq!(clear, Err(RcTicketProblem::Address(problem)));
        let error = ConnectionString2::new(hash(), id(), vec![endpoint]);
        assert_eq!(error, Err(ConnectionStringProblem::Listener(problem)));
    }
    assert!(Endpoint::new(Host::Name("x".repeat(253)), 1).is_ok());
}

#[test]
fn the_certificate() {
    let connection = || ConnectionString2::new(hash(), id(), many(1)).unwrap();
    assert_eq!(connection().with_certificate(vec![]), Err(ConnectionStringProblem::Certificate));
    let large = connection().with_certificate(vec![1; MAX_CERTIFICATE_BYTES + 1]);
    assert_eq!(large, Err(ConnectionStringProblem::Certificate));
    let largest = connection().with_certificate(vec![1; MAX_CERTIFICATE_BYTES]).unwrap();
    assert_eq!(largest.to_string().parse::<ConnectionString2>().unwrap(), largest);
}

#[test]
fn the_largest_connection_string_of_ours_fits_into_a_file() {
    let issue = |connection: &ConnectionString2| {
        let password = Password::new("A1B2C3D4E5F6").unwrap();
        Invitation::issue(header(1), Ticket::both(connection, &password, PassStub::from_entropy(&[1; 32])))
    };
    for name in ["x".repeat(253), "\u{6f22}".repeat(84)] {
        let listeners = (1..=16).map(|port| Endpoint::new(Host::Name(name.clone()), port).unwrap()).collect();
        let connection = ConnectionString2::new(hash(), id(), listeners).unwrap().with_key_hash2(hash2());
        let connection = connection.with_certificate(vec![1; MAX_CERTIFICATE_BYTES]).unwrap();
        let file = issue(&connection).unwrap().to_bytes();
        assert!(file.len() <= MAX_FILE_BYTES && Invitation::parse(&file).is_ok());
    }
    // One that came from elsewhere may not, and is not written.
    let foreign = ConnectionString2::new(hash(), id(), many(1)).unwrap().to_string();
    let foreign = foreign.replace("SID=\"0\"", &format!("SID=\"{}\"", "0".repeat(20_000)));
    assert_eq!(issue(&foreign.parse().unwrap()), Err(IssueError::TooLarge));
}

#[test]
fn a_file_of_just_the_largest_size_is_written() {
    let text = ConnectionString2::new(hash(), id(), many(1)).unwrap().to_string();
    let issue = |name: usize, padding: usize| {
        let foreign = text.replace("SID=\"0\"", &format!("SID=\"{}\"", "0".repeat(padding)));
        let password = Password::new("A1B2C3D4E5F6").unwrap();
        let ticket = Ticket::type2(&foreign.parse().unwrap(), &password, PassStub::from_entropy(&[1; 32]));
        let header = Header { user_name: "K".repeat(name), ..header(1) };
        Invitation::issue(header, ticket).map(|invitation| invitation.to_bytes().len())
    };
    // The encrypted ticket grows by 32 digits for 8 characters, the name one by one.
    let padding = 10_000 + (MAX_FILE_BYTES - issue(1, 10_000).unwrap()) / 4 - 7;
    let name = 1 + MAX_FILE_BYTES - issue(1, padding).unwrap();
    assert_eq!(issue(name, padding), Ok(MAX_FILE_BYTES));
    assert_eq!(issue(name + 1, padding), Err(IssueError::TooLarge));
}

#[test]
fn the_start_of_an_invitation() {
    let ticket = || Ticket::type1_without_password(RcTicket::new(many(1), id(), hash()).unwrap());
    let last = Invitation::issue(header(u64::from(u32::MAX)), ticket()).unwrap();
    assert_eq!(last.start(), Some(u64::from(u32::MAX)));
    assert!(last.low_speed() && Invitation::parse(&last.to_bytes()).unwrap().low_speed());
    assert_eq!(Invitation::issue(header(u64::from(u32::MAX) + 1), ticket()), Err(IssueError::Start));
}

#[test]
fn the_lengths_that_a_proof_can_have() {
    let lengths: Vec<usize> =
        (0..300).filter(|&length| ExpectedProof::from_bytes(&vec![0; length]).is_some()).collect();
    assert_eq!((lengths.first(), lengths.last(), lengths.len()), (Some(&6), Some(&260), 128));
    assert!(lengths.iter().all(|length| length.is_multiple_of(2)));
    let password = Password::new("x").unwrap();
    for (stub, length) in [("x".to_owned(), 6), ("\u{1F600}".repeat(64), 260)] {
        let proof = password.proof(&PassStub::parse(&stub).unwrap());
        assert_eq!(proof.as_bytes().len(), length);
        assert_eq!(ExpectedProof::from_bytes(proof.as_bytes()).unwrap().as_bytes(), proof.as_bytes());
    }
}

#[test]
fn keys_of_any_size_have_a_blob() {
    let xp = PublicKeyBlob::from_rsa(&[0x81; 64], 65537);
    assert_eq!(xp.as_bytes().len(), 20 + 64 + 8);
    assert_eq!(xp.as_bytes()[..20], *b"RSA1\x48\0\0\0\0\x02\0\0\x3f\0\0\0\x01\0\x01\0");
    assert_eq!(PublicKeyBlob::from_rsa(&[], 0).as_bytes().len(), 28, "no key, and no panic");
}

#[test]
fn key_hashes_of_another_length_are_refused() {
    let text = hash().to_string();
    assert_eq!(text.parse::<KeyHash>(), Ok(hash()));
    assert_eq!(hash().as_bytes(), &[6; 20]);
    assert_eq!(text.trim_end_matches('=').parse::<KeyHash>(), Ok(hash()), "padding forgotten");
    for wrong in ["", "AAAA", &format!("AAAA{text}"), "!"] {
        assert_eq!(wrong.parse::<KeyHash>(), Err(KeyHashError::Base64(20)), "{wrong}");
    }
    assert_eq!("sha256:AAAA".parse::<KeyHash2>(), Err(KeyHashError::Base64(32)));
    assert_eq!("sha512:AAAA".parse::<KeyHash2>(), Err(KeyHashError::Base64(64)));
    assert_eq!("md5:AAAA".parse::<KeyHash2>(), Err(KeyHashError::Algorithm));
    assert_eq!("AAAA".parse::<KeyHash2>(), Err(KeyHashError::Algorithm));
}

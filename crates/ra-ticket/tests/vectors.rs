//! The vectors of the specification, as far as they concern tickets, through the public interface.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ra_ticket::{
    Challenge, ConnectionString2, ExpectedProof, Expiry, Host, Invitation, KeyHash2, Kind, PassStub, Password, Proof,
    PublicKeyBlob, RcTicket, expert_blob,
};
use serde_json::Value;

fn vectors(key: &str) -> Value {
    let all: Value = serde_json::from_str(include_str!("../testdata/vectors.json")).unwrap();
    all.get(key).unwrap_or_else(|| panic!("no {key}")).clone()
}

fn list(key: &str) -> Vec<Value> {
    vectors(key).as_array().unwrap().clone()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("not a text: {value}"))
}

fn file(vector: &Value) -> Vec<u8> {
    BASE64.decode(text(&vector["file_base64"])).unwrap()
}

fn proof(password: &str, stub: &str) -> Proof {
    Password::new(password).unwrap().proof(&PassStub::parse(stub).unwrap())
}

#[test]
fn pass_stub() {
    for vector in list("pass_stub") {
        if text(&vector["password"]).is_empty() {
            assert!(Password::new("").is_err(), "an empty password is never computed with");
            continue;
        }
        let proof = proof(text(&vector["password"]), text(&vector["pass_stub"]));
        assert_eq!(hex::encode(proof.as_bytes()), text(&vector["ciphertext"]));
        assert_eq!(proof.to_hex().as_str(), text(&vector["pass_value"]));
        let expected = ExpectedProof::from(proof);
        assert!(expected.verify(text(&vector["pass_value"])).is_some());
        assert!(expected.verify(text(&vector["ciphertext"])).is_some(), "either case");
    }
}

#[test]
fn expert_blobs() {
    let stub = &list("pass_stub")[0];
    let proof = proof(text(&stub["password"]), text(&stub["pass_stub"]));
    for vector in list("expert_blob") {
        let blob = expert_blob::write(text(&vector["name"]), Some(&proof));
        assert_eq!(blob.as_str(), text(&vector["blob"]));
        let read = expert_blob::parse(text(&vector["blob"])).unwrap();
        assert_eq!(read.name().as_str(), text(&vector["name"]));
        assert_eq!(read.pass(), Some(text(&vector["pass_value"])));
    }
}

#[test]
fn key_hash() {
    let vector = vectors("key_hash");
    let expected = hex::decode(text(&vector["public_key_blob"])).unwrap();
    let modulus: Vec<u8> = expected[20..20 + 256].iter().rev().copied().collect();
    for modulus in [modulus.clone(), [vec![0], modulus].concat()] {
        let blob = PublicKeyBlob::from_rsa(&modulus, 65537);
        assert_eq!(blob.as_bytes(), expected);
        assert_eq!(blob.key_hash().to_string(), text(&vector["KH"]));
        assert_eq!(blob.key_hash2().to_string(), text(&vector["KH2"]["sha256"]));
        for algorithm in ["sha256", "sha384", "sha512"] {
            let hash: KeyHash2 = text(&vector["KH2"][algorithm]).parse().unwrap();
            assert!(hash.matches(&blob), "{algorithm}");
            assert!(!hash.matches(&PublicKeyBlob::from_rsa(&modulus, 3)), "{algorithm}");
            assert_eq!(hash.to_string(), text(&vector["KH2"][algorithm]));
        }
    }
}

fn assert_connection2(found: &ConnectionString2, parsed: &Value) {
    assert_eq!(found.key_hash().to_string(), text(&parsed["auth"]["KH"]));
    assert_eq!(found.key_hash2().map(ToString::to_string).as_deref(), parsed["auth"]["KH2"].as_str());
    let certificate = parsed["auth"]["CE"].as_str().map(|ce| BASE64.decode(ce.replace('\n', "")).unwrap());
    assert_eq!(found.certificate(), certificate.as_deref());
    assert_eq!(found.session_id().expose(), text(&parsed["auth"]["ID"]));
    let transports = parsed["transports"].as_array().unwrap();
    assert_eq!(found.transports().len(), transports.len());
    for (found, transport) in found.transports().iter().zip(transports) {
        assert_eq!((found.id.as_str(), found.session.as_str()), (text(&transport["id"]), text(&transport["sid"])));
        let expected: Vec<_> =
            transport["listeners"].as_array().unwrap().iter().map(|l| (l[0].clone(), l[1].clone())).collect();
        assert_eq!(found.listeners.len(), expected.len());
        for (found, (host, port)) in found.listeners.iter().zip(expected) {
            // The zone of the novice's interface says nothing to anybody else.
            assert_eq!(found.host, text(&host).split('%').next().unwrap().parse::<Host>().unwrap());
            assert_eq!(u64::from(found.port), port.as_u64().unwrap());
        }
    }
}

#[test]
fn lhticket_text() {
    for vector in list("lhticket") {
        let connection: ConnectionString2 = text(&vector["xml"]).parse().unwrap();
        assert_connection2(&connection, &vector["parsed"]);
        assert_eq!(connection.to_string(), text(&vector["xml"]).replace("%12", ""), "prints back byte for byte");
    }
}

fn assert_rc_ticket(found: &RcTicket, parsed: &Value) {
    let addresses: Vec<(String, u64)> =
        found.addresses().iter().map(|address| (address.host.to_string(), u64::from(address.port))).collect();
    let expected: Vec<(String, u64)> = parsed["addresses"]
        .as_array()
        .unwrap()
        .iter()
        .map(|address| (text(&address[0]).to_owned(), address[1].as_u64().unwrap()))
        .collect();
    assert_eq!(addresses, expected);
    assert_eq!(found.session_id().expose(), text(&parsed["session_id"]));
    assert_eq!(found.key_hash().unwrap().to_string(), text(&parsed["protocol_params"]));
}

#[test]
fn rcticket_valid() {
    for (index, vector) in list("rcticket_valid").iter().enumerate() {
        let ticket: RcTicket = text(&vector["text"]).parse().unwrap();
        assert_rc_ticket(&ticket, &vector["parsed"]);
        assert_eq!(ticket.to_string().parse::<RcTicket>().unwrap(), ticket);
        if index < 3 {
            assert_eq!(ticket.to_string(), text(&vector["text"]), "prints back byte for byte");
        }
    }
}

#[test]
fn rcticket_invalid() {
    let vectors = list("rcticket_invalid");
    assert_eq!(vectors.len(), 12);
    for vector in vectors {
        let text = text(&vector["text"]);
        let error = text.parse::<RcTicket>().unwrap_err();
        assert!(error.span().end <= text.len().max(1) && !error.to_string().is_empty(), "{vector}");
    }
}

#[test]
fn invitations() {
    for vector in list("invitations") {
        let label = text(&vector["label"]);
        let parsed = &vector["parsed"];
        let file = file(&vector);
        let invitation = Invitation::parse(&file).unwrap_or_else(|error| panic!("{label}: {error}"));
        assert_eq!(invitation.user_name(), text(&parsed["username"]), "{label}");
        assert_eq!(invitation.password_needed(), parsed["encrypted"].as_bool().unwrap(), "{label}");
        assert_eq!(invitation.start(), parsed["dt_start"].as_u64(), "{label}");
        assert_eq!(invitation.length_minutes().map(u64::from), parsed["dt_length"].as_u64(), "{label}");
        assert_eq!(invitation.expires().map(Expiry::unix_seconds), parsed["expires"].as_u64(), "{label}");
        assert_eq!(invitation.low_speed(), parsed["low_speed"].as_bool().unwrap(), "{label}");
        assert_eq!(invitation.pass_stub().map_or("", PassStub::as_str), text(&parsed["pass_stub"]), "{label}");
        let kind = match (parsed["type"].as_u64(), parsed.get("rcticket").is_some()) {
            (Some(1), true) => Kind::Type1,
            (Some(2), false) => Kind::Type2,
            (Some(2), true) => Kind::Both,
            other => panic!("{label}: {other:?}"),
        };
        assert_eq!(invitation.kind(), kind, "{label}");
        if let Some(ticket) = parsed.get("rcticket") {
            assert_rc_ticket(invitation.rc_ticket().unwrap(), ticket);
        }
        if let (Some(password), Some(stub)) = (vector["password"].as_str(), invitation.pass_stub()) {
            let proof = Password::new(password).unwrap().proof(stub);
            assert_eq!(hex::encode(proof.as_bytes()), text(&parsed["encrypted_pass_stub"]), "{label}");
            assert!(Challenge::from(proof.clone()).meet(Some(&proof.to_hex())).is_some());
        }
        if let Some(connection) = parsed.get("connection2") {
            let password = Password::new(text(&vector["password"])).unwrap();
            assert_connection2(&invitation.lh_ticket().unwrap().decrypt(&password).unwrap(), connection);
        }
        assert_eq!(Invitation::parse(&invitation.to_bytes()).unwrap(), invitation, "{label}");
        if kind != Kind::Type1 && !file.starts_with(b"\xFF\xFE") {
            assert_eq!(invitation.to_bytes(), file, "{label}: prints back byte for byte");
        }
    }
}

#[test]
fn invitations_invalid() {
    let vectors = list("invitations_invalid");
    assert_eq!(vectors.len(), 12);
    for vector in vectors {
        let label = text(&vector["label"]);
        let file = file(&vector);
        match Invitation::parse(&file) {
            Err(error) => {
                assert!(error.span().is_none_or(|span| span.start < span.end && span.end <= file.len()), "{label}");
            }
            Ok(invitation) => {
                assert_eq!(label, "LHTICKET with the wrong password");
                let password = Password::new(text(&vector["password"])).unwrap();
                assert!(invitation.lh_ticket().unwrap().decrypt(&password).is_err());
            }
        }
    }
}

#[test]
fn s028_expiry() {
    for vector in list("expiry") {
        let number = |key: &str| u32::try_from(vector[key].as_u64().unwrap()).unwrap();
        let expiry = Expiry::of(number("dt_start"), number("dt_length"));
        assert_eq!(expiry.unix_seconds(), vector["expires"].as_u64().unwrap());
    }
}

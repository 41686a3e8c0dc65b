//! Replays the files of `testdata/odd` on every decoder and every machine: no panic, no growth, no second life.
#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::fs;
use std::path::Path;

use ra_channels::chunk::{Reassembler, admit};
use ra_channels::encomsp::{self, EncomspExpert, EncomspNovice, ParticipantId};
use ra_channels::remdesk::{self, Credentials, RemdeskExpert, RemdeskNovice};
use ra_channels::{MAX_MESSAGE_BYTES, MAX_WAITING_EVENTS};

#[test]
fn odd_remdesk_messages_are_survived_at_every_stage() {
    for (name, pdu) in files("remdesk") {
        let again = remdesk::decode(&pdu).ok().flatten().map(|message| message.encode());
        if let Some(Ok(bytes)) = again {
            remdesk::decode(&bytes).unwrap_or_else(|error| panic!("{name}: what we write must read: {error}"));
        }
        for before in stages() {
            let mut novice = RemdeskNovice::new();
            let mut expert = expert();
            for pdu in before.iter().chain(std::iter::repeat_n(&pdu, 3 * MAX_WAITING_EVENTS)) {
                let _ = novice.receive(pdu);
                let _ = expert.receive(pdu);
            }
            assert!(novice.take_events().len() <= MAX_WAITING_EVENTS + 1, "{name}");
            assert!(expert.take_events().len() <= MAX_WAITING_EVENTS + 1, "{name}");
        }
    }
}

#[test]
fn odd_encomsp_messages_are_survived() {
    for (name, pdu) in files("encomsp") {
        if let Ok(orders) = encomsp::decode(&pdu) {
            let bytes: Vec<u8> =
                orders.iter().flat_map(|order| order.encode().map(|b| b.to_vec()).unwrap_or_default()).collect();
            encomsp::decode(&bytes).unwrap_or_else(|error| panic!("{name}: what we write must read: {error}"));
        }
        let mut novice = EncomspNovice::new(ParticipantId(1), "Expert").unwrap();
        let _announced = novice.announce();
        let mut expert = EncomspExpert::new();
        for _ in 0..3 * MAX_WAITING_EVENTS {
            novice.receive(&pdu);
            expert.receive(&pdu);
        }
        assert!(novice.take_events().len() <= MAX_WAITING_EVENTS + 1, "{name}");
        assert!(expert.take_events().len() <= MAX_WAITING_EVENTS + 1, "{name}");
    }
}

#[test]
fn odd_chunks_are_survived() {
    for (name, chunk) in files("chunk") {
        let mut reassembler = Reassembler::new();
        for _ in 0..100 {
            let whole = reassembler.push(&chunk);
            assert!(whole.iter().flatten().all(|pdu| pdu.len() <= MAX_MESSAGE_BYTES), "{name}");
            assert!(admit(&chunk).is_ok() || whole.is_err(), "{name}");
        }
    }
}

/// What was said before the odd message: nothing, and each handshake.
fn stages() -> Vec<Vec<Vec<u8>>> {
    let vectors: serde_json::Value = serde_json::from_str(include_str!("../testdata/vectors.json")).unwrap();
    let said = |names: &[&str]| -> Vec<Vec<u8>> {
        names.iter().map(|name| hex::decode(vectors["remdesk"][name].as_str().unwrap()).unwrap()).collect()
    };
    vec![
        vec![],
        said(&["VERSIONINFO 1.2"]),
        said(&["VERSIONINFO 1.2", "AUTHENTICATE"]),
        said(&["EXPERT_ON_VISTA raw", "VERIFY_PASSWORD with NUL"]),
        said(&["SERVER_ANNOUNCE", "VERSIONINFO 1.2", "RESULT 0"]),
    ]
}

fn expert() -> RemdeskExpert {
    let credentials =
        Credentials::VersionOne { connection_string: "65538,1".into(), expert_blob: "11;NAME=Expert".into() };
    RemdeskExpert::new(credentials).unwrap()
}

fn files(channel: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/odd").join(channel);
    let mut files: Vec<(String, Vec<u8>)> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "bin"))
        .map(|path| (path.display().to_string(), fs::read(&path).unwrap()))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "no files in {}", folder.display());
    files
}

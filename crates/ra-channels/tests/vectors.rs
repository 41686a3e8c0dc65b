//! The vectors of the specification, byte for byte in both directions.
#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::collections::BTreeMap;

use ra_channels::chunk::{Direction, Reassembler, split};
use ra_channels::encomsp::{self, ControlFlags, Order, ParticipantFlags, ParticipantId, Rights};
use ra_channels::remdesk::{self, Command, ControlNotice, FileChannel, Message, ResultCode};
use serde_json::Value;

#[test]
fn every_remdesk_vector_reads_as_its_message_and_writes_back() {
    let mut vectors = section("remdesk");
    for (name, message, writes_back) in remdesk_table() {
        let bytes = vectors.remove(name).unwrap_or_else(|| panic!("no vector {name}"));
        assert_eq!(remdesk::decode(&bytes).unwrap().as_ref(), Some(&message), "{name}");
        if writes_back {
            assert_eq!(hex::encode(&*message.encode().unwrap()), hex::encode(&bytes), "{name}");
        }
    }
    assert!(vectors.is_empty(), "vectors without a test: {:?}", vectors.keys());
}

#[test]
fn every_encomsp_vector_reads_as_its_orders_and_writes_back() {
    let mut vectors = section("encomsp");
    for (name, orders) in encomsp_table() {
        let bytes = vectors.remove(name).unwrap_or_else(|| panic!("no vector {name}"));
        assert_eq!(encomsp::decode(&bytes).unwrap(), orders, "{name}");
        let written: Vec<u8> = orders.iter().flat_map(|order| order.encode().unwrap().to_vec()).collect();
        assert_eq!(hex::encode(written), hex::encode(&bytes), "{name}");
    }
    assert!(vectors.is_empty(), "vectors without a test: {:?}", vectors.keys());
}

#[test]
fn every_chunk_vector_is_cut_and_put_together() {
    let vectors = vectors();
    let cases = vectors["virtual_channel_chunks"].as_array().unwrap();
    assert_eq!(cases.len(), 2);
    for case in cases {
        let payload = bytes(&case["payload"]);
        let expected: Vec<Vec<u8>> = case["chunks"].as_array().unwrap().iter().map(bytes).collect();
        let shown = case.get("show_protocol").is_some();
        let direction = if shown { Direction::ToNovice } else { Direction::ToExpert };
        let size = usize::try_from(case["chunk"].as_u64().unwrap()).unwrap();
        assert_eq!(split(&payload, direction, size), expected);

        let mut reassembler = Reassembler::new();
        let (last, before) = expected.split_last().unwrap();
        for chunk in before {
            assert_eq!(reassembler.push(chunk).unwrap(), None);
        }
        assert_eq!(reassembler.push(last).unwrap(), Some(payload));
    }
}

/// Name of a vector, its message, and whether the message is written exactly so.
fn remdesk_table() -> Vec<(&'static str, Message, bool)> {
    let verify = || Message::VerifyPassword { expert_blob: BLOB.into() };
    let setting = Command::Setting { property: "CONTACTEXCHANGE".into(), value: "0".into() };
    let offer = Command::OfferFile {
        name: "note.txt".into(),
        size: "12".into(),
        channel: FileChannel::parse("RA_FX").unwrap(),
        internal: None,
    };
    let mut table = vec![
        ("SERVER_ANNOUNCE", Message::ServerAnnounce, true),
        ("VERSIONINFO 1.2", Message::VersionInfo { major: 1, minor: 2 }, true),
        ("VERSIONINFO 1.1", Message::VersionInfo { major: 1, minor: 1 }, true),
        ("AUTHENTICATE", Message::Authenticate { connection_string: TICKET.into(), expert_blob: BLOB.into() }, true),
        ("REMOTE_CONTROL_DESKTOP", Message::RemoteControlDesktop { connection_string: TICKET.into() }, true),
        ("VERIFY_PASSWORD with NUL", verify(), true),
        ("VERIFY_PASSWORD without NUL", verify(), false),
        ("EXPERT_ON_VISTA raw", Message::ExpertOnVista { encrypted_stub: hex::decode(PASS).unwrap().into() }, true),
        ("DISCONNECT", Message::Disconnect, true),
        ("ISCONNECTED", Message::IsConnected, true),
        ("RANOVICE_NAME", Message::NoviceName("novice17".into()), true),
        ("RAEXPERT_NAME", Message::ExpertName("Expert".into()), true),
        ("71 REMOTECTRLSTART", Message::Command(Command::RequestControl), true),
        ("71 REMOTECTRLEND", Message::Command(Command::ReleaseControl), true),
        ("71 EXPERTIP", Message::Command(Command::ExpertAddress("192.0.2.50".into())), true),
        ("71 SETTINGANNOUNCE", Message::Command(setting), true),
        ("71 FILEXFER", Message::Command(offer), true),
        ("RA_FX FILEXFERREJECT", Message::FileRejected(FileChannel::parse("RA_FX").unwrap()), true),
        ("70 chat", Message::Chat("hello".into()), true),
    ];
    for (name, code) in [
        ("RESULT 0", ResultCode::NoError),
        ("RESULT 25", ResultCode::HelpSessionNotFound),
        ("RESULT 26", ResultCode::InvalidPassword),
        ("RESULT 27", ResultCode::HelpSessionExpired),
        ("RESULT 41", ResultCode::HelpeeSaidNo),
        ("RESULT 42", ResultCode::HelpSessionAccessDenied),
        ("RESULT 47", ResultCode::IncompatibleVersion),
        ("RESULT 61", ResultCode::PasswordsDoNotMatch),
    ] {
        table.push((name, Message::Result(code), true));
    }
    for (name, notice) in [
        ("71 ACCEPTRC", ControlNotice::Granted),
        ("71 REJECTRC", ControlNotice::Rejected),
        ("71 DENIEDRC", ControlNotice::Denied),
        ("71 TAKECONTROL", ControlNotice::Revoked),
        ("71 ESCRC", ControlNotice::RevokedByEsc),
    ] {
        table.push((name, Message::Command(Command::Control(notice)), true));
    }
    table
}

fn encomsp_table() -> Vec<(&'static str, Vec<Order>)> {
    let id = ParticipantId(1);
    let participant = |rights| Order::ParticipantCreated {
        id,
        group: 0,
        flags: ParticipantFlags::own(rights),
        name: "Expert".into(),
    };
    let wish = |rights| vec![Order::ControlChange { flags: ControlFlags::wishing(rights), id }];
    let filter_off = Order::FilterStateUpdated { enabled: false };
    vec![
        ("FILTER_STATE_UPDATED disabled", vec![filter_off.clone()]),
        ("APP_CREATED", vec![Order::AppCreated { flags: 1, app: 7, name: "Desktop".into() }]),
        ("APP_REMOVED", vec![Order::AppRemoved { app: 7 }]),
        ("WND_CREATED", vec![Order::WindowCreated { flags: 1, app: 7, window: 9, name: "Window".into() }]),
        ("WND_REMOVED", vec![Order::WindowRemoved { window: 9 }]),
        ("WND_SHOW", vec![Order::WindowShow { window: 9 }]),
        ("PARTICIPANT_CREATED view", vec![participant(Rights::View)]),
        ("PARTICIPANT_CREATED view+interact", vec![participant(Rights::ViewAndInteract)]),
        ("PARTICIPANT_CREATED none", vec![participant(Rights::Nothing)]),
        ("PARTICIPANT_REMOVED by host", vec![Order::ParticipantRemoved { id, kind: 0, code: 0 }]),
        ("PARTICIPANT_REMOVED by participant", vec![Order::ParticipantRemoved { id, kind: 2, code: 0 }]),
        ("CTRL_CHANGE request view", wish(Rights::View)),
        ("CTRL_CHANGE request view+interact", wish(Rights::ViewAndInteract)),
        ("CTRL_CHANGE_RESPONSE granted", vec![Order::ControlChangeResponse { flags: ControlFlags(3), id, reason: 0 }]),
        ("WND_REGION_UPDATE", vec![Order::WindowRegion { left: 0, top: 0, right: 0x27f, bottom: 0x1df }]),
        ("GRAPHICS_STREAM_PAUSED", vec![Order::GraphicsPaused]),
        ("GRAPHICS_STREAM_RESUMED", vec![Order::GraphicsResumed]),
        ("two orders in one PDU", vec![filter_off, participant(Rights::View)]),
    ]
}

fn section(name: &str) -> BTreeMap<String, Vec<u8>> {
    let vectors = vectors();
    vectors[name].as_object().unwrap().iter().map(|(key, value)| (key.clone(), bytes(value))).collect()
}

fn vectors() -> Value {
    serde_json::from_str(include_str!("../testdata/vectors.json")).unwrap()
}

fn bytes(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().unwrap()).unwrap()
}

const TICKET: &str = "65538,1,192.0.2.17:50312,*,v5vUg/u9g454NPL7f7Zoz47rWCbzItXTTXKBZ3f/7tc5UKFwDQm9t0EmJksNLEO8,*,*,4K0DX3eDf294AICiDclE420wQoQ=";
const PASS: &str = "0734C538BA5E022493E85C2FE366CD39A27DB762A95E9B83B6233FDB9DF371D7";
const BLOB: &str = "11;NAME=Expert69;PASS=0734C538BA5E022493E85C2FE366CD39A27DB762A95E9B83B6233FDB9DF371D7";

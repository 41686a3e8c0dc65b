//! What holds for any message, any bytes and any cut.
#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use proptest::prelude::*;
use ra_channels::chunk::{Direction, Reassembler, split};
use ra_channels::encomsp::{self, ControlFlags, EncomspExpert, EncomspNovice, Order, ParticipantFlags, ParticipantId};
use ra_channels::remdesk::{self, Command, ControlNotice, Credentials, FileChannel, Message, RemdeskExpert};
use ra_channels::remdesk::{RemdeskNovice, ResultCode};
use ra_channels::{MAX_MESSAGE_BYTES, MAX_WAITING_EVENTS};

proptest! {
    #[test]
    fn a_remdesk_message_reads_back_as_it_was_written(message in any_message()) {
        let bytes = message.encode().unwrap();
        prop_assert_eq!(remdesk::decode(&bytes).unwrap(), Some(message));
    }

    #[test]
    fn an_encomsp_order_reads_back_as_it_was_written(orders in prop::collection::vec(any_order(), 0..8)) {
        let bytes: Vec<u8> = orders.iter().flat_map(|order| order.encode().unwrap().to_vec()).collect();
        prop_assert_eq!(encomsp::decode(&bytes).unwrap(), orders);
    }

    #[test]
    fn a_cut_message_is_an_error_and_no_other_message(message in any_message(), at in any::<prop::sample::Index>()) {
        let bytes = message.encode().unwrap();
        let cut = &bytes[..at.index(bytes.len())];
        prop_assert!(remdesk::decode(cut).is_err());
        hear(cut);
    }

    #[test]
    fn a_cut_order_is_an_error_or_fewer_orders(
        orders in prop::collection::vec(any_order(), 1..4),
        at in any::<prop::sample::Index>(),
    ) {
        let bytes: Vec<u8> = orders.iter().flat_map(|order| order.encode().unwrap().to_vec()).collect();
        let cut = &bytes[..at.index(bytes.len())];
        if let Ok(fewer) = encomsp::decode(cut) {
            prop_assert!(fewer.len() < orders.len());
            prop_assert_eq!(&fewer[..], &orders[..fewer.len()]);
        }
        hear(cut);
    }

    #[test]
    fn random_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        hear(&bytes);
        let _ = Reassembler::new().push(&bytes);
    }

    #[test]
    fn random_bytes_behind_an_honest_header_are_survived(
        name in prop::sample::select(vec!["RC_CTL", "70", "71", "RA_FX", "1000.5", "remdesk"]),
        kind in 0_u32..14,
        body in prop::collection::vec(any::<u8>(), 0..400),
    ) {
        hear(&framed(name, &[&kind.to_le_bytes()[..], &body].concat()));
        hear(&framed(name, &body));
    }

    #[test]
    fn a_changed_byte_is_survived(
        message in any_message(),
        at in any::<prop::sample::Index>(),
        value in any::<u8>(),
    ) {
        let mut bytes = message.encode().unwrap();
        let at = at.index(bytes.len());
        bytes[at] = value;
        hear(&bytes);
    }

    #[test]
    fn any_size_of_chunk_puts_together_what_was_cut(
        pdu in prop::collection::vec(any::<u8>(), 0..5000),
        size in 0_usize..2000,
        up in any::<bool>(),
    ) {
        let direction = if up { Direction::ToNovice } else { Direction::ToExpert };
        let mut reassembler = Reassembler::new();
        let chunks = split(&pdu, direction, size);
        let (last, before) = chunks.split_last().unwrap();
        for chunk in before {
            prop_assert_eq!(reassembler.push(chunk), Ok(None));
        }
        prop_assert_eq!(reassembler.push(last), Ok(Some(pdu)));
    }

    #[test]
    fn random_chunks_never_make_a_message_that_is_too_long(
        chunks in prop::collection::vec((0_u32..200_000, 0_u32..4, prop::collection::vec(any::<u8>(), 0..64)), 0..50),
    ) {
        let mut reassembler = Reassembler::new();
        for (length, flags, data) in chunks {
            let chunk = [&length.to_le_bytes()[..], &flags.to_le_bytes(), &data].concat();
            if let Ok(Some(pdu)) = reassembler.push(&chunk) {
                prop_assert!(pdu.len() <= MAX_MESSAGE_BYTES && pdu.len() == length as usize);
            }
        }
    }

    #[test]
    fn texts_without_nul_read_the_same(connection_string in ticket_text(), name in name_text(), password in any::<bool>()) {
        let expert_blob = blob(&name, password);
        let both = format!("{connection_string}{expert_blob}");
        let read = remdesk::decode(&control(3, &both)).unwrap();
        let expected = Message::Authenticate {
            connection_string: connection_string.as_str().into(),
            expert_blob: expert_blob.as_str().into(),
        };
        prop_assert_eq!(read, Some(expected.clone()), "{}", both);
        // One NUL between them, none behind.
        let read = remdesk::decode(&control(3, &format!("{connection_string}\0{expert_blob}"))).unwrap();
        prop_assert_eq!(read, Some(expected));
        let read = remdesk::decode(&control(8, &expert_blob)).unwrap();
        prop_assert_eq!(read, Some(Message::VerifyPassword { expert_blob: expert_blob.as_str().into() }));
        let read = remdesk::decode(&control(1, &connection_string)).unwrap();
        let expected = Message::RemoteControlDesktop { connection_string: connection_string.as_str().into() };
        prop_assert_eq!(read, Some(expected));
    }

    #[test]
    fn bstrs_read_with_and_without_their_length(
        name in "[a-zA-Zäß漢🙂 ]{1,40}",
        stub in prop::collection::vec(any::<u8>(), 32),
        nul in any::<bool>(),
    ) {
        let text: Vec<u8> = utf16(&if nul { format!("{name}\0") } else { name.clone() });
        let bytes_without_nul = utf16(&name).len() as u32;
        let expected = Some(Message::ExpertName(name));
        for length in [text.len() as u32, bytes_without_nul, text.len() as u32 / 2, bytes_without_nul / 2] {
            let body = [&11_u32.to_le_bytes()[..], &length.to_le_bytes(), &text].concat();
            prop_assert_eq!(remdesk::decode(&framed("RC_CTL", &body)).unwrap(), expected.clone());
        }
        let raw = [&11_u32.to_le_bytes()[..], &text].concat();
        prop_assert_eq!(remdesk::decode(&framed("RC_CTL", &raw)).unwrap(), expected);

        let prefixed = [&9_u32.to_le_bytes()[..], &32_u32.to_le_bytes(), &stub].concat();
        let expected = Some(Message::ExpertOnVista { encrypted_stub: stub.into() });
        prop_assert_eq!(remdesk::decode(&framed("RC_CTL", &prefixed)).unwrap(), expected);
    }
}

/// Lets every decoder and every machine hear the bytes; what counts is that all come back, and with few events.
fn hear(bytes: &[u8]) {
    for before in [&[][..], &[vista(), verify()][..]] {
        let mut novice = RemdeskNovice::new();
        for pdu in before.iter().map(Vec::as_slice).chain([bytes, bytes]) {
            let _ = novice.receive(pdu);
        }
        assert!(novice.take_events().len() <= MAX_WAITING_EVENTS + 1);
    }
    let credentials = Credentials::VersionTwo { encrypted_stub: vec![].into(), expert_blob: "6;NAME=E".into() };
    let mut expert = RemdeskExpert::new(credentials).unwrap();
    let _ = expert.receive(&Message::ServerAnnounce.encode().unwrap());
    let _ = expert.receive(bytes);
    assert!(expert.take_events().len() <= MAX_WAITING_EVENTS + 1);

    let mut novice = EncomspNovice::new(ParticipantId(1), "Expert").unwrap();
    let _ = novice.announce();
    novice.receive(bytes);
    assert!(novice.take_events().len() <= MAX_WAITING_EVENTS + 1);
    let mut expert = EncomspExpert::new();
    expert.receive(bytes);
    assert!(expert.take_events().len() <= MAX_WAITING_EVENTS + 1);
}

fn any_message() -> impl Strategy<Value = Message> {
    let text = || prop::string::string_regex("[^\0]{0,60}").unwrap();
    let secret = || prop::string::string_regex("[^\0]{0,200}").unwrap();
    let stub = prop::collection::vec(any::<u8>(), 0..64)
        .prop_filter("raw bytes that look like a length read as one", |stub| !looks_prefixed(stub));
    prop_oneof![
        secret().prop_map(|s| Message::RemoteControlDesktop { connection_string: s.into() }),
        any::<u32>().prop_map(|code| Message::Result(ResultCode::from(code))),
        (secret(), secret()).prop_map(|(connection_string, expert_blob)| Message::Authenticate {
            connection_string: connection_string.into(),
            expert_blob: expert_blob.into(),
        }),
        Just(Message::ServerAnnounce),
        Just(Message::Disconnect),
        (any::<u32>(), any::<u32>()).prop_map(|(major, minor)| Message::VersionInfo { major, minor }),
        Just(Message::IsConnected),
        secret().prop_map(|s| Message::VerifyPassword { expert_blob: s.into() }),
        stub.prop_map(|stub| Message::ExpertOnVista { encrypted_stub: stub.into() }),
        text().prop_map(Message::NoviceName),
        text().prop_map(Message::ExpertName),
        text().prop_map(Message::Chat),
        any_command().prop_map(Message::Command),
        file_channel().prop_map(Message::FileRejected),
    ]
}

fn any_command() -> impl Strategy<Value = Command> {
    let text = || prop::string::string_regex("[^\0]{0,30}").unwrap();
    prop_oneof![
        Just(Command::RequestControl),
        Just(Command::ReleaseControl),
        prop::sample::select(vec![
            ControlNotice::Granted,
            ControlNotice::Rejected,
            ControlNotice::Denied,
            ControlNotice::RevokedByEsc,
            ControlNotice::Revoked,
        ])
        .prop_map(Command::Control),
        text().prop_map(Command::ExpertAddress),
        (text(), text()).prop_map(|(property, value)| Command::Setting { property, value }),
        (text(), text(), file_channel(), prop::option::of(text()))
            .prop_map(|(name, size, channel, internal)| { Command::OfferFile { name, size, channel, internal } }),
    ]
}

fn file_channel() -> impl Strategy<Value = FileChannel> {
    prop::string::string_regex(
        "RA_FX|1000\\.[0-9]{1,10}|[0-9]{1,3}\\.[0-9]{1,3}\\.[0-9]{1,3}\\.[0-9]{1,3}\\.[0-9]{1,10}",
    )
    .unwrap()
    .prop_map(|name| FileChannel::parse(&name).unwrap())
}

fn any_order() -> impl Strategy<Value = Order> {
    let name = || prop::string::string_regex("[^\0]{0,40}").unwrap();
    let id = || any::<u32>().prop_map(ParticipantId);
    let control = || any::<u16>().prop_map(ControlFlags);
    prop_oneof![
        any::<bool>().prop_map(|enabled| Order::FilterStateUpdated { enabled }),
        any::<u32>().prop_map(|app| Order::AppRemoved { app }),
        (any::<u16>(), any::<u32>(), name()).prop_map(|(flags, app, name)| Order::AppCreated { flags, app, name }),
        any::<u32>().prop_map(|window| Order::WindowRemoved { window }),
        (any::<u16>(), any::<u32>(), any::<u32>(), name())
            .prop_map(|(flags, app, window, name)| Order::WindowCreated { flags, app, window, name }),
        any::<u32>().prop_map(|window| Order::WindowShow { window }),
        (id(), any::<u32>(), any::<u32>()).prop_map(|(id, kind, code)| Order::ParticipantRemoved { id, kind, code }),
        (id(), any::<u32>(), any::<u16>().prop_map(ParticipantFlags), name())
            .prop_map(|(id, group, flags, name)| Order::ParticipantCreated { id, group, flags, name }),
        (control(), id()).prop_map(|(flags, id)| Order::ControlChange { flags, id }),
        Just(Order::GraphicsPaused),
        Just(Order::GraphicsResumed),
        (any::<u32>(), any::<u32>(), any::<u32>(), any::<u32>())
            .prop_map(|(left, top, right, bottom)| Order::WindowRegion { left, top, right, bottom }),
        (control(), id(), any::<u32>()).prop_map(|(flags, id, reason)| Order::ControlChangeResponse {
            flags,
            id,
            reason
        }),
    ]
}

/// Connection strings end in base64, in `*`, or in digits, which are the hard case.
fn ticket_text() -> impl Strategy<Value = String> {
    prop::string::string_regex("65538,1,[0-9.:;a-z]{0,40},\\*,[A-Za-z0-9+/]{4,30}[0-9=*]{0,4}").unwrap()
}

fn name_text() -> impl Strategy<Value = String> {
    prop::string::string_regex("[A-Za-z0-9 üß漢]{0,30}").unwrap()
}

fn blob(name: &str, password: bool) -> String {
    let mut blob = format!("{};NAME={name}", 5 + name.encode_utf16().count());
    if password {
        blob.push_str("69;PASS=A21F8247C1C6C7A65F008791D657688F569EE3754307B1967D62DC4ED98926F5");
    }
    blob
}

fn looks_prefixed(stub: &[u8]) -> bool {
    stub.len() >= 4 && stub[2..4] == [0, 0]
}

fn vista() -> Vec<u8> {
    framed("RC_CTL", &[9, 0, 0, 0])
}

fn verify() -> Vec<u8> {
    control(8, "11;NAME=Expert")
}

fn control(kind: u32, text: &str) -> Vec<u8> {
    framed("RC_CTL", &[&kind.to_le_bytes()[..], &utf16(text)].concat())
}

fn framed(name: &str, data: &[u8]) -> Vec<u8> {
    let name = utf16(&format!("{name}\0"));
    [&(name.len() as u32).to_le_bytes()[..], &(data.len() as u32).to_le_bytes(), &name, data].concat()
}

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

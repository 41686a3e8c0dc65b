//! The graphics pipeline against an independent client: what it shows is what the novice has, bit for bit.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should fail there")]

#[path = "support/scenes.rs"]
mod scenes;
#[path = "support/viewer.rs"]
mod viewer;

use std::time::Duration;

use ironrdp_core::{decode, encode_vec};
use ironrdp_egfx::pdu::{
    CacheEntryMetadata, CacheImportOfferPdu, CapabilitiesAdvertisePdu, CapabilitiesV8Flags, CapabilitiesV107Flags,
    CapabilitySet, CapabilityVersion, FrameAcknowledgePdu, GfxPdu, QoeFrameAcknowledgePdu, QueueDepth,
    RawCapabilitySet,
};
use proptest::prelude::*;
use ra_graphics::gfx::{GfxError, GfxServer};
use ra_graphics::{Rect, Size};
use scenes::{Canvas, Random};
use viewer::Viewer;

/// A server and a client in memory.
#[derive(Default)]
struct Pair {
    server: GfxServer,
    viewer: Viewer,
}

impl Pair {
    fn open() -> Self {
        let mut pair = Self::default();
        let advertise = pair.viewer.advertise();
        let replies = pair.server.receive(&advertise, Duration::ZERO).unwrap();
        pair.deliver(replies);
        pair
    }

    fn deliver(&mut self, payloads: Vec<Vec<u8>>) -> usize {
        let bytes = payloads.iter().map(Vec::len).sum();
        for payload in payloads {
            for answer in self.viewer.show(&payload) {
                assert!(self.server.receive(&answer, Duration::ZERO).unwrap().is_empty());
            }
        }
        bytes
    }

    /// Sends a frame and checks what the client then shows; returns the bytes sent.
    fn frame(&mut self, canvas: &Canvas, damage: &[Rect]) -> usize {
        assert!(self.server.ready_for_frame(Duration::ZERO));
        let payloads = self.server.frame(&canvas.view(), damage, Duration::from_millis(1234)).unwrap();
        assert!(payloads.iter().all(|payload| payload.len() <= 65_537), "one segment each");
        let bytes = self.deliver(payloads);
        assert_eq!(self.viewer.size, canvas.size);
        assert!(self.viewer.screen == canvas.colours(), "the client's picture differs");
        bytes
    }
}

#[test]
fn every_kind_of_picture_arrives_exactly() {
    for (width, height) in [(1, 1), (3, 5), (64, 64), (65, 63), (257, 129), (640, 480), (1919, 1079)] {
        let size = Size::new(width, height);
        let mut pair = Pair::open();
        let mut canvas = Canvas::new(size, 1);
        pair.frame(&canvas, &[]);
        let draw: [fn(&mut Canvas, Rect); 6] = [
            |canvas, rect| canvas.gradient(rect),
            |canvas, rect| canvas.horizontal_gradient(rect),
            |canvas, rect| canvas.text(rect, 3),
            |canvas, rect| canvas.noise(rect),
            |canvas, rect| canvas.photograph(rect, 0.5),
            |canvas, rect| canvas.fill(rect, 0xFF_8000),
        ];
        for draw in draw {
            draw(&mut canvas, size.rect());
            pair.frame(&canvas, &[size.rect()]);
        }
    }
}

#[test]
fn damage_at_the_edges_and_beyond_them_is_shown() {
    let size = Size::new(300, 200);
    let mut pair = Pair::open();
    let mut canvas = Canvas::new(size, 2);
    pair.frame(&canvas, &[]);
    for rect in [
        Rect::new(0, 0, 1, 1),
        Rect::new(299, 199, 1, 1),
        Rect::new(299, 0, 1, 200),
        Rect::new(0, 199, 300, 1),
        Rect::new(290, 190, 1000, 1000),
        Rect::new(63, 63, 2, 2),
    ] {
        canvas.noise(rect);
        pair.frame(&canvas, &[rect, rect, Rect::new(5000, 5000, 10, 10), Rect::default()]);
    }
}

#[test]
fn what_did_not_change_is_not_sent() {
    let size = Size::new(800, 600);
    let mut pair = Pair::open();
    let mut canvas = Canvas::new(size, 3);
    canvas.photograph(size.rect(), 0.0);
    let whole = pair.frame(&canvas, &[]);
    assert_eq!(pair.frame(&canvas, &[size.rect()]), 0, "an unchanged screen costs nothing");
    canvas.noise(Rect::new(400, 300, 7, 9));
    assert!(pair.frame(&canvas, &[size.rect()]) < 400, "only the changed pixels travel");
    pair.server.repaint();
    assert!(pair.frame(&canvas, &[]) > whole / 2, "a repaint sends everything");
}

#[test]
fn text_is_short() {
    let size = Size::new(1920, 1080);
    let mut pair = Pair::open();
    let mut canvas = Canvas::new(size, 4);
    canvas.text(size.rect(), 0);
    let bytes = pair.frame(&canvas, &[]);
    assert!(bytes < 500_000, "a page of text in {bytes} bytes");
    let mut blank = Pair::open();
    let bytes = blank.frame(&Canvas::new(size, 5), &[]);
    assert!(bytes < 2_000, "a blank screen in {bytes} bytes");
}

#[test]
fn scrolled_text_is_moved_not_sent() {
    let size = Size::new(1000, 800);
    let page = Rect::new(100, 30, 700, 720);
    for distance in [1, 7, 16, 100, 400] {
        let mut pair = Pair::open();
        let mut canvas = Canvas::new(size, 10);
        canvas.photograph(size.rect(), 0.3);
        canvas.text(page, 1);
        pair.frame(&canvas, &[]);
        let whole = {
            pair.server.repaint();
            pair.frame(&canvas, &[])
        };
        // Up, and the new lines at the bottom; a scroll bar beside it moves the other way; a clock elsewhere changes.
        let mut scrolled = |from: u16, to: u16, fresh: Rect| {
            canvas.scroll(page, from, to);
            canvas.text(fresh, u64::from(from) + 77);
            canvas.fill(Rect::new(810, 100 + to, 12, 50), 0x33_3333);
            canvas.noise(Rect::new(950, 2, 20, 10));
            let bytes = pair.frame(&canvas, &[size.rect()]);
            let fresh = fresh.area() as f64 / page.area() as f64;
            assert!((bytes as f64) < whole as f64 * (fresh + 0.1), "{distance}: {bytes} of {whole} bytes");
        };
        scrolled(distance, 0, Rect::new(page.x, page.y + page.height - distance, page.width, distance));
        scrolled(0, distance, Rect::new(page.x, page.y, page.width, distance));
    }
}

#[test]
fn a_resize_needs_no_new_connection() {
    let mut pair = Pair::open();
    for (width, height) in [(640, 480), (1280, 720), (1280, 721), (1, 1), (8192, 64), (640, 480)] {
        let size = Size::new(width, height);
        let mut canvas = Canvas::new(size, 6);
        canvas.text(size.rect(), 1);
        pair.frame(&canvas, &[]);
        canvas.noise(Rect::new(0, 0, 40, 40));
        pair.frame(&canvas, &[Rect::new(0, 0, 40, 40)]);
    }
}

#[test]
fn two_frames_are_in_flight_at_most_and_acknowledgements_free_them() {
    let mut pair = Pair::open();
    let size = Size::new(100, 100);
    let mut canvas = Canvas::new(size, 7);
    let mut held = Vec::new();
    while pair.server.ready_for_frame(Duration::ZERO) {
        canvas.noise(size.rect());
        held.push(pair.server.frame(&canvas.view(), &[size.rect()], Duration::ZERO).unwrap());
    }
    assert_eq!(held.len(), 2);
    assert_eq!(pair.server.frames_in_flight(), 2);
    held.into_iter().for_each(|payloads| {
        pair.deliver(payloads);
    });
    assert_eq!(pair.server.frames_in_flight(), 0);
    assert!(pair.viewer.screen == canvas.colours());
}

#[test]
fn a_client_that_suspends_acknowledgements_is_not_waited_for() {
    let mut pair = Pair::open();
    let size = Size::new(100, 100);
    let mut canvas = Canvas::new(size, 8);
    let acknowledge = |queue_depth, frame_id| {
        encode_vec(&GfxPdu::FrameAcknowledge(FrameAcknowledgePdu { queue_depth, frame_id, total_frames_decoded: 0 }))
            .unwrap()
    };
    pair.server.receive(&acknowledge(QueueDepth::Suspend, 0), Duration::ZERO).unwrap();
    for _ in 0..10 {
        canvas.noise(size.rect());
        assert!(pair.server.ready_for_frame(Duration::ZERO));
        pair.server.frame(&canvas.view(), &[size.rect()], Duration::ZERO).unwrap();
    }
    pair.server.receive(&acknowledge(QueueDepth::AvailableBytes(7), 12_345), Duration::ZERO).unwrap();
    for _ in 0..2 {
        canvas.noise(size.rect());
        pair.server.frame(&canvas.view(), &[size.rect()], Duration::ZERO).unwrap();
    }
    assert!(!pair.server.ready_for_frame(Duration::ZERO), "it speaks again, so it is waited for again");
}

#[test]
fn a_client_may_start_all_over() {
    let mut pair = Pair::open();
    let size = Size::new(200, 100);
    let mut canvas = Canvas::new(size, 9);
    pair.frame(&canvas, &[]);
    canvas.photograph(size.rect(), 1.0);
    // A frame that is on its way while the client starts over is ignored by it.
    let lost = pair.server.frame(&canvas.view(), &[size.rect()], Duration::ZERO).unwrap();
    let again = pair.viewer.start_over();
    pair.deliver(lost);
    let replies = pair.server.receive(&again, Duration::ZERO).unwrap();
    pair.deliver(replies);
    pair.frame(&canvas, &[]);
}

fn advertise(sets: Vec<RawCapabilitySet>) -> Vec<u8> {
    encode_vec(&GfxPdu::CapabilitiesAdvertise(CapabilitiesAdvertisePdu(sets))).unwrap()
}

#[test]
fn the_newest_known_version_is_chosen() {
    let known: RawCapabilitySet = (&CapabilitySet::V8 { flags: CapabilitiesV8Flags::THIN_CLIENT }).into();
    let newest: RawCapabilitySet = (&CapabilitySet::V10_7 { flags: CapabilitiesV107Flags::AVC_DISABLED }).into();
    let unknown = RawCapabilitySet::new(CapabilityVersion(0xF0_0000), vec![1, 2, 3]);
    let broken = RawCapabilitySet::new(CapabilityVersion::V10_7, vec![]);

    let mut server = GfxServer::new();
    let replies =
        server.receive(&advertise(vec![known.clone(), newest.clone(), unknown.clone()]), Duration::ZERO).unwrap();
    assert_eq!(server.version(), Some(0xA_0701));
    let GfxPdu::CapabilitiesConfirm(confirm) = decode::<GfxPdu>(&replies[0][2..]).unwrap() else {
        panic!("the first answer confirms")
    };
    assert_eq!(confirm.0, newest);

    server.receive(&advertise(vec![broken.clone(), known]), Duration::ZERO).unwrap();
    assert_eq!(server.version(), Some(0x8_0004), "a second offer counts");
    let mut server = GfxServer::new();
    let error = server.receive(&advertise(vec![unknown, broken]), Duration::ZERO).unwrap_err();
    assert!(matches!(error, GfxError::NoCommonVersion));
    assert!(!server.ready_for_frame(Duration::ZERO));
    let canvas = Canvas::new(Size::new(4, 4), 0);
    assert!(matches!(server.frame(&canvas.view(), &[], Duration::ZERO), Err(GfxError::NotOpen)));
}

#[test]
fn a_cache_offer_is_declined_and_quality_reports_are_ignored() {
    let mut server = GfxServer::new();
    let cache_entries = vec![CacheEntryMetadata { cache_key: 1, bitmap_len: 2 }; 5462];
    let offer = encode_vec(&GfxPdu::CacheImportOffer(CacheImportOfferPdu { cache_entries })).unwrap();
    let replies = server.receive(&offer, Duration::ZERO).unwrap();
    let GfxPdu::CacheImportReply(reply) = decode::<GfxPdu>(&replies[0][2..]).unwrap() else {
        panic!("an offer is answered")
    };
    assert!(reply.cache_slots.is_empty());
    let report = QoeFrameAcknowledgePdu { frame_id: 1, timestamp: 2, time_diff_se: 3, time_diff_dr: 4 };
    assert!(
        server.receive(&encode_vec(&GfxPdu::QoeFrameAcknowledge(report)).unwrap(), Duration::ZERO).unwrap().is_empty()
    );
    // Two messages in one, and one that only servers send.
    let two = [offer.clone(), encode_vec(&GfxPdu::EndFrame(ironrdp_egfx::pdu::EndFramePdu { frame_id: 1 })).unwrap()];
    assert_eq!(server.receive(&two.concat(), Duration::ZERO).unwrap().len(), 1);
    assert!(matches!(server.receive(&vec![0; 200_000], Duration::ZERO), Err(GfxError::TooLong(200_000))));
}

/// A change of the novice's screen.
#[derive(Debug, Clone)]
enum Change {
    Fill(Rect, u32),
    Noise(Rect),
    Photograph(Rect),
    Gradient(Rect),
    Text(Rect, u64),
    Scroll(u16, u16),
    Resize(u16, u16),
    Repaint,
    StartOver,
}

fn any_rect() -> impl Strategy<Value = Rect> {
    (0u16..300, 0u16..300, 0u16..300, 0u16..300).prop_map(|(x, y, width, height)| Rect::new(x, y, width, height))
}

fn any_change() -> impl Strategy<Value = Change> {
    prop_oneof![
        3 => (any_rect(), 0u32..0x100_0000).prop_map(|(rect, colour)| Change::Fill(rect, colour)),
        2 => any_rect().prop_map(Change::Noise),
        2 => any_rect().prop_map(Change::Photograph),
        2 => any_rect().prop_map(Change::Gradient),
        4 => (any_rect(), any::<u64>()).prop_map(|(rect, seed)| Change::Text(rect, seed >> 1)),
        4 => (0u16..100, 0u16..100).prop_map(|(from, to)| Change::Scroll(from, to)),
        1 => (1u16..400, 1u16..300).prop_map(|(width, height)| Change::Resize(width, height)),
        1 => Just(Change::Repaint),
        1 => Just(Change::StartOver),
    ]
}

#[test]
fn a_new_picture_of_the_same_size_arrives_when_it_is_reported() {
    // Found by the property below, which then kept silent about what had changed.
    let size = Size::new(246, 51);
    let mut pair = Pair::open();
    let mut canvas = Canvas::new(size, 8_754_412_929_064_947_783);
    canvas.fill(Rect::new(0, 0, 1, 1), 0);
    pair.frame(&canvas, &[]);
    pair.frame(&Canvas::new(size, 8_754_412_929_064_947_783), &[size.rect()]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn after_each_frame_the_client_has_the_novices_picture(
        changes in prop::collection::vec((any_change(), any::<bool>()), 1..24),
        seed in any::<u64>(),
    ) {
        let mut pair = Pair::open();
        let mut canvas = Canvas::new(Size::new(280, 190), seed);
        let mut damage = Vec::new();
        pair.frame(&canvas, &[]);
        for (change, send_now) in changes {
            let whole = canvas.size.rect();
            match change {
                Change::Fill(rect, colour) => { canvas.fill(rect, colour); damage.push(rect); }
                Change::Noise(rect) => { canvas.noise(rect); damage.push(rect); }
                Change::Photograph(rect) => { canvas.photograph(rect, 0.1); damage.push(rect); }
                Change::Gradient(rect) => { canvas.gradient(rect); damage.push(rect); }
                Change::Text(rect, line) => { canvas.text(rect, line); damage.push(rect); }
                Change::Scroll(from, to) => { canvas.scroll(whole, from, to); damage.push(whole); }
                Change::Resize(width, height) => {
                    canvas = Canvas::new(Size::new(width, height), seed);
                    damage.clear();
                    // Another size says by itself that all is new; a new picture of the size that the client has does
                    // not, so that it counts as damage like any other change.
                    damage.extend((canvas.size == pair.viewer.size).then(|| canvas.size.rect()));
                }
                Change::Repaint => pair.server.repaint(),
                Change::StartOver => {
                    let again = pair.viewer.start_over();
                    let replies = pair.server.receive(&again, Duration::ZERO).unwrap();
                    pair.deliver(replies);
                }
            }
            if send_now {
                pair.frame(&canvas, &damage);
                damage.clear();
            }
        }
        pair.frame(&canvas, &damage);
    }

    #[test]
    fn random_bytes_from_the_peer_never_panic(
        messages in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..40),
    ) {
        let mut server = GfxServer::new();
        for message in messages {
            let _ = server.receive(&message, Duration::ZERO);
        }
    }

    #[test]
    fn damaged_messages_from_the_peer_never_panic_or_wedge(
        seed in any::<u64>(),
        rounds in 1usize..60,
    ) {
        let mut random = Random(seed);
        let mut pair = Pair::open();
        let mut canvas = Canvas::new(Size::new(70, 70), seed);
        pair.frame(&canvas, &[]);
        let set: RawCapabilitySet = (&CapabilitySet::V8 { flags: CapabilitiesV8Flags::THIN_CLIENT }).into();
        for _ in 0..rounds {
            let mut message = match random.below(3) {
                0 => advertise(vec![set.clone(); random.below(5) as usize]),
                1 => encode_vec(&GfxPdu::CacheImportOffer(CacheImportOfferPdu {
                    cache_entries: vec![CacheEntryMetadata { cache_key: 1, bitmap_len: 2 }; random.below(30) as usize],
                })).unwrap(),
                _ => encode_vec(&GfxPdu::FrameAcknowledge(FrameAcknowledgePdu {
                    queue_depth: QueueDepth::from_u32([0, 1, u32::MAX][random.below(3) as usize]),
                    frame_id: random.below(40) as u32,
                    total_frames_decoded: random.next() as u32,
                })).unwrap(),
            };
            for _ in 0..random.below(4) {
                let at = random.below(message.len() as u64) as usize;
                message[at] = random.next() as u8;
            }
            if random.below(4) == 0 {
                message.truncate(random.below(message.len() as u64) as usize);
            }
            let _ = pair.server.receive(&message, Duration::ZERO);
            if pair.server.ready_for_frame(Duration::ZERO) {
                canvas.noise(Rect::new(0, 0, 9, 9));
                pair.server.frame(&canvas.view(), &[canvas.size.rect()], Duration::ZERO).unwrap();
            }
        }
        // Whatever was said, a client that starts properly sees the picture.
        let mut viewer = Viewer::default();
        let replies = pair.server.receive(&viewer.advertise(), Duration::ZERO).unwrap();
        pair.viewer = viewer;
        pair.deliver(replies);
        pair.frame(&canvas, &[]);
    }
}

//! Fast-path updates against an independent client: bitmaps in every depth, frame markers and pointers.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should fail there")]

#[path = "support/fastpath.rs"]
mod fastpath;
#[path = "support/scenes.rs"]
mod scenes;

use fastpath::{Viewer, kept};
use ironrdp_core::{ReadCursor, decode_cursor};
use ironrdp_pdu::fast_path::{FastPathHeader, FastPathUpdate, FastPathUpdatePdu, UpdateCode};
use ironrdp_pdu::pointer::PointerUpdateData;
use ironrdp_pdu::surface_commands::{FrameAction, SurfaceCommand};
use ironrdp_session::fast_path::UpdateKind;
use proptest::prelude::*;
use ra_graphics::bitmap::{BitmapClient, BitmapEncoder, ColorDepth};
use ra_graphics::pointer::{Alpha, PointerClient, PointerEncoder, PointerError, PointerShape};
use ra_graphics::{Rect, Size};
use scenes::{Canvas, Random};

fn client(depth: ColorDepth, skip_alpha: bool) -> BitmapClient {
    BitmapClient { depth, skip_alpha, frame_acknowledge: None }
}

const DEPTHS: [ColorDepth; 4] = [ColorDepth::Bpp15, ColorDepth::Bpp16, ColorDepth::Bpp24, ColorDepth::Bpp32];

#[test]
fn every_kind_of_picture_arrives_exactly_in_every_depth() {
    for (width, height) in [(1, 1), (3, 5), (65, 63), (319, 201), (1919, 1079)] {
        let size = Size::new(width, height);
        for (depth, skip_alpha) in DEPTHS.map(|depth| (depth, true)).into_iter().chain([(ColorDepth::Bpp32, false)]) {
            let mut encoder = BitmapEncoder::new(client(depth, skip_alpha));
            let mut viewer = Viewer::new(size);
            let mut canvas = Canvas::new(size, 1);
            let draw: [fn(&mut Canvas, Rect); 5] = [
                |_, _| {},
                |canvas, rect| canvas.gradient(rect),
                |canvas, rect| canvas.text(rect, 3),
                |canvas, rect| canvas.noise(rect),
                |canvas, rect| canvas.photograph(rect, 0.5),
            ];
            for draw in draw {
                draw(&mut canvas, size.rect());
                assert!(encoder.ready_for_frame());
                viewer.show(&encoder.frame(&canvas.view(), &[size.rect()]));
                assert!(kept(depth, &viewer.colours()) == kept(depth, &canvas.colours()), "{depth:?} {size:?}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn after_each_frame_the_client_has_the_novices_picture(
        rects in prop::collection::vec((0u16..260, 0u16..260, 0u16..260, 0u16..260, 0u8..4), 1..12),
        depth in 0usize..4,
        seed in any::<u64>(),
    ) {
        let (depth, size) = (DEPTHS[depth], Size::new(230, 170));
        let mut encoder = BitmapEncoder::new(client(depth, seed % 2 == 0));
        let mut viewer = Viewer::new(size);
        let mut canvas = Canvas::new(size, seed);
        viewer.show(&encoder.frame(&canvas.view(), &[]));
        for (x, y, width, height, kind) in rects {
            let rect = Rect::new(x, y, width, height);
            match kind {
                0 => canvas.fill(rect, seed as u32 & 0xFF_FFFF),
                1 => canvas.text(rect, seed >> 1),
                2 => canvas.photograph(rect, 0.2),
                _ => canvas.noise(rect),
            }
            viewer.show(&encoder.frame(&canvas.view(), &[rect]));
            prop_assert!(kept(depth, &viewer.colours()) == kept(depth, &canvas.colours()));
        }
        prop_assert!(encoder.frame(&canvas.view(), &[size.rect()]).is_empty());
    }
}

#[test]
fn s117_fewer_colours_take_fewer_bytes() {
    let size = Size::new(640, 480);
    let draw: [fn(&mut Canvas, Rect); 3] = [
        |canvas, rect| canvas.text(rect, 3),
        |canvas, rect| canvas.photograph(rect, 0.5),
        |canvas, rect| canvas.gradient(rect),
    ];
    for draw in draw {
        let mut canvas = Canvas::new(size, 1);
        draw(&mut canvas, size.rect());
        let bytes = |depth| -> usize {
            BitmapEncoder::new(client(depth, true)).frame(&canvas.view(), &[]).iter().map(Vec::len).sum()
        };
        assert!(bytes(ColorDepth::Bpp16) < bytes(ColorDepth::Bpp32));
        assert!(bytes(ColorDepth::Bpp16) < bytes(ColorDepth::Bpp24));
    }
}

#[test]
fn frames_are_marked_for_clients_that_acknowledge_them() {
    let size = Size::new(300, 300);
    let mut encoder =
        BitmapEncoder::new(BitmapClient { depth: ColorDepth::Bpp32, skip_alpha: true, frame_acknowledge: Some(2) });
    let mut viewer = Viewer::new(size);
    let mut canvas = Canvas::new(size, 1);
    let mut ids = Vec::new();
    while encoder.ready_for_frame() {
        canvas.noise(size.rect());
        let pdus = encoder.frame(&canvas.view(), &[size.rect()]);
        let markers: Vec<_> = [pdus.first().unwrap(), pdus.last().unwrap()].map(|pdu| marker(pdu)).into();
        assert_eq!(markers[0].0, FrameAction::Begin);
        assert_eq!(markers[1].0, FrameAction::End);
        assert_eq!(markers[0].1, markers[1].1);
        ids.push(markers[0].1);
        viewer.show(&pdus);
    }
    assert_eq!(ids.len(), 2);
    assert_eq!(viewer.answers, 2, "the client acknowledges what is marked");
    encoder.acknowledge(ids[1]);
    assert!(encoder.ready_for_frame());
    let mut patient =
        BitmapEncoder::new(BitmapClient { depth: ColorDepth::Bpp32, skip_alpha: true, frame_acknowledge: Some(1) });
    patient.frame(&canvas.view(), &[]);
    assert!(!patient.ready_for_frame(), "a client may bear fewer than two");
    assert!(encoder.frame(&canvas.view(), &[size.rect()]).is_empty(), "nothing changed, nothing is marked");
}

fn marker(pdu: &[u8]) -> (FrameAction, u32) {
    let mut cursor = ReadCursor::new(pdu);
    decode_cursor::<FastPathHeader>(&mut cursor).unwrap();
    let update = decode_cursor::<FastPathUpdatePdu<'_>>(&mut cursor).unwrap();
    let Ok(FastPathUpdate::SurfaceCommands(commands)) =
        FastPathUpdate::decode_with_code(update.data, update.update_code)
    else {
        panic!("not a surface command")
    };
    match &commands[..] {
        [SurfaceCommand::FrameMarker(marker)] => (marker.frame_action, marker.frame_id.unwrap()),
        _ => panic!("not a frame marker"),
    }
}

fn shape(pixels: &[u8], width: u16, height: u16) -> PointerShape<'_> {
    PointerShape { pixels, alpha: Alpha::Straight, width, height, hot_x: 3, hot_y: 2 }
}

fn pointer_client() -> PointerClient {
    PointerClient { cache_size: 20, color_cache_size: 20, large_pointer_flags: 3, max_request_size: Some(0x3F_0000) }
}

/// A pointer of noise with every alpha, among them none.
fn noisy(width: u16, height: u16, seed: u64) -> Vec<u8> {
    let mut random = Random(seed);
    let mut pixels = Vec::new();
    for _ in 0..usize::from(width) * usize::from(height) {
        let [b, g, r, a, hidden, ..] = random.next().to_le_bytes();
        pixels.extend_from_slice(&if hidden < 64 { [0; 4] } else { [b, g, r, a.max(1)] });
    }
    pixels
}

#[test]
fn pointers_of_every_size_arrive_exactly() {
    for (width, height) in [(1, 1), (7, 9), (16, 16), (17, 31), (32, 32), (33, 24), (96, 96), (97, 50), (384, 384)] {
        let pixels = noisy(width, height, 5);
        let mut encoder = PointerEncoder::new(pointer_client());
        let mut viewer = Viewer::new(Size::new(10, 10));
        let updates = viewer.show(&encoder.shape(&shape(&pixels, width, height)).unwrap());
        let Some(UpdateKind::PointerBitmap(pointer)) = updates.last() else { panic!("no pointer in {updates:?}") };
        assert_eq!((pointer.width, pointer.height), (width, height));
        assert_eq!((pointer.hotspot_x, pointer.hotspot_y), (3.min(width - 1), 2.min(height - 1)));
        let expected: Vec<u8> = pixels.chunks_exact(4).flat_map(|p| [p[2], p[1], p[0], p[3]]).collect();
        assert!(pointer.bitmap_data == expected, "{width}x{height}");
    }
}

#[test]
fn a_shape_that_the_client_still_has_is_named_by_its_place() {
    let mut encoder = PointerEncoder::new(PointerClient { cache_size: 2, ..pointer_client() });
    let mut viewer = Viewer::new(Size::new(10, 10));
    let shapes: Vec<_> = (0..3).map(|seed| noisy(8, 8, seed)).collect();
    let mut cached = Vec::new();
    for which in [0, 1, 0, 2, 0, 1] {
        let pdus = encoder.shape(&shape(&shapes[which], 8, 8)).unwrap();
        cached.push(update_code(&pdus[0]) == UpdateCode::CachedPointer);
        let updates = viewer.show(&pdus);
        let Some(UpdateKind::PointerBitmap(pointer)) = updates.last() else { panic!("no pointer") };
        let expected: Vec<u8> = shapes[which].chunks_exact(4).flat_map(|p| [p[2], p[1], p[0], p[3]]).collect();
        assert_eq!(pointer.bitmap_data, expected);
    }
    assert_eq!(cached, [false, false, true, false, true, false], "the one that was not used for longest gives way");
}

#[test]
fn a_client_without_a_cache_gets_every_shape_in_full() {
    let client = PointerClient { cache_size: 0, color_cache_size: 0, large_pointer_flags: 0, max_request_size: None };
    let mut encoder = PointerEncoder::new(client);
    let pixels = noisy(8, 8, 1);
    for _ in 0..3 {
        let pdus = encoder.shape(&shape(&pixels, 8, 8)).unwrap();
        assert_eq!(update_code(&pdus[0]), UpdateCode::ColorPointer);
    }
}

fn update_code(pdu: &[u8]) -> UpdateCode {
    let mut cursor = ReadCursor::new(pdu);
    decode_cursor::<FastPathHeader>(&mut cursor).unwrap();
    decode_cursor::<FastPathUpdatePdu<'_>>(&mut cursor).unwrap().update_code
}

#[test]
fn a_shape_too_large_for_the_client_is_scaled_down() {
    let pixels: Vec<u8> = [10, 20, 200, 0xFF].repeat(100 * 60);
    let largest = |client: PointerClient| {
        let pdus = PointerEncoder::new(client).shape(&shape(&pixels, 100, 60)).unwrap();
        let mut viewer = Viewer::new(Size::new(10, 10));
        let updates = viewer.show(&pdus);
        let Some(UpdateKind::PointerBitmap(pointer)) = updates.last() else { panic!("no pointer") };
        assert!(pointer.bitmap_data.chunks_exact(4).all(|pixel| pixel == [200, 20, 10, 0xFF]));
        (pointer.width, pointer.height)
    };
    assert_eq!(largest(pointer_client()), (100, 60));
    assert_eq!(largest(PointerClient { large_pointer_flags: 1, ..pointer_client() }), (50, 30));
    assert_eq!(largest(PointerClient { large_pointer_flags: 0, ..pointer_client() }), (25, 15));
    assert_eq!(largest(PointerClient { max_request_size: Some(20_000), ..pointer_client() }), (25, 15));
    assert_eq!(largest(PointerClient { max_request_size: None, ..pointer_client() }), (25, 15));
}

#[test]
fn premultiplied_colours_are_divided_again() {
    // Half transparent white, and a colour brighter than its alpha, which X does not forbid.
    let pixels = [128, 128, 128, 128, 255, 10, 0, 20];
    let pointer = PointerShape { alpha: Alpha::Premultiplied, ..shape(&pixels, 2, 1) };
    let pdus = PointerEncoder::new(pointer_client()).shape(&pointer).unwrap();
    let updates = Viewer::new(Size::new(10, 10)).show(&pdus);
    let Some(UpdateKind::PointerBitmap(pointer)) = updates.last() else { panic!("no pointer") };
    assert_eq!(pointer.bitmap_data, [255, 255, 255, 128, 0, 128, 255, 20]);
}

#[test]
fn old_clients_get_a_mask_instead_of_alpha() {
    let pixels = [9, 8, 7, 0xFF, 6, 5, 4, 0x10, 3, 2, 1, 0x90];
    let client = PointerClient { cache_size: 0, color_cache_size: 20, large_pointer_flags: 0, max_request_size: None };
    let pdus = PointerEncoder::new(client).shape(&shape(&pixels, 3, 1)).unwrap();
    assert_eq!(update_code(&pdus[0]), UpdateCode::ColorPointer);
    let updates = Viewer::new(Size::new(10, 10)).show(&pdus);
    let Some(UpdateKind::PointerBitmap(pointer)) = updates.last() else { panic!("no pointer") };
    assert_eq!(pointer.bitmap_data, [7, 8, 9, 0xFF, 0, 0, 0, 0, 1, 2, 3, 0xFF]);
}

#[test]
fn the_rest_of_the_pointer_updates_are_understood() {
    let mut encoder = PointerEncoder::new(pointer_client());
    let mut viewer = Viewer::new(Size::new(10, 10));
    assert!(matches!(viewer.show(&[encoder.hidden()])[..], [UpdateKind::PointerHidden]));
    assert!(matches!(viewer.show(&[encoder.default_shape()])[..], [UpdateKind::PointerDefault]));
    let updates = viewer.show(&[encoder.position(700, 65_535)]);
    assert!(matches!(updates[..], [UpdateKind::PointerPosition { x: 700, y: 65_535 }]));
    assert_eq!(encoder.shape(&shape(&[], 0, 5)).unwrap(), [encoder.hidden()]);
    let error = encoder.shape(&shape(&[0; 5], 1, 1)).unwrap_err();
    assert_eq!(error, PointerError::Length { given: 5, needed: 4 });
    // The PDU is as short as it can be.
    let pdu = encoder.position(1, 2);
    let mut cursor = ReadCursor::new(&pdu);
    decode_cursor::<FastPathHeader>(&mut cursor).unwrap();
    let update = decode_cursor::<FastPathUpdatePdu<'_>>(&mut cursor).unwrap();
    let Ok(FastPathUpdate::Pointer(PointerUpdateData::SetPosition(place))) =
        FastPathUpdate::decode_with_code(update.data, update.update_code)
    else {
        panic!("not a position")
    };
    assert_eq!((place.x, place.y), (1, 2));
}

//! Film, from pixels through H.264 to the pixels of an independent client.
#![cfg(feature = "h264")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should fail there")]

#[path = "support/film.rs"]
mod film;

use film::{Film, Picture};
use ironrdp_core::decode;
use ironrdp_egfx::decode::{H264Decoder, OpenH264Decoder};
use ironrdp_egfx::pdu::Avc420BitmapStream;
use ra_graphics::video::{VideoEncoder, VideoError, openh264};
use ra_graphics::{FrameView, Rect, Size};

/// An encoder, and the decoder of the IronRDP family, which converts as FreeRDP and Windows do.
struct Projector {
    encoder: Box<dyn VideoEncoder>,
    decoder: OpenH264Decoder,
}

/// What arrived: its size, and red, green, blue and opacity of each pixel.
struct Shown {
    width: usize,
    height: usize,
    bytes: Vec<u8>,
    length: usize,
    first: bool,
}

impl Projector {
    fn new() -> Self {
        Self { encoder: openh264().unwrap(), decoder: OpenH264Decoder::new().unwrap() }
    }

    fn show(&mut self, picture: &FrameView<'_>, area: Rect, budget: Option<usize>) -> Shown {
        let mut out = b"before".to_vec();
        self.encoder.encode(picture, area, &[Rect::new(0, 0, area.width, area.height)], budget, &mut out).unwrap();
        assert!(out.starts_with(b"before"), "what was there stays there");
        let stream: Avc420BitmapStream<'_> = decode(&out[6..]).unwrap();
        assert_eq!(stream.rectangles.len(), 1);
        let frame = self.decoder.decode(stream.data).unwrap();
        Shown {
            width: frame.width() as usize,
            height: frame.height() as usize,
            length: out.len() - 6,
            first: sets_parameters(stream.data),
            bytes: frame.into_data(),
        }
    }
}

/// Whether the stream begins anew: it carries a sequence parameter set. Source: ITU-T H.264, 7.3.1, type 7.
fn sets_parameters(stream: &[u8]) -> bool {
    stream.windows(4).any(|bytes| bytes[..3] == [0, 0, 1] && bytes[3] & 0x1F == 7)
}

impl Shown {
    fn pixel(&self, x: usize, y: usize) -> [u8; 3] {
        let at = (y * self.width + x) * 4;
        [self.bytes[at], self.bytes[at + 1], self.bytes[at + 2]]
    }

    /// Likeness to `area` of the picture, in decibels over red, green and blue.
    fn likeness(&self, picture: &Picture, area: Rect) -> f64 {
        let mut square = 0u64;
        for y in 0..usize::from(area.height) {
            for x in 0..usize::from(area.width) {
                let (px, py) = (x + usize::from(area.x), y + usize::from(area.y));
                let at = (py * usize::from(picture.size.width) + px) * 4;
                let shown = self.pixel(x, y);
                for (channel, value) in shown.into_iter().enumerate() {
                    square += u64::from(value.abs_diff(picture.bytes[at + 2 - channel])).pow(2);
                }
            }
        }
        10.0 * (255.0 * 255.0 * area.area() as f64 * 3.0 / square.max(1) as f64).log10()
    }
}

fn plain(size: Size, [red, green, blue]: [u8; 3]) -> Picture {
    Picture { size, bytes: [blue, green, red, 0].repeat(size.area()) }
}

#[test]
fn colours_arrive_as_they_were() {
    let size = Size::new(64, 48);
    let (on, off) = (255, 0);
    let colours = [
        [on, on, on],
        [off, off, off],
        [128, 128, 128],
        [on, off, off],
        [off, on, off],
        [off, off, on],
        [on, on, off],
        [20, 120, 220],
    ];
    for colour in colours {
        let shown = Projector::new().show(&plain(size, colour).view(), size.rect(), None);
        for (x, y) in [(0, 0), (31, 17), (63, 47)] {
            let arrived = shown.pixel(x, y);
            let furthest = arrived.into_iter().zip(colour).map(|(a, b)| a.abs_diff(b)).max();
            assert!(furthest <= Some(3), "{arrived:?} for {colour:?}");
        }
        if colour == [on, on, on] {
            assert!(shown.pixel(9, 9).into_iter().all(|value| value >= 253), "white is {:?}", shown.pixel(9, 9));
        }
    }
}

#[test]
fn any_area_of_a_picture_can_be_a_film() {
    let size = Size::new(311, 207);
    let film = Film::new(size, 5, 2);
    let pictures = [film.picture(0), film.picture(1), film.picture(2)];
    for area in [
        size.rect(),
        Rect::new(0, 0, 16, 16),
        Rect::new(295, 191, 16, 16),
        Rect::new(7, 9, 33, 17),
        Rect::new(310, 206, 1, 1),
        Rect::new(0, 100, 311, 1),
        Rect::new(151, 0, 2, 207),
        Rect::new(1, 1, 255, 129),
    ] {
        let mut projector = Projector::new();
        for (number, picture) in pictures.iter().enumerate() {
            let shown = projector.show(&picture.view(), area, None);
            assert_eq!(shown.width, usize::from(area.width).next_multiple_of(16));
            assert_eq!(shown.height, usize::from(area.height).next_multiple_of(16));
            assert_eq!(shown.first, number == 0);
            let likeness = shown.likeness(picture, area);
            assert!(likeness > 30.0, "{area:?}, picture {number}: {likeness:.1} dB");
        }
    }
}

#[test]
fn another_size_and_a_restart_begin_a_new_stream() {
    let size = Size::new(200, 100);
    let film = Film::new(size, 9, 1);
    let picture = film.picture(0);
    let mut projector = Projector::new();
    let firsts = |projector: &mut Projector, areas: &[Rect]| -> Vec<bool> {
        areas.iter().map(|area| projector.show(&picture.view(), *area, None).first).collect()
    };
    let (wide, small, moved) = (size.rect(), Rect::new(0, 0, 64, 64), Rect::new(90, 30, 64, 64));
    assert_eq!(
        firsts(&mut projector, &[wide, wide, small, small, moved, wide]),
        [true, false, true, false, false, true]
    );
    // A decoder that has seen nothing before.
    projector.encoder.restart();
    projector.decoder = OpenH264Decoder::new().unwrap();
    let shown = projector.show(&picture.view(), wide, None);
    assert!(shown.first && shown.likeness(&picture, wide) > 32.0);
}

#[test]
fn regions_stay_inside_the_area() {
    let size = Size::new(100, 100);
    let picture = plain(size, [1, 2, 3]);
    let area = Rect::new(10, 20, 50, 40);
    let regions = [
        Rect::new(0, 0, 50, 40),
        Rect::new(49, 39, 1, 1),
        Rect::new(40, 30, 65_535, 65_535),
        Rect::new(50, 0, 5, 5),
        Rect::new(0, 0, 0, 3),
        Rect::new(3, 4, 5, 6),
    ];
    let mut out = Vec::new();
    openh264().unwrap().encode(&picture.view(), area, &regions, None, &mut out).unwrap();
    let stream: Avc420BitmapStream<'_> = decode(&out).unwrap();
    let edges: Vec<[u16; 4]> = stream.rectangles.iter().map(|r| [r.left, r.top, r.right, r.bottom]).collect();
    assert_eq!(edges, [[0, 0, 50, 40], [49, 39, 50, 40], [40, 30, 50, 40], [3, 4, 8, 10]]);
    assert_eq!(stream.quant_qual_vals.len(), 4);
}

#[test]
fn an_area_that_cannot_be_a_film_is_refused_and_the_film_goes_on() {
    let size = Size::new(4000, 40);
    let picture = plain(size, [9, 9, 9]);
    let mut projector = Projector::new();
    let view = picture.view();
    projector.show(&view, Rect::new(0, 0, 64, 40), None);
    let mut out = vec![7];
    for area in [Rect::new(0, 0, 0, 10), Rect::new(3999, 0, 2, 1), Rect::new(0, 1, 10, 40), size.rect()] {
        let error = projector.encoder.encode(&view, area, &[], None, &mut out).unwrap_err();
        let expected = if area == size.rect() {
            matches!(error, VideoError::TooLarge { .. })
        } else {
            matches!(error, VideoError::Area { .. })
        };
        assert!(expected, "{area:?}: {error}");
        assert_eq!(out, [7]);
    }
    assert!(!projector.show(&view, Rect::new(0, 0, 64, 40), None).first, "the stream was not touched");
    projector.show(&view, Rect::new(100, 0, 3840, 40), None);
}

#[test]
fn a_budget_is_kept_on_average_and_noise_is_no_way_around_it() {
    let size = Size::new(480, 272);
    let film = Film::new(size, 3, 3);
    let pictures: Vec<Picture> = (0..24).map(|number| film.picture(number)).collect();
    let mut random = 1u64;
    let mut noise = || {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 56) as u8
    };
    let grainy: Vec<Picture> =
        (0..12).map(|_| Picture { size, bytes: (0..size.area() * 4).map(|_| noise()).collect() }).collect();
    let mut projector = Projector::new();
    // There and back, so that no picture is a cut; the budget changes while the film runs.
    let mut number = 0usize;
    for (budget, tolerance) in [(1_000, 1.3), (2_500, 1.3), (700, 1.3), (1_500, 1.3)] {
        let mut lengths = Vec::new();
        for _ in 0..60 {
            let place = number % 46;
            let picture = &pictures[place.min(46 - place)];
            number += 1;
            lengths.push(projector.show(&picture.view(), size.rect(), Some(budget)).length);
        }
        let settled = &lengths[20..];
        let mean = settled.iter().sum::<usize>() as f64 / settled.len() as f64;
        assert!(mean < budget as f64 * tolerance, "{mean:.0} bytes a picture for a budget of {budget}: {lengths:?}");
        assert!(mean > budget as f64 * 0.6, "{mean:.0} bytes a picture of {budget} that may be spent: {lengths:?}");
    }
    // What cannot be kept to it at any quality still gets out, each time.
    for picture in &grainy {
        let length = projector.show(&picture.view(), size.rect(), Some(2_000)).length;
        assert!(length > 100);
    }
    let mean: usize = grainy.iter().map(|p| projector.show(&p.view(), size.rect(), None).length).sum::<usize>() / 12;
    assert!(mean < size.area() / 2, "{mean} bytes for a picture of noise");
}

#[test]
fn a_film_is_like_the_original_for_few_bytes() {
    let size = Size::new(640, 360);
    let film = Film::new(size, 1, 3);
    let mut projector = Projector::new();
    let (mut bytes, mut worst) = (0, f64::MAX);
    for number in 0..12 {
        let picture = film.picture(number);
        let shown = projector.show(&picture.view(), size.rect(), None);
        worst = worst.min(shown.likeness(&picture, size.rect()));
        bytes += if number > 0 { shown.length } else { 0 };
    }
    // A quarter of 1280x720, whose limit is 30 kB.
    assert!(bytes / 11 < 7_500, "{} bytes a picture", bytes / 11);
    assert!(worst > 34.0, "{worst:.1} dB");
}

#[test]
fn a_thousand_pictures_drift_from_neither_the_budget_nor_the_decoder() {
    let size = Size::new(160, 96);
    let film = Film::new(size, 8, 2);
    let pictures: Vec<Picture> = (0..40).map(|number| film.picture(number)).collect();
    let mut projector = Projector::new();
    let mut late = 0;
    for number in 0..1000usize {
        let place = number % 78;
        let picture = &pictures[place.min(78 - place)];
        let shown = projector.show(&picture.view(), size.rect(), Some(400));
        if number >= 800 {
            late += shown.length;
            assert!(shown.likeness(picture, size.rect()) > 26.0);
        }
    }
    assert!((300..=460).contains(&(late / 200)), "{} bytes a picture for 400", late / 200);
}

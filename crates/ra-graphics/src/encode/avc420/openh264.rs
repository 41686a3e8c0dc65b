//! The encoder of Cisco's openh264, set up for a film on a desktop.
//!
//! What was chosen, for 1280x720 with grain (`cargo bench -p ra-graphics -- film` measures it anew): the camera's settings rather than those for
//! screens, which cost a third more time for the same bytes and decibels; the lowest complexity, since the higher ones
//! save 1 % of the bytes for a quarter more time; no denoising, no search for cuts or still backgrounds, no second
//! thread, none of which paid.
//!
//! **How a budget is kept.** The library has a rate control for links whose rate is known: a bucket that pictures fill
//! and that time drains. The time is whatever we say it is, so it is told that just as much time has passed as a link
//! of its nominal rate takes for what may be spent. Nothing else of the library's needs to be changed while it runs,
//! which its safe interface does not allow anyway.

use openh264::encoder::{
    BitRate, Complexity, Encoder, EncoderConfig, FrameRate, FrameType, QpRange, RateControlMode, UsageType, VuiConfig,
};
use openh264::formats::YUVSlices;
use openh264::{OpenH264API, Timestamp};

use super::convert::{MACROBLOCK, Planes};
use super::{VideoEncoder, VideoError, fits};
use crate::frame::FrameView;
use crate::geometry::Rect;

/// One stream after the other, each from a fresh encoder.
#[derive(Default)]
pub(super) struct OpenH264 {
    stream: Option<Stream>,
    planes: Planes,
}

struct Stream {
    encoder: Encoder,
    /// Width and height of its pictures.
    size: (usize, usize),
    bucket: Bucket,
}

impl VideoEncoder for OpenH264 {
    fn encode(
        &mut self,
        picture: &FrameView<'_>,
        area: Rect,
        regions: &[Rect],
        budget: Option<usize>,
        out: &mut Vec<u8>,
    ) -> Result<(), VideoError> {
        let whole = picture.size();
        if area.is_empty() || area.clipped(whole) != area {
            return Err(VideoError::Area { area, width: whole.width, height: whole.height });
        }
        if !fits(area.width, area.height) {
            return Err(VideoError::TooLarge { width: area.width, height: area.height });
        }
        let start = out.len();
        write_regions(area, regions, out);
        let encoded = self.append(picture, area, budget, out);
        if encoded.is_err() {
            // The encoder may count on a picture that nobody gets.
            out.truncate(start);
            self.stream = None;
        }
        encoded
    }

    fn restart(&mut self) {
        self.stream = None;
    }
}

impl OpenH264 {
    fn append(
        &mut self,
        picture: &FrameView<'_>,
        area: Rect,
        budget: Option<usize>,
        out: &mut Vec<u8>,
    ) -> Result<(), VideoError> {
        self.planes.take(picture, area).map_err(|error| VideoError::Library(Box::new(error)))?;
        let size = self.planes.size();
        let pixels = (size.0 * size.1) as i64;
        // More than this is not spent on a film, whatever the link bears.
        let enough = pixels / MOST_PIXELS_A_BIT;
        let budget = budget.map_or(enough, |bytes| i64::try_from(bytes).unwrap_or(i64::MAX).saturating_mul(8));
        let budget = budget.clamp(LEAST_BITS, enough.max(LEAST_BITS));
        let stream = match &mut self.stream {
            Some(stream) if stream.size == size && stream.bucket.bears(budget) => stream,
            _ => self.stream.insert(Stream::start(size, budget)?),
        };
        stream.append(&self.planes, budget, out)
    }
}

impl Stream {
    fn start(size: (usize, usize), budget: i64) -> Result<Self, VideoError> {
        let bucket = Bucket::for_budget(budget.max((size.0 * size.1) as i64 / LEAST_RATE_PER_PIXEL));
        let config = EncoderConfig::new()
            .usage_type(UsageType::CameraVideoRealTime)
            .complexity(Complexity::Low)
            .rate_control_mode(RateControlMode::Timestamp)
            .bitrate(BitRate::from_bps(u32::try_from(bucket.rate).unwrap_or(u32::MAX)))
            .max_frame_rate(FrameRate::from_hz(1.0))
            .qp(QpRange::new(FINEST, COARSEST))
            // Otherwise the library complains on the error output; the bucket never gets so full that it skips.
            .skip_frames(true)
            .scene_change_detect(false)
            .background_detection(false)
            .adaptive_quantization(false)
            .num_threads(1)
            .vui(VuiConfig::bt709_full());
        let encoder = Encoder::with_api_config(OpenH264API::from_source(), config).map_err(library)?;
        Ok(Self { encoder, size, bucket })
    }

    fn append(&mut self, planes: &Planes, budget: i64, out: &mut Vec<u8>) -> Result<(), VideoError> {
        let (width, height) = planes.size();
        let source = YUVSlices::new(planes.planes(), (width, height), (width, width / 2, width / 2));
        for _ in 0..MOST_TRIES {
            let time = self.bucket.drain(budget);
            let stream = self.encoder.encode_at(&source, Timestamp::from_millis(time)).map_err(library)?;
            if !matches!(stream.frame_type(), FrameType::Skip | FrameType::Invalid) {
                let before = out.len();
                stream.write_vec(out);
                self.bucket.fill(out.len() - before);
                if out.len() > before {
                    return Ok(());
                }
            }
        }
        Err(VideoError::LeftOut)
    }
}

/// What the library's rate control knows: how much of what was spent the link has not carried yet, and what time it is.
///
/// With one picture a second, which is what it is told, the library aims at half of what is free in a bucket that holds
/// half a second of the rate.
#[derive(Debug)]
struct Bucket {
    /// Bits a second; a multiple of 1000, so that a whole number drains in a millisecond.
    rate: i64,
    /// Bits that are in it. Below zero is credit.
    level: i64,
    /// Milliseconds.
    clock: u64,
}

impl Bucket {
    fn for_budget(budget: i64) -> Self {
        let rate = (budget * RATE_PER_BUDGET).min(HIGHEST_RATE);
        Self { rate: rate - rate % 1000, level: 0, clock: 0 }
    }

    /// Whether a picture can be given so much: with all the credit there is, three eighths of the rate.
    fn bears(&self, budget: i64) -> bool {
        budget <= self.rate / 8 * 3 || self.rate == HIGHEST_RATE
    }

    /// Lets the link carry what it bears, and returns the new time.
    fn drain(&mut self, budget: i64) -> u64 {
        if self.clock == 0 {
            // The library starts to count with the first picture.
            self.clock = 1;
            return self.clock;
        }
        let capacity = self.rate / 2;
        let wanted = (self.level - (capacity - 2 * budget)).min(budget);
        // Debts are forgiven beyond this, so that a picture after a costly one is coarse, but never left out.
        let needed = self.level - (capacity - budget / 2);
        let millisecond = self.rate / 1000;
        let time = (wanted.max(needed) + millisecond / 2).div_euclid(millisecond).clamp(1, 1000);
        self.level = (self.level - time * millisecond).max(-self.rate / 4);
        self.clock += time.unsigned_abs();
        self.clock
    }

    fn fill(&mut self, bytes: usize) {
        self.level += bytes as i64 * 8;
    }
}

/// Appends the block before the H.264: the rectangles to show, and how good they are.
///
/// Source: [MS-RDPEGFX] 2.2.4.4.1, RFX_AVC420_METABLOCK, and 2.2.4.4.2, RDPGFX_AVC420_QUANT_QUALITY.
fn write_regions(area: Rect, regions: &[Rect], out: &mut Vec<u8>) {
    let count_at = out.len();
    out.extend_from_slice(&[0; 4]);
    let mut count = 0u32;
    for region in regions.iter().map(|region| region.clipped(crate::geometry::Size::new(area.width, area.height))) {
        if !region.is_empty() {
            count += 1;
            // Inside the area, so that the far edges are 16 bits.
            for edge in [region.x, region.y, region.x + region.width, region.y + region.height] {
                out.extend_from_slice(&edge.to_le_bytes());
            }
        }
    }
    out[count_at..count_at + 4].copy_from_slice(&count.to_le_bytes());
    for _ in 0..count {
        out.extend_from_slice(&[FINEST, 100 - FINEST]);
    }
}

fn library(error: openh264::Error) -> VideoError {
    VideoError::Library(Box::new(error))
}

/// The finest quantisation. Steps below cost half of the bytes again, and a third of the time, for less than a decibel.
const FINEST: u8 = 24;
/// The coarsest: beyond it nothing can be recognised.
const COARSEST: u8 = 44;
/// What may be spent on a film at most, as pixels a bit: 58 kB for 1280x720. With ordinary grain the finest quality needs a
/// sixth of it. Much grain (8 of 256 either way) takes 29 kB for 34.1 dB so, where it took 41 kB for 34.3 without, and
/// noise arrives as coarse as it gets.
const MOST_PIXELS_A_BIT: i64 = 2;
/// Below this much for a picture, in bits, the library's arithmetic has nothing to divide.
const LEAST_BITS: i64 = 2_000;
/// How many budgets the library believes to be a second's worth: few, so that a change of the budget shows at once,
/// but enough for a budget that grows threefold.
const RATE_PER_BUDGET: i64 = 8;
/// The least budget that the bucket is made for, as pixels a bit: then a picture of noise, which the library cannot get
/// below two bits a pixel, drains within the tries.
const LEAST_RATE_PER_PIXEL: i64 = 32;
/// Bits a second, below what the library's 32 bits hold when it multiplies by three.
const HIGHEST_RATE: i64 = 240_000_000;
/// Each drains a whole rate, of which the fullest bucket holds ten.
const MOST_TRIES: usize = 16;
const _: () = assert!(MACROBLOCK == 16, "the library takes sizes in these steps");

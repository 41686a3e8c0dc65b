//! The bulk compression of the graphics channel: what was sent before is named by its distance instead of sent again.
//!
//! It pays for text, whose letters come back, over a line that is slow, and for short frames. Matches are searched
//! greedily among the last four places that look alike.
//!
//! Source: [MS-RDPEGFX] 3.1.9.1, RDP 8.0 bulk compression (ZGFX).

/// Compresses segments in the order in which they are sent; whatever is sent must pass through here.
pub(super) struct Bulk {
    /// What was sent last, and before it what has become too old.
    history: Vec<u8>,
    /// Where in the history a hash was seen last.
    seen: Vec<[Seen; CANDIDATES]>,
    /// Which of the places of any hash is replaced next.
    turn: usize,
}

/// A place of the history, and a mark of what stands there: what cannot match is not even looked at, since the history is
/// larger than the caches of a processor.
#[derive(Clone, Copy, Default)]
struct Seen(u32);

impl Seen {
    /// `place`: [`MOST_KEPT`] at most, and zero means never, so places are counted from one.
    const fn new(place: usize, mark: u32) -> Self {
        Self((mark << PLACE_BITS) | (place as u32 + 1))
    }

    /// The place, where the mark is this one.
    fn place(self, mark: u32) -> Option<usize> {
        let place = (self.0 & PLACES).checked_sub(1)? as usize;
        (self.0 >> PLACE_BITS == mark).then_some(place)
    }

    /// The same after so many bytes were dropped from the beginning of the history.
    const fn aged(self, by: u32) -> Self {
        Self((self.0 & !PLACES) | (self.0 & PLACES).saturating_sub(by))
    }
}

impl Default for Bulk {
    fn default() -> Self {
        Self { history: Vec::new(), seen: vec![[Seen::default(); CANDIDATES]; 1 << HASH_BITS], turn: 0 }
    }
}

impl Bulk {
    /// Forgets what was sent: the client may have forgotten it too.
    pub(super) fn forget(&mut self) {
        self.history.clear();
        self.seen.fill([Seen::default(); CANDIDATES]);
    }

    /// Appends a segment's flags and its data, shorter if that is wanted and possible. `data`: 65,535 bytes at most.
    pub(super) fn segment(&mut self, data: &[u8], shorter: bool, out: &mut Vec<u8>) {
        if self.history.len() + data.len() > MOST_KEPT {
            self.age();
        }
        let start = self.history.len();
        self.history.extend_from_slice(data);
        let header = out.len();
        if shorter && data.len() >= LEAST_LENGTH {
            out.push(RDP8 | COMPRESSED);
            if self.compress(start, out, header + data.len()) {
                return;
            }
            out.truncate(header);
        }
        out.push(RDP8);
        out.extend_from_slice(data);
    }

    /// Drops what is too far away to be named.
    fn age(&mut self) {
        let old = self.history.len().saturating_sub(WINDOW);
        self.history.drain(..old);
        let old = old as u32; // of a few million
        self.seen.iter_mut().flatten().for_each(|seen| *seen = seen.aged(old));
    }

    /// Appends the tokens of the history from `start` on; false once they are no shorter than `limit` allows.
    fn compress(&mut self, start: usize, out: &mut Vec<u8>, limit: usize) -> bool {
        let end = self.history.len();
        let mut bits = Bits { out, open: 0, count: 0 };
        let (mut at, mut misses) = (start, 0usize);
        while at + MATCHED <= end {
            match self.find(at, end) {
                Some((distance, length)) => {
                    bits.distance(distance);
                    bits.length(length);
                    // Some of the places inside are remembered too, or the next match would have to begin where this one did.
                    for inside in (at + 1..(at + length).min(end + 1 - MATCHED)).step_by(REMEMBERED) {
                        let (slot, mark) = self.slot(inside);
                        self.remember(slot, mark, inside);
                    }
                    at += length;
                    misses = 0;
                }
                None => {
                    // Where nothing matches, fewer places are tried.
                    let step = (1 + misses / PATIENCE).min(end - at);
                    misses += 1;
                    for byte in &self.history[at..at + step] {
                        bits.literal(*byte);
                    }
                    at += step;
                }
            }
            if bits.out.len() >= limit {
                return false;
            }
        }
        for byte in &self.history[at..] {
            bits.literal(*byte);
        }
        bits.finish();
        out.len() < limit
    }

    /// A match of what stands at `at` with something before it: how far before, and how long it is.
    fn find(&mut self, at: usize, end: usize) -> Option<(u32, usize)> {
        let (slot, mark) = self.slot(at);
        let new = &self.history[at..end];
        let mut best = None;
        for before in self.seen[slot].into_iter().filter_map(|seen| seen.place(mark)) {
            if before >= at || at - before > WINDOW {
                continue;
            }
            let length = common(&self.history[before..], new);
            // Of equal matches the nearer one is named in fewer bits.
            if length >= MATCHED && best.is_none_or(|(distance, most)| (length, distance) > (most, at - before)) {
                best = Some((at - before, length));
            }
        }
        self.remember(slot, mark, at);
        best.map(|(distance, length)| (distance as u32, length))
    }

    fn remember(&mut self, slot: usize, mark: u32, at: usize) {
        self.seen[slot][self.turn % CANDIDATES] = Seen::new(at, mark);
        self.turn = self.turn.wrapping_add(1);
    }

    /// Where what stands at `at` is remembered, and by which mark.
    fn slot(&self, at: usize) -> (usize, u32) {
        let mut bytes = [0; 8];
        bytes[..MATCHED].copy_from_slice(&self.history[at..at + MATCHED]);
        let value = u64::from_le_bytes(bytes);
        let hash = value.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (64 - HASH_BITS - MARK_BITS);
        ((hash >> MARK_BITS) as usize, hash as u32 & ((1 << MARK_BITS) - 1))
    }
}

/// How many bytes at the beginning are equal.
fn common(a: &[u8], b: &[u8]) -> usize {
    let words = a.as_chunks::<8>().0.iter().zip(b.as_chunks::<8>().0).take_while(|(a, b)| a == b).count() * 8;
    words + a[words..].iter().zip(&b[words..]).take_while(|(a, b)| a == b).count()
}

/// Bits, the first one highest.
struct Bits<'a> {
    out: &'a mut Vec<u8>,
    open: u64,
    count: u32,
}

impl Bits<'_> {
    /// Appends the lowest `count` bits of `value`, 32 at most.
    fn push(&mut self, value: u32, count: u32) {
        self.open = self.open << count | u64::from(value);
        self.count += count;
        while self.count >= 8 {
            self.count -= 8;
            self.out.push((self.open >> self.count) as u8);
        }
    }

    fn literal(&mut self, byte: u8) {
        // Frequent values have short codes; of those only the most frequent ones are worth a look.
        match byte {
            0x00 => self.push(0b1_1000, 5),
            0x01 => self.push(0b1_1001, 5),
            0x02 => self.push(0b11_0100, 6),
            0x03 => self.push(0b11_0101, 6),
            0xFF => self.push(0b11_0110, 6),
            _ => self.push(u32::from(byte), 9),
        }
    }

    fn distance(&mut self, distance: u32) {
        let (prefix, length, base, bits) = match distance {
            0..32 => (0b1_0001, 5, 0, 5),
            32..160 => (0b1_0010, 5, 32, 7),
            160..672 => (0b1_0011, 5, 160, 9),
            672..1_696 => (0b1_0100, 5, 672, 10),
            1_696..5_792 => (0b1_0101, 5, 1_696, 12),
            5_792..22_176 => (0b10_1100, 6, 5_792, 14),
            22_176..54_944 => (0b10_1101, 6, 22_176, 15),
            54_944..317_088 => (0b101_1100, 7, 54_944, 18),
            317_088..1_365_664 => (0b101_1101, 7, 317_088, 20),
            _ => (0b1011_1100, 8, 1_365_664, 20),
        };
        self.push(prefix, length);
        self.push(distance - base, bits);
    }

    /// 3 is one bit; of anything longer the number of its bits comes first, as ones.
    fn length(&mut self, length: usize) {
        if length == 3 {
            return self.push(0, 1);
        }
        let bits = length.ilog2();
        self.push((1 << bits) - 2, bits);
        self.push(length as u32 & ((1 << bits) - 1), bits);
    }

    /// Fills the last byte up and says how much of it means nothing.
    fn finish(&mut self) {
        let unused = (8 - self.count % 8) % 8;
        self.push(0, unused);
        self.out.push(unused as u8);
    }
}

const RDP8: u8 = 0x04;
const COMPRESSED: u8 = 0x20;
/// How far back a match may be named. The client keeps 2,500,000 bytes, and the tokens in use reach nearly as far.
const WINDOW: usize = 2_414_239;
/// When the history is cut down to the window: seldom enough.
const MOST_KEPT: usize = 2 * WINDOW;
/// Shortest match that is looked for; shorter ones save little.
const MATCHED: usize = 6;
/// One place in so many inside of a match is remembered.
const REMEMBERED: usize = 3;
/// After so many places without a match every other one is tried, and so on.
const PATIENCE: usize = 256;
const HASH_BITS: u32 = 16;
/// Bits of a place in the history.
const PLACE_BITS: u32 = 23;
const PLACES: u32 = (1 << PLACE_BITS) - 1;
const MARK_BITS: u32 = u32::BITS - PLACE_BITS;
const _: () = assert!(MOST_KEPT < PLACES as usize);
/// Places that are remembered for each hash.
const CANDIDATES: usize = 4;
/// Shorter segments are sent as they are.
const LEAST_LENGTH: usize = 64;

#[cfg(test)]
mod tests {
    use ironrdp_graphics::zgfx::Decompressor;
    use proptest::prelude::*;

    use super::*;

    /// Sends segments to an independent decompressor; returns how many bytes that took.
    fn round_trip(segments: &[Vec<u8>], shorter: impl Fn(usize) -> bool) -> usize {
        let (mut bulk, mut client) = (Bulk::default(), Decompressor::new());
        let mut sent = 0;
        for (number, segment) in segments.iter().enumerate() {
            let mut payload = vec![0xE0];
            bulk.segment(segment, shorter(number), &mut payload);
            assert!(payload.len() <= segment.len() + 2);
            sent += payload.len();
            let mut received = Vec::new();
            client.decompress(&payload, &mut received).unwrap();
            assert!(received == *segment, "segment {number}");
        }
        sent
    }

    /// Bytes that repeat what was before them at all distances.
    fn repetitive(seed: u64, length: usize) -> Vec<u8> {
        let mut state = seed | 1;
        let mut random = move |limit: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % limit.max(1)
        };
        let mut bytes: Vec<u8> = Vec::with_capacity(length);
        while bytes.len() < length {
            let count = 1 + random(300);
            if random(3) == 0 || bytes.is_empty() {
                bytes.extend((0..count.min(40)).map(|_| random(256) as u8));
            } else {
                let back = 1 + random(bytes.len());
                for _ in 0..count {
                    bytes.push(bytes[bytes.len() - back]);
                }
            }
        }
        bytes.truncate(length);
        bytes
    }

    #[test]
    fn what_was_sent_before_is_named_from_every_distance() {
        // More than the client remembers, some of it not compressed.
        let all = repetitive(7, 9_000_000);
        let segments: Vec<_> = all.chunks(65_535).map(<[u8]>::to_vec).collect();
        let sent = round_trip(&segments, |number| number % 5 != 3);
        assert!(sent < all.len() / 2, "{sent} of {}", all.len());
    }

    #[test]
    fn what_cannot_be_shorter_is_sent_as_it_is() {
        let noise: Vec<u8> = (0..60_000u32)
            .map(|i| (i.wrapping_mul(2_654_435_761) ^ (i >> 3)).wrapping_mul(0x9E37_79B1).to_le_bytes()[3])
            .collect();
        assert!(round_trip(std::slice::from_ref(&noise), |_| true) <= noise.len() + 2);
    }

    proptest! {
        #[test]
        fn any_segments_come_out_as_they_went_in(
            segments in prop::collection::vec((any::<u64>(), 0usize..3000), 1..20),
            plain in any::<u32>(),
        ) {
            let segments: Vec<_> = segments.into_iter().map(|(seed, length)| repetitive(seed % 4, length)).collect();
            round_trip(&segments, |number| plain >> (number % 32) & 1 == 0);
        }
    }
}

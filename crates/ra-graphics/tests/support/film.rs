//! A film made by code: a landscape that pans under the camera, lit balls that cross it, and the grain of a sensor.
#![allow(dead_code, reason = "each test and bench uses its part of it")]

use ra_graphics::{FrameView, Size};

/// What all pictures of a film have in common.
pub(crate) struct Film {
    size: Size,
    seed: u64,
    grain: i32,
    /// Red, green and blue of the landscape, 0 to 1, in a square that repeats.
    landscape: [Vec<f32>; 3],
}

/// One picture, without padding between its rows.
pub(crate) struct Picture {
    pub(crate) size: Size,
    pub(crate) bytes: Vec<u8>,
}

impl Picture {
    pub(crate) fn view(&self) -> FrameView<'_> {
        FrameView::new(&self.bytes, usize::from(self.size.width) * 4, self.size).expect("as many pixels as it says")
    }
}

impl Film {
    /// Another `seed` is another film; `grain` is how far a pixel strays, in 256ths.
    pub(crate) fn new(size: Size, seed: u64, grain: i32) -> Self {
        let landscape = [1, 2, 3].map(|channel| {
            let mut sum = vec![0.0; SIDE * SIDE];
            for (cell, weight) in LAYERS {
                layer(&mut sum, mix(seed * 31 + channel), cell, weight);
            }
            sum
        });
        Self { size, seed, grain, landscape }
    }

    /// The picture at this number.
    pub(crate) fn picture(&self, number: usize) -> Picture {
        let mut bytes = vec![0; self.size.area() * 4];
        self.draw(number, &mut bytes, usize::from(self.size.width) * 4);
        Picture { size: self.size, bytes }
    }

    /// Draws it into rows that start `stride` bytes apart.
    pub(crate) fn draw(&self, number: usize, bytes: &mut [u8], stride: usize) {
        let (width, height) = (usize::from(self.size.width), usize::from(self.size.height));
        let time = number as f32;
        let (pan, tilt) = (number * 3, (time * 0.7) as usize);
        let balls: Vec<Ball> = (0..4).map(|ball| Ball::at(ball, time, width as f32, height as f32)).collect();
        let mut grain = mix(self.seed ^ (number as u64 + 1) << 20);
        for y in 0..height {
            let row = &mut bytes[y * stride..y * stride + width * 4];
            for (x, pixel) in row.chunks_exact_mut(4).enumerate() {
                let place = (y + tilt) % SIDE * SIDE + (x + pan) % SIDE;
                let mut colour = [0, 1, 2].map(|c| 25.0 + self.landscape[c][place] * 215.0);
                for ball in &balls {
                    if let Some((light, u, v)) = ball.light(x as f32, y as f32) {
                        let skin = v % SIDE * SIDE + u % SIDE;
                        colour = [0, 1, 2].map(|c| (ball.colour[c] + self.landscape[c][skin] * 70.0) * light);
                    }
                }
                grain ^= grain << 13;
                grain ^= grain >> 7;
                grain ^= grain << 17;
                let wide = self.grain as u64 + 1;
                let stray = (grain & 0xFFFF) % wide;
                let stray = stray as f32 - ((grain >> 20 & 0xFFFF) % wide) as f32;
                for (byte, value) in pixel.iter_mut().zip([colour[2], colour[1], colour[0]]) {
                    *byte = (value + stray).clamp(0.0, 255.0) as u8;
                }
            }
        }
    }
}

struct Ball {
    x: f32,
    y: f32,
    radius: f32,
    turn: f32,
    colour: [f32; 3],
}

impl Ball {
    fn at(number: usize, time: f32, width: f32, height: f32) -> Self {
        let n = number as f32;
        Self {
            x: width * (0.5 + 0.38 * (time * (0.031 + 0.009 * n) + n * 1.7).sin()),
            y: height * (0.5 + 0.33 * (time * (0.043 + 0.007 * n) + n).cos()),
            radius: height * (0.09 + 0.03 * n),
            turn: time * 2.0,
            colour: [0, 1, 2].map(|c| 60.0 + 40.0 * ((number + c) % 4) as f32),
        }
    }

    /// How bright it is there, and which place of its skin that is; nothing beside it.
    fn light(&self, x: f32, y: f32) -> Option<(f32, usize, usize)> {
        let (dx, dy) = ((x - self.x) / self.radius, (y - self.y) / self.radius);
        let square = dx * dx + dy * dy;
        (square < 1.0).then(|| {
            let light = 0.3 + 0.7 * ((1.0 - square).sqrt() * 0.8 - dx * 0.4 - dy * 0.4).max(0.0);
            (light, (dx * self.radius + self.turn + 400.0) as usize, (dy * self.radius + 400.0) as usize)
        })
    }
}

/// Adds random values at the corners of cells, with smooth values between them.
fn layer(sum: &mut [f32], seed: u64, cell: usize, weight: f32) {
    let cells = SIDE / cell;
    let corner = |x: usize, y: usize| (mix(seed ^ (y % cells * cells + x % cells) as u64) >> 40) as f32 / 16_777_216.0;
    let smooth = |at: usize| {
        let t = (at % cell) as f32 / cell as f32;
        t * t * (3.0 - 2.0 * t)
    };
    for cy in 0..cells {
        for cx in 0..cells {
            let [a, b, c, d] = [(0, 0), (1, 0), (0, 1), (1, 1)].map(|(dx, dy)| corner(cx + dx, cy + dy));
            for y in cy * cell..(cy + 1) * cell {
                let v = smooth(y);
                for x in cx * cell..(cx + 1) * cell {
                    let u = smooth(x);
                    sum[y * SIDE + x] += weight * ((a + (b - a) * u) * (1.0 - v) + (c + (d - c) * u) * v);
                }
            }
        }
    }
}

fn mix(mut value: u64) -> u64 {
    value = value.wrapping_add(0x9E37_79B9_7F4A_7C15);
    value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    value ^ (value >> 31)
}

/// Pixels along a side of the landscape before it repeats.
const SIDE: usize = 512;
/// Cells of the layers that it is made of, from hills to blades of grass, and how much each counts.
const LAYERS: [(usize, f32); 7] = [(128, 0.35), (64, 0.20), (32, 0.15), (16, 0.12), (8, 0.09), (4, 0.06), (2, 0.03)];

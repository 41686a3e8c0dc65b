//! Meeting by a spoken code: the novice says sixteen characters, the expert types them, and both computers find each
//! other wherever they stand, without an account and without anybody in between who could listen.
//!
//! In the story this crate is the other half of *reach*: `ra-nat` opens a door in a router for whoever has an address,
//! here two sides meet that have none. It holds the rules and does nothing: no socket, no clock, no chance of its own.
//!
//! - A [`Code`] is 80 random bits; a [`Link`] is a code with the relays that know the way ([`RelayUrl`]).
//! - [`endpoint_seed`] makes of the code the key by which relays find the novice's computer. Who has the code can
//!   compute that key, so finding the computer proves nothing yet.
//! - A run of [`NoviceSide`] and [`ExpertSide`] proves it: both sides run SPAKE2 over the code and the person's password, bound to the
//!   very connection that they talk over. Nobody learns more from a run than whether one guess was right, and
//!   [`Guesses`] ends a code after five wrong ones.
//! - Only then is the [`Slip`] handed over, encrypted under the key of that run: the invitation itself, with a password
//!   of 32 random bytes that no person ever sees. From there on everything is as with an invitation file.
//! - [`check_words`] are four words for both screens: the same on both, or somebody stands in between.
//!
//! One meeting, with both sides in one place:
//!
//! ```
//! use ra_rendezvous::{Code, ExpertSide, NoviceSide, Secret, Slip};
//! # struct Rng(u64);
//! # impl rand_core::TryRng for Rng {
//! #     type Error = core::convert::Infallible;
//! #     fn try_next_u32(&mut self) -> Result<u32, Self::Error> { self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1); Ok((self.0 >> 32) as u32) }
//! #     fn try_next_u64(&mut self) -> Result<u64, Self::Error> { Ok(u64::from(self.try_next_u32()?) << 32 | u64::from(self.try_next_u32()?)) }
//! #     fn try_fill_bytes(&mut self, to: &mut [u8]) -> Result<(), Self::Error> { for byte in to { *byte = self.try_next_u32()? as u8; } Ok(()) }
//! # }
//! # impl rand_core::TryCryptoRng for Rng {}
//! # let (mut chance, mut other_chance) = (Rng(1), Rng(2));
//! let code = Code::from_entropy(&[7; Code::ENTROPY]);
//! let connection = [3; 32]; // what both ends of one connection compute, and nobody else
//!
//! let (novice, greeting) = NoviceSide::greet(&Secret::new(&code, None), &connection, false, &mut chance);
//! let typed: Code = code.spoken().parse()?;
//! let greeted = ExpertSide::greeted(&greeting)?;
//! assert!(!greeted.needs_password());
//! let (expert, answer) = greeted.answer(&Secret::new(&typed, None), &connection, &mut other_chance)?;
//! let slip = Slip { invitation: b"<UPLOADINFO .../>".to_vec(), password: "x".to_owned().into() };
//! let reply = novice.judge(&answer)?.hand_over(&slip)?;
//! assert_eq!(expert.read(&reply)?, slip);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test stops at the first surprise"))]

mod code;
mod guesses;
mod link;
mod meeting;
mod route;
mod seed;
mod wire;
mod words;

pub use code::{Code, CodeError};
pub use guesses::{Guesses, MOST_WRONG};
pub use link::{Link, LinkError, MOST_RELAYS, RelayUrl, RelayUrlError, relay_list};
pub use meeting::{ExpertSide, Greeted, MeetingError, NoviceSide, Refusal, Secret, Slip, Welcomed};
pub use route::{Route, RouteError};
pub use seed::endpoint_seed;
pub use wire::{HELLO, LENGTH_BYTES, MAX_MESSAGE, length_of, with_length};
pub use words::check_words;

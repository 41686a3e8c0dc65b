//! The viewer engine against computers of the test: first by key, then word by word.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod codecs;
mod computer;
mod dialling;
mod novice;
mod pipeline;
#[path = "../../../ra-graphics/tests/support/scenes.rs"]
mod scenes;
mod session;
mod ways;
mod witness;

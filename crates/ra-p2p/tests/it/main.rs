//! Meetings through a relay of our own on loopback.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod meetings;
mod relay;

//! The desktops that can be shared.

pub mod demo;
pub mod x11;

//! Codecs: pixels in, bytes out. Which one is used where is not decided here.

pub(crate) mod avc420;
pub(crate) mod clear;
pub(crate) mod interleaved;
pub(crate) mod planar;

//! Who may see and who may touch, as states.
pub mod gate;
pub mod input;

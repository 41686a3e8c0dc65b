//! The demo desktop.

use std::sync::Arc;

/// The ESC key of the demo desktop: the novice's terminal presses it. Cheap to clone.
#[derive(Clone)]
pub struct DemoEsc(pub(crate) Arc<dyn Fn() + Send + Sync>);

impl DemoEsc {
    /// Presses ESC, as the novice.
    pub fn press(&self) {
        (self.0)();
    }
}

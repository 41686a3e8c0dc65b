//! A frame while it arrives: decoded at once, painted as a whole at its end.
//!
//! What a frame does is kept as a list of steps, and the pixels that it brings in one store. Decoding is most of the work
//! and needs nobody's lock; painting is a matter of moving memory, and happens while the window does not look.

use super::PipelineError;
use super::area::Area;
use super::surfaces::Step;

/// The steps of a frame and the pixels that they put somewhere.
#[derive(Debug, Default)]
pub(super) struct Frame {
    pub(super) steps: Vec<Step>,
    /// Row after row, `0x00RRGGBB`.
    pub(super) store: Vec<u32>,
    /// Places in `steps`, more than one where a step has a list.
    places: usize,
    /// Pixels that the frame has painted or will paint.
    work: usize,
}

impl Frame {
    /// Adds a step that paints so many pixels in so many places.
    ///
    /// # Errors
    /// When the frame paints more than any frame has reason to.
    pub(super) fn add(&mut self, step: Step, places: usize, pixels: usize) -> Result<(), PipelineError> {
        self.steps.push(step);
        self.places += places.max(1);
        self.charge(pixels)
    }

    /// Adds pixels that have been put at the end of the store, from `from` on.
    ///
    /// # Errors
    /// As for [`Frame::add`].
    pub(super) fn add_pixels(&mut self, surface: u16, area: Area, from: usize) -> Result<(), PipelineError> {
        self.add(Step::Pixels { surface, area, from }, 1, area.count())
    }

    /// Counts pixels that were decoded and are not painted, or painted otherwise.
    ///
    /// # Errors
    /// As for [`Frame::add`].
    pub(super) fn charge(&mut self, pixels: usize) -> Result<(), PipelineError> {
        self.work = self.work.saturating_add(pixels);
        if self.work > MAX_WORK { Err(PipelineError::Excess("a frame that paints without end")) } else { Ok(()) }
    }

    /// So much has come together that it must be painted before the frame is at its end.
    pub(super) fn is_full(&self) -> bool {
        self.places > MAX_PLACES || self.store.len() > MAX_STORE
    }

    /// Everything has been painted; the frame goes on.
    pub(super) fn painted(&mut self) {
        self.steps.clear();
        self.places = 0;
        self.store.clear();
        self.store.shrink_to(KEPT_STORE);
    }

    /// The frame is at its end.
    pub(super) fn ended(&mut self) {
        self.work = 0;
    }
}

/// Pixels that one frame may paint: eight times an 8K screen. Without a limit a message of a few kilobytes, one fill with
/// very many rectangles, keeps a processor busy for hours.
const MAX_WORK: usize = 8 * 7680 * 4320;
/// Pixels that wait for the end of their frame, 4 bytes each: two 4K screens. A frame that brings more is shown in parts.
const MAX_STORE: usize = 2 * 3840 * 2160;
/// Rectangles and points that wait.
const MAX_PLACES: usize = 1 << 16;
/// Pixels of the store that are kept from frame to frame: an HD screen, so that an ordinary frame needs no new memory.
const KEPT_STORE: usize = 1920 * 1080;

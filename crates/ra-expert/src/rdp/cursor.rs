//! The novice's pointer as the session reports it.

use std::sync::Arc;

use ironrdp_session::ActiveStageOutput;

use crate::cursor::{Cursor, CursorShape};

/// What an output of the session says about the pointer, if it says anything.
pub(super) fn change(output: &ActiveStageOutput) -> Option<Cursor> {
    match output {
        ActiveStageOutput::PointerDefault => Some(Cursor::Arrow),
        ActiveStageOutput::PointerHidden => Some(Cursor::Hidden),
        ActiveStageOutput::PointerPosition { x, y } => Some(Cursor::Position { x: *x, y: *y }),
        ActiveStageOutput::PointerBitmap(pointer) => {
            let pixels = usize::from(pointer.width) * usize::from(pointer.height);
            if pixels == 0
                || pointer.width > MAX_SIDE
                || pointer.height > MAX_SIDE
                || pointer.bitmap_data.len() != pixels * 4
            {
                return Some(Cursor::Hidden);
            }
            Some(Cursor::Shape(Arc::new(CursorShape {
                width: pointer.width,
                height: pointer.height,
                hotspot_x: pointer.hotspot_x.min(pointer.width - 1),
                hotspot_y: pointer.hotspot_y.min(pointer.height - 1),
                rgba: pointer.bitmap_data.clone(),
            })))
        }
        _ => None,
    }
}

/// The largest pointer of the protocol. Source: [MS-RDPBCGR] 2.2.7.2.7 Large Pointer Capability Set.
const MAX_SIDE: u16 = 384;

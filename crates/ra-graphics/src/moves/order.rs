//! The order of moves: no copy may overwrite what a later one still has to read.

use super::Move;

/// Puts moves that all go by one step in an order in which they can be made one after the other.
///
/// False when there is none, which cannot be for rectangles that do not overlap: of bodies that are pushed in one
/// direction, one is always free to go first.
pub(super) fn sort(moves: &mut [Move]) -> bool {
    // Rows and columns come in reading order; a step down or to the right begins at the other end.
    if moves.first().is_some_and(|first| (first.by.y, first.by.x) < (0, 0)) {
        moves.reverse();
    }
    for done in 0..moves.len() {
        // The next one is one whose destination no other that is left still reads.
        let Some(free) = (done..moves.len()).find(|candidate| {
            let to = moves[*candidate].to;
            (done..moves.len()).all(|other| other == *candidate || !to.overlaps(moves[other].from()))
        }) else {
            return false;
        };
        moves[done..=free].rotate_right(1);
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::Rect;
    use crate::moves::Step;

    #[test]
    fn a_staircase_is_copied_from_its_free_end() {
        for by in [(5, 0), (-5, 0), (0, 5), (0, -5), (-5, 10), (7, -3), (-1, -1)] {
            let by = Step { x: by.0, y: by.1 };
            let rects = [Rect::new(100, 100, 64, 100), Rect::new(164, 150, 64, 10), Rect::new(164, 160, 64, 90)];
            let mut moves: Vec<_> = rects.into_iter().map(|to| Move { to, by }).collect();
            assert!(sort(&mut moves));
            for (number, made) in moves.iter().enumerate() {
                assert!(moves[number + 1..].iter().all(|later| !made.to.overlaps(later.from())), "{by:?}: {moves:?}");
            }
        }
    }
}

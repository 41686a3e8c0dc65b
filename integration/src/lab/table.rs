//! The cells of the NAT table: the 18 of the original, and ten kinds of sites against ten.

use std::num::NonZeroUsize;
use std::sync::Mutex;
use std::sync::PoisonError;

use super::cell::{Cell, Verdict, Via, play};
use crate::Failure;

/// Who is behind the device; whoever is not has a public address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behind {
    /// The novice.
    Novice,
    /// The expert.
    Expert,
    /// Both, each behind one of their own.
    Both,
}

/// The devices of Table 1, as `natlab` calls them: Internet Connection Sharing of Windows XP, one without UPnP, one with.
pub const DEVICES: [&str; 3] = ["ics", "nat", "upnp"];

/// Table 1 of the paper for administrators, as it stands there: whether a session comes about, for each of [`DEVICES`].
///
/// Source: S92.
pub const TABLE_1: [(Via, Behind, [bool; 3]); 6] = [
    (Via::Messenger, Behind::Novice, [true, true, true]),
    (Via::Messenger, Behind::Expert, [true, true, true]),
    (Via::Messenger, Behind::Both, [true, false, true]),
    (Via::Email, Behind::Novice, [true, false, true]),
    (Via::Email, Behind::Expert, [true, true, true]),
    (Via::Email, Behind::Both, [true, false, true]),
];

/// The kinds of the full set: what people really sit behind.
pub const KINDS: [&str; 10] =
    ["none", "ics", "upnp", "pcp", "nat", "nat+symmetric", "upnp+cgn", "none+v6", "upnp+v6", "v6"];

/// The 18 cells of Table 1 in its order, and what it says of each.
#[must_use]
pub fn table_1() -> Vec<(Cell, bool)> {
    let row = |(via, behind, said): &(Via, Behind, [bool; 3])| {
        let (via, behind) = (*via, *behind);
        let cells = DEVICES.iter().zip(*said).map(move |(device, yes)| (behind.cell(via, device), yes));
        cells.collect::<Vec<_>>()
    };
    TABLE_1.iter().flat_map(row).collect()
}

/// Every kind against every kind.
#[must_use]
pub fn full(via: Via) -> Vec<Cell> {
    let against =
        |novice: &&str| KINDS.map(|expert| Cell { via, novice: (*novice).to_owned(), expert: expert.to_owned() });
    KINDS.iter().flat_map(against).collect()
}

/// Plays cells, several at once since most of a cell is waiting; tells of each as it is done, and gives all in their order.
pub fn play_all(
    cells: &[Cell],
    at_once: NonZeroUsize,
    told: impl Fn(&Cell, &Result<Verdict, Failure>) + Sync,
) -> Vec<Result<Verdict, Failure>> {
    let next = Mutex::new(0..cells.len());
    let played: Mutex<Vec<Option<Result<Verdict, Failure>>>> = Mutex::new(cells.iter().map(|_| None).collect());
    std::thread::scope(|scope| {
        for _ in 0..at_once.get().min(cells.len()) {
            scope.spawn(|| {
                loop {
                    let Some(index) = next.lock().unwrap_or_else(PoisonError::into_inner).next() else { break };
                    let verdict = play(&cells[index]);
                    told(&cells[index], &verdict);
                    played.lock().unwrap_or_else(PoisonError::into_inner)[index] = Some(verdict);
                }
            });
        }
    });
    let played = played.into_inner().unwrap_or_else(PoisonError::into_inner);
    let missing = || Err(Failure::new("a cell was not played"));
    played.into_iter().map(|verdict| verdict.unwrap_or_else(missing)).collect()
}

impl Behind {
    fn cell(self, via: Via, device: &str) -> Cell {
        let at = |behind: bool| if behind { device.to_owned() } else { "none".to_owned() };
        Cell { via, novice: at(self != Self::Expert), expert: at(self != Self::Novice) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_1_has_eighteen_cells_and_three_of_them_are_no() {
        let cells = table_1();
        assert_eq!(cells.len(), 18);
        let no: Vec<_> = cells.iter().filter(|(_, yes)| !yes).map(|(cell, _)| cell).collect();
        assert_eq!(no.len(), 3, "{no:?}");
        assert!(no.iter().all(|cell| cell.novice == "nat"), "{no:?}");
        assert_eq!(full(Via::Email).len(), 100);
    }
}

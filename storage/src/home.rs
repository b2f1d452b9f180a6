//! Where rows live, and where they went. A home is a segment or a memtable; a row keeps its number in it
//! for as long as the home exists. When a flush or a merge moves the rows of a home, the home remembers
//! where each of them went, so that whoever holds a row's old position still finds the row.
//!
//! The memory for that (4 bytes per row moved) goes with the last holder of the old home: at once, unless
//! a snapshot is older than the move. It knows nothing of what the rows hold.

use std::sync::{Arc, OnceLock};

use roaring::RoaringBitmap;

use crate::format::FileId;

/// What a home is called; unique within a table among homes that have rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Place {
    Segment(FileId),
    /// The arrival number of the memtable's first row: how many rows the table had taken before it.
    Memtable(u64),
}

#[derive(Debug)]
pub(crate) struct Home {
    place: Place,
    moved: OnceLock<Moved>,
}

/// That the rows of a home are rows `first..` of a move.
#[derive(Debug)]
struct Moved {
    first: u32,
    by: Arc<Move>,
}

/// Stands for a row that had been deleted before the move and was not taken along.
const LEFT_BEHIND: u32 = u32::MAX;

/// One flush or merge: which row became which.
#[derive(Debug)]
pub(crate) struct Move {
    /// The new homes in order of their rows, each with the number of its first.
    targets: Vec<(u32, Arc<Home>)>,
    /// Per old row the number of the new one.
    numbers: Vec<u32>,
}

/// Rows of one home.
pub(crate) type Part = (Arc<Home>, RoaringBitmap);

impl Home {
    pub(crate) fn new(place: Place) -> Arc<Self> {
        let moved = OnceLock::new();
        Arc::new(Self { place, moved })
    }

    pub(crate) fn place(&self) -> Place {
        self.place
    }

    /// Says where the rows went. A home moves once.
    pub(crate) fn move_away(&self, first: u32, by: &Arc<Move>) {
        let by = Arc::clone(by);
        // Set twice it would be the same move.
        let _ = self.moved.set(Moved { first, by });
    }

    /// Where some rows went; `None` when they have not moved. Rows left behind are missing in it.
    pub(crate) fn follow(&self, rows: &RoaringBitmap) -> Option<Vec<Part>> {
        let moved = self.moved.get()?;
        Some(moved.by.translate(moved.first, rows))
    }

    /// Where one row went: `None` when the home has not moved, `Some(None)` when the row was left.
    pub(crate) fn follow_row(&self, row: u32) -> Option<Option<(Arc<Home>, u32)>> {
        let moved = self.moved.get()?;
        Some(moved.by.locate(moved.first.saturating_add(row)))
    }
}

impl Move {
    /// The move of `rows` rows into `targets`, homes with their numbers of rows, such that the new row
    /// number `n` is old row `order[n]`.
    pub(crate) fn new(rows: usize, order: &[u32], targets: &[(Arc<Home>, u64)]) -> Arc<Self> {
        let mut numbers = vec![LEFT_BEHIND; rows];
        for (number, &row) in order.iter().enumerate() {
            if let Some(slot) = numbers.get_mut(row as usize) {
                *slot = number as u32;
            }
        }
        let mut first = 0;
        let with_first = |(home, rows): &(Arc<Home>, u64)| {
            let start = first;
            first += *rows as u32;
            (start, Arc::clone(home))
        };
        let targets = targets.iter().map(with_first).collect();
        Arc::new(Self { targets, numbers })
    }

    fn locate(&self, row: u32) -> Option<(Arc<Home>, u32)> {
        let number = *self.numbers.get(row as usize)?;
        if number == LEFT_BEHIND {
            return None;
        }
        let after = self.targets.partition_point(|(start, _)| *start <= number);
        let (start, home) = self.targets.get(after.checked_sub(1)?)?;
        Some((Arc::clone(home), number - start))
    }

    /// New homes of old rows `first + n` for all `n` of `rows`.
    pub(crate) fn translate(&self, first: u32, rows: &RoaringBitmap) -> Vec<Part> {
        let old = rows.iter().map(|row| first.saturating_add(row) as usize);
        let mut numbers: Vec<u32> = old
            .filter_map(|row| self.numbers.get(row).copied())
            .filter(|&number| number != LEFT_BEHIND)
            .collect();
        numbers.sort_unstable();
        let mut parts = Vec::new();
        let mut rest = numbers.as_slice();
        let ends = self.targets.iter().skip(1).map(|(start, _)| *start);
        for ((start, home), end) in self.targets.iter().zip(ends.chain([u32::MAX])) {
            let (here, beyond) = rest.split_at(rest.partition_point(|&n| n < end));
            rest = beyond;
            if !here.is_empty() {
                parts.push((Arc::clone(home), here.iter().map(|n| n - start).collect()));
            }
        }
        parts
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_found_after_two_moves_and_those_left_behind_are_not() {
        let old = Home::new(Place::Memtable(0));
        let [a, b] = [1, 2].map(|n| Home::new(Place::Segment(FileId(n))));
        // Rows 3, 1, 4, 0 of five; row 2 was deleted.
        let targets = [(Arc::clone(&a), 1), (Arc::clone(&b), 3)];
        old.move_away(0, &Move::new(5, &[3, 1, 4, 0], &targets));
        let parts = old.follow(&(0..5).collect()).unwrap();
        assert_eq!(parts.len(), 2);
        assert_eq!(parts[0].1, RoaringBitmap::from_iter([0]));
        assert_eq!(parts[1].1, RoaringBitmap::from_iter([0, 1, 2]));
        assert!(old.follow_row(2).unwrap().is_none());
        let (home, row) = old.follow_row(4).unwrap().unwrap();
        assert!(Arc::ptr_eq(&home, &b) && row == 1);
        assert!(b.follow(&RoaringBitmap::new()).is_none());
        let c = Home::new(Place::Segment(FileId(3)));
        // b is the second input of a merge, after two rows of another.
        b.move_away(2, &Move::new(5, &[4, 3, 2, 1, 0], &[(Arc::clone(&c), 5)]));
        let (_, row) = b.follow_row(row).unwrap().unwrap();
        assert_eq!(row, 1);
    }
}

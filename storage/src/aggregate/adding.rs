//! Adding rows up: what a field takes from each row, sums over runs of rows, and sums by group.

use crate::scan::{Lanes, Rows};

/// What a field adds per row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// 1 for every row.
    Row,
    /// 1 for a row that counts and is not NULL.
    Presence,
    /// The lane, or its lower or upper 32 bits where it is too wide.
    Lane,
    Low,
    High,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Field {
    /// Position in the plan's inputs; of no meaning for `Row`.
    pub(super) input: usize,
    pub(super) part: Part,
    pub(super) word: usize,
    pub(super) shift: u32,
    pub(super) bits: u32,
}

impl Field {
    /// What some rows add, unless they are to pass a case.
    pub(super) fn sum(&self, lanes: Lanes<'_>, rows: Rows<'_>, has_null: bool) -> u64 {
        let each = |of: fn(u64) -> u64| match rows {
            Rows::Range(from, to) => (from..to).map(|row| of(lanes.get(row))).sum(),
            Rows::Picked(rows) => rows.iter().map(|&row| of(lanes.get(row as usize))).sum(),
        };
        match self.part {
            Part::Presence if has_null => lanes.present(rows),
            Part::Row | Part::Presence => count_of(rows),
            Part::Lane => lanes.sum(rows),
            Part::Low => each(low),
            Part::High => each(high),
        }
    }
}

fn low(lane: u64) -> u64 {
    lane & 0xFFFF_FFFF
}

fn high(lane: u64) -> u64 {
    lane >> 32
}

pub(super) fn count_of(rows: Rows<'_>) -> u64 {
    match rows {
        Rows::Range(from, to) => to.saturating_sub(from) as u64,
        Rows::Picked(rows) => rows.len() as u64,
    }
}

/// Rows of a block up to the last that is selected.
pub(super) fn length_of(rows: Rows<'_>) -> usize {
    match rows {
        Rows::Range(_, to) => to,
        Rows::Picked(rows) => rows.last().map_or(0, |&row| row as usize + 1),
    }
}

pub(super) fn add_to(sums: &mut [u64], slot: usize, sum: u64) {
    if let Some(slot) = sums.get_mut(slot) {
        *slot += sum;
    }
}

/// Adds a field's part of every row to its word.
pub(super) fn put(
    words: &mut [u64],
    lanes: Lanes<'_>,
    mask: Option<&[u64]>,
    field: Field,
    has_null: bool,
) {
    match (field.part, mask) {
        (Part::Row, _) => {}
        (Part::Lane, None) => lanes.add_to(words, field.shift),
        (Part::Presence, None) if has_null => lanes.add_presence_to(words, field.shift),
        (part, mask) => {
            let lane = |row: usize| {
                let lane = lanes.get(row);
                let part = match part {
                    Part::Presence => u64::from(!has_null || lane != 0),
                    Part::Low => low(lane),
                    Part::High => high(lane),
                    Part::Row | Part::Lane => lane,
                };
                part & mask_of(mask, row)
            };
            for (row, word) in words.iter_mut().enumerate() {
                *word += lane(row) << field.shift;
            }
        }
    }
}

fn mask_of(mask: Option<&[u64]>, row: usize) -> u64 {
    mask.map_or(u64::MAX, |mask| mask.get(row).copied().unwrap_or(0))
}

/// Adds each selected row's words to its group.
pub(super) fn scatter(sums: &mut [u64], words: &[Vec<u64>], groups: &[u32], rows: Rows<'_>) {
    match (words, rows) {
        ([only], Rows::Range(from, to)) => {
            let groups = groups.get(from..to).unwrap_or_default();
            scatter_word(sums, only.get(from..to).unwrap_or_default(), groups);
        }
        ([first, second], Rows::Range(from, to)) => {
            let (pairs, _) = sums.as_chunks_mut::<2>();
            let words = first.iter().zip(second).take(to).skip(from);
            let groups = groups.get(from..to).unwrap_or_default();
            for (&group, (a, b)) in groups.iter().zip(words) {
                if let Some([x, y]) = pairs.get_mut(group as usize) {
                    *x += a;
                    *y += b;
                }
            }
        }
        (words, Rows::Range(from, to)) => {
            (from..to).for_each(|row| scatter_row(sums, words, groups, row));
        }
        ([only], Rows::Picked(rows)) => {
            for &row in rows {
                if let (Some(&group), Some(&word)) =
                    (groups.get(row as usize), only.get(row as usize))
                {
                    add_to(sums, group as usize, word);
                }
            }
        }
        (words, Rows::Picked(rows)) => {
            let rows = rows.iter().map(|&row| row as usize);
            rows.for_each(|row| scatter_row(sums, words, groups, row));
        }
    }
}

/// Groups that are few enough to be added up twice.
const FEW_GROUPS: usize = 512;

/// The same where all fields fit one word. Neighbours of one group would wait for each other's sum: where groups
/// are few, every other row has sums of its own.
fn scatter_word(sums: &mut [u64], words: &[u64], groups: &[u32]) {
    if sums.len() > FEW_GROUPS {
        for (&group, &word) in groups.iter().zip(words) {
            add_to(sums, group as usize, word);
        }
        return;
    }
    let mut others = [0; FEW_GROUPS];
    let (pairs, last) = groups.as_chunks::<2>();
    let (words, last_word) = words.as_chunks::<2>();
    for ([a, b], [x, y]) in pairs.iter().zip(words) {
        add_to(sums, *a as usize, *x);
        add_to(&mut others, *b as usize, *y);
    }
    for (&group, &word) in last.iter().zip(last_word) {
        add_to(sums, group as usize, word);
    }
    for (sum, other) in sums.iter_mut().zip(others) {
        *sum += other;
    }
}

fn scatter_row(sums: &mut [u64], words: &[Vec<u64>], groups: &[u32], row: usize) {
    let Some(&group) = groups.get(row) else {
        return;
    };
    let start = group as usize * words.len();
    let slots = sums.get_mut(start..start + words.len()).unwrap_or_default();
    for (slot, words) in slots.iter_mut().zip(words) {
        *slot += words.get(row).copied().unwrap_or(0);
    }
}

//! Which segments to merge: tiers of similar size, so that every row is rewritten a few times at most
//! and a table ends up with segments between half full and full.

use super::segments::SEGMENT_RAW_BYTES_MAX;
use crate::format::FileId;

/// Segments of a tier that are worth a merge.
const FAN_IN_MIN: usize = 4;
/// Segments one merge reads at most.
const FAN_IN_MAX: usize = 64;

/// Segments of more than this part of a full one are merged only into one that is at least half full.
const WAIT_FRACTION: u64 = 64;

/// One in so many rows deleted is worth a rewrite.
const DELETED_SHARE: u64 = 20;

/// What the policy knows of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) file: FileId,
    /// Rows, deleted ones too.
    pub(super) rows: u64,
    /// Rows that are not deleted.
    pub(super) live: u64,
    /// Decoded bytes of those.
    pub(super) raw_bytes: u64,
}

/// Chooses what to merge next among the segments of one table, given in any order; `None` when nothing
/// is worth it. Segments with many deleted rows come first: they give space back.
pub(super) fn choose(segments: &[Size], segment_rows: u64) -> Option<Vec<FileId>> {
    let worn = |s: &&Size| (s.rows - s.live) * DELETED_SHARE > s.rows;
    if let Some(worst) = segments
        .iter()
        .filter(worn)
        .min_by_key(|s| (s.live, s.file))
    {
        return Some(vec![worst.file]);
    }
    // More than half full is full: no two of them fit into one.
    let mut small: Vec<Size> = segments
        .iter()
        .filter(|s| s.live <= segment_rows / 2 && s.raw_bytes <= SEGMENT_RAW_BYTES_MAX / 2)
        .copied()
        .collect();
    small.sort_by_key(|s| (tier(s.live), s.file));
    small
        .chunk_by(|a, b| tier(a.live) == tier(b.live))
        .find_map(|same| pick(same, segment_rows))
}

/// Powers of four of the size.
fn tier(rows: u64) -> u32 {
    rows.max(1).ilog(4)
}

/// The oldest segments of a tier that fit into one.
fn pick(tier: &[Size], segment_rows: u64) -> Option<Vec<FileId>> {
    let (mut rows, mut bytes) = (0, 0);
    let fits = |s: &&Size| {
        rows += s.live;
        bytes += s.raw_bytes;
        rows <= segment_rows && bytes <= SEGMENT_RAW_BYTES_MAX
    };
    let picked = tier.iter().take(FAN_IN_MAX).take_while(fits);
    let picked: Vec<FileId> = picked.map(|s| s.file).collect();
    // Fewer are worth it when no more of this size would fit. Larger ones wait until they make a full
    // segment: each step on the way would write all rows once more.
    let small = tier.iter().all(|s| s.live < segment_rows / WAIT_FRACTION);
    let many = picked.len() >= FAN_IN_MIN && (small || 2 * rows >= segment_rows);
    let enough = many || (picked.len() >= 2 && picked.len() < tier.len());
    enough.then_some(picked)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const FULL: u64 = 1 << 20;

    fn segment(file: u64, rows: u64) -> Size {
        Size {
            file: FileId(file),
            rows,
            live: rows,
            raw_bytes: rows * 100,
        }
    }

    /// Adds segments one by one, merging whenever the policy says so; rows written by merges, and what
    /// is left.
    fn simulate(flushes: impl Iterator<Item = u64>) -> (u64, Vec<Size>) {
        let mut segments: Vec<Size> = Vec::new();
        let (mut written, mut file) = (0, 0);
        for rows in flushes {
            file += 1;
            segments.push(segment(file, rows));
            while let Some(inputs) = choose(&segments, FULL) {
                let is_input = |s: &&Size| inputs.contains(&s.file);
                let rows: u64 = segments.iter().filter(is_input).map(|s| s.rows).sum();
                assert!(inputs.len() >= 2 && rows <= FULL);
                segments.retain(|s| !inputs.contains(&s.file));
                file += 1;
                written += rows;
                segments.push(segment(file, rows));
            }
        }
        (written, segments)
    }

    #[test]
    fn many_flushes_of_any_size_leave_few_segments_and_copy_each_row_few_times() {
        for rows in [1, 100, 5_000, 60_000, 200_000, 450_000] {
            let count = (20 * FULL / rows).min(20_000);
            let total = count * rows;
            let (written, left) = simulate((0..count).map(|_| rows));
            let full = total.div_ceil(FULL / 2) as usize;
            assert!(left.len() <= full + 40, "{rows}: {} segments", left.len());
            assert!(written <= 11 * total, "{rows}: {written} of {total}");
        }
    }

    #[test]
    fn a_segment_with_many_deleted_rows_is_rewritten_and_the_emptiest_first() {
        let worn = |file, live| Size {
            live,
            ..segment(file, 1000)
        };
        assert!(choose(&[worn(1, 960)], FULL).is_none());
        let chosen = choose(&[worn(1, 960), worn(2, 940), worn(3, 0)], FULL);
        assert_eq!(chosen.unwrap(), [FileId(3)]);
    }

    #[test]
    fn a_single_small_segment_is_left_alone() {
        assert!(choose(&[segment(1, 10), segment(2, FULL)], FULL).is_none());
    }
}

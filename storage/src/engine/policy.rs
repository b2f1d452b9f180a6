//! Which segments to merge: tiers of similar size, so that every row is rewritten a few times at most
//! and a table ends up with segments between half full and full.

use super::segments::SEGMENT_RAW_BYTES_MAX;
use crate::manifest::SegmentRecord;

/// Segments of a tier that are worth a merge.
const FAN_IN_MIN: usize = 4;
/// Segments one merge reads at most.
const FAN_IN_MAX: usize = 64;

/// Chooses what to merge next among the segments of one table, given in any order; `None` when nothing
/// is worth it.
pub(super) fn choose(segments: &[SegmentRecord], segment_rows: u64) -> Option<Vec<SegmentRecord>> {
    // More than half full is full: no two of them fit into one.
    let mut small: Vec<SegmentRecord> = segments
        .iter()
        .filter(|s| s.rows <= segment_rows / 2 && s.raw_bytes <= SEGMENT_RAW_BYTES_MAX / 2)
        .copied()
        .collect();
    small.sort_by_key(|s| (tier(s.rows), s.file));
    small
        .chunk_by(|a, b| tier(a.rows) == tier(b.rows))
        .find_map(|same| pick(same, segment_rows))
}

/// Powers of four of the size.
fn tier(rows: u64) -> u32 {
    rows.max(1).ilog(4)
}

/// The oldest segments of a tier that fit into one.
fn pick(tier: &[SegmentRecord], segment_rows: u64) -> Option<Vec<SegmentRecord>> {
    let (mut rows, mut bytes) = (0, 0);
    let fits = |s: &&SegmentRecord| {
        rows += s.rows;
        bytes += s.raw_bytes;
        rows <= segment_rows && bytes <= SEGMENT_RAW_BYTES_MAX
    };
    let picked: Vec<_> = tier
        .iter()
        .take(FAN_IN_MAX)
        .take_while(fits)
        .copied()
        .collect();
    // Fewer are worth it when no more of this size would fit.
    let enough = picked.len() >= FAN_IN_MIN || (picked.len() >= 2 && picked.len() < tier.len());
    enough.then_some(picked)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::format::FileId;

    const FULL: u64 = 1 << 20;

    fn segment(file: u64, rows: u64) -> SegmentRecord {
        let raw_bytes = rows * 100;
        SegmentRecord {
            file: FileId(file),
            rows,
            bytes: rows,
            raw_bytes,
            footer_checksum: 0,
        }
    }

    /// Adds segments one by one, merging whenever the policy says so; rows written by merges, and what
    /// is left.
    fn simulate(flushes: impl Iterator<Item = u64>) -> (u64, Vec<SegmentRecord>) {
        let mut segments: Vec<SegmentRecord> = Vec::new();
        let (mut written, mut file) = (0, 0);
        for rows in flushes {
            file += 1;
            segments.push(segment(file, rows));
            while let Some(inputs) = choose(&segments, FULL) {
                let rows: u64 = inputs.iter().map(|s| s.rows).sum();
                assert!(inputs.len() >= 2 && rows <= FULL);
                segments.retain(|s| !inputs.contains(s));
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
    fn a_single_small_segment_is_left_alone() {
        assert!(choose(&[segment(1, 10), segment(2, FULL)], FULL).is_none());
    }
}

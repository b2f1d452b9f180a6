//! Which segments to merge, so that a table rests in few of about full size and every row is rewritten a
//! few times at most. It looks at sizes and periods only; what a merge does is in `merge`.
//!
//! A segment of five eighths of a full one or more is left alone. Smaller ones of one shard are merged
//!
//! 1. when they come to about a full one together, those nearest in time first;
//! 2. when there are eight of similar size;
//! 3. at rest, when nothing new has come for a while: those of which none outweighs the others.

use super::cutting::SEGMENT_RAW_BYTES_MAX;
use crate::format::FileId;

/// Segments of a tier that are worth a merge; also the ratio of the sizes of two tiers.
const FAN_IN: usize = 8;
/// Segments one merge reads at most.
const FAN_IN_MAX: usize = 64;

/// What sizes are measured in: that of a full segment.
const FULL: u64 = 1 << 20;
/// From here on a segment is left alone.
const ENOUGH: u64 = FULL / 8 * 5;
/// Small segments are worth a merge once they come to this.
const GATHERED: u64 = FULL / 16 * 13;

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
    /// The first and the last moment in it, of a table with periods.
    pub(super) period: Option<(i128, i128)>,
}

impl Size {
    /// The larger of its shares of a full segment's rows and bytes.
    fn weight(&self, segment_rows: u64) -> u64 {
        let share = |part: u64, full: u64| {
            let share = u128::from(part) * u128::from(FULL) / u128::from(full.max(1));
            u64::try_from(share).unwrap_or(u64::MAX)
        };
        share(self.live, segment_rows).max(share(self.raw_bytes, SEGMENT_RAW_BYTES_MAX))
    }
}

/// Chooses what to merge next among the segments of one shard of a table, given in any order; `None`
/// when nothing is worth it. Segments with many deleted rows come first: they give space back.
pub(super) fn choose(segments: &[Size], segment_rows: u64, at_rest: bool) -> Option<Vec<FileId>> {
    let worn = |s: &&Size| (s.rows - s.live) * DELETED_SHARE > s.rows;
    if let Some(worst) = segments
        .iter()
        .filter(worn)
        .min_by_key(|s| (s.live, s.file))
    {
        return Some(vec![worst.file]);
    }
    let weighed = segments.iter().map(|s| (s.weight(segment_rows), *s));
    let mut small: Vec<(u64, Size)> = weighed.filter(|(weight, _)| *weight < ENOUGH).collect();
    // Neighbours in time; in order of arrival without periods.
    small.sort_by_key(|(_, s)| (s.period.map(|(first, last)| first / 2 + last / 2), s.file));
    let chosen = gathered(&small)
        .or_else(|| of_one_tier(&small))
        .or_else(|| at_rest.then(|| balanced(&small)).flatten());
    chosen.map(|chosen| chosen.iter().map(|(_, s)| s.file).collect())
}

/// Neighbours that come to about a full segment, of the shortest period.
fn gathered(small: &[(u64, Size)]) -> Option<Vec<(u64, Size)>> {
    let window = |start: usize| {
        let rest = small.get(start..)?;
        let mut sum = 0;
        let enough = |(weight, _): &(u64, Size)| {
            sum += weight;
            sum >= GATHERED
        };
        let last = rest.iter().take(FAN_IN_MAX).position(enough)?;
        rest.get(..=last)
    };
    let windows = (0..small.len()).filter_map(window);
    windows
        .min_by_key(|window| length(window))
        .map(<[_]>::to_vec)
}

/// How long a time some segments span.
fn length(window: &[(u64, Size)]) -> i128 {
    let periods = || window.iter().filter_map(|(_, s)| s.period);
    let (first, last) = (periods().map(|p| p.0).min(), periods().map(|p| p.1).max());
    first
        .zip(last)
        .map_or(0, |(first, last)| last.saturating_sub(first))
}

/// Segments of similar size, of the smallest there are many of.
fn of_one_tier(small: &[(u64, Size)]) -> Option<Vec<(u64, Size)>> {
    let tier = |weight: u64| weight.max(1).ilog(FAN_IN as u64);
    let lowest = small.iter().map(|(weight, _)| tier(*weight));
    let mut tiers: Vec<u32> = lowest.collect();
    tiers.sort_unstable();
    let mut same = tiers.chunk_by(|a, b| a == b);
    let chosen = same.find(|same| same.len() >= FAN_IN)?.first().copied();
    let here = small
        .iter()
        .filter(|(weight, _)| Some(tier(*weight)) == chosen);
    Some(here.take(FAN_IN_MAX).copied().collect())
}

/// The most segments of which none is more than twice as large as the others together: its rows would
/// be written again for little.
fn balanced(small: &[(u64, Size)]) -> Option<Vec<(u64, Size)>> {
    let mut all = small.to_vec();
    all.sort_by_key(|(weight, s)| (*weight, s.file));
    all.truncate(FAN_IN_MAX);
    while let Some((largest, others)) = all.split_last() {
        let sum: u64 = others.iter().map(|(weight, _)| weight).sum();
        if !others.is_empty() && largest.0 <= 2 * sum {
            return Some(all);
        }
        all.pop();
    }
    None
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::cutting::fills_segments;
    use super::*;

    const ROWS: u64 = 1 << 20;
    const ROW_BYTES: u64 = 400;

    fn segment(file: u64, rows: u64) -> Size {
        Size {
            file: FileId(file),
            rows,
            live: rows,
            raw_bytes: rows * ROW_BYTES,
            period: None,
        }
    }

    /// One shard under the policy. Merges come after every flush, as long as there are any.
    #[derive(Default)]
    struct Shard {
        segments: Vec<Size>,
        file: u64,
        /// Rows written by merges.
        written: u64,
        most: usize,
    }

    impl Shard {
        fn add(&mut self, size: Size) {
            self.file += 1;
            self.segments.push(Size {
                file: FileId(self.file),
                ..size
            });
            self.most = self.most.max(self.segments.len());
        }

        fn merge(&mut self, at_rest: bool) {
            while let Some(inputs) = choose(&self.segments, ROWS, at_rest) {
                let is_input = |s: &Size| inputs.contains(&s.file);
                let merged: Vec<Size> = self
                    .segments
                    .iter()
                    .filter(|s| is_input(s))
                    .copied()
                    .collect();
                assert!((2..=FAN_IN_MAX).contains(&merged.len()));
                let rows: u64 = merged.iter().map(|s| s.rows).sum();
                let first = merged.iter().filter_map(|s| s.period).map(|p| p.0).min();
                let last = merged.iter().filter_map(|s| s.period).map(|p| p.1).max();
                self.segments.retain(|s| !is_input(s));
                self.written += rows;
                let parts = fills_segments(rows, rows * ROW_BYTES, ROWS);
                for part in 0..parts {
                    let rows = rows * (part + 1) / parts - rows * part / parts;
                    let period = first.zip(last);
                    self.add(Size {
                        period,
                        ..segment(0, rows)
                    });
                }
            }
        }

        fn small(&self) -> usize {
            let small = |s: &&Size| s.rows < ROWS / 2;
            self.segments.iter().filter(small).count()
        }
    }

    #[test]
    fn flushes_of_any_size_come_to_rest_in_full_segments_written_a_few_times() {
        for rows in [
            1, 100, 5_000, 20_000, 60_000, 131_072, 200_000, 450_000, 600_000,
        ] {
            let count = (20 * ROWS / rows).min(20_000);
            let total = count * rows;
            let mut shard = Shard::default();
            for _ in 0..count {
                shard.add(segment(0, rows));
                shard.merge(false);
            }
            // A level of eights per factor of eight between a flush and a full segment.
            let levels = 1 + u64::from((ROWS / rows).max(1).ilog(8));
            assert!(
                shard.written <= levels * total,
                "{rows}: {} of {total}",
                shard.written
            );
            assert!(
                shard.most <= 40 + (total / ROWS * 8 / 5) as usize,
                "{rows}: {}",
                shard.most
            );
            let busy = shard.written;
            shard.merge(true);
            assert!(shard.written - busy <= 3 * ROWS, "{rows}");
            // What is left outweighs all that is smaller.
            assert!(shard.small() <= 3, "{rows}: {:?}", shard.segments);
            let count = shard.segments.len() as u64;
            // All others hold five eighths at least; on average there is more in them.
            assert!(
                count <= 3 + (total * 10).div_ceil(ROWS * 8),
                "{rows}: {count}"
            );
        }
    }

    #[test]
    fn merging_at_rest_after_every_flush_writes_each_row_a_bounded_number_of_times() {
        for rows in [1_000, 20_000, 150_000] {
            let (mut shard, count) = (Shard::default(), 8 * ROWS / rows);
            for _ in 0..count {
                shard.add(segment(0, rows));
                shard.merge(true);
            }
            let growths = f64::ln(ROWS as f64 / rows as f64) / f64::ln(1.5);
            let most = (1.0 + growths) * (count * rows) as f64;
            assert!(
                (shard.written as f64) < most,
                "{rows}: {} of {most}",
                shard.written
            );
        }
    }

    #[test]
    fn shards_of_unequal_traffic_rest_in_few_segments() {
        // A quarter of the rows in one shard, a two-hundredth in another.
        let shares = [250, 200, 150, 150, 120, 80, 45, 5];
        let (mut segments, mut written, flushes) = (0, 0, 50);
        for share in shares {
            let mut shard = Shard::default();
            for _ in 0..flushes {
                shard.add(segment(0, ROWS * share / 1000));
                shard.merge(false);
            }
            shard.merge(true);
            segments += shard.segments.len();
            written += shard.written;
        }
        assert!(segments <= 60, "{segments}");
        assert!(written <= 2 * flushes * ROWS, "{written}");
    }

    #[test]
    fn neighbours_in_time_are_merged_whenever_they_came() {
        let of_day = |day: i128, file| Size {
            period: Some((day * 1000, day * 1000 + 999)),
            ..segment(file, ROWS / 6)
        };
        // Days of two distant months take turns.
        let days = (0..6).flat_map(|day| [day, day + 600]);
        let segments: Vec<Size> = days.zip(1..).map(|(day, file)| of_day(day, file)).collect();
        let mut chosen = choose(&segments, ROWS, false).unwrap();
        chosen.sort();
        assert_eq!(chosen, [1, 3, 5, 7, 9].map(FileId));
    }

    #[test]
    fn a_segment_with_many_deleted_rows_is_rewritten_and_the_emptiest_first() {
        let worn = |file, live| Size {
            live,
            ..segment(file, 1000)
        };
        assert!(choose(&[worn(1, 960)], ROWS, true).is_none());
        let chosen = choose(&[worn(1, 960), worn(2, 940), worn(3, 0)], ROWS, false);
        assert_eq!(chosen.unwrap(), [FileId(3)]);
    }

    #[test]
    fn a_single_small_segment_is_left_alone() {
        assert!(choose(&[segment(1, 10), segment(2, ROWS)], ROWS, true).is_none());
    }

    #[test]
    fn wide_rows_make_a_segment_full_before_many_do() {
        let wide = |file| Size {
            raw_bytes: SEGMENT_RAW_BYTES_MAX / 3,
            ..segment(file, 1000)
        };
        assert_eq!(
            choose(&[wide(1), wide(2), wide(3)], ROWS, false)
                .unwrap()
                .len(),
            3
        );
    }
}

//! Which runs to merge, and which have been forgotten. Runs are merged within a period, an eighth of the window,
//! so that a period ends as one run and leaves as one.

use crate::format::FileId;
use crate::manifest::RunRecord;

/// Periods of a window.
const PERIODS: u64 = 8;
/// Runs of a tier that are worth a merge while their period goes on.
const FAN_IN_MIN: usize = 4;
/// Runs one merge reads at most.
const FAN_IN_MAX: usize = 64;

/// Whether all keys of a run have left the window, in seconds.
pub(crate) fn is_forgotten(run: &RunRecord, window: u64, now: u64) -> bool {
    u64::from(run.last_arrival).saturating_add(window) < now
}

/// Chooses what to merge next among the runs of one table, given in any order; `None` when nothing is
/// worth it. Times are in seconds.
pub(crate) fn choose(runs: &[RunRecord], window: u64, now: u64) -> Option<Vec<FileId>> {
    let length = (window / PERIODS).max(1);
    let period = |run: &RunRecord| u64::from(run.last_arrival) / length;
    let mut sorted: Vec<RunRecord> = runs.to_vec();
    sorted.sort_by_key(|run| (period(run), tier(run), run.file));
    let periods = sorted.chunk_by(|a, b| period(a) == period(b));
    periods.into_iter().find_map(|same| {
        let over = same.first().is_some_and(|run| period(run) < now / length);
        let end = match over {
            true => same.len(),
            false => full_tier(same)?,
        };
        let chosen = same.get(..end.min(FAN_IN_MAX)).filter(|c| c.len() >= 2)?;
        Some(chosen.iter().map(|run| run.file).collect())
    })
}

/// The end of the lowest tier that has enough runs, which are sorted by tier: these and all smaller ones
/// make a run of a higher tier.
fn full_tier(runs: &[RunRecord]) -> Option<usize> {
    let mut end = 0;
    let mut tiers = runs.chunk_by(|a, b| tier(a) == tier(b));
    tiers.find_map(|same| {
        end += same.len();
        (same.len() >= FAN_IN_MIN).then_some(end)
    })
}

/// Powers of four of the size.
fn tier(run: &RunRecord) -> u32 {
    run.keys.max(1).ilog(4)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const DAY: u64 = 86_400;
    const WINDOW: u64 = 35 * DAY;

    #[test]
    fn a_window_of_steady_arrivals_is_few_runs_and_copies_each_key_few_times() {
        for (per_run, every) in [(1_000_000, DAY / 4), (100, 600), (1, 60), (50_000, 3600)] {
            let (mut runs, mut written, mut total) = (Vec::<RunRecord>::new(), 0u64, 0u64);
            let (mut file, mut most) = (0, 0);
            for now in (WINDOW..4 * WINDOW).step_by(every as usize) {
                file += 1;
                total += per_run;
                runs.retain(|run| !is_forgotten(run, WINDOW, now));
                runs.push(RunRecord {
                    file: FileId(file),
                    keys: per_run,
                    bytes: 0,
                    first_arrival: (now - every) as u32,
                    last_arrival: now as u32,
                    checksum: 0,
                });
                while let Some(chosen) = choose(&runs, WINDOW, now) {
                    let is_chosen = |run: &RunRecord| chosen.contains(&run.file);
                    let (merged, rest) = runs.into_iter().partition::<Vec<_>, _>(is_chosen);
                    file += 1;
                    let keys = merged.iter().map(|run| run.keys).sum();
                    written += keys;
                    runs = rest;
                    runs.push(RunRecord {
                        file: FileId(file),
                        keys,
                        first_arrival: merged.iter().map(|r| r.first_arrival).min().unwrap(),
                        last_arrival: merged.iter().map(|r| r.last_arrival).max().unwrap(),
                        ..*merged.first().unwrap()
                    });
                }
                most = most.max(runs.len());
            }
            assert!(most <= 30, "{per_run} every {every} s: {most} runs");
            assert!(written <= 9 * total, "{per_run}: {written} of {total}");
            let oldest = runs.iter().map(|run| run.first_arrival).min().unwrap();
            let age = 4 * WINDOW - u64::from(oldest);
            assert!(age < WINDOW + WINDOW / 7 + every, "{age}");
        }
    }

    #[test]
    fn a_key_is_remembered_for_the_whole_window() {
        let run = RunRecord {
            file: FileId(1),
            keys: 1,
            bytes: 0,
            first_arrival: 500,
            last_arrival: 1000,
            checksum: 0,
        };
        assert!(!is_forgotten(&run, 100, 1100));
        assert!(is_forgotten(&run, 100, 1101));
    }
}

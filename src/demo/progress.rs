//! How far the load has come: a bar on a terminal, a line now and then elsewhere.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

const BAR: &str = "Loading {bar:32} {human_pos} of {human_len} rows  {per_sec}  {eta} left";
const PLAIN_STEPS: u64 = 10;

/// Counts rows; written to standard error, so that standard output stays the dashboard's.
#[derive(Debug)]
pub struct Progress {
    bar: Option<ProgressBar>,
    total: u64,
    done: AtomicU64,
    start: Instant,
}

impl Progress {
    /// `total` is about how many rows there will be.
    pub fn new(total: u64, terminal: bool) -> Self {
        let bar = terminal.then(|| {
            let style = ProgressStyle::with_template(BAR).unwrap_or(ProgressStyle::default_bar());
            let bar = ProgressBar::new(total).with_style(style);
            bar.enable_steady_tick(Duration::from_millis(200));
            bar
        });
        Self {
            bar,
            total: total.max(1),
            done: AtomicU64::new(0),
            start: Instant::now(),
        }
    }

    pub(super) fn add(&self, rows: u64) {
        let before = self.done.fetch_add(rows, Ordering::Relaxed);
        match &self.bar {
            Some(bar) => {
                bar.set_length(self.total.max(before + rows));
                bar.set_position(before + rows);
            }
            None => {
                if let Some(percent) = passed(before, before + rows, self.total) {
                    eprintln!("Loading: {percent} %, {} rows", before + rows);
                }
            }
        }
    }

    /// Removes the bar. Returns how long it was shown.
    pub(super) fn finish(&self) -> Duration {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        self.start.elapsed()
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.finish();
    }
}

/// The highest step between `before` and `after`, in percent; 100 is left to the closing line.
fn passed(before: u64, after: u64, total: u64) -> Option<u64> {
    let step = |rows: u64| (u128::from(rows) * u128::from(PLAIN_STEPS) / u128::from(total)) as u64;
    let reached = step(after).min(PLAIN_STEPS - 1);
    (reached > step(before).min(PLAIN_STEPS - 1)).then_some(reached * 100 / PLAIN_STEPS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_step_is_told_once_and_never_backwards() {
        let told: Vec<u64> = (0..1_100)
            .step_by(7)
            .filter_map(|rows| passed(rows, rows + 7, 1_000))
            .collect();
        assert_eq!(told, [10, 20, 30, 40, 50, 60, 70, 80, 90]);
    }
}

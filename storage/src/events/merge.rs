//! Several runs become one, which has every key once.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::build::{RunSummary, RunWriter};
use super::run::RunReader;
use crate::Result;

/// Writes the keys of some runs; the writer was made for as many as they have.
pub(crate) fn merge_runs(runs: &[&RunReader], mut writer: RunWriter) -> Result<RunSummary> {
    let mut cursors: Vec<_> = runs.iter().map(|run| run.keys()).collect();
    let mut next = BinaryHeap::with_capacity(cursors.len());
    for (number, cursor) in cursors.iter_mut().enumerate() {
        next.extend(cursor.next_key()?.map(|key| Reverse((key, number))));
    }
    while let Some(Reverse((key, number))) = next.pop() {
        writer.push(key)?;
        if let Some(cursor) = cursors.get_mut(number) {
            next.extend(cursor.next_key()?.map(|key| Reverse((key, number))));
        }
    }
    writer.finish()
}

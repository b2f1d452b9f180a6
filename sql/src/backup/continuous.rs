//! A backup that follows the server: every few seconds what has been committed since goes to the same place.
//!
//! It is a job like others, in SHOW EXPORTS as long as the server runs. What the place says is told in the log
//! and counted in SHOW STATUS; the next round tries again.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use storno_storage::Store;
use storno_transfer::{Cancel, Place, Progress, Shipper};

use super::source::{spec, take};
use crate::error::Result;

/// How far a continuous backup has come.
#[derive(Debug)]
pub(crate) struct Continuous {
    store: Store,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The last commit that is there, and when that was the newest one.
    shipped: Option<(u64, DateTime<Utc>)>,
    began: DateTime<Utc>,
    bytes: u64,
    rounds: u64,
    failures: u64,
}

impl Continuous {
    pub(crate) fn new(store: Store) -> Self {
        let state = State {
            began: Utc::now(),
            ..State::default()
        };
        Self {
            store,
            state: Mutex::new(state),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Names and values for SHOW STATUS. The lag is how far back one would go if the server were lost now.
    pub(crate) fn status(&self) -> Vec<(&'static str, String)> {
        let newest = self.store.snapshot().sequence();
        let state = self.state();
        let (sequence, moment) = state.shipped.unwrap_or((0, state.began));
        let lag = match state.shipped {
            Some((shipped, _)) if shipped == newest => 0,
            _ => (Utc::now() - moment).num_milliseconds().max(0),
        };
        vec![
            ("Storno_continuous_backup_bytes", state.bytes.to_string()),
            (
                "Storno_continuous_backup_failures",
                state.failures.to_string(),
            ),
            (
                "Storno_continuous_backup_lag",
                format!("{}.{:03}", lag / 1000, lag % 1000),
            ),
            ("Storno_continuous_backup_rounds", state.rounds.to_string()),
            ("Storno_continuous_backup_sequence", sequence.to_string()),
        ]
    }

    /// Renews the backup until it is cancelled. On a runtime that waits for sockets.
    pub(crate) async fn run(
        &self,
        place: Place,
        every: Duration,
        progress: Arc<Progress>,
        cancel: Cancel,
    ) {
        let mut shipper: Option<Shipper> = None;
        let mut there = None;
        let mut failing = false;
        loop {
            let round = self
                .round(&place, &mut shipper, &mut there, (&progress, &cancel))
                .await;
            if cancel.is_cancelled() {
                return;
            }
            match round {
                Ok(()) if failing => {
                    failing = false;
                    tracing::info!("the continuous backup goes on");
                }
                Ok(()) => {}
                Err(error) => {
                    self.state().failures += 1;
                    if !std::mem::replace(&mut failing, true) {
                        tracing::warn!(%error, "the continuous backup lags behind");
                    }
                }
            }
            if cancel.or(tokio::time::sleep(every)).await.is_err() {
                return;
            }
        }
    }

    /// `there`: which state is there.
    async fn round(
        &self,
        place: &Place,
        shipper: &mut Option<Shipper>,
        there: &mut Option<(u64, u64)>,
        (progress, cancel): (&Arc<Progress>, &Cancel),
    ) -> Result<()> {
        // Memory is not flushed for it: the log goes along as it grows.
        let taken = take(self.store.clone(), None, false).await?;
        let state = (taken.sequence, taken.edit);
        if *there == Some(state) {
            return Ok(());
        }
        let database = taken.database;
        let spec = spec(taken, place.clone(), "ALL".into());
        let moment = spec.moment;
        let shipper = shipper.get_or_insert_with(|| Shipper::new(place.clone(), database));
        let done = shipper.ship(spec, Arc::clone(progress), cancel).await?;
        *there = Some(state);
        let mut state_now = self.state();
        state_now.shipped = Some((state.0, moment));
        state_now.bytes += done.new_bytes;
        state_now.rounds += 1;
        Ok(())
    }
}

//! Stopping work from outside: a flag that threads look at and tasks wait for.

use std::sync::Arc;

use tokio::sync::watch;

use crate::error::{Result, TransferError};

/// Shared by everything that belongs to one job. Once set it stays set.
#[derive(Debug, Clone)]
pub struct Cancel(Arc<watch::Sender<bool>>);

impl Default for Cancel {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(false)))
    }
}

impl Cancel {
    pub fn cancel(&self) {
        self.0.send_replace(true);
    }

    pub fn is_cancelled(&self) -> bool {
        *self.0.borrow()
    }

    /// # Errors
    /// `Cancelled`
    pub fn check(&self) -> Result<()> {
        match self.is_cancelled() {
            true => Err(TransferError::Cancelled),
            false => Ok(()),
        }
    }

    /// Returns when it is set.
    pub async fn cancelled(&self) {
        let mut receiver = self.0.subscribe();
        // The sender lives as long as `self`.
        let _ = receiver.wait_for(|set| *set).await;
    }

    /// `work`, unless it is cancelled first.
    ///
    /// # Errors
    /// `Cancelled`
    pub async fn or<T>(&self, work: impl Future<Output = T>) -> Result<T> {
        tokio::select! {
            biased;
            () = self.cancelled() => Err(TransferError::Cancelled),
            done = work => Ok(done),
        }
    }
}

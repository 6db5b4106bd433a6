//! Waiting for the file's one lock among the processes of a host.

use std::time::Duration;

use solekey_core::ports::{StoreError, Trouble};
use tokio::time::Instant;

use super::open::{BUSY, is_busy};

/// A waiter for the lock.
///
/// SQLite has no queue: waiters try again and again, and its own handler does so ever more rarely, up to ten times a
/// second, so that the one that has waited longest is served last: under load for seconds. Here everybody tries equally
/// often, however long it has waited.
pub(super) struct Queue {
    give_up: Instant,
}

impl Queue {
    pub(super) fn join() -> Self {
        Self { give_up: Instant::now() + BUSY }
    }

    /// Returns when it is time to try again.
    ///
    /// # Errors
    /// The error itself, when it is about something else or time is up.
    pub(super) async fn wait_for_lock(&self, error: StoreError) -> Result<(), StoreError> {
        if !is_locked(&error) || Instant::now() >= self.give_up {
            return Err(error);
        }
        tokio::time::sleep(PAUSE).await;
        Ok(())
    }
}

/// Nothing was done because somebody else holds the lock.
fn is_locked(error: &StoreError) -> bool {
    match error {
        StoreError::Unavailable(Trouble::NotApplied(source)) => source.downcast_ref().is_some_and(is_busy),
        _ => false,
    }
}

/// A transaction of ours takes a few milliseconds, most of them for the disk.
const PAUSE: Duration = Duration::from_millis(2);

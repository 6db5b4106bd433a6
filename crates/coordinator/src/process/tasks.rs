//! The tasks of one process: who owns them, and what ends them.

use std::{future::Future, sync::Arc};

use solekey_core::mutant;
use tokio::{sync::Semaphore, task::JoinHandle};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// The tasks of one process.
pub(crate) struct Tasks {
    /// Owns every task that an instance spawns; shutdown awaits it.
    pub(crate) tracker: TaskTracker,
    /// Permits for logins and deletes under way.
    pub(crate) changes: Arc<Semaphore>,
    /// Cancelled once nothing new may be claimed.
    pub(crate) draining: CancellationToken,
    /// Cancelled once the instance's own tasks have to end: change feed, confirmations, maintenance.
    pub(crate) stopped: CancellationToken,
}

impl Default for Tasks {
    fn default() -> Self {
        Self {
            tracker: TaskTracker::new(),
            changes: Arc::new(Semaphore::new(MAX_CHANGES)),
            draining: CancellationToken::new(),
            stopped: CancellationToken::new(),
        }
    }
}

impl Tasks {
    pub(crate) fn is_draining(&self) -> bool {
        self.draining.is_cancelled()
    }

    /// Spawns a part of a reading.
    pub(crate) fn read_on<F>(&self, part: F) -> JoinHandle<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        if mutant("shutdown_forgets_readings") { tokio::spawn(part) } else { self.tracker.spawn(part) }
    }

    pub(crate) fn stop(&self) {
        self.stopped.cancel();
        self.draining.cancel();
    }
}

/// Logins and deletes under way at once: each is a few calls and the document it brings; later ones wait with their
/// callers.
const MAX_CHANGES: usize = 1024;

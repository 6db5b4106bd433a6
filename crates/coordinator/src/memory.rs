//! What this process remembers of accounts between flights.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use quick_cache::sync::Cache;
use solekey_core::{AccountKey, Delay, Moment, flight::Knowledge};

/// Bounded memories; forgetting one costs time, never safety.
#[derive(Debug)]
pub(crate) struct Memories(Cache<AccountKey, Arc<Memory>>);

/// What this process remembers of one account.
#[derive(Debug, Default)]
pub(crate) struct Memory(Mutex<Remembered>);

/// The fields behind the lock.
#[derive(Debug, Default)]
pub(crate) struct Remembered {
    pub(crate) knowledge: Knowledge,
    /// No flight is worth starting before then.
    pub(crate) not_before: Option<(Moment, Delay)>,
}

impl Memories {
    pub(crate) fn new(capacity: usize) -> Self {
        Self(Cache::new(capacity))
    }

    pub(crate) fn of(&self, key: AccountKey) -> Arc<Memory> {
        let fresh = || Ok::<_, std::convert::Infallible>(Arc::default());
        self.0.get_or_insert_with(&key, fresh).unwrap_or_else(|never| match never {})
    }

    /// Forgets a hold: something about the account has changed.
    pub(crate) fn release(&self, key: AccountKey) {
        if let Some(memory) = self.0.get(&key) {
            memory.lock().not_before = None;
        }
    }
}

impl Memory {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Remembered> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A delay that still holds.
    pub(crate) fn hold(&self, now: Moment) -> Option<(Moment, Delay)> {
        self.lock().not_before.filter(|(at, _)| *at > now)
    }
}

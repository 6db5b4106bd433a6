//! What this process remembers of accounts between flights.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use quick_cache::sync::Cache;
use solekey_core::{AccountKey, Delay, Generation, Moment, flight::Knowledge};

/// Bounded memories; forgetting one costs time, never safety.
#[derive(Debug)]
pub(crate) struct Memories {
    accounts: Cache<AccountKey, Arc<Memory>>,
    /// Grows whenever news may have been missed: holds of an earlier one have ended.
    epoch: AtomicU64,
}

/// What this process remembers of one account.
#[derive(Debug, Default)]
pub(crate) struct Memory(Mutex<Remembered>);

/// The fields behind the lock.
#[derive(Debug, Default)]
pub(crate) struct Remembered {
    pub(crate) knowledge: Knowledge,
    /// The newest attempt that was found in doubt here.
    doubt: Generation,
    /// The newest generation whose grant was found ended here, and no row says so.
    ended: Generation,
    hold: Option<Hold>,
}

/// A delay that a flight met.
#[derive(Clone, Copy, Debug)]
struct Hold {
    at: Moment,
    why: Delay,
    /// Until then it is told without a look whether it still stands.
    believed_until: Moment,
    epoch: u64,
}

impl Memories {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { accounts: Cache::new(capacity), epoch: AtomicU64::new(0) }
    }

    pub(crate) fn of(&self, key: AccountKey) -> Arc<Memory> {
        let fresh = || Ok::<_, std::convert::Infallible>(Arc::default());
        self.accounts.get_or_insert_with(&key, fresh).unwrap_or_else(|never| match never {})
    }

    /// Remembers a delay, so that for a moment nobody starts a flight that would only meet it again.
    pub(crate) fn put_off(&self, key: AccountKey, at: Moment, why: Delay, now: Moment) {
        let believed_until = at.min(now + BELIEVE_HOLD);
        let hold = Hold { at, why, believed_until, epoch: self.epoch.load(Relaxed) };
        self.of(key).lock().hold = Some(hold);
    }

    /// The delay of an account, while it is believed.
    pub(crate) fn hold(&self, key: AccountKey, now: Moment) -> Option<(Moment, Delay)> {
        let hold = self.accounts.get(&key)?.lock().hold?;
        let believed = hold.epoch == self.epoch.load(Relaxed) && now < hold.believed_until;
        believed.then_some((hold.at, hold.why))
    }

    /// Forgets a hold: something about the account has changed.
    pub(crate) fn release(&self, key: AccountKey) {
        if let Some(memory) = self.accounts.get(&key) {
            memory.lock().hold = None;
        }
    }

    /// Forgets all holds: something may have changed about any account.
    pub(crate) fn release_all(&self) {
        self.epoch.fetch_add(1, Relaxed);
    }
}

impl Memory {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Remembered> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Remembered {
    /// Whether nobody here knew yet that this attempt is in doubt.
    pub(crate) fn doubts(&mut self, attempt: Generation) -> bool {
        let is_new = attempt > self.doubt;
        self.doubt = self.doubt.max(attempt);
        is_new
    }

    /// Whether nobody here knew yet that the grant of this generation has ended.
    pub(crate) fn ends(&mut self, generation: Generation) -> bool {
        let is_new = generation > self.ended;
        self.ended = self.ended.max(generation);
        is_new
    }
}

/// A login elsewhere ends a delay, and its news can be lost, or there are none: long enough that a storm of requests
/// costs one look now and then, short enough that nobody minds.
const BELIEVE_HOLD: Duration = Duration::from_secs(2);

//! The memory of accounts between flights.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use quick_cache::sync::Cache;
use solekey_core::{AccountKey, Delay, Fingerprint, Generation, Moment, flight::Knowledge, mutant};

/// Bounded memories; forgetting one costs time, never safety.
#[derive(Debug)]
pub(crate) struct Memories {
    accounts: Cache<AccountKey, Arc<Memory>>,
    /// Grows whenever notifications may have been missed: delays of an earlier epoch have ended.
    epoch: AtomicU64,
}

/// The memory of one account.
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
    delay: Option<RememberedDelay>,
    /// The rejection that is to be reported by the next flight.
    reported: Option<(Generation, Fingerprint)>,
    /// The last thing that the provider answered instead of tokens, and when; nothing after a success.
    pub(crate) answered: Option<(String, Moment)>,
}

/// A delay that a flight met.
#[derive(Clone, Copy, Debug)]
struct RememberedDelay {
    at: Moment,
    why: Delay,
    /// Until then it is believed without a read.
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

    /// What the provider last answered about an account instead of tokens.
    pub(crate) fn answered(&self, key: AccountKey) -> Option<(String, Moment)> {
        self.accounts.get(&key)?.lock().answered.clone()
    }

    /// Remembers a delay, so that for a moment nobody starts a flight that would only meet it again.
    pub(crate) fn put_off(&self, key: AccountKey, at: Moment, why: Delay, now: Moment) {
        let believed_until = at.min(now + BELIEVE_DELAY);
        let delay = RememberedDelay { at, why, believed_until, epoch: self.epoch.load(Relaxed) };
        self.of(key).lock().delay = Some(delay);
    }

    /// The delay of an account, while it is believed.
    pub(crate) fn delay(&self, key: AccountKey, now: Moment) -> Option<(Moment, Delay)> {
        let delay = self.accounts.get(&key)?.lock().delay?;
        let believed = delay.epoch == self.epoch.load(Relaxed) && now < delay.believed_until;
        believed.then_some((delay.at, delay.why))
    }

    /// Forgets a delay: something about the account has changed.
    pub(crate) fn release(&self, key: AccountKey) {
        if let Some(memory) = self.accounts.get(&key) {
            memory.lock().delay = None;
        }
    }

    /// Forgets all delays: something may have changed about any account.
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
    /// Notes that this attempt is in doubt; returns whether that is new here.
    pub(crate) fn doubts(&mut self, attempt: Generation) -> bool {
        let is_new = attempt > self.doubt;
        self.doubt = self.doubt.max(attempt);
        is_new
    }

    /// Notes that the next flight is to report this rejection; returns whether it was not to already.
    pub(crate) fn begin_report(&mut self, rejection: (Generation, Fingerprint)) -> bool {
        let is_new = self.reported != Some(rejection) && !mutant("report_ends_with_its_patience");
        self.reported = Some(rejection);
        is_new
    }

    /// That flight begins.
    pub(crate) fn end_report(&mut self) {
        self.reported = None;
    }

    /// Notes that the grant of this generation has ended; returns whether that is new here.
    pub(crate) fn ends(&mut self, generation: Generation) -> bool {
        let is_new = generation > self.ended;
        self.ended = self.ended.max(generation);
        is_new
    }
}

/// A login elsewhere ends a delay, and its notification can be lost, or there is none: long enough that a storm of
/// requests costs one read now and then, short enough that nobody minds.
const BELIEVE_DELAY: Duration = Duration::from_secs(2);

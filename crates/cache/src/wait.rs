//! The callers who wait for an account to change.

use std::collections::BTreeMap;

use solekey_core::{AccountKey, Generation};
use tokio::sync::Notify;

use crate::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

/// The callers of this process who wait for a notification about an account.
///
/// The order that loses nothing: [`register`](Self::register), then check whether the change is there already, then
/// await [`Waiting::woken`]. A wake-up between registering and awaiting is kept. A wake-up is a hint to check again; a
/// waiter bounds the wait with a timer and checks when it ends, too.
#[derive(Debug)]
pub struct WaitMap {
    shards: [Mutex<WaiterMap>; SHARDS],
    waiting: AtomicUsize,
    limit: usize,
}

/// One entry per account with waiters; removed with its last waiter. Entries are woken in the order of their keys, and
/// the waiters of one in the order in which they came: it is fair, and a simulation of it can be repeated.
type WaiterMap = BTreeMap<AccountKey, Arc<Waiters>>;

#[derive(Debug, Default)]
struct Waiters {
    /// The number of wake-ups so far, and the last one.
    wakes: Mutex<(u64, Option<Wake>)>,
    more: Notify,
}

impl Waiters {
    fn wake(&self, wake: Wake) {
        let mut wakes = lock(&self.wakes);
        *wakes = (wakes.0 + 1, Some(wake));
        self.more.notify_waiters();
    }

    /// The last wake-up beyond the first `seen`, which it moves on.
    async fn beyond(&self, seen: &mut u64) -> Wake {
        loop {
            // Made before the check: a wake-up between the two is not missed.
            let more = self.more.notified();
            if let (wakes, Some(wake)) = *lock(&self.wakes)
                && wakes > *seen
            {
                *seen = wakes;
                return wake;
            }
            more.await;
        }
    }

    fn wakes(&self) -> u64 {
        lock(&self.wakes).0
    }

    /// Slots are taken and left under the lock of the shard.
    fn slots(self: &Arc<Self>) -> usize {
        Arc::strong_count(self) - 1
    }
}

/// The cause of a wake-up. Of several wake-ups the last one is reported.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wake {
    /// Something of this generation was published.
    Changed(Generation),
    /// Notifications may have been missed.
    Gap,
}

impl WaitMap {
    /// A map for at most `limit` waiters.
    pub fn new(limit: usize) -> Arc<Self> {
        let shards = std::array::from_fn(|_| Mutex::default());
        Arc::new(Self { shards, waiting: AtomicUsize::new(0), limit })
    }

    /// Registers a waiter, who hears every wake-up from now on until it is dropped.
    ///
    /// Beyond the limit the waiter is deaf: it is never woken, and finds out when its timer ends.
    pub fn register(self: &Arc<Self>, key: AccountKey) -> Waiting {
        if self.waiting.fetch_add(1, Relaxed) >= self.limit {
            self.waiting.fetch_sub(1, Relaxed);
            return Waiting { slot: None };
        }
        let mut map = self.waiters(key);
        let waiters = Arc::clone(map.entry(key).or_default());
        let seen = waiters.wakes();
        Waiting {
            slot: Some(Slot {
                waiters: Some(waiters),
                seen,
                key,
                map: Arc::clone(self),
                #[cfg(solekey_mutant)]
                settled: false,
            }),
        }
    }

    /// Wakes those who wait for this account; returns how many there are.
    pub fn wake(&self, key: AccountKey, generation: Generation) -> usize {
        let map = self.waiters(key);
        let Some(waiters) = map.get(&key) else { return 0 };
        waiters.wake(Wake::Changed(generation));
        waiters.slots()
    }

    /// Wakes everybody: notifications may have been missed.
    pub fn wake_all(&self) {
        for shard in &self.shards {
            for waiters in lock(shard).values() {
                waiters.wake(Wake::Gap);
            }
        }
    }

    /// Returns the number of waiters.
    pub fn len(&self) -> usize {
        self.waiting.load(Relaxed)
    }

    /// Returns whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn waiters(&self, key: AccountKey) -> MutexGuard<'_, WaiterMap> {
        lock(&self.shards[(key.spread() % SHARDS as u64) as usize])
    }

    fn leave(&self, slot: &mut Slot) {
        let mut map = self.waiters(slot.key);
        // Under the lock, so that nobody registers with waiters that are being removed.
        slot.waiters = None;
        if map.get(&slot.key).is_some_and(|waiters| waiters.slots() == 0) {
            map.remove(&slot.key);
        }
        self.waiting.fetch_sub(1, Relaxed);
    }
}

/// A registered waiter.
#[derive(Debug)]
#[must_use = "dropping it unregisters the waiter"]
pub struct Waiting {
    /// `None` is deaf.
    slot: Option<Slot>,
}

#[derive(Debug)]
struct Slot {
    waiters: Option<Arc<Waiters>>,
    seen: u64,
    key: AccountKey,
    map: Arc<WaitMap>,
    #[cfg(solekey_mutant)]
    settled: bool,
}

impl Waiting {
    /// The next wake-up since registration, or since the last one returned here. Unbounded: race it against a timer.
    ///
    /// # Cancel safety
    /// No wake-up is lost when the future is dropped.
    pub async fn woken(&mut self) -> Wake {
        if let Some(slot) = &mut self.slot {
            #[cfg(solekey_mutant)]
            slot.register_late();
            if let Some(waiters) = &slot.waiters {
                return waiters.beyond(&mut slot.seen).await;
            }
        }
        std::future::pending().await
    }
}

#[cfg(solekey_mutant)]
impl Slot {
    fn register_late(&mut self) {
        if solekey_core::mutant("check_then_register")
            && !std::mem::replace(&mut self.settled, true)
            && let Some(waiters) = &self.waiters
        {
            self.seen = waiters.wakes();
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let map = Arc::clone(&self.map);
        map.leave(self);
    }
}

/// A poisoned lock guards something whole: no code that runs under it can panic halfway through a change.
fn lock<T>(state: &Mutex<T>) -> MutexGuard<'_, T> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Enough that wake-ups and registrations of different accounts rarely meet.
const SHARDS: usize = 16;

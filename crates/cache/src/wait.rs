//! Whoever waits for an account to change.

use std::collections::BTreeMap;

use solekey_core::{AccountKey, Generation};
use tokio::sync::Notify;

use crate::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

/// The callers of this process who wait for news about an account.
///
/// The order that loses nothing: [`register`](Self::register), then look whether it is there already, then await
/// [`Waiting::woken`]. A wake-up between registering and awaiting is kept for the one who awaits. A wake-up is a hint
/// where to look; whoever waits bounds the wait with a timer and looks then, too.
#[derive(Debug)]
pub struct WaitMap {
    shards: [Mutex<Rooms>; SHARDS],
    waiting: AtomicUsize,
    limit: usize,
}

/// One per account somebody waits for; gone with its last waiter. Rooms are woken in the order of their keys, and the
/// waiters of one in the order in which they came: it is fair, and a simulation of it can be repeated.
type Rooms = BTreeMap<AccountKey, Arc<Room>>;

#[derive(Debug, Default)]
struct Room {
    /// How many wake-ups there were, and the last one.
    wakes: Mutex<(u64, Option<Wake>)>,
    more: Notify,
}

impl Room {
    fn wake(&self, wake: Wake) {
        let mut wakes = lock(&self.wakes);
        *wakes = (wakes.0 + 1, Some(wake));
        self.more.notify_waiters();
    }

    /// The last wake-up beyond the first `seen`, which it moves on.
    async fn beyond(&self, seen: &mut u64) -> Wake {
        loop {
            // Made before the look: a wake-up between the two is not missed.
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

    /// Seats are taken and left under the lock of the shard.
    fn seats(self: &Arc<Self>) -> usize {
        Arc::strong_count(self) - 1
    }
}

/// What woke a waiter. Of several wake-ups the last one is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wake {
    /// Something of this generation was published.
    Changed(Generation),
    /// News may have been missed.
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
            return Waiting { seat: None };
        }
        let mut rooms = self.rooms(key);
        let room = Arc::clone(rooms.entry(key).or_default());
        let seen = room.wakes();
        Waiting {
            seat: Some(Seat {
                room: Some(room),
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
        let rooms = self.rooms(key);
        let Some(room) = rooms.get(&key) else { return 0 };
        room.wake(Wake::Changed(generation));
        room.seats()
    }

    /// Wakes everybody: news may have been missed.
    pub fn wake_all(&self) {
        for shard in &self.shards {
            for room in lock(shard).values() {
                room.wake(Wake::Gap);
            }
        }
    }

    /// How many waiters there are.
    pub fn len(&self) -> usize {
        self.waiting.load(Relaxed)
    }

    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn rooms(&self, key: AccountKey) -> MutexGuard<'_, Rooms> {
        lock(&self.shards[(key.spread() % SHARDS as u64) as usize])
    }

    fn leave(&self, seat: &mut Seat) {
        let mut rooms = self.rooms(seat.key);
        // Under the lock, so that nobody sits down in a room that is being closed.
        seat.room = None;
        if rooms.get(&seat.key).is_some_and(|room| room.seats() == 0) {
            rooms.remove(&seat.key);
        }
        self.waiting.fetch_sub(1, Relaxed);
    }
}

/// A registered waiter.
#[derive(Debug)]
#[must_use = "dropping it unregisters the waiter"]
pub struct Waiting {
    /// `None` is deaf.
    seat: Option<Seat>,
}

#[derive(Debug)]
struct Seat {
    room: Option<Arc<Room>>,
    seen: u64,
    key: AccountKey,
    map: Arc<WaitMap>,
    #[cfg(solekey_mutant)]
    settled: bool,
}

impl Waiting {
    /// The next wake-up since registration, or since the last one told here. Unbounded: race it against a timer.
    ///
    /// # Cancel safety
    /// No wake-up is lost when the future is dropped.
    pub async fn woken(&mut self) -> Wake {
        if let Some(seat) = &mut self.seat {
            #[cfg(solekey_mutant)]
            seat.register_late();
            if let Some(room) = &seat.room {
                return room.beyond(&mut seat.seen).await;
            }
        }
        std::future::pending().await
    }
}

#[cfg(solekey_mutant)]
impl Seat {
    fn register_late(&mut self) {
        if solekey_core::mutant("check_then_register")
            && !std::mem::replace(&mut self.settled, true)
            && let Some(room) = &self.room
        {
            self.seen = room.wakes();
        }
    }
}

impl Drop for Seat {
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

/// Waiters of one process: each is a parked request, so a gateway meets its own bounds well before this one.
pub const DEFAULT_WAITERS: usize = 1_000_000;

//! The wait map.

use std::pin::pin;

use shuttle::{future::block_on, thread};

use crate::{
    WaitMap, Wake,
    explore::{every, sample},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    tests::fixture::{generation, give_up_somewhere, join, key},
};

/// A cache with one entry, and the waiters for it to be filled.
struct CacheEntry {
    filled: AtomicU64,
    waits: Arc<WaitMap>,
}

impl CacheEntry {
    fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { filled: AtomicU64::new(0), waits: WaitMap::new(limit) })
    }

    fn publish(&self, number: u64) {
        self.filled.fetch_max(number, SeqCst);
        self.waits.wake(key(), generation(number));
    }

    /// Registers, checks, and sleeps without a timer: a wake-up that is lost is a sleep without an end, which the
    /// checker calls a deadlock.
    async fn await_at_least(&self, number: u64) {
        let mut waiting = self.waits.register(key());
        while self.filled.load(SeqCst) < number {
            waiting.woken().await;
        }
    }

    /// Checks that the map is the same as one that was never used: nobody waits in it any more.
    fn assert_deserted(&self) {
        let never_used = WaitMap::new(LIMIT);
        assert_eq!(format!("{:?}", self.waits), format!("{never_used:?}"));
        assert_eq!(self.waits.wake(key(), generation(99)), 0);
    }
}

const LIMIT: usize = 10;

#[test]
fn a_wake_up_between_registering_and_awaiting_is_never_lost() {
    every(|| {
        let shared_cache = CacheEntry::new(LIMIT);
        let waiter = Arc::clone(&shared_cache);
        let waiter = thread::spawn(move || block_on(waiter.await_at_least(1)));
        shared_cache.publish(1);
        waiter.join().unwrap();
        shared_cache.assert_deserted();
    });
}

#[test]
fn everybody_who_waits_hears_every_owner() {
    sample(|| {
        let shared_cache = CacheEntry::new(LIMIT);
        let waiters = [2, 1, 2].map(|number| {
            let shared_cache = Arc::clone(&shared_cache);
            thread::spawn(move || block_on(shared_cache.await_at_least(number)))
        });
        let other = Arc::clone(&shared_cache);
        let other = thread::spawn(move || other.publish(1));
        shared_cache.publish(2);
        other.join().unwrap();
        join(waiters);
        shared_cache.assert_deserted();
    });
}

#[test]
fn a_waiter_that_leaves_at_any_await_takes_nobody_with_it_and_leaves_nothing_behind() {
    sample(|| {
        let shared_cache = CacheEntry::new(LIMIT);
        let leavers = [(); 2].map(|()| {
            let shared_cache = Arc::clone(&shared_cache);
            thread::spawn(move || {
                give_up_somewhere(pin!(shared_cache.await_at_least(1)));
            })
        });
        let stayer = Arc::clone(&shared_cache);
        let stayer = thread::spawn(move || block_on(stayer.await_at_least(1)));
        shared_cache.publish(1);
        join(leavers);
        stayer.join().unwrap();
        shared_cache.assert_deserted();
    });
}

#[test]
fn a_wait_that_was_dropped_halfway_keeps_its_wake_up() {
    sample(|| {
        let shared_cache = CacheEntry::new(LIMIT);
        let publisher = Arc::clone(&shared_cache);
        let publisher = thread::spawn(move || publisher.publish(1));
        let mut waiting = shared_cache.waits.register(key());
        while shared_cache.filled.load(SeqCst) < 1 {
            // As in a race against a timer that the timer wins: the next check comes after the next wake-up.
            if give_up_somewhere(pin!(waiting.woken())).is_none() {
                block_on(waiting.woken());
            }
        }
        drop(waiting);
        publisher.join().unwrap();
        shared_cache.assert_deserted();
    });
}

#[test]
fn a_gap_wakes_who_registered_before_it() {
    every(|| {
        let shared_cache = CacheEntry::new(LIMIT);
        let mut waiting = shared_cache.waits.register(key());
        let gap = Arc::clone(&shared_cache);
        let gap = thread::spawn(move || gap.waits.wake_all());
        assert_eq!(block_on(waiting.woken()), Wake::Gap);
        gap.join().unwrap();
        drop(waiting);
        shared_cache.assert_deserted();
    });
}

#[test]
fn never_more_slots_than_the_limit_are_taken_and_all_are_given_back() {
    sample(|| {
        let shared_cache = CacheEntry::new(2);
        let seated = Arc::new(AtomicU64::new(0));
        let guests = [(); 4].map(|()| {
            let (shared_cache, seated) = (Arc::clone(&shared_cache), Arc::clone(&seated));
            thread::spawn(move || {
                let waiting = shared_cache.waits.register(key());
                // The deaf say so themselves.
                if format!("{waiting:?}").contains("None") {
                    return;
                }
                assert!(seated.fetch_add(1, SeqCst) < 2, "more than the limit sit");
                seated.fetch_sub(1, SeqCst);
                drop(waiting);
            })
        });
        join(guests);
        assert!(shared_cache.waits.is_empty());
        let slots = [(); 3].map(|()| shared_cache.waits.register(key()));
        assert_eq!(shared_cache.waits.wake(key(), generation(1)), 2, "a slot got lost");
        drop(slots);
    });
}

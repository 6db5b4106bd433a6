//! One token in this process.

use solekey_core::{Generation, Moment};

use crate::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A token that this process serves from memory, and what is known about it.
#[derive(Debug)]
pub struct Entry<V> {
    /// The generation that made the token.
    pub generation: Generation,
    /// The value that callers get.
    pub value: V,
    /// The moment from which it is not good enough.
    pub good_until: Moment,
    /// The moment from which it is refreshed in the background.
    pub ahead_from: Moment,
    /// The true expiry.
    pub valid_until: Moment,
    confirmed_at: AtomicU64,
    confirmed_epoch: AtomicU64,
    /// The moment at which the last read of the shared cache or the store began, so that callers do not all read at
    /// once.
    read_at: AtomicU64,
    /// The newest generation this process has heard of.
    newest: AtomicU64,
    /// The moment at which it last heard of this generation or a newer one, plus one; zero when never.
    heard_at: AtomicU64,
    /// The moment at which the token was marked as rejected, plus one; zero when it is not.
    rejected_at: AtomicU64,
}

/// The moment before a request to the shared cache or the store: the reply is at least as new as this.
///
/// Made by [`ProcessCache::begin_read`](crate::ProcessCache::begin_read) *before* the request is sent, so that neither
/// a reply under way nor a notification missed meanwhile can make an entry appear newer than it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReadStart {
    pub(crate) at: Moment,
    pub(crate) epoch: u64,
}

impl ReadStart {
    /// The moment itself.
    pub fn at(self) -> Moment {
        self.at
    }
}

/// The instants at which a token's freshness changes, on this process' clock.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Times {
    /// The moment from which it is not good enough: true expiry minus skew.
    pub good_until: Moment,
    /// The moment from which it is refreshed in the background.
    pub ahead_from: Moment,
    /// The true expiry.
    pub valid_until: Moment,
}

impl<V> Entry<V> {
    /// An entry as the shared cache or the store described it in the read that began at `read_start`.
    pub fn new(generation: Generation, value: V, times: Times, read_start: ReadStart) -> Self {
        let Times { good_until, ahead_from, valid_until } = times;
        Self {
            generation,
            value,
            good_until,
            ahead_from,
            valid_until,
            confirmed_at: AtomicU64::new(read_start.at.as_micros()),
            confirmed_epoch: AtomicU64::new(read_start.epoch),
            read_at: AtomicU64::new(read_start.at.as_micros()),
            newest: AtomicU64::new(generation.get()),
            heard_at: AtomicU64::new(0),
            rejected_at: AtomicU64::new(0),
        }
    }

    /// Returns whether it may be handed out without a read: good enough, not rejected.
    pub fn is_good(&self, now: Moment) -> bool {
        now < self.good_until && !self.is_rejected()
    }

    /// Returns whether it is time to refresh in the background.
    pub fn is_ahead(&self, now: Moment) -> bool {
        now >= self.ahead_from
    }

    /// Returns whether it is before its true expiry.
    pub fn is_valid(&self, now: Moment) -> bool {
        now < self.valid_until
    }

    pub(crate) fn reject(&self, now: Moment) {
        self.rejected_at.fetch_max(now.as_micros().saturating_add(1), Relaxed);
    }

    pub(crate) fn clear_rejection(&self) {
        self.rejected_at.store(0, Relaxed);
    }

    /// Returns whether a resource refused it.
    pub fn is_rejected(&self) -> bool {
        self.rejected_at.load(Relaxed) != 0
    }

    /// Returns whether this process has heard of a newer generation: the token is still valid, but a read is due.
    pub fn is_behind(&self) -> bool {
        self.newest.load(Relaxed) > self.generation.get()
    }

    /// Records that the shared cache or the store still returns the same.
    pub fn confirm(&self, read_start: ReadStart) {
        self.confirmed_at.fetch_max(read_start.at.as_micros(), Relaxed);
        self.confirmed_epoch.fetch_max(read_start.epoch, Relaxed);
    }

    /// The moment at which it was confirmed last.
    pub fn confirmed_at(&self) -> Moment {
        Moment::from_micros(self.confirmed_at.load(Relaxed))
    }

    pub(crate) fn confirmed_epoch(&self) -> u64 {
        self.confirmed_epoch.load(Relaxed)
    }

    pub(crate) fn heard_of(&self, generation: Generation, now: Moment) {
        if generation >= self.generation {
            self.newest.fetch_max(generation.get(), Relaxed);
            self.heard_at.fetch_max(now.as_micros().saturating_add(1), Relaxed);
        }
    }

    /// Returns whether a notification came since the last read began: of a newer generation, or of a mark on this one.
    pub(crate) fn is_notified(&self) -> bool {
        self.heard_at.load(Relaxed) > self.confirmed_at.load(Relaxed)
    }

    /// Lets one caller per pause read.
    pub(crate) fn take_turn(&self, now: Moment, pause_micros: u64) -> bool {
        let last = self.read_at.load(Relaxed);
        now.as_micros().saturating_sub(last) >= pause_micros
            && self.read_at.compare_exchange(last, now.as_micros(), Relaxed, Relaxed).is_ok()
    }

    /// Takes over from the entry it replaces what was learnt after it was asked for.
    pub(crate) fn inherit(&self, old: &Self) {
        let marked = old.rejected_at.load(Relaxed);
        if old.generation == self.generation && marked > self.confirmed_at().as_micros() {
            self.rejected_at.fetch_max(marked, Relaxed);
        }
        let newest = old.newest.load(Relaxed);
        self.newest.fetch_max(newest, Relaxed);
        if newest >= self.generation.get() {
            self.heard_at.fetch_max(old.heard_at.load(Relaxed), Relaxed);
        }
    }

    /// Returns whether it is newer than `old`: a later generation, or the same one, read later.
    pub(crate) fn supersedes(&self, old: &Self) -> bool {
        (self.generation, self.confirmed_at()) >= (old.generation, old.confirmed_at())
    }
}

//! One token in this process.

use solekey_core::{Generation, Moment};

use crate::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A token that this process serves without asking anybody, and what is known about it.
///
/// `V` is what callers get; cloning it should be cheap, because the fast path clones nothing else.
#[derive(Debug)]
pub struct Entry<V> {
    /// The generation that made the token.
    pub generation: Generation,
    /// What callers get.
    pub value: V,
    /// When it stops being good enough.
    pub good_until: Moment,
    /// When the refresh starts behind the callers' backs.
    pub ahead_from: Moment,
    /// When it truly expires.
    pub valid_until: Moment,
    confirmed_at: AtomicU64,
    confirmed_epoch: AtomicU64,
    /// When the last look at the shelf or the store began, so that callers do not all look at once.
    looked_at: AtomicU64,
    /// The newest generation this process has heard of.
    newest: AtomicU64,
    /// When it last heard of this generation or a newer one, plus one; zero when never.
    heard_at: AtomicU64,
    /// When the token was marked as rejected, plus one; zero when it is not.
    rejected_at: AtomicU64,
}

/// The moment before a shelf or store was asked: what it says is at least as new as this.
///
/// Made by [`ProcessCache::asking`](crate::ProcessCache::asking) *before* the question is sent, so that neither an
/// answer under way nor news missed meanwhile can make an entry look newer than it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Asked {
    pub(crate) at: Moment,
    pub(crate) epoch: u64,
}

impl Asked {
    /// The moment itself.
    pub fn at(self) -> Moment {
        self.at
    }
}

/// The instants at which a token's freshness changes, on this process' clock.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Times {
    /// When it stops being good enough: true expiry minus skew.
    pub good_until: Moment,
    /// When the refresh starts behind the callers' backs.
    pub ahead_from: Moment,
    /// When it truly expires.
    pub valid_until: Moment,
}

impl<V> Entry<V> {
    /// An entry as the shelf or the store described it when `asked`.
    pub fn new(generation: Generation, value: V, times: Times, asked: Asked) -> Self {
        let Times { good_until, ahead_from, valid_until } = times;
        Self {
            generation,
            value,
            good_until,
            ahead_from,
            valid_until,
            confirmed_at: AtomicU64::new(asked.at.as_micros()),
            confirmed_epoch: AtomicU64::new(asked.epoch),
            looked_at: AtomicU64::new(asked.at.as_micros()),
            newest: AtomicU64::new(generation.get()),
            heard_at: AtomicU64::new(0),
            rejected_at: AtomicU64::new(0),
        }
    }

    /// Whether it may be handed out without asking anybody: good enough, not rejected.
    pub fn is_good(&self, now: Moment) -> bool {
        now < self.good_until && !self.is_rejected()
    }

    /// Whether it is time to refresh behind the callers' backs.
    pub fn is_ahead(&self, now: Moment) -> bool {
        now >= self.ahead_from
    }

    /// Whether it is before its true expiry.
    pub fn is_valid(&self, now: Moment) -> bool {
        now < self.valid_until
    }

    pub(crate) fn reject(&self, now: Moment) {
        self.rejected_at.fetch_max(now.as_micros().saturating_add(1), Relaxed);
    }

    pub(crate) fn absolve(&self) {
        self.rejected_at.store(0, Relaxed);
    }

    /// Whether a resource refused it.
    pub fn is_rejected(&self) -> bool {
        self.rejected_at.load(Relaxed) != 0
    }

    /// Whether this process has heard of a newer generation: still valid, but worth a look.
    pub fn is_behind(&self) -> bool {
        self.newest.load(Relaxed) > self.generation.get()
    }

    /// The shelf or the store still says the same.
    pub fn confirm(&self, asked: Asked) {
        self.confirmed_at.fetch_max(asked.at.as_micros(), Relaxed);
        self.confirmed_epoch.fetch_max(asked.epoch, Relaxed);
    }

    /// When it was confirmed last.
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

    /// Whether there was news since the last look began: of a newer generation, or of a mark on this one.
    pub(crate) fn is_in_the_news(&self) -> bool {
        self.heard_at.load(Relaxed) > self.confirmed_at.load(Relaxed)
    }

    /// Lets one caller per pause look.
    pub(crate) fn take_turn(&self, now: Moment, pause_micros: u64) -> bool {
        let last = self.looked_at.load(Relaxed);
        now.as_micros().saturating_sub(last) >= pause_micros
            && self.looked_at.compare_exchange(last, now.as_micros(), Relaxed, Relaxed).is_ok()
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

    /// Whether it says something newer than `old`: a later generation, or the same one, asked for later.
    pub(crate) fn supersedes(&self, old: &Self) -> bool {
        (self.generation, self.confirmed_at()) >= (old.generation, old.confirmed_at())
    }
}

//! The in-process level.

use std::time::Duration;

use quick_cache::sync::{Cache, EntryAction, EntryResult};
use solekey_core::{AccountKey, Generation, Moment, mutant};

use crate::{
    absence::{Absence, Absences},
    entry::{Entry, ReadStart},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

/// The tokens this process serves from memory: bounded, never going back in generation.
///
/// A hit takes a read lock for the length of a hash lookup and allocates nothing. All methods are synchronous and
/// never call back, so no lock is ever held across an await.
///
/// The order of calls that keeps it correct: [`begin_read`](Self::begin_read), then read the shared cache or the store,
/// then [`fill`](Self::fill) or [`Entry::confirm`] with what `begin_read` returned.
#[derive(Debug)]
pub struct ProcessCache<V> {
    slots: Cache<AccountKey, Slot<V>>,
    absences: Absences,
    /// Grows whenever a notification may have been missed.
    epoch: AtomicU64,
}

#[derive(Debug)]
enum Slot<V> {
    Token(Arc<Entry<V>>),
    /// The rest of a removed token, so that an older one under way does not come in after it.
    Floor(Generation),
}

impl<V> Clone for Slot<V> {
    fn clone(&self) -> Self {
        match self {
            Self::Token(entry) => Self::Token(Arc::clone(entry)),
            Self::Floor(generation) => Self::Floor(*generation),
        }
    }
}

impl<V> Slot<V> {
    fn generation(&self) -> Generation {
        match self {
            Self::Token(entry) => entry.generation,
            Self::Floor(generation) => *generation,
        }
    }
}

impl<V> ProcessCache<V> {
    /// A cache for at most `capacity` tokens, and as many absences. The least used give way first.
    pub fn new(capacity: usize) -> Self {
        let capacity = capacity.max(1);
        Self { slots: Cache::new(capacity), absences: Absences::new(capacity), epoch: AtomicU64::new(1) }
    }

    /// The token of this account, whatever its state; the caller decides by its times and marks.
    pub fn get(&self, key: AccountKey) -> Option<Arc<Entry<V>>> {
        match self.slots.get(&key)? {
            Slot::Token(entry) => Some(entry),
            Slot::Floor(_) => None,
        }
    }

    /// The newest generation that is or was here: of the token, or of what took its place.
    pub fn newest(&self, key: AccountKey) -> Generation {
        self.slots.get(&key).map_or(Generation::ZERO, |slot| slot.generation())
    }

    /// To be called before a request to the shared cache or the store.
    pub fn begin_read(&self, now: Moment) -> ReadStart {
        ReadStart { at: now, epoch: self.epoch.load(Relaxed) }
    }

    /// Puts a token in, unless something newer is there; says whether it is in now.
    ///
    /// Of two fills at once the newer generation stays, in whichever order they come. Within a generation the one that
    /// was asked for later stays; a rejection marked after it was asked for is kept.
    pub fn fill(&self, key: AccountKey, entry: Entry<V>) -> bool {
        self.absences.end_before(key, entry.generation);
        let entry = Arc::new(entry);
        self.replace(key, Slot::Token(Arc::clone(&entry)), |old| match old {
            Slot::Token(old) if !entry.supersedes(old) => mutant("fill_lowers_the_generation"),
            Slot::Token(old) => {
                entry.inherit(old);
                true
            }
            Slot::Floor(floor) => entry.generation >= *floor || mutant("removed_token_comes_back"),
        })
    }

    /// Takes out what is older than `generation`, and keeps it out. For deletes, and tokens that must not be served.
    pub fn remove_older(&self, key: AccountKey, generation: Generation) {
        self.absences.end_before(key, generation);
        self.replace(key, Slot::Floor(generation), |old| old.generation() < generation);
    }

    /// Notes a notification of `generation`: a token that is not newer stays, but needs confirmation. A token's own
    /// generation is notified, too, when somebody marked it.
    pub fn heard(&self, key: AccountKey, generation: Generation, now: Moment) {
        self.absences.end_before(key, generation);
        self.inspect(key, |entry| entry.heard_of(generation, now));
    }

    /// Withholds the token of this generation: a resource refused it. Lasts until a newer one comes, or until a read
    /// that began later found no mark.
    pub fn reject(&self, key: AccountKey, generation: Generation, now: Moment) {
        self.inspect(key, |entry| {
            if entry.generation == generation {
                entry.reject(now);
            }
        });
    }

    /// Takes the mark back.
    pub fn clear_rejection(&self, key: AccountKey, generation: Generation) {
        self.inspect(key, |entry| {
            if entry.generation == generation {
                entry.clear_rejection();
            }
        });
    }

    /// Notifications may have been missed: every entry needs confirmation, and no absence is believed any more.
    pub fn mark_unconfirmed_all(&self) {
        if mutant("gap_in_the_change_feed_is_ignored") {
            return;
        }
        self.epoch.fetch_add(1, Relaxed);
        self.absences.clear();
    }

    /// Returns whether the entry was not compared with the shared cache or the store for [`CONFIRM_EVERY`], or there is
    /// reason to think that it has changed there.
    pub fn needs_confirmation(&self, entry: &Entry<V>, now: Moment) -> bool {
        entry.is_behind()
            || entry.is_notified()
            || entry.confirmed_epoch() < self.epoch.load(Relaxed)
            || now.since(entry.confirmed_at()) >= CONFIRM_EVERY && !mutant("entry_is_never_compared")
    }

    /// As [`needs_confirmation`](Self::needs_confirmation), but returns a start to only one caller per second: the one
    /// that is to read.
    pub fn take_confirmation(&self, entry: &Entry<V>, now: Moment) -> Option<ReadStart> {
        let due = self.needs_confirmation(entry, now) && entry.take_turn(now, READ_PAUSE_MICROS);
        due.then(|| self.begin_read(now))
    }

    /// Remembers for [`BELIEVE_ABSENCE`](crate::BELIEVE_ABSENCE) that there is nothing to serve.
    pub fn fill_absence(&self, key: AccountKey, absence: Absence, now: Moment) {
        self.absences.put(key, absence, now);
    }

    /// The reason why there is nothing to serve, if it was found within [`BELIEVE_ABSENCE`](crate::BELIEVE_ABSENCE).
    pub fn absence(&self, key: AccountKey, now: Moment) -> Option<Absence> {
        self.absences.get(key, now)
    }

    /// Returns whether it holds a token that may be handed out now. Walks over all of them until it finds one: for
    /// questions that are asked now and then.
    pub fn holds_valid(&self, now: Moment) -> bool {
        self.slots.iter().any(|(_, slot)| match slot {
            Slot::Token(entry) => entry.is_valid(now) && !entry.is_rejected(),
            Slot::Floor(_) => false,
        })
    }

    /// Returns the number of accounts it holds something of.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Returns whether it holds nothing.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Shows the token, if there is one, while nobody can replace it: what is marked on it is not lost.
    fn inspect(&self, key: AccountKey, with: impl FnOnce(&Entry<V>)) {
        // Most notifications are about accounts this process does not hold; those cost a read lock only.
        if self.slots.peek(&key).is_none() {
            return;
        }
        // A vacant place is given up again when its guard is dropped.
        let _ = self.slots.entry(&key, None, |_, slot| {
            if let Slot::Token(entry) = slot {
                with(entry);
            }
            EntryAction::Retain(())
        });
    }

    /// Writes `new` if nothing is there or `wanted` says so about what is there, as one step.
    fn replace(&self, key: AccountKey, new: Slot<V>, wanted: impl FnOnce(&Slot<V>) -> bool) -> bool {
        let vacant = new.clone();
        let decided = self.slots.entry(&key, None, |_, old| {
            let wanted = wanted(old);
            if wanted {
                *old = new;
            }
            EntryAction::Retain(wanted)
        });
        match decided {
            EntryResult::Retained(written) => written,
            EntryResult::Vacant(guard) => guard.insert(vacant).is_ok(),
            // Neither removal nor a timeout was asked for.
            _ => false,
        }
    }
}

impl<V> Default for ProcessCache<V> {
    /// A cache for [`DEFAULT_CAPACITY`] accounts.
    fn default() -> Self {
        Self::new(DEFAULT_CAPACITY)
    }
}

/// Accounts that one process keeps in memory: some 200 MB with access tokens of 2 kB. A gateway that uses more of them
/// at once pays a round trip to Redis for the rest.
pub const DEFAULT_CAPACITY: usize = 100_000;

/// The longest time that an entry in use is believed without a read of the shared cache or the store.
pub const CONFIRM_EVERY: Duration = Duration::from_secs(30);

/// The pause between two reads for the same entry: one that fails is not repeated by every caller.
const READ_PAUSE_MICROS: u64 = 1_000_000;

//! The shared cache in memory.

use std::{collections::BTreeMap, sync::Mutex};

use async_trait::async_trait;
use solekey_core::{
    Account, Decision, Generation, Sealed, StoreTime, Verdict, mutant,
    ports::{Cache, CacheEntry, CachedToken, Heard, Listen, Publication, Trouble},
};
use tokio::sync::broadcast::{self, error::RecvError};

use super::{Faults, MemoryClock, clock::moved, lock};

/// A shared cache in memory. Clones of its `Arc` are replicas.
#[derive(Debug)]
pub struct MemoryCache {
    clock: MemoryClock,
    faults: Faults,
    entries: Mutex<BTreeMap<Account, Entry>>,
    change_feed: broadcast::Sender<Heard>,
}

/// The number of messages that a listener may lag behind before it hears of a gap instead.
const BACKLOG: usize = 256;

#[derive(Clone, Default, Debug)]
struct Entry {
    put: StoreTime,
    known: Option<Generation>,
    token: Option<Timed>,
    verdict: Option<Verdict<StoreTime>>,
    rejected: Option<(Generation, Sealed)>,
    gone: bool,
    proof: Sealed,
}

/// A token with instants for its spans.
#[derive(Clone, Debug)]
struct Timed {
    cached: CachedToken,
    valid: StoreTime,
    good: StoreTime,
}

impl MemoryCache {
    /// Creates an empty shared cache on the wall clock.
    pub fn new() -> Self {
        Self::with_clock(MemoryClock::wall())
    }

    /// Creates an empty shared cache on this clock.
    pub fn with_clock(clock: MemoryClock) -> Self {
        let (change_feed, _) = broadcast::channel(BACKLOG);
        Self { clock, faults: Faults::default(), entries: Mutex::default(), change_feed }
    }

    /// Returns the switches for faults.
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// Deletes everything.
    pub fn wipe(&self) {
        lock(&self.entries).clear();
    }

    /// Deletes one account.
    pub fn forget(&self, account: &Account) {
        lock(&self.entries).remove(account);
    }

    /// The clock is stepped back, or forward by a negative number: what was written lies ahead by so much.
    #[doc(hidden)] // For the comparison with other caches.
    pub fn step_back(&self, micros: i64) {
        lock(&self.entries).values_mut().for_each(|entry| entry.move_instants(|at| moved(at, micros)));
    }

    /// Makes listeners hear of a gap, as if they had missed messages.
    pub fn gap(&self) {
        self.send(Heard::Gap);
    }

    /// Sends to the listeners; without any, there is nothing to do.
    fn send(&self, heard: Heard) {
        let _ = self.change_feed.send(heard);
    }

    fn with<T>(&self, account: &Account, work: impl FnOnce(&mut Entry, StoreTime) -> T) -> T {
        let now = self.clock.now();
        work(lock(&self.entries).entry(account.clone()).or_default(), now)
    }

    fn put(&self, account: &Account, publication: &Publication) -> bool {
        let put = self.with(account, |entry, now| entry.put(publication, now));
        self.notify_if(put, account, publication.generation);
        put
    }

    fn notify_if(&self, changed: bool, account: &Account, generation: Generation) {
        if changed {
            self.send(Heard::Changed { key: account.key(), generation });
        }
    }
}

impl Default for MemoryCache {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Cache for MemoryCache {
    async fn read(&self, account: &Account) -> Result<CacheEntry, Trouble> {
        let read = |entry: &mut Entry, now| {
            entry.follow(now);
            entry.shared_cache(now)
        };
        self.faults.meet("read", || self.with(account, read)).await
    }

    async fn time(&self) -> Result<StoreTime, Trouble> {
        self.faults.meet("time", || self.clock.now()).await
    }

    async fn publish(&self, account: &Account, publication: &Publication) -> Result<bool, Trouble> {
        self.faults.meet("publish", || self.put(account, publication)).await
    }

    async fn reject(&self, account: &Account, generation: Generation, proof: &Sealed) -> Result<(), Trouble> {
        let mark = || self.with(account, |entry, _| entry.reject(generation, proof));
        self.faults.meet("reject", || self.notify_if(mark(), account, generation)).await
    }

    async fn clear_rejection(&self, account: &Account, generation: Generation) -> Result<(), Trouble> {
        let unmark = || self.with(account, |entry, _| entry.clear_rejection(generation));
        self.faults.meet("clear_rejection", || self.notify_if(unmark(), account, generation)).await
    }

    async fn forget(&self, account: &Account) -> Result<(), Trouble> {
        self.faults.meet("forget", || MemoryCache::forget(self, account)).await
    }

    async fn listen(&self) -> Box<dyn Listen> {
        Box::new(Listener(self.change_feed.subscribe()))
    }
}

impl Entry {
    fn put(&mut self, publication: &Publication, now: StoreTime) -> bool {
        let Publication { generation, token, verdict, gone, replaces, as_of, proof } = publication;
        self.follow(now);
        let (put, as_of) = (now, *as_of);
        let as_of = as_of.filter(|_| !mutant("late_publication_lives_longer_in_memory"));
        let now = as_of.map_or(now, |then| then.min(now));
        if self.known.is_some_and(|known| known > *generation) {
            return false;
        }
        self.put = put;
        self.known = Some(*generation);
        self.gone = *gone;
        self.proof = proof.clone();
        self.verdict = verdict.map(|verdict| verdict.map(|left| now + left));
        if let Some(token) = token {
            let good = now + token.good.min(token.valid);
            self.token = Some(Timed { valid: now + token.valid, good, cached: token.clone() });
            self.supersede(token.generation);
        } else if *gone || *replaces && self.token.as_ref().is_some_and(|token| token.is_before(*generation))
        {
            self.token = None;
            self.supersede(*generation);
        }
        true
    }

    /// A clock that has stepped back behind the last publication: what was to last for a time from there lasts as long
    /// from now.
    fn follow(&mut self, now: StoreTime) {
        let ahead = self.put.since(now);
        if !ahead.is_zero() && !mutant("entry_waits_for_a_clock_that_stepped_back") {
            self.move_instants(|at| at - ahead);
        }
    }

    fn move_instants(&mut self, to: impl Fn(StoreTime) -> StoreTime) {
        self.put = to(self.put);
        self.verdict = self.verdict.map(|verdict| verdict.map(&to));
        if let Some(token) = &mut self.token {
            (token.valid, token.good) = (to(token.valid), to(token.good));
        }
    }

    fn shared_cache(&self, now: StoreTime) -> CacheEntry {
        CacheEntry {
            known: self.known,
            token: self.token.as_ref().and_then(|token| token.at(now)),
            verdict: self
                .verdict
                .filter(|verdict| speaks(verdict, self.known, now))
                .map(|verdict| verdict.map(|at| at.since(now))),
            rejected: self.rejected.as_ref().map(|(generation, _)| *generation),
            gone: self.gone,
            proof: self.proof.clone(),
            rejected_proof: self.rejected.as_ref().map(|(_, proof)| proof.clone()).unwrap_or_default(),
        }
    }

    /// Clears the rejection of an older token.
    fn supersede(&mut self, generation: Generation) {
        self.rejected.take_if(|(rejected, _)| *rejected < generation);
    }

    /// Marks the generation rejected, and returns whether that is new.
    fn reject(&mut self, generation: Generation, proof: &Sealed) -> bool {
        let before = self.rejected.as_ref().map(|(generation, _)| *generation);
        let new = self.known.is_some_and(|known| known <= generation) && before < Some(generation);
        if new {
            self.rejected = Some((generation, proof.clone()));
        }
        new
    }

    /// Clears the rejection, and returns whether there was one.
    fn clear_rejection(&mut self, generation: Generation) -> bool {
        self.rejected.take_if(|(rejected, _)| *rejected == generation).is_some()
    }
}

impl Timed {
    fn is_before(&self, generation: Generation) -> bool {
        self.cached.generation < generation
    }

    fn at(&self, now: StoreTime) -> Option<CachedToken> {
        let (valid, good) = (self.valid.since(now), self.good.since(now));
        (!valid.is_zero()).then(|| CachedToken { valid, good, ..self.cached.clone() })
    }
}

fn speaks(verdict: &Verdict<StoreTime>, known: Option<Generation>, now: StoreTime) -> bool {
    let current = Some(verdict.generation) == known;
    current && !matches!(verdict.decision, Decision::NotBefore { at, .. } if at <= now)
}

/// A subscription; dropping it ends it.
#[derive(Debug)]
struct Listener(broadcast::Receiver<Heard>);

#[async_trait]
impl Listen for Listener {
    async fn next(&mut self) -> Option<Heard> {
        match self.0.recv().await {
            Ok(heard) => Some(heard),
            Err(RecvError::Lagged(_)) => Some(Heard::Gap),
            Err(RecvError::Closed) => None,
        }
    }
}

//! The shelf in memory.

use std::{collections::BTreeMap, sync::Mutex};

use async_trait::async_trait;
use solekey_core::{
    Account, Generation, Ruling, StoreTime, Verdict, mutant,
    ports::{Cache, Heard, Listen, Publication, Shelf, Shelved, Trouble},
};
use tokio::sync::broadcast::{self, error::RecvError};

use super::{Faults, MemoryClock, lock};

/// A shelf in memory. Clones of its `Arc` are replicas.
#[derive(Debug)]
pub struct MemoryCache {
    clock: MemoryClock,
    faults: Faults,
    places: Mutex<BTreeMap<Account, Place>>,
    news: broadcast::Sender<Heard>,
}

/// How many messages a listener may lag behind before it hears of a gap instead.
const BACKLOG: usize = 256;

#[derive(Clone, Default, Debug)]
struct Place {
    known: Option<Generation>,
    token: Option<Timed>,
    verdict: Option<Verdict<StoreTime>>,
    rejected: Option<Generation>,
    gone: bool,
}

/// A token with instants for its spans.
#[derive(Clone, Debug)]
struct Timed {
    shelved: Shelved,
    valid: StoreTime,
    good: StoreTime,
}

impl MemoryCache {
    /// An empty shelf on the wall clock.
    pub fn new() -> Self {
        Self::with_clock(MemoryClock::wall())
    }

    /// An empty shelf on this clock.
    pub fn with_clock(clock: MemoryClock) -> Self {
        let (news, _) = broadcast::channel(BACKLOG);
        Self { clock, faults: Faults::default(), places: Mutex::default(), news }
    }

    /// What goes wrong.
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// The shelf loses everything.
    pub fn wipe(&self) {
        lock(&self.places).clear();
    }

    /// The shelf loses one account.
    pub fn forget(&self, account: &Account) {
        lock(&self.places).remove(account);
    }

    /// Listeners miss something, and know.
    pub fn gap(&self) {
        self.tell(Heard::Gap);
    }

    /// Nobody listening is no reason not to speak.
    fn tell(&self, heard: Heard) {
        let _ = self.news.send(heard);
    }

    fn with<T>(&self, account: &Account, work: impl FnOnce(&mut Place, StoreTime) -> T) -> T {
        let now = self.clock.now();
        work(lock(&self.places).entry(account.clone()).or_default(), now)
    }

    fn put(&self, account: &Account, publication: &Publication) -> bool {
        let put = self.with(account, |place, now| place.put(publication, now));
        self.tell_if(put, account, publication.generation);
        put
    }

    fn tell_if(&self, changed: bool, account: &Account, generation: Generation) {
        if changed {
            self.tell(Heard::Changed { key: account.key(), generation });
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
    async fn read(&self, account: &Account) -> Result<Shelf, Trouble> {
        self.faults.meet("read", || self.with(account, |place, now| place.shelf(now))).await
    }

    async fn time(&self) -> Result<StoreTime, Trouble> {
        self.faults.meet("time", || self.clock.now()).await
    }

    async fn publish(&self, account: &Account, publication: &Publication) -> Result<bool, Trouble> {
        self.faults.meet("publish", || self.put(account, publication)).await
    }

    async fn reject(&self, account: &Account, generation: Generation) -> Result<(), Trouble> {
        let mark = || self.with(account, |place, _| place.reject(generation));
        self.faults.meet("reject", || self.tell_if(mark(), account, generation)).await
    }

    async fn absolve(&self, account: &Account, generation: Generation) -> Result<(), Trouble> {
        let unmark = || self.with(account, |place, _| place.absolve(generation));
        self.faults.meet("absolve", || self.tell_if(unmark(), account, generation)).await
    }

    async fn listen(&self) -> Box<dyn Listen> {
        Box::new(Listener(self.news.subscribe()))
    }
}

impl Place {
    fn put(&mut self, publication: &Publication, now: StoreTime) -> bool {
        let Publication { generation, token, verdict, gone, replaces, as_of } = publication;
        let as_of = as_of.filter(|_| !mutant("late_publication_lives_longer_in_memory"));
        let now = as_of.map_or(now, |then| then.min(now));
        if self.known.is_some_and(|known| known > *generation) {
            return false;
        }
        self.known = Some(*generation);
        self.gone = *gone;
        self.verdict = verdict.map(|verdict| verdict.map(|left| now + left));
        if let Some(token) = token {
            let good = now + token.good.min(token.valid);
            self.token = Some(Timed { valid: now + token.valid, good, shelved: token.clone() });
            self.supersede(token.generation);
        } else if *gone || *replaces && self.token.as_ref().is_some_and(|token| token.is_before(*generation))
        {
            self.token = None;
            self.supersede(*generation);
        }
        true
    }

    fn shelf(&self, now: StoreTime) -> Shelf {
        Shelf {
            known: self.known,
            token: self.token.as_ref().and_then(|token| token.at(now)),
            verdict: self
                .verdict
                .filter(|verdict| speaks(verdict, self.known, now))
                .map(|verdict| verdict.map(|at| at.since(now))),
            rejected: self.rejected,
            gone: self.gone,
        }
    }

    /// A mark goes with the token it is about.
    fn supersede(&mut self, generation: Generation) {
        self.rejected.take_if(|rejected| *rejected < generation);
    }

    /// Whether the mark is new.
    fn reject(&mut self, generation: Generation) -> bool {
        let new = self.known.is_some_and(|known| known <= generation) && self.rejected < Some(generation);
        if new {
            self.rejected = Some(generation);
        }
        new
    }

    /// Whether there was a mark.
    fn absolve(&mut self, generation: Generation) -> bool {
        self.rejected.take_if(|rejected| *rejected == generation).is_some()
    }
}

impl Timed {
    fn is_before(&self, generation: Generation) -> bool {
        self.shelved.generation < generation
    }

    fn at(&self, now: StoreTime) -> Option<Shelved> {
        let (valid, good) = (self.valid.since(now), self.good.since(now));
        (!valid.is_zero()).then(|| Shelved { valid, good, ..self.shelved.clone() })
    }
}

fn speaks(verdict: &Verdict<StoreTime>, known: Option<Generation>, now: StoreTime) -> bool {
    let current = Some(verdict.generation) == known;
    current && !matches!(verdict.ruling, Ruling::NotBefore { at, .. } if at <= now)
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

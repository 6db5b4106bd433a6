//! Comparison of a store with the store in memory.

#![expect(clippy::mutable_key_type, reason = "the cell in an account only remembers the hash of its name")]

mod change;
mod request;

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use fastrand::Rng;
use solekey_core::{
    Account, ClaimId, LoginEffect, ROW_FORMAT, Row, StoreTime,
    ports::{Loaded, Record, Store, StoreError},
};
use solekey_testkit::memory::{MemoryClock, MemoryStore};
use uuid::Uuid;

use self::{change::Change, request::Request};
use super::{
    Backstage, Divergence, Outcome, Pairs,
    pick::{pick, span, step},
};

use crate::store::Foreign;

/// A store and the store in memory.
pub struct StorePairs {
    adapter: Arc<dyn Store>,
    stage: Box<dyn Stage>,
    memory: MemoryStore,
    clock: MemoryClock,
    places: Vec<Position>,
    minted: u128,
    /// The ids of both stores, once they were read.
    identities: Option<[Uuid; 2]>,
    /// The latest time that the adapter returned.
    now: StoreTime,
}

/// Changes to a store from outside.
#[async_trait]
pub trait Stage: Foreign {
    /// Deletes all data of the store, and returns the store to use from then on.
    async fn lose_everything(&self) -> Arc<dyn Store>;

    /// Deletes the scripts from the store's server, if it has any.
    async fn lose_scripts(&self);

    /// Steps the clock of the store back, or forward by a negative number, as far as the adapter can see: every instant
    /// it has written lies ahead by so many microseconds. Returns false where the clock cannot be stepped.
    async fn step_back(&self, _micros: i64) -> bool {
        false
    }
}

/// A store in Redis.
#[derive(Debug)]
pub struct RedisStage<S> {
    /// The adapter.
    pub store: S,
    /// The server that holds its rows, under its prefix.
    pub server: Backstage,
}

#[async_trait]
impl<S: Store + Clone> Stage for RedisStage<S> {
    async fn lose_everything(&self) -> Arc<dyn Store> {
        self.server.lose_everything().await;
        Arc::new(self.store.clone())
    }

    async fn lose_scripts(&self) {
        self.server.lose_scripts().await;
    }

    async fn step_back(&self, micros: i64) -> bool {
        self.server.step_back(micros).await;
        true
    }
}

#[async_trait]
impl<S: Store> Foreign for RedisStage<S> {
    async fn set_format(&self, account: &Account, format: u16) {
        let key = self.server.key(account, "rec");
        self.server.number(&["HSET", &key, "format", &format.to_string()]).await;
    }
}

/// An account and the changes that were requested for it.
struct Position {
    account: Account,
    /// Ids of changes, for repeating and mistaking them.
    ids: Vec<ClaimId>,
    /// The last changes, whole.
    changes: Vec<Change>,
}

/// An operation on stores; numbers stand for accounts.
#[derive(Clone, Debug)]
pub enum StoreOperation {
    /// Changes a row.
    Change {
        /// The number of the account.
        account: usize,
        /// The change.
        request: Request,
        /// True if the row appears to be written by a newer version meanwhile.
        newer: bool,
    },
    /// Requests an earlier change once more.
    Again {
        /// The number of the account.
        account: usize,
        /// So many changes back.
        back: usize,
    },
    /// Lists everything.
    List {
        /// The provider; `None` for all.
        provider: Option<&'static str>,
        /// The length of a page.
        limit: usize,
    },
    /// Takes what is due.
    Due {
        /// The provider.
        provider: &'static str,
        /// The visibility timeout.
        hold: Duration,
        /// The largest number of rows.
        limit: usize,
    },
    /// Pins a value.
    Pin {
        /// The name.
        name: &'static str,
        /// The value.
        value: &'static [u8],
    },
    /// Replaces a pinned value.
    Repin {
        /// The name.
        name: &'static str,
        /// The value to replace.
        seen: &'static [u8],
        /// The new value.
        value: &'static [u8],
    },
    /// Reads the store's id.
    Identity,
    /// The clock is stepped back; forward where this is negative.
    Step(i64),
    /// All data are lost.
    LoseEverything,
    /// The server forgets the scripts.
    LoseScripts,
}

impl StorePairs {
    /// A store on its stage.
    pub async fn new(stage: impl Stage) -> Self {
        let clock = MemoryClock::standing(StoreTime::default());
        Self {
            adapter: stage.lose_everything().await,
            stage: Box::new(stage),
            memory: MemoryStore::with_clock(clock.clone()),
            clock,
            places: places(),
            minted: 0,
            identities: None,
            now: StoreTime::default(),
        }
    }

    async fn change(&mut self, at: usize, change: &Change, newer: bool) -> Result<Outcome, Divergence> {
        let account = self.places[at].account.clone();
        let newer = newer && self.record(&account).await.is_some();
        if newer {
            self.set_format(&account, ROW_FORMAT + 1).await;
        }
        let outcome = self.send(&account, change).await;
        if newer {
            self.set_format(&account, ROW_FORMAT).await;
        }
        let outcome = outcome?;
        self.compare(&account).await?;
        Ok(outcome)
    }

    /// Sends the change to both, to the memory at the time that the adapter returned. Some refusals return no time; the
    /// times that decide those are too far away for the exact instant to matter.
    async fn send(&mut self, account: &Account, change: &Change) -> Result<Outcome, Divergence> {
        let actual = change.ask(&*self.adapter, account).await;
        let now = match &actual {
            Ok((loaded, _)) => loaded.now,
            Err(StoreError::Moved(loaded)) => loaded.now,
            Err(_) => self.now,
        };
        self.goes_on(now)?;
        self.clock.set(now);
        let was = self.record(account).await;
        let expected = change.ask(&self.memory, account).await;
        if !same(&actual, &expected) {
            return Err(Divergence::of(&actual, &(expected, "of", was)));
        }
        Ok(match expected {
            Ok((_, Some(LoginEffect::Same))) => "the same login",
            Ok((loaded, _)) if loaded.record == was => "nothing to do",
            Ok((loaded, _)) if forgets(was.as_ref(), loaded.record.as_ref()) => "forgot a token",
            Ok(_) => change.verb(),
            Err(StoreError::Moved(_)) => "moved",
            Err(StoreError::Late) => "late",
            Err(StoreError::AlreadyPresented) => "already presented",
            Err(StoreError::Lesser) => "lesser",
            Err(StoreError::UnreadableFormat { .. }) => "unreadable",
            Err(_) => "unavailable",
        })
    }

    /// Checks that both stores return the same record afterwards.
    async fn compare(&mut self, account: &Account) -> Result<(), Divergence> {
        let actual = self.adapter.load(account).await;
        if let Ok(loaded) = &actual {
            self.clock.set(loaded.now);
        }
        let expected = self.record(account).await;
        match actual {
            Ok(loaded) if loaded.record == expected => self.goes_on(loaded.now),
            actual => Err(Divergence::of(&actual, &expected)),
        }
    }

    async fn set_format(&self, account: &Account, format: u16) {
        self.stage.set_format(account, format).await;
        self.memory.set_format(account, format);
    }

    async fn record(&self, account: &Account) -> Option<Record> {
        self.memory.load(account).await.ok().and_then(|loaded| loaded.record)
    }

    async fn row(&self, at: usize) -> Row {
        self.record(&self.places[at].account).await.map_or_else(Row::empty, |record| record.row)
    }

    async fn list(&mut self, provider: Option<&str>, limit: usize) -> Result<Outcome, Divergence> {
        let actual = listed(&*self.adapter, provider, limit).await?;
        let expected = listed(&self.memory, provider, limit).await?;
        if actual == expected { Ok("listed") } else { Err(Divergence::of(&actual, &expected)) }
    }

    async fn due(&mut self, provider: &str, hold: Duration, limit: usize) -> Result<Outcome, Divergence> {
        let before = self.now;
        let actual = self.adapter.due(provider, hold, limit).await;
        let after = self.adapter.load(&self.places[0].account).await.map_or(before, |loaded| loaded.now);
        self.goes_on(after)?;
        let Ok(actual) = actual else { return Err(Divergence::of(&actual, &"rows are taken")) };
        let was = self.due_times().await;
        let times = |taken: &[Account]| -> Vec<_> { taken.iter().map(|account| was.get(account)).collect() };
        let mut expected = Vec::new();
        // What is due changes at no other instants than these.
        let points = was.values().copied().filter(|at| before < *at && *at <= after);
        for at in std::iter::once(before).chain(points) {
            let snapshot = self.memory.snapshot();
            self.clock.set(at);
            expected.push(self.memory.due(provider, hold, limit).await.expect("the memory has no troubles"));
            self.memory.restore(&snapshot);
        }
        // The order of two accounts that are due at the same instant is not specified.
        if !expected.iter().any(|expected| times(expected) == times(&actual)) {
            return Err(Divergence::of(&(&actual, before, after), &(&expected, &was)));
        }
        for account in &actual {
            self.held(account, hold, [before, after]).await?;
        }
        Ok(if actual.is_empty() { "nothing due" } else { "due" })
    }

    /// Checks that the row is due at the end of the visibility timeout.
    async fn held(
        &mut self,
        account: &Account,
        hold: Duration,
        [before, after]: [StoreTime; 2],
    ) -> Result<(), Divergence> {
        let loaded = self.adapter.load(account).await;
        let due_at = loaded.as_ref().ok().and_then(|loaded| loaded.record.as_ref()?.row.due_at);
        match due_at {
            Some(at) if (before + hold..=after + hold).contains(&at) => {
                self.memory.hold_until(account, at);
                self.compare(account).await
            }
            _ => Err(Divergence::of(&loaded, &(before + hold, after + hold))),
        }
    }

    async fn due_times(&self) -> BTreeMap<Account, StoreTime> {
        let mut times = BTreeMap::new();
        for at in 0..self.places.len() {
            if let Some(due_at) = self.row(at).await.due_at {
                times.insert(self.places[at].account.clone(), due_at);
            }
        }
        times
    }

    async fn pin(&mut self, name: &str, value: &[u8]) -> Result<Outcome, Divergence> {
        let actual = self.adapter.pin(name, value).await;
        let expected = self.memory.pin(name, value).await;
        match (actual, expected) {
            (Ok(actual), Ok(expected)) if actual == expected => Ok("pinned"),
            (actual, expected) => Err(Divergence::of(&actual, &expected)),
        }
    }

    async fn repin(&mut self, name: &str, seen: &[u8], value: &[u8]) -> Result<Outcome, Divergence> {
        let actual = self.adapter.repin(name, seen, value).await;
        let expected = self.memory.repin(name, seen, value).await;
        match (actual, expected) {
            (Ok(actual), Ok(expected)) if actual == expected => Ok("repinned"),
            (actual, expected) => Err(Divergence::of(&actual, &expected)),
        }
    }

    async fn identity(&mut self) -> Result<Outcome, Divergence> {
        let (actual, expected) = (self.adapter.identity().await, self.memory.identity().await);
        let (Ok(actual), Ok(expected)) = (&actual, &expected) else {
            return Err(Divergence::of(&actual, &expected));
        };
        self.goes_on(actual.now)?;
        let identities = [actual.id, expected.id];
        match self.identities.replace(identities) {
            Some(before) if before != identities => Err(Divergence::of(&identities, &before)),
            _ => Ok("identity"),
        }
    }

    /// Steps the clock, and lets both see each row at the same instant.
    async fn step_back(&mut self, micros: i64) -> Result<Outcome, Divergence> {
        if self.stage.step_back(micros).await {
            self.memory.step_back(micros);
        }
        for at in 0..self.places.len() {
            let account = self.places[at].account.clone();
            self.compare(&account).await?;
        }
        Ok("clock stepped")
    }

    async fn lose_everything(&mut self) {
        self.adapter = self.stage.lose_everything().await;
        self.memory.wipe();
        self.identities = None;
    }

    fn goes_on(&mut self, now: StoreTime) -> Result<(), Divergence> {
        if now < self.now {
            return Err(Divergence::of(&now, &("time goes on from", self.now)));
        }
        self.now = now;
        Ok(())
    }
}

/// Returns whether the fingerprint of a token that was presented is no longer stored.
fn forgets(was: Option<&Record>, is: Option<&Record>) -> bool {
    let oldest = was.and_then(|was| was.row.presented.last());
    oldest.is_some_and(|oldest| is.is_some_and(|is| !is.row.presented.contains(oldest)))
}

type Answered = Result<(Loaded, Option<LoginEffect>), StoreError>;

fn same(actual: &Answered, expected: &Answered) -> bool {
    match (actual, expected) {
        (Ok(actual), Ok(expected)) => actual == expected,
        (Err(StoreError::Moved(actual)), Err(StoreError::Moved(expected))) => actual == expected,
        (Err(StoreError::Late), Err(StoreError::Late))
        | (Err(StoreError::AlreadyPresented), Err(StoreError::AlreadyPresented))
        | (Err(StoreError::Lesser), Err(StoreError::Lesser)) => true,
        (
            Err(StoreError::UnreadableFormat { found: actual }),
            Err(StoreError::UnreadableFormat { found: expected }),
        ) => actual == expected,
        _ => false,
    }
}

/// Returns all rows, each once; the adapter may list them in any order.
async fn listed(
    store: &dyn Store,
    provider: Option<&str>,
    limit: usize,
) -> Result<BTreeMap<Account, Row>, Divergence> {
    let (mut rows, mut cursor) = (BTreeMap::new(), None);
    for _ in 0..PAGES {
        let page = store.list(provider, cursor.as_deref(), limit).await;
        let Ok(page) = page else { return Err(Divergence::of(&page, &"a page")) };
        if page.rows.len() > limit.max(1) {
            return Err(Divergence::of(&page, &limit));
        }
        for (account, row) in page.rows {
            if let Some(twice) = rows.insert(account, row) {
                return Err(Divergence::of(&twice, &"each row once"));
            }
        }
        let Some(next) = page.next else { return Ok(rows) };
        cursor = Some(next);
    }
    Err(Divergence::of(&"a listing without end", &PAGES))
}

fn places() -> Vec<Position> {
    let names = [("acme", "a"), ("acme", "b"), ("acme", "c"), ("other", "a")];
    let place = |(provider, id)| Position {
        account: Account::new(provider, id).expect("a valid name"),
        ids: vec![ClaimId::new(Uuid::nil())],
        changes: Vec::new(),
    };
    names.map(place).into()
}

#[async_trait]
impl Pairs for StorePairs {
    type Operation = StoreOperation;

    const PORT: &'static str = "store";

    const OUTCOMES: &'static [Outcome] = &[
        "claimed",
        "committed",
        "settled",
        "logged in",
        "the same login",
        "deleted",
        "nothing to do",
        "moved",
        "late",
        "already presented",
        "lesser",
        "unreadable",
        "forgot a token",
        "listed",
        "due",
        "nothing due",
        "pinned",
        "repinned",
        "resealed",
        "identity",
        "clock stepped",
        "data lost",
        "scripts lost",
    ];

    fn draw(rng: &mut Rng) -> StoreOperation {
        // Some accounts have long histories.
        let account = rng.usize(..4).min(rng.usize(..4));
        match rng.u16(..1_000) {
            0..800 => {
                StoreOperation::Change { account, request: Request::draw(rng), newer: rng.u8(..64) == 0 }
            }
            800..880 => StoreOperation::Again { account, back: rng.usize(..CHANGES_KEPT) },
            880..910 => StoreOperation::List {
                provider: pick(rng, &[None, Some("acme"), Some("other"), Some("nobody")]),
                limit: rng.usize(..4),
            },
            910..960 => StoreOperation::Due {
                provider: pick(rng, &["acme", "acme", "other", "nobody"]),
                hold: span(rng),
                limit: rng.usize(..4),
            },
            960..968 => StoreOperation::Pin { name: pick(rng, PIN_NAMES), value: pick(rng, PIN_VALUES) },
            968..975 => StoreOperation::Repin {
                name: pick(rng, PIN_NAMES),
                seen: pick(rng, PIN_VALUES),
                value: pick(rng, PIN_VALUES),
            },
            975..979 => StoreOperation::Identity,
            979..985 => StoreOperation::Step(step(rng)),
            985..993 => StoreOperation::LoseScripts,
            // Rarely: a row has to become old to forget tokens.
            993 => StoreOperation::LoseEverything,
            _ => StoreOperation::Change { account, request: Request::Load, newer: false },
        }
    }

    fn about(operation: &StoreOperation) -> Option<usize> {
        match operation {
            StoreOperation::Change { account, .. } | StoreOperation::Again { account, .. } => Some(*account),
            _ => None,
        }
    }

    async fn carry_out(&mut self, operation: &StoreOperation) -> Result<Outcome, Divergence> {
        match operation {
            StoreOperation::Change { account, request, newer } => {
                let change = self.change_of(*account, request, *newer).await;
                let changes = &mut self.places[*account].changes;
                // Not those with tokens of their own: see `change_of`.
                if !newer {
                    changes.insert(0, change.clone());
                    changes.truncate(CHANGES_KEPT);
                }
                self.change(*account, &change, *newer).await
            }
            StoreOperation::Again { account, back } => {
                let change = self.places[*account].changes.get(*back).cloned().unwrap_or(Change::Load);
                self.change(*account, &change, false).await
            }
            StoreOperation::List { provider, limit } => self.list(*provider, *limit).await,
            StoreOperation::Due { provider, hold, limit } => self.due(provider, *hold, *limit).await,
            StoreOperation::Pin { name, value } => self.pin(name, value).await,
            StoreOperation::Repin { name, seen, value } => self.repin(name, seen, value).await,
            StoreOperation::Identity => self.identity().await,
            StoreOperation::Step(micros) => self.step_back(*micros).await,
            StoreOperation::LoseEverything => {
                self.lose_everything().await;
                Ok("data lost")
            }
            StoreOperation::LoseScripts => {
                self.stage.lose_scripts().await;
                Ok("scripts lost")
            }
        }
    }

    async fn read(&mut self) -> Result<(), Divergence> {
        for at in 0..self.places.len() {
            let account = self.places[at].account.clone();
            self.compare(&account).await?;
        }
        self.list(None, 100).await.map(drop)
    }

    async fn start_over(&mut self) {
        self.lose_everything().await;
        (self.places, self.minted) = (places(), 0);
    }
}

impl fmt::Debug for StorePairs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StorePairs").finish_non_exhaustive()
    }
}

const PIN_NAMES: &[&str] = &["a", "identity", "\u{1f511} '\n"];
const PIN_VALUES: &[&[u8]] = &[b"", b"1", b"\x00\xff"];

/// The number of changes of an account that may be repeated at random.
const CHANGES_KEPT: usize = 8;

/// Four accounts in pages of one, and then some.
const PAGES: usize = 20;

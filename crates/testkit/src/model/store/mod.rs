//! Stores.

#![expect(clippy::mutable_key_type, reason = "the cell in an account only remembers the hash of its name")]

mod change;
mod wish;

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use fastrand::Rng;
use solekey_core::{
    Account, ClaimId, LoginEffect, ROW_FORMAT, Row, StoreTime,
    ports::{Loaded, Record, Store, StoreError},
};
use uuid::Uuid;

use self::{change::Change, wish::Wish};
use super::{
    Backstage, Divergence, Outcome, Twins,
    pick::{pick, span},
};
use crate::{
    conformance::store::Foreign,
    memory::{MemoryClock, MemoryStore},
};

/// A store and one in memory.
pub struct StoreTwins {
    adapter: Arc<dyn Store>,
    stage: Box<dyn Stage>,
    memory: MemoryStore,
    clock: MemoryClock,
    places: Vec<Place>,
    minted: u128,
    /// Who both stores are, since it was asked for.
    identities: Option<[Uuid; 2]>,
    /// The adapter's time, as far as it was heard.
    now: StoreTime,
}

/// What happens to a store from outside.
#[async_trait]
pub trait Stage: Foreign {
    /// The store loses everything; where it is from then on.
    async fn lose_everything(&self) -> Arc<dyn Store>;

    /// The store's server forgets the scripts, where it has any.
    async fn lose_scripts(&self);
}

/// A store in Redis.
#[derive(Debug)]
pub struct RedisStage<S> {
    /// The adapter.
    pub store: S,
    /// Where it keeps its rows, under its prefix.
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
}

#[async_trait]
impl<S: Store> Foreign for RedisStage<S> {
    async fn set_format(&self, account: &Account, format: u16) {
        let key = self.server.key(account, "rec");
        self.server.number(&["HSET", &key, "format", &format.to_string()]).await;
    }
}

/// An account and what was asked about it.
struct Place {
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
        /// Which account.
        account: usize,
        /// How.
        wish: Wish,
        /// While the row is one that a newer version wrote.
        newer: bool,
    },
    /// Asks for an earlier change once more.
    Again {
        /// Which account.
        account: usize,
        /// So many changes back.
        back: usize,
    },
    /// Lists everything.
    List {
        /// Of one provider or of all.
        provider: Option<&'static str>,
        /// In pages of this length.
        limit: usize,
    },
    /// Takes what is due.
    Due {
        /// Of which provider.
        provider: &'static str,
        /// For how long.
        hold: Duration,
        /// At most so many.
        limit: usize,
    },
    /// Pins a value.
    Pin {
        /// Under which name.
        name: &'static str,
        /// Which.
        value: &'static [u8],
    },
    /// Replaces a pinned value.
    Repin {
        /// Under which name.
        name: &'static str,
        /// If it is this one.
        seen: &'static [u8],
        /// By which.
        value: &'static [u8],
    },
    /// Asks who it is.
    Identity,
    /// All data are lost.
    LoseEverything,
    /// The server forgets the scripts.
    LoseScripts,
}

impl StoreTwins {
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

    /// Asks both, the memory at the time that the adapter names. Some refusals name none; those are decided by times
    /// too far away to depend on which instant it was.
    async fn send(&mut self, account: &Account, change: &Change) -> Result<Outcome, Divergence> {
        let said = change.ask(&*self.adapter, account).await;
        let now = match &said {
            Ok((loaded, _)) => loaded.now,
            Err(StoreError::Moved(loaded)) => loaded.now,
            Err(_) => self.now,
        };
        self.goes_on(now)?;
        self.clock.set(now);
        let was = self.record(account).await;
        let meant = change.ask(&self.memory, account).await;
        if !same(&said, &meant) {
            return Err(Divergence::of(&said, &(meant, "of", was)));
        }
        Ok(match meant {
            Ok((_, Some(LoginEffect::Same))) => "the same login",
            Ok((loaded, _)) if loaded.record == was => "nothing to do",
            Ok((loaded, _)) if forgets(was.as_ref(), loaded.record.as_ref()) => "forgot a token",
            Ok(_) => change.verb(),
            Err(StoreError::Moved(_)) => "moved",
            Err(StoreError::Late) => "late",
            Err(StoreError::AlreadyPresented) => "already presented",
            Err(StoreError::UnreadableFormat { .. }) => "unreadable",
            Err(_) => "unavailable",
        })
    }

    /// What is read afterwards is the same, too.
    async fn compare(&mut self, account: &Account) -> Result<(), Divergence> {
        let said = self.adapter.load(account).await;
        let meant = self.record(account).await;
        match said {
            Ok(loaded) if loaded.record == meant => self.goes_on(loaded.now),
            said => Err(Divergence::of(&said, &meant)),
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
        self.record(&self.places[at].account).await.map_or_else(Row::unborn, |record| record.row)
    }

    async fn list(&mut self, provider: Option<&str>, limit: usize) -> Result<Outcome, Divergence> {
        let said = listed(&*self.adapter, provider, limit).await?;
        let meant = listed(&self.memory, provider, limit).await?;
        if said == meant { Ok("listed") } else { Err(Divergence::of(&said, &meant)) }
    }

    async fn due(&mut self, provider: &str, hold: Duration, limit: usize) -> Result<Outcome, Divergence> {
        let before = self.now;
        let said = self.adapter.due(provider, hold, limit).await;
        let after = self.adapter.load(&self.places[0].account).await.map_or(before, |loaded| loaded.now);
        self.goes_on(after)?;
        let Ok(said) = said else { return Err(Divergence::of(&said, &"rows are taken")) };
        let was = self.due_times().await;
        let times = |taken: &[Account]| -> Vec<_> { taken.iter().map(|account| was.get(account)).collect() };
        let mut meant = Vec::new();
        // What is due changes at no other instants than these.
        let points = was.values().copied().filter(|at| before < *at && *at <= after);
        for at in std::iter::once(before).chain(points) {
            let snapshot = self.memory.snapshot();
            self.clock.set(at);
            meant.push(self.memory.due(provider, hold, limit).await.expect("the memory has no troubles"));
            self.memory.restore(&snapshot);
        }
        // Which of two that are due at the same instant comes first is nobody's promise.
        if !meant.iter().any(|meant| times(meant) == times(&said)) {
            return Err(Divergence::of(&(&said, before, after), &(&meant, &was)));
        }
        for account in &said {
            self.held(account, hold, [before, after]).await?;
        }
        Ok(if said.is_empty() { "nothing due" } else { "due" })
    }

    /// The row was pushed to the end of the hold.
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
        let said = self.adapter.pin(name, value).await;
        let meant = self.memory.pin(name, value).await;
        match (said, meant) {
            (Ok(said), Ok(meant)) if said == meant => Ok("pinned"),
            (said, meant) => Err(Divergence::of(&said, &meant)),
        }
    }

    async fn repin(&mut self, name: &str, seen: &[u8], value: &[u8]) -> Result<Outcome, Divergence> {
        let said = self.adapter.repin(name, seen, value).await;
        let meant = self.memory.repin(name, seen, value).await;
        match (said, meant) {
            (Ok(said), Ok(meant)) if said == meant => Ok("repinned"),
            (said, meant) => Err(Divergence::of(&said, &meant)),
        }
    }

    async fn identity(&mut self) -> Result<Outcome, Divergence> {
        let (said, meant) = (self.adapter.identity().await, self.memory.identity().await);
        let (Ok(said), Ok(meant)) = (&said, &meant) else { return Err(Divergence::of(&said, &meant)) };
        self.goes_on(said.now)?;
        let identities = [said.id, meant.id];
        match self.identities.replace(identities) {
            Some(before) if before != identities => Err(Divergence::of(&identities, &before)),
            _ => Ok("identity"),
        }
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

/// Whether a fingerprint of a token that was presented is no longer remembered.
fn forgets(was: Option<&Record>, is: Option<&Record>) -> bool {
    let oldest = was.and_then(|was| was.row.presented.last());
    oldest.is_some_and(|oldest| is.is_some_and(|is| !is.row.presented.contains(oldest)))
}

type Answered = Result<(Loaded, Option<LoginEffect>), StoreError>;

fn same(said: &Answered, meant: &Answered) -> bool {
    match (said, meant) {
        (Ok(said), Ok(meant)) => said == meant,
        (Err(StoreError::Moved(said)), Err(StoreError::Moved(meant))) => said == meant,
        (Err(StoreError::Late), Err(StoreError::Late))
        | (Err(StoreError::AlreadyPresented), Err(StoreError::AlreadyPresented)) => true,
        (
            Err(StoreError::UnreadableFormat { found: said }),
            Err(StoreError::UnreadableFormat { found: meant }),
        ) => said == meant,
        _ => false,
    }
}

/// All rows, each once; their order is the adapter's own.
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

fn places() -> Vec<Place> {
    let names = [("acme", "a"), ("acme", "b"), ("acme", "c"), ("other", "a")];
    let place = |(provider, id)| Place {
        account: Account::new(provider, id).expect("a valid name"),
        ids: vec![ClaimId::new(Uuid::nil())],
        changes: Vec::new(),
    };
    names.map(place).into()
}

#[async_trait]
impl Twins for StoreTwins {
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
        "unreadable",
        "forgot a token",
        "listed",
        "due",
        "nothing due",
        "pinned",
        "repinned",
        "resealed",
        "identity",
        "data lost",
        "scripts lost",
    ];

    fn draw(rng: &mut Rng) -> StoreOperation {
        // Some accounts have long histories.
        let account = rng.usize(..4).min(rng.usize(..4));
        match rng.u16(..1_000) {
            0..800 => StoreOperation::Change { account, wish: Wish::draw(rng), newer: rng.u8(..64) == 0 },
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
            975..985 => StoreOperation::Identity,
            985..993 => StoreOperation::LoseScripts,
            // Rarely: a row has to become old to forget tokens.
            993 => StoreOperation::LoseEverything,
            _ => StoreOperation::Change { account, wish: Wish::Load, newer: false },
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
            StoreOperation::Change { account, wish, newer } => {
                let change = self.change_of(*account, wish, *newer).await;
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

    async fn look(&mut self) -> Result<(), Divergence> {
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

impl fmt::Debug for StoreTwins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreTwins").finish_non_exhaustive()
    }
}

const PIN_NAMES: &[&str] = &["a", "identity", "\u{1f511} '\n"];
const PIN_VALUES: &[&[u8]] = &[b"", b"1", b"\x00\xff"];

/// How many changes of an account are repeated at random.
const CHANGES_KEPT: usize = 8;

/// Four accounts in pages of one, and then some.
const PAGES: usize = 20;

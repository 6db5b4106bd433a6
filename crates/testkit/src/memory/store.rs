//! Rows in memory.

use std::{collections::BTreeMap, sync::Mutex, time::Duration};

use async_trait::async_trait;
use solekey_core::{
    Account, Archived, Claim, ClaimId, Commit, Fingerprint, Login, ROW_FORMAT, Refusal, Row, Sealed, Settle,
    StoreTime, mutant,
    ports::{Loaded, LoggedIn, Page, Record, Store, StoreError, StoreIdentity},
};
use tokio::sync::watch;
use uuid::Uuid;

use super::{Faults, MemoryClock, clock::moved, lock};

/// Rows in memory, by the very functions that define them.
#[derive(Debug)]
pub struct MemoryStore {
    clock: MemoryClock,
    faults: Faults,
    state: Mutex<State>,
    restarts: watch::Sender<u64>,
    /// Claims are refused as late until then.
    claims_from: Mutex<StoreTime>,
}

/// The contents of a store at some time, as a backup holds them.
#[derive(Clone, Debug)]
pub struct Snapshot(State);

#[derive(Clone, Debug)]
struct State {
    identity: Uuid,
    pins: BTreeMap<String, Vec<u8>>,
    rows: BTreeMap<Account, Stored>,
    /// The last day on which each spent token is remembered that its row no longer lists.
    spent: BTreeMap<u64, u16>,
}

#[derive(Clone, Debug)]
struct Stored {
    format: u16,
    record: Record,
}

impl MemoryStore {
    /// An empty store on the wall clock.
    pub fn new() -> Self {
        Self::with_clock(MemoryClock::wall())
    }

    /// An empty store on this clock.
    pub fn with_clock(clock: MemoryClock) -> Self {
        Self {
            clock,
            faults: Faults::default(),
            state: Mutex::new(State::empty()),
            restarts: watch::Sender::new(0),
            claims_from: Mutex::default(),
        }
    }

    /// Returns the switches for faults.
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// The store's clock.
    pub fn clock(&self) -> &MemoryClock {
        &self.clock
    }

    /// Returns the contents of the store now.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot(lock(&self.state).clone())
    }

    /// The store goes back to what it held then. Its clock goes on.
    pub fn restore(&self, snapshot: &Snapshot) {
        *lock(&self.state) = snapshot.0.clone();
    }

    /// Another server takes over that holds what this one held then, and everybody sees that it is another one: for 3 s
    /// claims are refused as late unless they are repeated.
    pub fn fail_over(&self, snapshot: &Snapshot) {
        self.restore(snapshot);
        *lock(&self.claims_from) = self.clock.now() + Duration::from_secs(3);
        self.restarts.send_modify(|restarts| *restarts += 1);
    }

    /// The store loses everything, its identity included.
    pub fn wipe(&self) {
        *lock(&self.state) = State::empty();
    }

    /// The store loses one account.
    pub fn forget(&self, account: &Account) {
        lock(&self.state).rows.remove(account);
    }

    /// Somebody takes the account, which is not due before then. Nothing happens to an unknown account.
    #[doc(hidden)] // For the comparison with other stores, and for tests of the refresher: otherwise only `due` sets it.
    pub fn hold_until(&self, account: &Account, due_at: StoreTime) {
        if let Some(stored) = lock(&self.state).rows.get_mut(account) {
            stored.record.row.due_at = Some(due_at);
        }
    }

    /// The clock is stepped back, or forward by a negative number: what was written lies ahead by so much.
    #[doc(hidden)] // For the comparison with other stores.
    pub fn step_back(&self, micros: i64) {
        let mut state = lock(&self.state);
        state.rows.values_mut().for_each(|stored| stored.record.row.move_instants(|at| moved(at, micros)));
    }

    /// Another version rewrites the account's row in its format. Nothing happens to an unknown account.
    #[doc(hidden)] // For the list of stores: a gateway never meets a format.
    pub fn set_format(&self, account: &Account, format: u16) {
        if let Some(stored) = lock(&self.state).rows.get_mut(account) {
            stored.format = format;
        }
    }

    async fn ask<T>(
        &self,
        operation: &'static str,
        work: impl FnOnce(&mut State, StoreTime) -> Result<T, StoreError> + Send,
    ) -> Result<T, StoreError> {
        self.faults.meet(operation, || work(&mut lock(&self.state), self.clock.now())).await?
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn identity(&self) -> Result<StoreIdentity, StoreError> {
        self.ask("identity", |state, now| Ok(StoreIdentity { id: state.identity, now })).await
    }

    async fn pin(&self, name: &str, value: &[u8]) -> Result<Vec<u8>, StoreError> {
        let pin = |state: &mut State, _| {
            Ok(state.pins.entry(name.to_owned()).or_insert_with(|| value.to_vec()).clone())
        };
        self.ask("pin", pin).await
    }

    async fn repin(&self, name: &str, seen: &[u8], value: &[u8]) -> Result<Vec<u8>, StoreError> {
        let repin = |state: &mut State, _| {
            let Some(pinned) = state.pins.get_mut(name) else { return Ok(Vec::new()) };
            if pinned == seen {
                *pinned = value.to_vec();
            }
            Ok(pinned.clone())
        };
        self.ask("repin", repin).await
    }

    async fn load(&self, account: &Account) -> Result<Loaded, StoreError> {
        let load = |state: &mut State, now| {
            state.follow(account, now);
            Ok(Loaded { record: state.record(account)?, now })
        };
        self.ask("load", load).await
    }

    async fn claim(&self, account: &Account, claim: &Claim) -> Result<Loaded, StoreError> {
        let from = *lock(&self.claims_from);
        let change = |state: &mut State, now| {
            if now < from && !mutant("claims_do_not_wait_after_a_restart") {
                return Err(StoreError::Late);
            }
            state.change(account, None, now, |row, now| row.claim(claim, now))
        };
        self.ask("claim", change).await.map(|((), loaded)| loaded)
    }

    async fn repeat_claim(&self, account: &Account, claim: &Claim) -> Result<Loaded, StoreError> {
        let change =
            |state: &mut State, now| state.change(account, None, now, |row, now| row.claim(claim, now));
        self.ask("repeat_claim", change).await.map(|((), loaded)| loaded)
    }

    fn restarts(&self) -> u64 {
        *self.restarts.borrow()
    }

    async fn restarted(&self, since: u64) {
        let _ = self.restarts.subscribe().wait_for(|restarts| *restarts > since).await;
    }

    fn claims_wait(&self) -> Duration {
        let wait = lock(&self.claims_from).since(self.clock.now());
        if mutant("claims_do_not_wait_after_a_restart") { Duration::ZERO } else { wait }
    }

    async fn commit(
        &self,
        account: &Account,
        commit: &Commit,
        payload: &Sealed,
    ) -> Result<Loaded, StoreError> {
        let change = |state: &mut State, now| {
            state.change(account, Some(payload), now, |row, now| row.commit(commit, now))
        };
        self.ask("commit", change).await.map(|((), loaded)| loaded)
    }

    async fn settle(&self, account: &Account, settle: &Settle) -> Result<Loaded, StoreError> {
        let change =
            |state: &mut State, now| state.change(account, None, now, |row, now| row.settle(settle, now));
        self.ask("settle", change).await.map(|((), loaded)| loaded)
    }

    async fn login(
        &self,
        account: &Account,
        login: &Login,
        payload: &Sealed,
    ) -> Result<LoggedIn, StoreError> {
        let change = |state: &mut State, now| {
            let elsewhere = login.facts.refresh.is_some_and(|token| state.elsewhere(account, token, now));
            state.change(account, Some(payload), now, |row, now| row.login(login, elsewhere, now))
        };
        self.ask("login", change).await.map(|(effect, loaded)| LoggedIn { effect, loaded })
    }

    async fn delete(&self, account: &Account, id: ClaimId) -> Result<Loaded, StoreError> {
        let change = |state: &mut State, now| {
            state.change(account, None, now, |row, now| {
                row.delete(id, now);
                Ok(())
            })
        };
        self.ask("delete", change).await.map(|((), loaded)| loaded)
    }

    async fn reseal(
        &self,
        account: &Account,
        made_by: ClaimId,
        payload: &Sealed,
    ) -> Result<Loaded, StoreError> {
        self.ask("reseal", |state, now| state.reseal(account, made_by, payload, now)).await
    }

    async fn list(
        &self,
        provider: Option<&str>,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        self.ask("list", |state, _| state.list(provider, cursor, limit.max(1))).await
    }

    async fn due(&self, provider: &str, hold: Duration, limit: usize) -> Result<Vec<Account>, StoreError> {
        self.ask("due", |state, now| Ok(state.due(now, provider, hold, limit))).await
    }
}

impl State {
    fn empty() -> Self {
        Self {
            identity: Uuid::new_v4(),
            pins: BTreeMap::new(),
            rows: BTreeMap::new(),
            spent: BTreeMap::new(),
        }
    }

    fn record(&self, account: &Account) -> Result<Option<Record>, StoreError> {
        let Some(stored) = self.rows.get(account) else { return Ok(None) };
        if stored.format > ROW_FORMAT {
            return Err(StoreError::UnreadableFormat { found: stored.format });
        }
        Ok(Some(stored.record.clone()))
    }

    /// Moves the row's instants to a clock that stepped back.
    fn follow(&mut self, account: &Account, now: StoreTime) {
        if let Some(stored) = self.rows.get_mut(account).filter(|stored| stored.format <= ROW_FORMAT) {
            stored.record.row.follow(now);
        }
    }

    fn change<T>(
        &mut self,
        account: &Account,
        payload: Option<&Sealed>,
        now: StoreTime,
        apply: impl FnOnce(&mut Row, StoreTime) -> Result<T, Refusal>,
    ) -> Result<(T, Loaded), StoreError> {
        self.follow(account, now);
        let before = self.record(account)?;
        let mut record = before.clone().unwrap_or_else(empty);
        let effect = apply(&mut record.row, now).map_err(|refusal| refused(refusal, before.clone(), now))?;
        if before.is_none() && record == empty() {
            return Ok((effect, Loaded { record: None, now }));
        }
        let moved = before.as_ref().is_none_or(|before| before.row.generation != record.row.generation);
        if moved {
            record.payload = payload.filter(|_| !record.row.is_gone()).cloned().unwrap_or_default();
        }
        let archived = before.as_ref().map(|before| record.row.archived_since(&before.row, now));
        self.spent.retain(|token, until| Archived { token: *token, until: *until }.is_remembered(now));
        let archived = archived.unwrap_or_default().into_iter();
        self.spent.extend(archived.map(|archived| (archived.token, archived.until)));
        self.rows.insert(account.clone(), Stored { format: ROW_FORMAT, record: record.clone() });
        Ok((effect, Loaded { record: Some(record), now }))
    }

    fn reseal(
        &mut self,
        account: &Account,
        made_by: ClaimId,
        payload: &Sealed,
        now: StoreTime,
    ) -> Result<Loaded, StoreError> {
        self.follow(account, now);
        let before = self.record(account)?;
        let row = before.as_ref().map_or_else(Row::empty, |record| record.row.clone());
        row.reseal(made_by).map_err(|refusal| refused(refusal, before, now))?;
        let record = Record { row, payload: payload.clone() };
        self.rows.insert(account.clone(), Stored { format: ROW_FORMAT, record: record.clone() });
        Ok(Loaded { record: Some(record), now })
    }

    /// Returns whether another account knows the token, or the archive does.
    fn elsewhere(&self, account: &Account, token: Fingerprint, now: StoreTime) -> bool {
        let of_provider = mutant("tokens_belong_to_providers");
        let mut others = self.rows.iter().filter(|(other, _)| {
            *other != account && (!of_provider || other.provider() == account.provider())
        });
        others.any(|(_, stored)| knows(&stored.record.row, token)) || self.is_archived(token, now)
    }

    fn is_archived(&self, token: Fingerprint, now: StoreTime) -> bool {
        let token = token.short();
        let until = self.spent.get(&token).filter(|_| !mutant("archive_is_not_asked"));
        until.is_some_and(|until| Archived { token, until: *until }.is_remembered(now))
    }

    fn list(&self, provider: Option<&str>, cursor: Option<&str>, limit: usize) -> Result<Page, StoreError> {
        let after = cursor.map(account_at).transpose()?;
        let mut rows: Vec<(Account, Row)> = self
            .rows
            .iter()
            .filter(|(account, stored)| {
                stored.format <= ROW_FORMAT && after.as_ref().is_none_or(|at| *account > at)
            })
            .filter(|(account, _)| provider.is_none_or(|provider| account.provider() == provider))
            .filter(|(_, stored)| !stored.record.row.is_gone())
            .map(|(account, stored)| (account.clone(), stored.record.row.clone()))
            .take(limit + 1)
            .collect();
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next = rows.last().filter(|_| more).map(|(account, _)| cursor_at(account));
        Ok(Page { rows, next })
    }

    fn due(&mut self, now: StoreTime, provider: &str, hold: Duration, limit: usize) -> Vec<Account> {
        for stored in self.rows.values_mut().filter(|stored| stored.format <= ROW_FORMAT) {
            stored.record.row.follow(now);
        }
        let mut due: Vec<(StoreTime, Account)> = self
            .rows
            .iter()
            .filter(|(account, stored)| account.provider() == provider && stored.format <= ROW_FORMAT)
            .filter_map(|(account, stored)| Some((stored.record.row.due_at?, account.clone())))
            .filter(|(at, _)| *at <= now)
            .collect();
        due.sort();
        due.truncate(limit);
        for (_, account) in &due {
            if let Some(stored) = self.rows.get_mut(account) {
                stored.record.row.due_at = Some(now + hold);
            }
        }
        due.into_iter().map(|(_, account)| account).collect()
    }
}

fn empty() -> Record {
    Record { row: Row::empty(), payload: Sealed::default() }
}

fn refused(refusal: Refusal, record: Option<Record>, now: StoreTime) -> StoreError {
    match refusal {
        Refusal::Moved => StoreError::Moved(Box::new(Loaded { record, now })),
        Refusal::Late => StoreError::Late,
        Refusal::AlreadyPresented => StoreError::AlreadyPresented,
        Refusal::Lesser => StoreError::Lesser,
    }
}

fn knows(row: &Row, token: Fingerprint) -> bool {
    row.presented.contains(&token) || row.facts.is_some_and(|facts| facts.refresh == Some(token))
}

fn cursor_at(account: &Account) -> String {
    serde_json::json!([account.provider(), account.id()]).to_string()
}

fn account_at(cursor: &str) -> Result<Account, StoreError> {
    let (provider, id): (String, String) = serde_json::from_str(cursor).map_err(StoreError::not_applied)?;
    Account::new(&provider, &id).map_err(StoreError::not_applied)
}

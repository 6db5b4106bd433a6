//! Putting what lies under an older key under the first one, in the background.
//!
//! A process whose ring opens more than its first key seals walks over all accounts, again and again: credentials in rows,
//! the newest answer beside each, the token on the shelf. What it finds under an older key it puts back under the first,
//! each by one conditional write that loses to whatever changed the account meanwhile; a change brings a payload under the
//! first key of whoever makes it. The values themselves are the progress: a walk that was cut off begins anew, and passes
//! quickly over what is done.
//!
//! A walk that has found nothing to do moves the store's seal check to the first key: whoever had read an answer under an
//! older key before it was re-sealed may have put it into the row since, and the walk after the last change sees that.
//! Values are opened by their keys, not by the check, so what a straggler leaves even later is put right by a later walk.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde::Serialize;
use solekey_cache::Asked;
use solekey_core::{
    Account, Answer, Sealed, StoreTime, mutant,
    ports::{Loaded, Record, StoreError},
};

use crate::{
    announcement::Announcement,
    instance::Instance,
    seal::{CannotOpen, SealKeys},
    solekey::Solekey,
};

/// How far re-sealing has come, as this process sees it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct Sealing {
    /// The key that seals; absent where nothing is sealed.
    pub key: Option<String>,
    /// Whole walks over all accounts since the start.
    pub walks: u64,
    /// What the last whole walk left under each other key of the ring, and in clear where the ring says so: rows, and
    /// answers of this process' place.
    pub left: BTreeMap<String, u64>,
    /// Values that did not open with any key of the ring.
    pub unopened: u64,
    /// Accounts that could not be looked at, or not to the end.
    pub unread: u64,
    /// Whether the other keys can be removed: a whole walk has found nothing to do, and the store's check is of the first.
    pub done: bool,
}

/// What is known of it.
#[derive(Debug, Default)]
pub(crate) struct Resealing(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// The store's seal check, as last seen.
    check: String,
    sealing: Sealing,
}

/// One walk over all accounts.
#[derive(Debug, Default)]
struct Walk {
    left: BTreeMap<String, u64>,
    unopened: u64,
    unread: u64,
    /// Put under the first key by this walk.
    mended: u64,
}

/// How a value lies after it was looked at.
enum Lies {
    /// Under the first key.
    Well,
    /// Under the first key now.
    Mended,
    /// Under an older one still: it moved meanwhile, or could not be written.
    Left(Sealed),
    /// Under none of the ring.
    Unopened,
}

/// Something could not be asked or written: it is left for the next walk.
struct Away;

impl Resealing {
    pub(crate) fn found(&self, check: String) {
        self.lock().check = check;
    }

    /// The store's seal check, as last seen.
    pub(crate) fn check(&self) -> String {
        self.lock().check.clone()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Solekey {
    /// How far re-sealing has come in this process.
    pub fn sealing(&self) -> Sealing {
        let instance = &self.instance;
        let mut sealing = instance.resealing.lock().sealing.clone();
        sealing.key = instance.seal.first().map(str::to_owned);
        sealing.done |= instance.seal.is_alone();
        sealing
    }
}

impl Instance {
    /// Walks until the instance drains.
    pub(crate) async fn keep_resealing(self: Arc<Self>) {
        if self.seal.is_alone() {
            return;
        }
        let draining = self.draining().clone();
        let walks = async {
            loop {
                let pause = if self.membership.is_settled() { self.walk().await } else { AFTER_TROUBLE };
                self.sleep_until(self.now() + pause).await;
            }
        };
        let _: Option<()> = draining.run_until_cancelled(walks).await;
    }

    /// One walk; says how long to rest after it.
    async fn walk(self: &Arc<Self>) -> Duration {
        let check = self.resealing.check();
        let mut walk = Walk::begun(self.seal.all_older());
        if self.walk_over(&mut walk).await.is_err() {
            return AFTER_TROUBLE;
        }
        let done = walk.found_nothing_to_do() && self.move_seal_check(&check).await;
        let pause = walk.pause(done);
        self.note(walk, done);
        pause
    }

    async fn walk_over(self: &Arc<Self>, walk: &mut Walk) -> Result<(), Away> {
        let mut cursor = None;
        loop {
            let page = self.store().list(None, cursor.as_deref(), PAGE).await.map_err(|_| Away)?;
            for (account, _) in &page.rows {
                let looked = tokio::time::timeout(PATIENCE, self.reseal(account, walk)).await;
                if !matches!(looked, Ok(Ok(()))) {
                    walk.unread += 1;
                }
                if walk.unread > MAX_UNREAD {
                    return Err(Away);
                }
                tokio::time::sleep(PACE).await;
            }
            match page.next {
                Some(next) => cursor = Some(next),
                None => return Ok(()),
            }
        }
    }

    fn note(&self, walk: Walk, done: bool) {
        let Walk { left, unopened, unread, mended } = walk;
        let mut state = self.resealing.lock();
        let before = std::mem::take(&mut state.sealing);
        if mended > 0 {
            tracing::info!(values = mended, key = self.seal.first(), "put under the first key");
        }
        if unopened > 0 && unopened != before.unopened {
            tracing::error!(values = unopened, "values that no key of the ring opens: put their key back");
        }
        if done && !before.done {
            tracing::info!(
                key = self.seal.first(),
                "everything is sealed by the first key; the others can be removed"
            );
        }
        state.sealing = Sealing { key: None, walks: before.walks + 1, left, unopened, unread, done };
    }

    /// One account. What moved meanwhile counts as left: the next walk looks at it again.
    ///
    /// # Cancel safety
    /// Each write is whole; what was not reached is for the next walk.
    async fn reseal(self: &Arc<Self>, account: &Account, walk: &mut Walk) -> Result<(), Away> {
        let asked = self.asking();
        let Loaded { record, now } = match self.store().load(account).await {
            Ok(loaded) => loaded,
            // It will be put right by a newer version, which knows how.
            Err(StoreError::UnreadableFormat { .. }) => return Ok(()),
            Err(_) => return Err(Away),
        };
        let Some(record) = record.filter(|record| !record.row.is_gone()) else { return Ok(()) };
        walk.count(self.reseal_row(account, &record).await, &self.seal);
        walk.count(self.reseal_answer(account).await?, &self.seal);
        self.reseal_shelf(account, record, now, asked).await;
        Ok(())
    }

    async fn reseal_row(&self, account: &Account, record: &Record) -> Lies {
        let made_by = record.row.made_by;
        let sealed = match self.vault().reseal_credential(account, made_by, &record.payload) {
            Ok(None) => return Lies::Well,
            Ok(Some(sealed)) => sealed,
            Err(CannotOpen) => return Lies::Unopened,
        };
        match self.store().reseal(account, made_by, &sealed).await {
            Ok(_) => Lies::Mended,
            Err(error) => {
                tracing::debug!(account = %account.key(), error = &error as &dyn std::error::Error, "not re-sealed yet");
                Lies::Left(record.payload.clone())
            }
        }
    }

    /// The newest answer. Older ones are of no use beside it, and go: they may lie under an older key, too.
    async fn reseal_answer(&self, account: &Account) -> Result<Lies, Away> {
        let found = self.answers().newest(account).await.map_err(|_| Away)?;
        let Some(Answer { note, payload }) =
            found.newest.filter(|answer| !answer.payload.as_bytes().is_empty())
        else {
            return Ok(Lies::Well);
        };
        let lies = match self.vault().reseal_credential(account, note.claim, &payload) {
            Ok(None) => Lies::Well,
            Ok(Some(sealed)) => {
                match self.answers().reseal(account, note.attempt, note.claim, &sealed).await {
                    Ok(()) => Lies::Mended,
                    Err(_) => return Ok(Lies::Left(payload)),
                }
            }
            Err(CannotOpen) => return Ok(Lies::Unopened),
        };
        self.answers().erase(account, note.attempt).await.map_err(|_| Away)?;
        Ok(lies)
    }

    /// A token under an older key is taken for none by whoever does not have the key: nothing is lost, but what lies there
    /// in clear should not.
    async fn reseal_shelf(&self, account: &Account, record: Record, now: StoreTime, asked: Asked) {
        let Some(cache) = self.cache() else { return };
        let Ok(shelf) = cache.read(account).await else { return };
        let older = shelf.token.is_some_and(|token| !self.seal.is_current(&token.payload));
        let Some(provider) = self.providers.get(account.provider()).filter(|_| older) else { return };
        let (generation, replaces) = (record.row.generation, record.row.is_by_login());
        let verdict =
            record.row.current_verdict().map(|verdict| verdict.map(|at| asked.at() + at.since(now)));
        let token = self.stock_row(account, provider, record, now, asked).token;
        self.publish(account, Announcement { generation, token, verdict, gone: false, replaces }).await;
    }
}

impl Walk {
    fn begun<'a>(older: impl Iterator<Item = &'a str>) -> Self {
        Self { left: older.map(|key| (key.to_owned(), 0)).collect(), ..Self::default() }
    }

    fn found_nothing_to_do(&self) -> bool {
        let mended = self.mended > 0 && !mutant("key_removed_after_one_walk");
        !mended && !self.has_left_something() && self.unopened == 0 && self.unread == 0
    }

    fn has_left_something(&self) -> bool {
        self.left.values().any(|left| *left > 0)
    }

    fn pause(&self, done: bool) -> Duration {
        match done {
            true => BETWEEN_WALKS,
            false if self.mended > 0 || self.has_left_something() => BEFORE_ANOTHER,
            false => AFTER_TROUBLE,
        }
    }

    fn count(&mut self, lies: Lies, seal: &SealKeys) {
        match lies {
            Lies::Well => {}
            Lies::Mended => self.mended += 1,
            Lies::Left(sealed) => {
                let key = seal.older(&sealed).unwrap_or_default();
                *self.left.entry(key.to_owned()).or_default() += 1;
            }
            Lies::Unopened => self.unopened += 1,
        }
    }
}

/// Accounts are looked at one by one, so: some hundred a second at most, a million in three hours, and no more load than
/// a few requests make.
const PACE: Duration = Duration::from_millis(10);
/// Accounts listed at once.
const PAGE: usize = 100;
/// For one account: a handful of calls, each with a bound of its own.
const PATIENCE: Duration = Duration::from_secs(30);
/// So many accounts in trouble are an outage: going on would only add to it.
const MAX_UNREAD: u64 = 20;
/// For stragglers that still have an older key first.
const BETWEEN_WALKS: Duration = Duration::from_secs(15 * 60);
/// After one that met trouble, or what no key opens: somebody has to see to it.
const AFTER_TROUBLE: Duration = Duration::from_secs(30);
/// After one that changed something: longer than a flight takes from reading an answer to committing it.
const BEFORE_ANOTHER: Duration = Duration::from_secs(6);

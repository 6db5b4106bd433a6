//! Re-sealing what lies under an older key under the first one, in the background.
//!
//! A process whose ring opens more than its first key seals walks over all accounts, again and again: credentials in rows,
//! the newest answer of each, the token in the shared cache. What it finds under an older key it puts back under the first,
//! each by one conditional write that loses to whatever changed the account meanwhile; a change brings a payload under the
//! first key of whoever makes it. The values themselves are the progress: a walk that was cut off starts again, and passes
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
use solekey_cache::ReadStart;
use solekey_core::{
    Account, Answer, Sealed, StoreTime, mutant,
    ports::{Loaded, Record, StoreError},
};

use crate::{
    fleet::LocalPublication,
    flight::Engine,
    seal::{CannotOpen, SealKeys},
};

/// The progress of re-sealing, as this process sees it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct Sealing {
    /// The key that seals; absent where nothing is sealed.
    pub key: Option<String>,
    /// Whole walks over all accounts since the start.
    pub walks: u64,
    /// The values that the last whole walk left under each other key of the ring, and in clear where the ring says so: rows, and
    /// answers in this process' location.
    pub left: BTreeMap<String, u64>,
    /// Values that did not open with any key of the ring.
    pub unopened: u64,
    /// Accounts that could not be read, or not to the end.
    pub unread: u64,
    /// True if the other keys can be removed: a whole walk has found nothing to do, and the store's check is of the first.
    pub done: bool,
}

/// The progress of re-sealing.
#[derive(Debug, Default)]
pub(crate) struct Resealing(Mutex<Sealing>);

/// One walk over all accounts.
#[derive(Debug, Default)]
struct Walk {
    left: BTreeMap<String, u64>,
    unopened: u64,
    unread: u64,
    /// Put under the first key by this walk.
    mended: u64,
}

/// How a value is sealed after it was read.
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
    /// Returns the progress of re-sealing under these keys.
    pub(crate) fn sealing(&self, keys: &SealKeys) -> Sealing {
        let mut sealing = self.lock().clone();
        sealing.key = keys.first().map(str::to_owned);
        sealing.done |= keys.is_alone();
        sealing
    }

    fn lock(&self) -> MutexGuard<'_, Sealing> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The task that re-seals.
pub(super) struct ResealTask {
    pub(super) engine: Arc<Engine>,
    pub(super) resealing: Arc<Resealing>,
}

impl ResealTask {
    /// Walks until the instance drains.
    pub(super) async fn run(self) {
        if self.engine.sealer.keys().is_alone() {
            return;
        }
        let draining = self.engine.process.tasks.draining.clone();
        let walks = async {
            loop {
                let pause = if self.engine.check.is_settled() { self.walk().await } else { AFTER_TROUBLE };
                self.engine.process.sleep_until(self.engine.process.now() + pause).await;
            }
        };
        let _: Option<()> = draining.run_until_cancelled(walks).await;
    }

    /// Makes one walk; returns the pause after it.
    async fn walk(&self) -> Duration {
        let check = self.engine.check.pinned();
        let mut walk = Walk::begun(self.engine.sealer.keys().all_older());
        if self.walk_over(&mut walk).await.is_err() {
            return AFTER_TROUBLE;
        }
        let done = walk.found_nothing_to_do() && self.engine.check.move_seal_check(&check).await;
        let pause = walk.pause(done);
        self.note(walk, done);
        pause
    }

    async fn walk_over(&self, walk: &mut Walk) -> Result<(), Away> {
        let mut cursor = None;
        loop {
            let page =
                self.engine.process.store().list(None, cursor.as_deref(), PAGE).await.map_err(|_| Away)?;
            for (account, _) in &page.rows {
                let resealed = tokio::time::timeout(PATIENCE, self.reseal(account, walk)).await;
                if !matches!(resealed, Ok(Ok(()))) {
                    walk.unread += 1;
                }
                if walk.unread > MAX_UNREAD {
                    return Err(Away);
                }
                tokio::time::sleep(ACCOUNT_PAUSE).await;
            }
            match page.next {
                Some(next) => cursor = Some(next),
                None => return Ok(()),
            }
        }
    }

    fn note(&self, walk: Walk, done: bool) {
        let Walk { left, unopened, unread, mended } = walk;
        let mut sealing = self.resealing.lock();
        let before = std::mem::take(&mut *sealing);
        if mended > 0 {
            tracing::info!(
                values = mended,
                key = self.engine.sealer.keys().first(),
                "put under the first key"
            );
        }
        if unopened > 0 && unopened != before.unopened {
            tracing::error!(
                values = unopened,
                "a re-sealing walk found values that no key of the ring opens; they stay until their key is put back"
            );
        }
        if done && !before.done {
            tracing::info!(
                key = self.engine.sealer.keys().first(),
                "everything is sealed by the first key; the others can be removed"
            );
        }
        *sealing = Sealing { key: None, walks: before.walks + 1, left, unopened, unread, done };
    }

    /// One account. What moved meanwhile counts as left: the next walk reads it again.
    ///
    /// # Cancel safety
    /// Each write is whole; what was not reached is for the next walk.
    async fn reseal(&self, account: &Account, walk: &mut Walk) -> Result<(), Away> {
        let asked = self.engine.process.begin_read();
        let Loaded { record, now } = match self.engine.process.store().load(account).await {
            Ok(loaded) => loaded,
            // It will be put right by a newer version, which knows how.
            Err(StoreError::UnreadableFormat { .. }) => return Ok(()),
            Err(_) => return Err(Away),
        };
        let Some(record) = record.filter(|record| !record.row.is_gone()) else { return Ok(()) };
        walk.count(self.reseal_row(account, &record).await, self.engine.sealer.keys());
        for lies in self.reseal_answers(account).await? {
            walk.count(lies, self.engine.sealer.keys());
        }
        self.reseal_shared_cache(account, record, now, asked).await;
        Ok(())
    }

    async fn reseal_row(&self, account: &Account, record: &Record) -> Lies {
        let made_by = record.row.made_by;
        let sealed = match self.engine.sealer.reseal_credential(account, made_by, &record.payload) {
            Ok(None) => return Lies::Well,
            Ok(Some(sealed)) => sealed,
            Err(CannotOpen) => return Lies::Unopened,
        };
        match self.engine.process.store().reseal(account, made_by, &sealed).await {
            Ok(_) => Lies::Mended,
            Err(error) => {
                tracing::debug!(account = %account.key(), error = &error as &dyn std::error::Error, "not re-sealed yet");
                Lies::Left(record.payload.clone())
            }
        }
    }

    /// The newest answer, and one that is newer and was not understood. Older ones are of no use once the newest exists,
    /// and go: they may lie under an older key, too.
    async fn reseal_answers(&self, account: &Account) -> Result<[Lies; 2], Away> {
        let found = self.engine.process.answers().newest(account).await.map_err(|_| Away)?;
        let unread = match &found.unread {
            Some(unread) => self.reseal_answer(account, unread).await,
            None => Lies::Well,
        };
        let Some(newest) = found.newest.filter(|answer| !answer.payload.as_bytes().is_empty()) else {
            return Ok([Lies::Well, unread]);
        };
        let lies = self.reseal_answer(account, &newest).await;
        if matches!(lies, Lies::Well | Lies::Mended) {
            self.engine.process.answers().erase(account, newest.note.attempt).await.map_err(|_| Away)?;
        }
        Ok([lies, unread])
    }

    async fn reseal_answer(&self, account: &Account, answer: &Answer) -> Lies {
        let Answer { note, payload } = answer;
        let sealed = match self.engine.sealer.reseal_answer(account, answer) {
            Ok(None) => return Lies::Well,
            Ok(Some(sealed)) => sealed,
            Err(CannotOpen) => return Lies::Unopened,
        };
        match self.engine.process.answers().reseal(account, note.attempt, note.claim, &sealed).await {
            Ok(()) => Lies::Mended,
            Err(_) => Lies::Left(payload.clone()),
        }
    }

    /// A token under an older key is taken for none by whoever does not have the key: nothing is lost, but what lies there
    /// in clear should not.
    async fn reseal_shared_cache(&self, account: &Account, record: Record, now: StoreTime, asked: ReadStart) {
        let Some(cache) = self.engine.process.cache() else { return };
        let Ok(shared_cache) = cache.read(account).await else { return };
        let older =
            shared_cache.token.is_some_and(|token| !self.engine.sealer.keys().is_current(&token.payload));
        let Some(provider) = self.engine.process.providers.get(account.provider()).filter(|_| older) else {
            return;
        };
        let (generation, replaces) = (record.row.generation, record.row.is_by_login());
        let verdict =
            record.row.current_verdict().map(|verdict| verdict.map(|at| asked.at() + at.since(now)));
        let token =
            self.engine.sealer.open_row(&self.engine.process, account, provider, record, now, asked).token;
        self.engine
            .fleet
            .publish(account, LocalPublication { generation, token, verdict, gone: false, replaces })
            .await;
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

/// The pause between accounts, which are read one by one: some hundred a second at most, a million in three hours, and no more load than
/// a few requests make.
const ACCOUNT_PAUSE: Duration = Duration::from_millis(10);
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

//! The shared cache, believed only as far as somebody with the seal key wrote it.
//!
//! What decides there (the newest generation, the verdict, a delete, the oldest token that may be shown, the end of a token,
//! a mark) is sealed for its account and generation. An entry that does not open says nothing: the row is read.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use solekey_core::{
    Account, Generation, Sealed, StoreTime, Verdict, mutant,
    ports::{Cache, CacheEntry, CachedToken, Listen, Publication, Trouble},
};
use tokio::time::Instant;
use uuid::Uuid;

use super::{
    answers::Reported,
    keys::{Binding, SealKeys},
};

/// A shared cache whose entries are proven.
pub(crate) struct SealedCache {
    cache: Arc<dyn Cache>,
    keys: Arc<SealKeys>,
    /// The last reading of the cache's clock.
    reading: Mutex<Option<Reading>>,
    reported: Reported,
}

#[derive(Clone, Copy)]
struct Reading {
    time: StoreTime,
    at: Instant,
}

/// The deciding part of a publication, with instants of the cache's clock.
#[derive(Serialize, Deserialize)]
struct State {
    gone: bool,
    verdict: Option<Verdict<StoreTime>>,
    /// Tokens of earlier generations are not the account's any more.
    oldest: Generation,
}

impl SealedCache {
    pub(crate) fn new(cache: Arc<dyn Cache>, keys: Arc<SealKeys>) -> Self {
        Self { cache, keys, reading: Mutex::default(), reported: Reported::default() }
    }

    /// The cache's time, at least: what is left is never understated by it.
    async fn now(&self) -> Result<StoreTime, Trouble> {
        let last = *self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(Reading { time, at }) = last.filter(|last| last.at.elapsed() < READING_LASTS) {
            return Ok(time + at.elapsed());
        }
        let time = self.cache.time().await?;
        let reading = Reading { time, at: Instant::now() };
        *self.reading.lock().unwrap_or_else(PoisonError::into_inner) = Some(reading);
        Ok(time)
    }

    /// The sealed state of an entry; `None` where it was not made by somebody with a key of the ring.
    fn state(&self, account: &Account, known: Generation, entry: &CacheEntry) -> Option<State> {
        if self.keys.believes_clear() && SealKeys::is_clear(&entry.proof) {
            let CacheEntry { gone, .. } = *entry;
            return Some(State { gone, verdict: None, oldest: Generation::ZERO });
        }
        let state = self.keys.open(&binding("entry", account, known), &entry.proof).ok();
        #[cfg(solekey_mutant)]
        if state.is_none() && mutant("entry_needs_no_proof") {
            return Some(State { gone: entry.gone, verdict: None, oldest: Generation::ZERO });
        }
        serde_json::from_slice(&state?).ok()
    }

    fn entry(
        &self,
        account: &Account,
        known: Generation,
        state: &State,
        entry: CacheEntry,
        now: StoreTime,
    ) -> CacheEntry {
        let CacheEntry { token, verdict, rejected, rejected_proof, proof, .. } = entry;
        let in_clear = self.keys.believes_clear() && SealKeys::is_clear(&proof);
        let sealed = state.verdict.map(|verdict| verdict.map(|at| at.since(now)));
        CacheEntry {
            known: Some(known),
            token: token
                .filter(|token| {
                    token.generation >= state.oldest || mutant("replaced_token_next_to_a_newer_proof")
                })
                .and_then(|token| self.open_token(account, token, now)),
            verdict: if in_clear {
                verdict
            } else {
                verdict.and(sealed.filter(stands)).map(|sealed| shorter(sealed, verdict))
            },
            rejected: rejected.filter(|generation| {
                in_clear && rejected_proof.is_empty()
                    || self.keys.open(&binding("rejected", account, *generation), &rejected_proof).is_ok()
                    || mutant("mark_needs_no_proof")
            }),
            gone: state.gone,
            proof,
            rejected_proof,
        }
    }

    /// A token with no more time left than its publisher gave it.
    fn open_token(&self, account: &Account, token: CachedToken, now: StoreTime) -> Option<CachedToken> {
        if self.keys.believes_clear() && SealKeys::is_clear(&token.payload) {
            return Some(token);
        }
        let whole = self.keys.open(&binding("cached", account, token.generation), &token.payload).ok()?;
        let (end, payload) = whole.split_first_chunk()?;
        let left = StoreTime::from_micros(u64::from_be_bytes(*end)).since(now);
        let valid =
            if mutant("end_of_a_cached_token_is_believed") { token.valid } else { token.valid.min(left) };
        let payload = Sealed::new(payload.to_vec());
        (!valid.is_zero()).then_some(CachedToken { payload, valid, good: token.good.min(valid), ..token })
    }

    fn proven(
        &self,
        account: &Account,
        publication: &Publication,
        as_of: StoreTime,
    ) -> Result<Publication, Trouble> {
        let Publication { generation, token, verdict, gone, replaces, .. } = publication;
        let floor = if *gone || *replaces { *generation } else { Generation::ZERO };
        let state = State {
            gone: *gone,
            verdict: verdict.map(|verdict| verdict.map(|left| as_of + left)),
            oldest: token.as_ref().map_or(floor, |token| token.generation),
        };
        let state = serde_json::to_vec(&state).map_err(Trouble::not_applied)?;
        let token = token.as_ref().map(|token| {
            let end = (as_of + token.valid).as_micros().to_be_bytes();
            let whole = [&end, token.payload.as_bytes()].concat();
            let payload = self.keys.seal(&binding("cached", account, token.generation), &whole);
            CachedToken { payload, ..token.clone() }
        });
        let proof = self.keys.seal(&binding("entry", account, *generation), &state);
        Ok(Publication { token, proof, ..publication.clone() })
    }

    fn report(&self, account: &Account) {
        if self.reported.is_new(account.key()) {
            tracing::warn!(
                provider = account.provider(),
                account = %account.key(),
                "an entry of the shared cache is not what was published, or its key is not in the ring; the row is read instead"
            );
        }
    }
}

#[async_trait]
impl Cache for SealedCache {
    async fn read(&self, account: &Account) -> Result<CacheEntry, Trouble> {
        let entry = self.cache.read(account).await?;
        let Some(known) = entry.known else { return Ok(CacheEntry::default()) };
        let Some(state) = self.state(account, known, &entry) else {
            self.report(account);
            return Ok(CacheEntry::default());
        };
        let now = self.now().await?;
        Ok(self.entry(account, known, &state, entry, now))
    }

    async fn time(&self) -> Result<StoreTime, Trouble> {
        self.cache.time().await
    }

    async fn publish(&self, account: &Account, publication: &Publication) -> Result<bool, Trouble> {
        let as_of = match publication.as_of {
            Some(as_of) => as_of,
            None => self.now().await?,
        };
        let publication = self.proven(account, publication, as_of)?;
        if self.cache.publish(account, &publication).await? {
            return Ok(true);
        }
        let there = self.cache.read(account).await?;
        let is_ours = there.known.is_none_or(|known| self.state(account, known, &there).is_some());
        if is_ours || mutant("unproven_entry_keeps_publications_out") {
            return Ok(false);
        }
        self.report(account);
        self.cache.forget(account).await?;
        self.cache.publish(account, &publication).await
    }

    async fn reject(&self, account: &Account, generation: Generation, _: &Sealed) -> Result<(), Trouble> {
        let proof = self.keys.seal(&binding("rejected", account, generation), b"");
        self.cache.reject(account, generation, &proof).await
    }

    async fn clear_rejection(&self, account: &Account, generation: Generation) -> Result<(), Trouble> {
        self.cache.clear_rejection(account, generation).await
    }

    async fn forget(&self, account: &Account) -> Result<(), Trouble> {
        self.cache.forget(account).await
    }

    async fn listen(&self) -> Box<dyn Listen> {
        self.cache.listen().await
    }
}

/// Returns whether a verdict has not ended.
fn stands(verdict: &Verdict<Duration>) -> bool {
    !matches!(verdict.decision, solekey_core::Decision::NotBefore { at, .. } if at.is_zero())
}

/// The sealed verdict, which ends no later than the one that the cache's clock counts.
fn shorter(sealed: Verdict<Duration>, shown: Option<Verdict<Duration>>) -> Verdict<Duration> {
    let shown = shown.map(|verdict| verdict.decision);
    sealed.map(|left| match shown {
        Some(solekey_core::Decision::NotBefore { at, .. }) => left.min(at),
        _ => left,
    })
}

fn binding<'a>(kind: &'static str, account: &'a Account, generation: Generation) -> Binding<'a> {
    let by = Uuid::from_u64_pair(0, generation.get());
    Binding { kind, account, by: *by.as_bytes() }
}

/// A reading goes on by this process' clock meanwhile: a step of the cache's clock is seen after so long.
const READING_LASTS: Duration = Duration::from_secs(10);

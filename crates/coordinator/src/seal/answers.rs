//! Answers whose notes are authenticated like their payloads.
//!
//! A note decides what becomes of a row: whoever can write where answers are kept must not be able to make one. So the
//! location is given a payload that holds the note, too, sealed for its account and claim; the note next to it only shows
//! the location what to keep, and for how long it has kept it. What does not open is unreadable: doubt, and never absence.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use solekey_core::{
    Account, AccountKey, Answer, AnswerNote, ClaimId, Found, Generation, Sealed, StoreTime, mutant,
    ports::{Answers, Registration, Trouble},
};

use super::keys::{Binding, SealKeys};

/// A location of answers that is believed only as far as somebody with the seal key wrote it.
pub(crate) struct SealedAnswers {
    place: Arc<dyn Answers>,
    keys: Arc<SealKeys>,
    /// The time since which the newest registration that was proven vouches: under another one nothing does.
    since: Mutex<Option<StoreTime>>,
    reported: Reported,
}

impl SealedAnswers {
    pub(crate) fn new(place: Arc<dyn Answers>, keys: Arc<SealKeys>) -> Self {
        Self { place, keys, since: Mutex::default(), reported: Reported::default() }
    }

    fn seal(&self, account: &Account, answer: &Answer) -> Result<Sealed, Trouble> {
        let note = serde_json::to_vec(&answer.note).map_err(Trouble::not_applied)?;
        let len = u32::try_from(note.len()).map_err(Trouble::not_applied)?;
        let whole = [&len.to_be_bytes(), &*note, answer.payload.as_bytes()].concat();
        Ok(self.keys.seal(&binding(account, answer.note.claim), &whole))
    }

    /// The answer as its writer sealed it, with no more time left than its location says.
    fn open(&self, account: &Account, shown: Answer) -> Option<Answer> {
        if self.keys.believes_clear() && SealKeys::is_clear(&shown.payload) {
            return Some(shown);
        }
        let whole = self.keys.open(&binding(account, shown.note.claim), &shown.payload).ok()?;
        let (len, rest) = whole.split_first_chunk()?;
        let (note, payload) = rest.split_at_checked(u32::from_be_bytes(*len).try_into().ok()?)?;
        let sealed: AnswerNote = serde_json::from_slice(note).ok()?;
        if (sealed.attempt, sealed.claim) != (shown.note.attempt, shown.note.claim) {
            return None;
        }
        let note =
            if mutant("note_is_not_authenticated") { shown.note } else { sealed.aged_like(&shown.note) };
        Some(Answer { note, payload: Sealed::new(payload.to_vec()) })
    }

    /// What does not open is unreadable.
    fn opened(&self, account: &Account, shown: Answer) -> Result<Answer, Trouble> {
        self.open(account, shown).ok_or_else(|| {
            if self.reported.is_new(account.key()) {
                tracing::warn!(
                    provider = account.provider(),
                    account = %account.key(),
                    "an answer is not what was written, or its key is not in the ring; a doubt of the account lasts until nobody could keep an answer any more"
                );
            }
            Trouble::not_applied("the newest answer does not open")
        })
    }

    fn proven(&self, registration: &Registration) -> Registration {
        Registration { proof: self.keys.prove(registration), ..registration.clone() }
    }

    /// A registration that was replaced by an older one vouches for what was lost since.
    fn accept(&self, registration: &Registration) {
        let mut since = lock(&self.since);
        *since = (*since).max(Some(registration.since));
    }
}

#[async_trait]
impl Answers for SealedAnswers {
    async fn write(&self, account: &Account, answer: &Answer) -> Result<(), Trouble> {
        let payload = self.seal(account, answer)?;
        self.place.write(account, &Answer { note: answer.note, payload }).await
    }

    async fn newest(&self, account: &Account) -> Result<Found, Trouble> {
        let Found { newest, unread, kept_since } = self.place.newest(account).await?;
        let vouches = lock(&self.since).is_some_and(|since| since <= kept_since);
        if !vouches && !mutant("any_registration_vouches") {
            return Err(Trouble::not_applied(
                "the registration of the answers is not the one that was checked",
            ));
        }
        let opened = |shown: Option<Answer>| shown.map(|shown| self.opened(account, shown)).transpose();
        Ok(Found { newest: opened(newest)?, unread: opened(unread)?, kept_since })
    }

    async fn reseal(
        &self,
        account: &Account,
        attempt: Generation,
        claim: ClaimId,
        payload: &Sealed,
    ) -> Result<(), Trouble> {
        let Found { newest, unread, .. } = self.newest(account).await?;
        let same = |answer: &Answer| (answer.note.attempt, answer.note.claim) == (attempt, claim);
        let Some(Answer { note, .. }) = [newest, unread].into_iter().flatten().find(same) else {
            return Ok(());
        };
        let sealed = self.seal(account, &Answer { note, payload: payload.clone() })?;
        self.place.reseal(account, attempt, claim, &sealed).await
    }

    async fn erase(&self, account: &Account, before: Generation) -> Result<(), Trouble> {
        self.place.erase(account, before).await
    }

    async fn register(&self, registration: &Registration) -> Result<Registration, Trouble> {
        let there = self.place.register(&self.proven(registration)).await?;
        if self.keys.proves(&there) {
            self.accept(&there);
        }
        Ok(there)
    }

    async fn register_anew(&self, registration: &Registration) -> Result<(), Trouble> {
        self.place.register_anew(&self.proven(registration)).await?;
        self.accept(registration);
        Ok(())
    }
}

impl SealKeys {
    /// Shows that somebody with the first key wrote this registration.
    fn prove(&self, registration: &Registration) -> String {
        STANDARD.encode(self.seal_bytes(registration_binding(registration), b""))
    }

    /// Returns whether somebody with a key of this ring wrote the registration.
    pub(crate) fn proves(&self, registration: &Registration) -> bool {
        if registration.proof.is_empty() {
            return self.believes_clear() || mutant("registration_needs_no_proof");
        }
        let proof = STANDARD.decode(&registration.proof).unwrap_or_default();
        self.open_bytes(registration_binding(registration), &proof).is_ok()
    }

    /// Returns whether the registration would be proven like this now.
    pub(crate) fn is_current_proof(&self, registration: &Registration) -> bool {
        let proof = STANDARD.decode(&registration.proof).unwrap_or_default();
        self.is_current(&Sealed::new(proof))
    }
}

fn binding(account: &Account, claim: ClaimId) -> Binding<'_> {
    Binding { kind: "answer", account, by: *claim.uuid().as_bytes() }
}

fn registration_binding(registration: &Registration) -> Vec<u8> {
    let Registration { store, seal_check, since, proof: _ } = registration;
    format!("registration {store} {} {seal_check}", since.as_micros()).into_bytes()
}

/// Accounts that were reported already.
#[derive(Default)]
pub(super) struct Reported(Mutex<HashSet<AccountKey>>);

impl Reported {
    /// Returns whether the account is to be reported: once per process, and for so many accounts that nobody misses it.
    pub(super) fn is_new(&self, account: AccountKey) -> bool {
        let mut reported = lock(&self.0);
        reported.len() < MAX_REPORTED && reported.insert(account)
    }
}

fn lock<T>(value: &Mutex<T>) -> MutexGuard<'_, T> {
    value.lock().unwrap_or_else(PoisonError::into_inner)
}

const MAX_REPORTED: usize = 1_000;

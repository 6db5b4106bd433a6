//! The second copy of every rotated pair.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Trouble;
use crate::{Account, Answer, AnswerNote, ClaimId, Content, Found, Generation, Sealed, StoreTime};

/// The location of answers, apart from the store: they are written there the instant they are read.
///
/// An error means "unknown", never "nothing there": a resolver that could do harm waits.
#[async_trait]
pub trait Answers: Send + Sync + 'static {
    /// Writes an answer durably. Created once, never overwritten: writing the same one again succeeds. The two
    /// newest of an account are kept for at least [`KEEP_ANSWERS`](crate::KEEP_ANSWERS).
    async fn write(&self, account: &Account, answer: &Answer) -> Result<(), Trouble>;

    /// Returns the newest usable answer, read from the primary now, its times aged to this moment. Fails where the
    /// location has no [`Registration`], because then nothing vouches for what is missing.
    async fn newest(&self, account: &Account) -> Result<Found, Trouble>;

    /// Puts the same answer back under another seal: replaces the payload of the one of this attempt and claim, where
    /// it is kept, and nothing else about it.
    async fn reseal(
        &self,
        account: &Account,
        attempt: Generation,
        claim: ClaimId,
        payload: &Sealed,
    ) -> Result<(), Trouble>;

    /// Erases answers older than `before`, the generation of a tombstone.
    async fn erase(&self, account: &Account, before: Generation) -> Result<(), Trouble>;

    /// Writes something that belongs to no account, by the same means as answers: a location that answers and cannot be
    /// written is distinguished from one that works.
    async fn probe(&self) -> Result<(), Trouble> {
        let account = Account::new("solekey", "readiness").map_err(Trouble::not_applied)?;
        let attempt = Generation::new(1);
        let note = AnswerNote {
            attempt,
            claim: ClaimId::new(Uuid::nil()),
            made_from: Generation::ZERO,
            content: Content::Unread,
            access_ends: None,
        };
        // In this order, so that room which the last one made is not what the next one finds.
        self.write(&account, &Answer { note, payload: Sealed::default() }).await?;
        self.erase(&account, Generation::new(2)).await
    }

    /// Writes the registration unless there is one; returns the one that is there afterwards. A location that lost
    /// its data and its registration with it is registered anew with the time of that.
    async fn register(&self, registration: &Registration) -> Result<Registration, Trouble>;

    /// Replaces whatever registration is there: one that is not believed.
    async fn register_anew(&self, registration: &Registration) -> Result<(), Trouble>;
}

/// The store that a location of answers serves: two stores, or two seal keys, under one prefix are a mistake.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Registration {
    /// The store's identity.
    pub store: Uuid,
    /// The store's seal check when the location was registered, for people: the store's own is the one that counts.
    pub seal_check: String,
    /// The store's time when the location began to keep everything.
    pub since: StoreTime,
    /// Shows that somebody with the seal key wrote all of this; empty where nothing is sealed.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub proof: String,
}

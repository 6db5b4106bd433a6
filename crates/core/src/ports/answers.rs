//! The second place of every rotated pair.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Trouble;
use crate::{Account, Answer, ClaimId, Found, Generation, Sealed, StoreTime};

/// Where answers are written the instant they are read, beside the store.
///
/// An error means "cannot tell", never "nothing there": a resolver that could do harm waits.
#[async_trait]
pub trait Answers: Send + Sync + 'static {
    /// Writes an answer durably. Created once, never overwritten: writing the same one again succeeds. The two
    /// newest of an account are kept for at least [`KEEP_ANSWERS`](crate::KEEP_ANSWERS).
    async fn write(&self, account: &Account, answer: &Answer) -> Result<(), Trouble>;

    /// The newest usable answer, read from the primary now, its times aged to this moment. Fails where the place has
    /// no [`Enrolment`], because then nothing vouches for what is missing.
    async fn newest(&self, account: &Account) -> Result<Found, Trouble>;

    /// Puts the same answer back under another seal: replaces the payload of the one of this attempt and claim, where it
    /// is kept, and nothing else about it.
    async fn reseal(
        &self,
        account: &Account,
        attempt: Generation,
        claim: ClaimId,
        payload: &Sealed,
    ) -> Result<(), Trouble>;

    /// Erases answers older than `before`: what a tombstone asks for.
    async fn erase(&self, account: &Account, before: Generation) -> Result<(), Trouble>;

    /// Writes the enrolment unless there is one; returns what is there afterwards. A place that lost its data, its
    /// enrolment with it, is enrolled anew with the time of that.
    async fn enrol(&self, enrolment: &Enrolment) -> Result<Enrolment, Trouble>;
}

/// What a place of answers knows about whom it serves: two stores, or two seal keys, under one prefix are a mistake.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Enrolment {
    /// The store's identity.
    pub store: Uuid,
    /// What the store's seal check was when the place was enrolled, for people: the store's own is the one that counts.
    pub seal_check: String,
    /// The store's time when the place began to keep everything.
    pub since: StoreTime,
}

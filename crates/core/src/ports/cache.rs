//! The cache that replicas share.

use std::time::Duration;

use async_trait::async_trait;

use super::{Listen, Trouble};
use crate::{Account, Generation, Sealed, StoreTime, Verdict};

/// Tokens and verdicts that replicas share. Entries carry the generation and never go back.
#[async_trait]
pub trait Cache: Send + Sync + 'static {
    /// Reads the entry of an account. One round trip on a hit.
    async fn read(&self, account: &Account) -> Result<CacheEntry, Trouble>;

    /// Returns the time by the clock that counts the entries' spans: the base of [`Publication::as_of`].
    async fn time(&self) -> Result<StoreTime, Trouble>;

    /// Writes a publication and notifies everyone, unless something newer is there. Returns true if it was written.
    async fn publish(&self, account: &Account, publication: &Publication) -> Result<bool, Trouble>;

    /// Marks the access token of this generation as rejected, unless a newer one is there, or the account is not known. The
    /// proof is kept and read with the mark.
    async fn reject(&self, account: &Account, generation: Generation, proof: &Sealed) -> Result<(), Trouble>;

    /// Clears the mark.
    async fn clear_rejection(&self, account: &Account, generation: Generation) -> Result<(), Trouble>;

    /// Removes the entry of an account: one that is not believed keeps out what is published.
    async fn forget(&self, account: &Account) -> Result<(), Trouble>;

    /// Starts listening for what others publish. Returns once a message published from now on would be heard, or
    /// could only be missed together with a [`Heard::Gap`](super::Heard::Gap).
    async fn listen(&self) -> Box<dyn Listen>;
}

/// The entry of one account.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct CacheEntry {
    /// The newest generation that was ever published; `None` when nothing was published about the account.
    pub known: Option<Generation>,
    /// The newest token, while it is truly valid.
    pub token: Option<CachedToken>,
    /// The verdict about `known`, times as time left; an ended one is not handed out.
    pub verdict: Option<Verdict<Duration>>,
    /// The newest generation whose access token was rejected.
    pub rejected: Option<Generation>,
    /// The account was deleted with generation `known`.
    pub gone: bool,
    /// The proof of the publication that made `known`.
    pub proof: Sealed,
    /// The proof of the mark `rejected`.
    pub rejected_proof: Sealed,
}

/// A token in the shared cache.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CachedToken {
    /// The generation that made it.
    pub generation: Generation,
    /// The sealed access token.
    pub payload: Sealed,
    /// Until true expiry.
    pub valid: Duration,
    /// Until it stops being good enough.
    pub good: Duration,
}

/// An update of the shared cache.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Publication {
    /// The generation of all that follows; where something newer is there, nothing is written.
    pub generation: Generation,
    /// The token, when this generation has one to share.
    pub token: Option<CachedToken>,
    /// The verdict on this generation; `None` clears an older one.
    pub verdict: Option<Verdict<Duration>>,
    /// The account was deleted.
    pub gone: bool,
    /// A login made this generation: a token of an earlier one, which would else stay while it is valid, belongs to the
    /// replaced credential and is removed.
    pub replaces: bool,
    /// The cache's time from which the spans count, as far as the caller knows it: a publication that is carried out
    /// late does not make anything last longer. `None`, or later than the cache's clock: from when it is carried out.
    pub as_of: Option<StoreTime>,
    /// Shows to whoever has the seal key that one of them published this. Kept and read as it is; empty where nothing is
    /// sealed.
    pub proof: Sealed,
}

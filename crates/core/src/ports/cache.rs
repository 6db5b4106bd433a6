//! The shelf that replicas share.

use std::time::Duration;

use async_trait::async_trait;

use super::{Listen, Trouble};
use crate::{Account, Generation, Sealed, StoreTime, Verdict};

/// Tokens and verdicts that replicas share. Entries carry the generation and never go back.
#[async_trait]
pub trait Cache: Send + Sync + 'static {
    /// What is on the shelf. One round trip on a hit.
    async fn read(&self, account: &Account) -> Result<Shelf, Trouble>;

    /// The time, by the clock that counts what is on the shelf: what [`Publication::as_of`] is made of.
    async fn time(&self) -> Result<StoreTime, Trouble>;

    /// Puts something on the shelf and tells everyone, unless something newer is there. Returns whether it was put.
    async fn publish(&self, account: &Account, publication: &Publication) -> Result<bool, Trouble>;

    /// Marks the access token of this generation as rejected, unless a newer one is there, or nothing is known of the
    /// account.
    async fn reject(&self, account: &Account, generation: Generation) -> Result<(), Trouble>;

    /// Takes the mark back.
    async fn absolve(&self, account: &Account, generation: Generation) -> Result<(), Trouble>;

    /// Starts listening for what others publish. Returns once a message published from now on would be heard, or
    /// could only be missed together with a [`Heard::Gap`](super::Heard::Gap).
    async fn listen(&self) -> Box<dyn Listen>;
}

/// What the shelf holds of one account.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Shelf {
    /// The newest generation that was ever published; `None` when the shelf has never heard of the account.
    pub known: Option<Generation>,
    /// The newest token, while it is truly valid.
    pub token: Option<Shelved>,
    /// The verdict about `known`, times as time left; an ended one is not handed out.
    pub verdict: Option<Verdict<Duration>>,
    /// The newest generation whose access token was rejected.
    pub rejected: Option<Generation>,
    /// The account was deleted with generation `known`.
    pub gone: bool,
}

/// A token on the shelf.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Shelved {
    /// The generation that made it.
    pub generation: Generation,
    /// The sealed access token.
    pub payload: Sealed,
    /// Until true expiry.
    pub valid: Duration,
    /// Until it stops being good enough.
    pub good: Duration,
}

/// What goes on the shelf.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Publication {
    /// The generation of all that follows; older than what is there, nothing is put.
    pub generation: Generation,
    /// The token, when this generation has one to show.
    pub token: Option<Shelved>,
    /// The verdict to put beside it; `None` clears an older one.
    pub verdict: Option<Verdict<Duration>>,
    /// The account was deleted.
    pub gone: bool,
    /// A login made this generation: a token of an earlier one, which would else stay beside it while it is valid, is
    /// the replaced credential's and leaves the shelf.
    pub replaces: bool,
    /// The shelf's time from which the spans count, as far as the caller can tell: a publication that is carried out
    /// late does not make anything last longer. `None`, or later than the shelf's clock: from when it is carried out.
    pub as_of: Option<StoreTime>,
}

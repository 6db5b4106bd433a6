//! The durable row.

use std::time::Duration;

use async_trait::async_trait;
use uuid::Uuid;

use super::{BoxError, Trouble};
use crate::{Account, Claim, ClaimId, Commit, Login, LoginEffect, Row, Sealed, Settle, StoreTime};

/// One durable row per account. Safety rests on this port.
///
/// Every change is one atomic, conditional step whose meaning is the function of the same name on [`Row`], applied
/// at the store's own time. A change acknowledged here is durable, to the degree the store promises. Every change is
/// idempotent by the id it carries: repeating it after an unknown outcome is safe. Reads are from the primary.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// The store's id. Minted by its first migration, never changed.
    async fn identity(&self) -> Result<StoreIdentity, StoreError>;

    /// Writes `value` under `name` unless something is there; returns what is there afterwards.
    async fn pin(&self, name: &str, value: &[u8]) -> Result<Vec<u8>, StoreError>;

    /// Replaces what was pinned under `name` if that is `seen`; returns what is there afterwards, nothing where
    /// nothing was pinned.
    async fn repin(&self, name: &str, seen: &[u8], value: &[u8]) -> Result<Vec<u8>, StoreError>;

    /// Reads what is pinned under `name`; nothing where nothing was pinned.
    async fn pinned(&self, name: &str) -> Result<Vec<u8>, StoreError> {
        // Replaces nothing, or nothing by nothing.
        self.repin(name, b"", b"").await
    }

    /// Reads and writes something that belongs to no account, by the same means as rows: a store that answers and cannot be
    /// written is distinguished from one that works.
    async fn probe(&self) -> Result<(), StoreError> {
        let there = self.pin(PROBE, b"0").await?;
        let next: &[u8] = if there == b"1" { b"0" } else { b"1" };
        self.repin(PROBE, &there, next).await.map(drop)
    }

    /// The row as it is now, with the store's time at which it was read.
    async fn load(&self, account: &Account) -> Result<Loaded, StoreError>;

    /// Opens an attempt: [`Row::claim`]. On success the row holds the attempt, also when it did already.
    async fn claim(&self, account: &Account, claim: &Claim) -> Result<Loaded, StoreError>;

    /// Opens an attempt again whose claim was acknowledged, by the same id: a server may have [forgotten](Self::restarts)
    /// it. Is not refused while others' claims wait.
    async fn repeat_claim(&self, account: &Account, claim: &Claim) -> Result<Loaded, StoreError> {
        self.claim(account, claim).await
    }

    /// How often, as seen from this process, another server has taken the place of the one before, or that one has
    /// restarted. A store that acknowledges before a change is safe from that may have forgotten claims each time.
    fn restarts(&self) -> u64 {
        0
    }

    /// Waits until there are more restarts than these.
    async fn restarted(&self, _since: u64) {
        std::future::pending::<()>().await;
    }

    /// The time for which claims are still refused as late after a restart, so that owners can
    /// [repeat](Self::repeat_claim) theirs first.
    fn claims_wait(&self) -> Duration {
        Duration::ZERO
    }

    /// Puts an answer into the row: [`Row::commit`]. Creates the row where a store has forgotten it.
    async fn commit(
        &self,
        account: &Account,
        commit: &Commit,
        payload: &Sealed,
    ) -> Result<Loaded, StoreError>;

    /// Ends an attempt without an answer: [`Row::settle`].
    async fn settle(&self, account: &Account, settle: &Settle) -> Result<Loaded, StoreError>;

    /// Takes in a login: [`Row::login`]. Creates the row where there is none. The refresh token is unique among all
    /// accounts that hold it or have presented it, whatever their providers, unless `accept_spent`.
    async fn login(&self, account: &Account, login: &Login, payload: &Sealed)
    -> Result<LoggedIn, StoreError>;

    /// Leaves a tombstone: [`Row::delete`]. Returns the row as it is afterwards, nothing if there never was one.
    async fn delete(&self, account: &Account, id: ClaimId) -> Result<Loaded, StoreError>;

    /// Puts the same credential back under another seal, or with more fields next to its tokens: [`Row::reseal`]. The
    /// payload is replaced, and nothing else.
    async fn reseal(
        &self,
        account: &Account,
        made_by: ClaimId,
        payload: &Sealed,
    ) -> Result<Loaded, StoreError>;

    /// Accounts that are not deleted, in a stable order, of one provider or of all; at most `limit` of them.
    async fn list(
        &self,
        provider: Option<&str>,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Page, StoreError>;

    /// Takes up to `limit` accounts of this provider whose time has come, earliest first, and pushes each `hold` into
    /// the future so that no two callers take the same one. Costs as much as it takes, however many accounts there
    /// are, of this provider or of others.
    async fn due(&self, provider: &str, hold: Duration, limit: usize) -> Result<Vec<Account>, StoreError>;
}

/// The name under which a probe writes.
const PROBE: &str = "probe";

/// The identity of a store.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StoreIdentity {
    /// Random, minted once; also the key of fingerprints.
    pub id: Uuid,
    /// The store's time at which it was asked.
    pub now: StoreTime,
}

/// A row and what it holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Record {
    /// The part the protocol reasons about.
    pub row: Row,
    /// The sealed credential; empty in a tombstone.
    pub payload: Sealed,
}

/// A store's record of an account, and the time at which it was read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Loaded {
    /// The row; `None` where there never was one.
    pub record: Option<Record>,
    /// The store's time.
    pub now: StoreTime,
}

/// The effect of a login, and the row as it is now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LoggedIn {
    /// New, or the same as before.
    pub effect: LoginEffect,
    /// The row.
    pub loaded: Loaded,
}

/// One page of a listing.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Page {
    /// The accounts and their rows.
    pub rows: Vec<(Account, Row)>,
    /// The start of the next page; `None` at the end.
    pub next: Option<String>,
}

/// The reason for which a store did not carry out an operation.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The row is not as it was seen; this is how it is.
    #[error("the row has moved")]
    Moved(Box<Loaded>),
    /// The change arrived after its `not_after`.
    #[error("the change came too late")]
    Late,
    /// The refresh token was presented before, or another account holds it.
    #[error("the refresh token was presented before or belongs to another account")]
    AlreadyPresented,
    /// The account holds a refresh token, and the new credential has none.
    #[error("the account has a refresh token, and the new credential has none")]
    Lesser,
    /// A newer version wrote the row; it is left alone.
    #[error("row format {found} is newer than this version reads")]
    UnreadableFormat {
        /// The format found.
        found: u16,
    },
    /// The store could not be asked, or did not answer.
    #[error("the store is unavailable")]
    Unavailable(#[from] Trouble),
}

impl StoreError {
    /// Trouble that left everything as it was.
    pub fn not_applied(source: impl Into<BoxError>) -> Self {
        Self::Unavailable(Trouble::not_applied(source))
    }

    /// Trouble that may have changed something.
    pub fn unknown(source: impl Into<BoxError>) -> Self {
        Self::Unavailable(Trouble::unknown(source))
    }
}

//! The states of accounts, as they may be shown.

use std::time::{Duration, SystemTime};

use serde::Serialize;
use solekey_core::{
    Account, Decision, Facts, Freshness, Generation, Revocation, Row, StoreTime, ports::Loaded,
};

use crate::{error::AccountError, solekey::Solekey};

/// The state of an account, as it may be shown: never a token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct AccountState {
    /// The provider.
    pub provider: String,
    /// The id there.
    pub id: String,
    /// The generation of its credential.
    pub generation: Generation,
    /// The usability of its access token.
    pub status: Status,
    /// The expiry of the access token, in seconds since 1970 by this machine's clock; absent when unknown.
    pub expires_at: Option<u64>,
    /// True if there is a refresh token.
    pub refreshable: bool,
    /// The number of refreshes so far.
    pub rotations: u64,
    /// The reason why a refresh has to wait or a login is needed, in words.
    pub why: Option<String>,
    /// Seconds until a refresh may be tried, where one has to wait.
    pub retry_in: Option<u64>,
}

/// An account's state in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Status {
    /// Its token is good enough.
    Fresh,
    /// Its token is good, and a refresh is due.
    RefreshDue,
    /// Its token has expired; the next request refreshes it.
    Expired,
    /// A refresh is under way.
    Refreshing,
    /// An attempt ended without a known outcome; it will be resolved by itself.
    InDoubt,
    /// A refresh has to wait.
    CoolingDown,
    /// Only a new login helps.
    LoginNeeded,
}

/// One page of accounts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct AccountPage {
    /// The states.
    pub accounts: Vec<AccountState>,
    /// The cursor of the next page; absent at the end.
    pub next: Option<String>,
}

impl Solekey {
    /// An account's state, from the store.
    ///
    /// # Errors
    /// There is no such account, or the store cannot be asked.
    ///
    /// # Cancel safety
    /// Dropping the future changes nothing.
    pub async fn state(&self, account: &Account) -> Result<AccountState, AccountError> {
        self.account_provider(account)?;
        let Loaded { record, now } =
            self.engine.process.store().load(account).await.map_err(AccountError::Store)?;
        let row = record.map(|record| record.row).filter(|row| !row.is_gone());
        let row = row.ok_or(AccountError::UnknownAccount)?;
        self.state_of(account, &row, now).ok_or(AccountError::UnknownAccount)
    }

    /// The accounts of one provider or of all, at most `limit` of them, from `cursor` on.
    ///
    /// # Errors
    /// The cursor is not one of ours, or the store cannot be asked.
    ///
    /// # Cancel safety
    /// Dropping the future changes nothing.
    pub async fn list(
        &self,
        provider: Option<&str>,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<AccountPage, AccountError> {
        let now = self.engine.process.store().identity().await.map_err(AccountError::Store)?.now;
        let page =
            self.engine.process.store().list(provider, cursor, limit).await.map_err(AccountError::Store)?;
        let accounts =
            page.rows.iter().filter_map(|(account, row)| self.state_of(account, row, now)).collect();
        Ok(AccountPage { accounts, next: page.next })
    }

    pub(crate) fn state_of(&self, account: &Account, row: &Row, now: StoreTime) -> Option<AccountState> {
        let facts = row.facts?;
        let (status, why, wait) = self.status(account, row, &facts, now);
        let wall = self.engine.process.wall();
        let expires_at =
            facts.expires_at.map(|end| unix(wall + end.since(now)).saturating_sub(later(now, end)));
        Some(AccountState {
            provider: account.provider().to_owned(),
            id: account.id().to_owned(),
            generation: row.generation,
            status,
            expires_at,
            refreshable: facts.refresh.is_some(),
            rotations: row.rotations,
            why,
            retry_in: wait.filter(|wait| !wait.is_zero()).map(|wait| wait.as_secs().max(1)),
        })
    }

    fn status(
        &self,
        account: &Account,
        row: &Row,
        facts: &Facts,
        now: StoreTime,
    ) -> (Status, Option<String>, Option<Duration>) {
        if let Some(open) = row.open.filter(|open| open.in_flight(now)) {
            return (Status::Refreshing, None, Some(open.until.since(now)));
        }
        // A verdict comes before doubt: a refused second attempt leaves the first one open.
        match row.current_verdict().map(|verdict| verdict.decision) {
            Some(Decision::LogIn { why }) => return (Status::LoginNeeded, Some(why.to_string()), None),
            Some(Decision::NotBefore { at, why }) if at > now => {
                return (Status::CoolingDown, Some(why.to_string()), Some(at.since(now)));
            }
            _ => {}
        }
        if row.open.is_some() {
            return (Status::InDoubt, None, None);
        }
        let freshness =
            self.engine.process.providers.get(account.provider()).map_or(Freshness::Expired, |provider| {
                let policy = provider.policy();
                policy.remaining(facts, now).freshness(policy.windows(facts.lifetime(), account))
            });
        match freshness {
            Freshness::Fresh => (Status::Fresh, None, None),
            Freshness::Ahead | Freshness::InSkew => (Status::RefreshDue, None, None),
            Freshness::Expired if facts.refresh.is_none() => {
                (Status::LoginNeeded, Some(Revocation::NoRefreshToken.to_string()), None)
            }
            Freshness::Expired => (Status::Expired, None, None),
        }
    }
}

/// The nearest whole second since 1970, so that the clocks' microseconds do not show as changes.
fn unix(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    (since + Duration::from_millis(500)).as_secs()
}

/// Returns how long ago `end` was, in whole seconds.
fn later(now: StoreTime, end: StoreTime) -> u64 {
    now.since(end).as_secs()
}

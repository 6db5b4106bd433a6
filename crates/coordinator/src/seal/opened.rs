//! Rows and cached tokens, opened.

use std::sync::Arc;

use solekey_cache::ReadStart;
use solekey_core::{
    Account, Credential, Generation, NewFacts, Remaining, StoreTime,
    ports::{CachedToken, Record},
};

use super::{
    keys::CannotOpen,
    sealer::{Sealer, TokenMetadata},
    witness::Witness,
};
use crate::{
    observer::Level,
    process::{LocalToken, Process, times},
    provider::Provider,
};

/// A row as it was read, with its credential opened.
pub(crate) struct OpenedRow {
    /// The facts of the credential, as of its reading.
    pub(crate) facts: Option<NewFacts>,
    pub(crate) credential: Result<Option<Credential>, CannotOpen>,
    pub(crate) token: Option<LocalToken>,
    pub(crate) generation: Generation,
    /// The attempt open in it that is past its time.
    pub(crate) overdue: Option<Generation>,
    /// Its generation, where a login made the credential: what was served before is not its account's any more.
    pub(crate) login: Option<Generation>,
    /// The answer that made it.
    pub(crate) witness: Option<Witness>,
}

impl OpenedRow {
    /// The row of a deleted account.
    fn gone(generation: Generation) -> Self {
        Self {
            facts: None,
            credential: Ok(None),
            token: None,
            generation,
            overdue: None,
            login: None,
            witness: None,
        }
    }
}

impl Sealer {
    /// Opens a row that was read at the store's `now`, by a read that began at `read_start`.
    pub(crate) fn open_row(
        &self,
        process: &Process,
        account: &Account,
        provider: &Provider,
        record: Record,
        now: StoreTime,
        read_start: ReadStart,
    ) -> OpenedRow {
        let Record { row, payload } = record;
        let Some(facts) = row.facts else {
            return OpenedRow::gone(row.generation);
        };
        let (generation, overdue) = (row.generation, row.overdue_attempt(now));
        let login = row.is_by_login().then_some(row.generation);
        let credential = self.open_credential(account, row.made_by, &payload);
        let wall = process.wall_at(read_start.at());
        let metadata = TokenMetadata::of_row(row.generation, &facts, now, wall, provider.takes_bare_401());
        let data =
            credential.as_ref().ok().and_then(|credential| Self::token_of(account, credential, metadata));
        let token = data.map(|data| {
            let times = times(provider, &data, read_start.at(), provider.policy().remaining(&facts, now));
            LocalToken { data: Arc::new(data), times, read_start, level: Level::Store }
        });
        let facts = Some(facts.as_of(now));
        let witness = Witness::of(&row, payload, now);
        OpenedRow { facts, credential: credential.map(Some), token, generation, overdue, login, witness }
    }

    /// Opens a token of the shared cache that a read which began at `read_start` returned.
    pub(crate) fn open_cached_token(
        &self,
        process: &Process,
        account: &Account,
        provider: &Provider,
        cached: &CachedToken,
        read_start: ReadStart,
    ) -> Option<LocalToken> {
        let metadata = TokenMetadata {
            generation: cached.generation,
            lifetime: None,
            expires_at: Some(process.wall_at(read_start.at()) + cached.valid),
            bare_401: provider.takes_bare_401(),
        };
        let mut data = self.open_token(account, &cached.payload, metadata).ok()?;
        data.expires_at = data.expires_at.filter(|_| data.lifetime.is_some());
        let windows = provider.policy().windows(data.lifetime, account);
        let remaining = Remaining { valid: cached.valid, nominal: cached.good + windows.skew };
        let times = times(provider, &data, read_start.at(), remaining);
        Some(LocalToken { data: Arc::new(data), times, read_start, level: Level::Redis })
    }
}

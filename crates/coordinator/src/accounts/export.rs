//! Reading an account out, its secrets included.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use solekey_core::{
    Account, Credential, Generation, Import, Relation, Row,
    ports::{Loaded, Record, StoreError},
};

use crate::{
    error::{AccountError, TokenError},
    flight::Engine,
    seal::{CannotOpen, Fingerprints},
    solekey::Solekey,
};

/// An account as the store held it at one moment, its secrets included. `Debug` shows no part of them.
#[must_use]
pub struct Exported {
    row: Row,
    /// `None` where the account has none.
    credential: Option<Result<Credential, CannotOpen>>,
    expires_at: Option<SystemTime>,
    /// What was left until then, by the store's clock.
    left: Option<Duration>,
    /// Those of the store: what they compare with is in the row.
    fingerprints: Fingerprints,
}

impl Solekey {
    /// Reads an account out of the store, its secrets included: for copies elsewhere (the file of a command line tool,
    /// a backup), and for comparing such a copy with the account. It changes and refreshes nothing.
    ///
    /// An account that nobody logged in, or that was deleted, is no error: its export has no credential.
    ///
    /// A copy is as dangerous as the account: whoever presents its refresh token elsewhere may end the grant.
    ///
    /// # Errors
    /// [`AccountError::UnknownProvider`]; [`AccountError::Store`] where the store cannot be asked. The credential's own
    /// errors are those of [`Exported::expose_credential`].
    ///
    /// # Cancel safety
    /// Dropping the future changes nothing.
    pub async fn export(&self, account: &Account) -> Result<Exported, AccountError> {
        self.account_provider(account)?;
        let Engine { process, sealer, check, .. } = &*self.engine;
        if !check.know_store().await {
            // Fingerprints made before the store's id is known match nothing in its rows.
            return Err(AccountError::Store(StoreError::not_applied("the store does not return its id")));
        }
        let asked = process.now();
        let Loaded { record, now } = process.store().load(account).await.map_err(AccountError::Store)?;
        let fingerprints = sealer.fingerprints().clone();
        let Some(Record { row, payload }) = record else {
            let row = Row::empty();
            return Ok(Exported { row, credential: None, expires_at: None, left: None, fingerprints });
        };
        let open = |_| sealer.open_credential(account, row.made_by, &payload);
        let credential = row.facts.map(open);
        let end = row.facts.and_then(|facts| facts.expires_at);
        let left = end.map(|end| end.since(now));
        let expires_at = left.map(|left| process.wall_at(asked) + left);
        Ok(Exported { row, credential, expires_at, left, fingerprints })
    }
}

impl Exported {
    /// Returns whether the account was ever logged in. A deleted account was.
    pub fn is_known(&self) -> bool {
        self.row.generation > Generation::ZERO
    }

    /// Returns the generation of the credential; `None` where the account has none.
    pub fn generation(&self) -> Option<Generation> {
        self.row.facts.map(|_| self.row.generation)
    }

    /// Returns whether the credential has a refresh token.
    pub fn is_refreshable(&self) -> bool {
        self.row.facts.is_some_and(|facts| facts.refresh.is_some())
    }

    /// Returns the end of the access token by this machine's wall clock; `None` where it is not known.
    pub fn expires_at(&self) -> Option<SystemTime> {
        self.expires_at
    }

    /// Returns the credential with its tokens: the document that somebody logged in with, kept up to date, in its own
    /// shape.
    ///
    /// # Errors
    /// [`AccountError::UnknownAccount`] where the account has none; [`AccountError::Configuration`] where none of the
    /// seal keys opens it.
    pub fn expose_credential(&self) -> Result<&Credential, AccountError> {
        let credential = self.credential.as_ref().ok_or(AccountError::UnknownAccount)?;
        credential.as_ref().map_err(|CannotOpen| {
            AccountError::Configuration(TokenError::Configuration {
                field: "seal.key".to_owned(),
                expected: "the key that sealed this account".to_owned(),
            })
        })
    }

    /// Returns whether a copy with the same refresh token corrects something that counts: it has a newer access token,
    /// another end, or says otherwise where and by whom the account is refreshed. Logging in with it takes that over.
    pub fn is_corrected_by(&self, copy: &Import, wall_now: SystemTime) -> bool {
        let Some(Ok(held)) = &self.credential else { return false };
        copy.amends(held, self.left, wall_now).is_some_and(|amendment| amendment.is_material)
    }

    /// Returns the relation of a copy's tokens to those that the account held when it was exported. It needs no seal
    /// key.
    pub fn relation(&self, copy: &Credential) -> Relation {
        let (access, refresh) = self.fingerprints.of_credential(copy);
        self.row.relation(access, refresh)
    }
}

impl fmt::Debug for Exported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exported").field("generation", &self.generation()).finish_non_exhaustive()
    }
}

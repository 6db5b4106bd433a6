//! A change, whole, as it is sent.

use solekey_core::{
    Account, Claim, ClaimId, Commit, Login, LoginEffect, Sealed, Settle,
    ports::{Loaded, Store, StoreError},
};

use crate::model::Outcome;

/// A change of a row that is requested from a store.
#[derive(Clone, Debug)]
pub(super) enum Change {
    Claim(Claim),
    Commit(Commit, Sealed),
    Settle(Settle),
    Login(Login, Sealed),
    Delete(ClaimId),
    Reseal(ClaimId, Sealed),
    Load,
}

impl Change {
    pub(super) async fn ask(
        &self,
        store: &dyn Store,
        account: &Account,
    ) -> Result<(Loaded, Option<LoginEffect>), StoreError> {
        let loaded = match self {
            Self::Claim(claim) => store.claim(account, claim).await?,
            Self::Commit(commit, payload) => store.commit(account, commit, payload).await?,
            Self::Settle(settle) => store.settle(account, settle).await?,
            Self::Login(login, payload) => {
                let done = store.login(account, login, payload).await?;
                return Ok((done.loaded, Some(done.effect)));
            }
            Self::Delete(id) => store.delete(account, *id).await?,
            Self::Reseal(made_by, payload) => store.reseal(account, *made_by, payload).await?,
            Self::Load => store.load(account).await?,
        };
        Ok((loaded, None))
    }

    /// Returns the outcome to report when the change was made.
    pub(super) fn verb(&self) -> Outcome {
        match self {
            Self::Claim(_) => "claimed",
            Self::Commit(..) => "committed",
            Self::Settle(_) => "settled",
            Self::Login(..) => "logged in",
            Self::Delete(_) => "deleted",
            Self::Reseal(..) => "resealed",
            Self::Load => "loaded",
        }
    }
}

//! Logging accounts in, and deleting them.

mod delete;
mod login;

use std::{sync::Arc, time::Duration};

use solekey_core::{Account, Answer, Credential, Generation, StoreTime, mutant, ports::StoreError};

use crate::{
    enrol::Mistake,
    error::{AccountError, TokenError},
    provider::Provider,
    solekey::Solekey,
};
use delete::Deleting;
use login::LoggingIn;

/// What a login came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Login {
    /// The credential is in: a new generation.
    New {
        /// The generation.
        generation: Generation,
    },
    /// The account holds this very token already; nothing changed.
    Same {
        /// The generation it has.
        generation: Generation,
    },
    /// The refresh token was presented before, or another account of the provider holds it: using it could revoke the
    /// grant. Nothing changed.
    AlreadyPresented,
}

impl Solekey {
    /// Takes in a credential: a flat JSON object (`access_token`, `refresh_token`, `expires_at` or `expires_in`, …), an
    /// `auth.json` of the Codex CLI, an `oauth_creds.json` of the Gemini CLI or a `.credentials.json` of Claude Code;
    /// see [`Credential::import`]. Fields we do not know are kept as they are.
    ///
    /// `accept_spent` takes a refresh token that was presented before: for an operator who knows better.
    ///
    /// A login that changes nothing tells the others once more what the account holds.
    ///
    /// # Errors
    /// The input is not acceptable, the provider unknown, or the store cannot tell whether it took the change. Nothing
    /// has changed unless the last of these.
    ///
    /// # Cancel safety
    /// Once begun, a login goes on by itself and [`shutdown`](Self::shutdown) awaits it: dropping the future changes
    /// nothing but this caller's waiting. Logging in again tells what came of it.
    pub async fn login(
        &self,
        account: &Account,
        document: &[u8],
        accept_spent: bool,
    ) -> Result<Login, AccountError> {
        let provider = Arc::clone(self.account_provider(account)?);
        // Its lifetimes count from here, however long the store takes or this process is stopped.
        let given = self.instance.now();
        let import = Credential::import(document, self.instance.wall())?;
        let login = LoggingIn { account: account.clone(), provider, import, given, accept_spent };
        self.by_itself(login.run(self.clone())).await
    }

    /// Deletes an account: its tokens are gone everywhere, and a refresh under way changes nothing about it.
    ///
    /// Deleting it again tells the others once more that it is gone.
    ///
    /// # Errors
    /// There is no such account, or the store cannot tell whether it took the change.
    ///
    /// # Cancel safety
    /// Once begun, a delete goes on by itself and [`shutdown`](Self::shutdown) awaits it: dropping the future changes
    /// nothing but this caller's waiting.
    pub async fn delete(&self, account: &Account) -> Result<(), AccountError> {
        self.account_provider(account)?;
        self.by_itself(Deleting { account: account.clone() }.run(self.clone())).await
    }

    pub(crate) fn account_provider(&self, account: &Account) -> Result<&Arc<Provider>, AccountError> {
        self.provider(account).map_err(|_| AccountError::UnknownProvider)
    }

    /// Performs a change in a task of the instance: half of one would leave the others with what the store has no more.
    async fn by_itself<T: Send + 'static>(
        &self,
        change: impl Future<Output = Result<T, AccountError>> + Send + 'static,
    ) -> Result<T, AccountError> {
        if mutant("change_cancelled_with_its_caller") {
            return change.await;
        }
        let place = Arc::clone(&self.instance.changing).acquire_owned().await;
        let change = self.instance.tracker.spawn(async move {
            let _place = place;
            change.await
        });
        let lost = |_| Err(AccountError::Store(StoreError::unknown("the change ended without a word")));
        change.await.unwrap_or_else(lost)
    }

    /// The store's time. Nothing is written by an instance that does not belong here, or does not know yet who the
    /// store is.
    async fn ready(&self) -> Result<StoreTime, AccountError> {
        if self.instance.draining().is_cancelled() {
            return Err(AccountError::ShuttingDown);
        }
        if !self.instance.membership.is_settled() {
            self.instance.enrol().await;
        }
        if let Some(mistake) = self.instance.membership.fault() {
            return Err(AccountError::Configuration(configuration(mistake)));
        }
        let identity = self.instance.store().identity().await.map_err(AccountError::Store)?;
        self.instance.learn_store(identity.id);
        Ok(identity.now)
    }

    /// Logins and deletes are answers too: a store that forgets one gets it back.
    async fn witness(&self, account: &Account, answer: Answer) {
        if mutant("change_has_no_witness") {
            return;
        }
        let written =
            tokio::time::timeout(WITNESS_BUDGET, self.instance.answers().write(account, &answer)).await;
        if !matches!(written, Ok(Ok(()))) {
            tracing::warn!(account = %account.key(), "the change has no witness beside the store");
        }
    }
}

pub(crate) fn configuration(mistake: Mistake) -> TokenError {
    TokenError::Configuration { field: mistake.field().to_owned(), expected: mistake.expected().to_owned() }
}

/// Repeats a change whose outcome is unknown: it is idempotent by its id.
async fn retried<T, F, R>(change: F) -> Result<T, StoreError>
where
    F: Fn() -> R,
    R: Future<Output = Result<T, StoreError>>,
{
    let mut last = change().await;
    for pause in CHANGE_RETRIES {
        if !matches!(last, Err(StoreError::Unavailable(_))) {
            break;
        }
        tokio::time::sleep(pause).await;
        last = change().await;
    }
    last
}

/// Logins and deletes under way at once: each is a few calls and the document it brings; later ones wait with their
/// callers.
pub(crate) const MAX_CHANGES: usize = 1024;
const CHANGE_RETRIES: [Duration; 3] =
    [Duration::from_millis(50), Duration::from_millis(200), Duration::from_millis(800)];
const WITNESS_BUDGET: Duration = Duration::from_secs(2);

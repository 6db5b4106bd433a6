//! Logging accounts in, and deleting them.

mod delete;
mod export;
mod login;
mod states;

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use solekey_core::{Account, Answer, Credential, Generation, StoreTime, mutant, ports::StoreError};

use crate::{
    error::{AccountError, TokenError},
    provider::Provider,
    seal::Mistake,
    solekey::Solekey,
};
use delete::Deleting;
pub use export::Exported;
use login::LoggingIn;
pub use states::{AccountPage, AccountState, Status};

/// The result of a login.
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
    /// The account holds this refresh token already, and the document corrects something next to it: an end, a newer access
    /// token, a key. A new generation, with the verdict on its refresh token as it was.
    Amended {
        /// The generation.
        generation: Generation,
    },
    /// The account holds a refresh token, and the document has none: it would end with its access token. Nothing changed.
    Lesser,
    /// The refresh token was presented before, or another account holds it: using it could revoke the
    /// grant. Nothing changed.
    AlreadyPresented,
}

/// What a login may do, and what is known about its document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LoginOptions {
    /// Takes a refresh token that was presented before: for an operator who knows better. Default: no.
    pub accept_spent: bool,
    /// Takes an access token alone in place of a pair. Default: no.
    pub accept_lesser: bool,
    /// The time at which the document's file was written: lifetimes in it count from then, unless it names a moment
    /// itself. Default: unknown; they count from the call.
    pub written: Option<SystemTime>,
}

impl Solekey {
    /// Takes in a credential: a flat JSON object (`access_token`, `refresh_token`, `expires_at` or `expires_in`, …), an
    /// `auth.json` of the Codex CLI, an `oauth_creds.json` of the Gemini CLI or a `.credentials.json` of Claude Code;
    /// see [`Credential::import`]. Fields we do not know are kept as they are; of a document of more than 64 KiB only the
    /// credential is.
    ///
    /// `accept_spent` takes a refresh token that was presented before: for an operator who knows better.
    /// [`login_with`](Self::login_with) has more options.
    ///
    /// A login that changes nothing publishes once more what the account holds.
    ///
    /// # Errors
    /// The input is not acceptable, the provider unknown, or the store did not answer whether it took the change. Nothing
    /// has changed unless the last of these.
    ///
    /// # Cancel safety
    /// Once begun, a login goes on by itself and [`shutdown`](Self::shutdown) awaits it: dropping the future changes
    /// nothing but this caller's waiting. Logging in again returns its result.
    pub async fn login(
        &self,
        account: &Account,
        document: &[u8],
        accept_spent: bool,
    ) -> Result<Login, AccountError> {
        self.login_with(account, document, LoginOptions { accept_spent, ..LoginOptions::default() }).await
    }

    /// As [`login`](Self::login), with options.
    ///
    /// # Errors
    /// As [`login`](Self::login); [`AccountError::Busy`] where the document corrects a credential whose refresh token may
    /// be on its way.
    ///
    /// # Cancel safety
    /// As [`login`](Self::login).
    pub async fn login_with(
        &self,
        account: &Account,
        document: &[u8],
        options: LoginOptions,
    ) -> Result<Login, AccountError> {
        let provider = Arc::clone(self.account_provider(account)?);
        // Its lifetimes count from here, however long the store takes or this process is stopped.
        let given = self.engine.process.now();
        let mut import = Credential::import_file(document, options.written, self.engine.process.wall())?;
        import.credential = import.credential.to_kept()?;
        provider.endpoint().check(&import.credential)?;
        let login = LoggingIn { account: account.clone(), provider, import, given, options };
        self.by_itself(login.run(self.clone())).await
    }

    /// Deletes an account: its tokens are gone everywhere, and a refresh under way changes nothing about it.
    ///
    /// Deleting it again publishes the delete once more.
    ///
    /// # Errors
    /// There is no such account, or the store did not answer whether it took the change.
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
        let permit = Arc::clone(&self.engine.process.tasks.changes).acquire_owned().await;
        let change = self.engine.process.tasks.tracker.spawn(async move {
            let _permit = permit;
            change.await
        });
        let lost = |_| Err(AccountError::Store(StoreError::unknown("the change ended without a word")));
        change.await.unwrap_or_else(lost)
    }

    /// The store's time. Nothing is written by an instance that does not belong here, or does not know yet who the
    /// store is.
    async fn ready(&self) -> Result<StoreTime, AccountError> {
        if self.engine.process.tasks.is_draining() {
            return Err(AccountError::ShuttingDown);
        }
        if !self.engine.check.is_settled() {
            self.engine.check.run().await;
        }
        if let Some(mistake) = self.engine.check.fault() {
            return Err(AccountError::Configuration(configuration(mistake)));
        }
        let identity = self.engine.process.store().identity().await.map_err(AccountError::Store)?;
        self.engine.sealer.set_store(identity.id);
        Ok(identity.now)
    }

    /// Logins and deletes are answers too: a store that forgets one gets it back.
    async fn witness(&self, account: &Account, answer: Answer) {
        if mutant("change_has_no_witness") {
            return;
        }
        let written =
            tokio::time::timeout(WITNESS_BUDGET, self.engine.process.answers().write(account, &answer)).await;
        if !matches!(written, Ok(Ok(()))) {
            tracing::warn!(
                provider = account.provider(),
                account = %account.key(),
                "a login or delete was not written to the answers; a store that loses it cannot restore it"
            );
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

const CHANGE_RETRIES: [Duration; 3] =
    [Duration::from_millis(50), Duration::from_millis(200), Duration::from_millis(800)];
const WITNESS_BUDGET: Duration = Duration::from_secs(2);

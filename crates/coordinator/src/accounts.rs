//! Logging accounts in, and deleting them.

use std::time::Duration;

use solekey_core::{
    Account, Answer, AnswerNote, ClaimId, Content, Credential, Generation, Import, Login as Wish,
    LoginEffect, NewFacts, StoreTime, next_look,
    ports::{LoggedIn, Publication, Record, StoreError},
};
use uuid::Uuid;

use crate::{
    driver::StockedRow,
    enrol::Mistake,
    error::{AccountError, TokenError},
    provider::Provider,
    solekey::Solekey,
};

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
    /// Takes in a credential: a flat JSON object (`access_token`, `refresh_token`, `expires_at` or `expires_in`, …) or
    /// an `auth.json` of the Codex CLI. Fields we do not know are kept as they are.
    ///
    /// `accept_spent` takes a refresh token that was presented before: for an operator who knows better.
    ///
    /// # Errors
    /// The input is not acceptable, the provider unknown, or the store cannot tell whether it took the change. Nothing
    /// has changed unless the last of these.
    ///
    /// # Cancel safety
    /// Dropped midway, the login is either made or not; logging in again tells which.
    pub async fn login(
        &self,
        account: &Account,
        document: &[u8],
        accept_spent: bool,
    ) -> Result<Login, AccountError> {
        let provider = self.account_provider(account)?;
        Credential::import(document, self.instance.wall())?;
        let as_of = Some(self.ready().await?);
        let Import { credential, expires_in, refresh_expires_in, .. } =
            Credential::import(document, self.instance.wall())?;
        let vault = self.instance.vault();
        let (access, refresh) = vault.prints(&credential);
        let facts = NewFacts { access, refresh, expires_in, refresh_expires_in };
        let id = ClaimId::new(Uuid::new_v4());
        let due_in = next_look(provider.policy(), &facts, account.key().spread());
        let wish = Wish { id, facts, accept_spent, due_in, as_of };
        let payload = vault.seal_credential(account, id, &credential);
        let asked = self.instance.asking();
        let LoggedIn { effect, loaded } =
            match retried(|| self.instance.store().login(account, &wish, &payload)).await {
                Ok(done) => done,
                Err(StoreError::AlreadyPresented) => return Ok(Login::AlreadyPresented),
                Err(error) => return Err(AccountError::Store(error)),
            };
        let Some(Record { row, payload }) = loaded.record else {
            return Err(AccountError::Store(StoreError::unknown("the store returned no row")));
        };
        let generation = row.generation;
        if effect == LoginEffect::Same {
            return Ok(Login::Same { generation });
        }
        let note = AnswerNote {
            attempt: generation,
            claim: id,
            made_from: Generation::ZERO,
            content: Content::LoggedIn(facts),
        };
        self.witness(account, Answer { note, payload: payload.clone() }).await;
        let stocked = self.instance.stock_row(account, provider, Record { row, payload }, loaded.now, asked);
        self.show(account, generation, &stocked).await;
        tracing::info!(account = %account.key(), %generation, "logged in");
        Ok(Login::New { generation })
    }

    /// Deletes an account: its tokens are gone everywhere, and a refresh under way changes nothing about it.
    ///
    /// # Errors
    /// There is no such account, or the store cannot tell whether it took the change.
    ///
    /// # Cancel safety
    /// Dropped midway, the delete is either made or not; deleting again is harmless.
    pub async fn delete(&self, account: &Account) -> Result<(), AccountError> {
        self.account_provider(account)?;
        self.ready().await?;
        let before = self.instance.store().load(account).await.map_err(AccountError::Store)?;
        if before.record.is_none_or(|record| record.row.is_gone()) {
            return Err(AccountError::UnknownAccount);
        }
        let id = ClaimId::new(Uuid::new_v4());
        let loaded =
            retried(|| self.instance.store().delete(account, id)).await.map_err(AccountError::Store)?;
        let Some(record) = loaded.record else { return Err(AccountError::UnknownAccount) };
        let generation = record.row.generation;
        self.instance.entries().remove_older(account.key(), generation);
        let note = AnswerNote {
            attempt: generation,
            claim: id,
            made_from: Generation::ZERO,
            content: Content::Deleted,
        };
        self.witness(account, Answer { note, payload: solekey_core::Sealed::default() }).await;
        if let Err(error) = self.instance.answers().erase(account, generation).await {
            tracing::debug!(account = %account.key(), error = &error as &dyn std::error::Error, "answers not erased yet");
        }
        let gone = Publication { generation, token: None, verdict: None, gone: true };
        self.instance.publish(account, gone).await;
        tracing::info!(account = %account.key(), %generation, "deleted");
        Ok(())
    }

    pub(crate) fn account_provider(
        &self,
        account: &Account,
    ) -> Result<&std::sync::Arc<Provider>, AccountError> {
        self.provider(account).map_err(|_| AccountError::UnknownProvider)
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
        let written =
            tokio::time::timeout(WITNESS_BUDGET, self.instance.answers().write(account, &answer)).await;
        if !matches!(written, Ok(Ok(()))) {
            tracing::warn!(account = %account.key(), "the change has no witness beside the store");
        }
    }

    async fn show(&self, account: &Account, generation: Generation, stocked: &StockedRow) {
        self.instance.memories.release(account.key());
        self.instance.entries().remove_older(account.key(), generation);
        let held = stocked.token.as_ref();
        if let Some(held) = held {
            self.instance.fill(account.key(), held, None);
        }
        let token = held.and_then(|held| self.instance.shelve(held, self.instance.now()));
        self.instance.publish(account, Publication { generation, token, verdict: None, gone: false }).await;
        self.instance.waits().wake(account.key(), generation);
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

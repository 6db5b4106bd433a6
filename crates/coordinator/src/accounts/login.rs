//! A login under way.

use std::sync::Arc;

use solekey_cache::Asked;
use solekey_core::{
    Account, Answer, AnswerNote, ClaimId, Content, Generation, Import, Login as Wish, LoginEffect, Moment,
    NewFacts, StoreTime, next_look,
    ports::{LoggedIn, Record, StoreError},
};
use uuid::Uuid;

use super::{Login, retried};
use crate::{announcement::Announcement, error::AccountError, provider::Provider, solekey::Solekey};

/// A credential on its way in.
pub(super) struct LoggingIn {
    pub(super) account: Account,
    pub(super) provider: Arc<Provider>,
    pub(super) import: Import,
    /// When it was handed over.
    pub(super) given: Moment,
    pub(super) accept_spent: bool,
}

impl LoggingIn {
    pub(super) async fn run(self, solekey: Solekey) -> Result<Login, AccountError> {
        let now = solekey.ready().await?;
        // The store read its clock at some time since: this is not after the hand-over.
        let as_of = now - solekey.instance.now().since(self.given);
        let asked = solekey.instance.asking();
        let LoggedIn { effect, loaded } = match self.put(&solekey, as_of).await {
            Ok(done) => done,
            Err(AccountError::Store(StoreError::AlreadyPresented)) => return Ok(Login::AlreadyPresented),
            Err(error) => return Err(error),
        };
        let Some(record) = loaded.record else {
            return Err(AccountError::Store(StoreError::unknown("the store returned no row")));
        };
        let generation = record.row.generation;
        self.tell(&solekey, record, effect, loaded.now, asked).await;
        Ok(match effect {
            LoginEffect::New => {
                tracing::info!(account = %self.account.key(), %generation, "logged in");
                solekey.instance.hooks.committed(&self.account, generation);
                Login::New { generation }
            }
            LoginEffect::Same => Login::Same { generation },
        })
    }

    async fn put(&self, solekey: &Solekey, as_of: StoreTime) -> Result<LoggedIn, AccountError> {
        let Self { account, provider, import, accept_spent, .. } = self;
        let Import { credential, expires_in, refresh_expires_in, .. } = import;
        let vault = solekey.instance.vault();
        let (access, refresh) = vault.prints(credential);
        let (expires_in, refresh_expires_in) = (*expires_in, *refresh_expires_in);
        let facts = NewFacts { access, refresh, expires_in, refresh_expires_in };
        let id = ClaimId::new(Uuid::new_v4());
        let due_in = next_look(provider.policy(), &facts, account.key().spread());
        let wish = Wish { id, facts, accept_spent: *accept_spent, due_in, as_of: Some(as_of) };
        let payload = vault.seal_credential(account, id, credential);
        retried(|| solekey.instance.store().login(account, &wish, &payload))
            .await
            .map_err(AccountError::Store)
    }

    /// Writes the witness and tells the others; also of a login made before, whose process may have ended too early.
    async fn tell(
        &self,
        solekey: &Solekey,
        record: Record,
        effect: LoginEffect,
        now: StoreTime,
        asked: Asked,
    ) {
        let (account, instance) = (&self.account, &solekey.instance);
        let (generation, replaces) = (record.row.generation, record.row.is_by_login());
        if let Some(note) = login_note(&record, now) {
            solekey.witness(account, Answer { note, payload: record.payload.clone() }).await;
        }
        let verdict =
            record.row.current_verdict().map(|verdict| verdict.map(|at| asked.at() + at.since(now)));
        let stocked = instance.stock_row(account, &self.provider, record, now, asked);
        let held = stocked.token.as_ref();
        instance.memories.release(account.key());
        instance.entries().remove_older(account.key(), generation);
        // A token that was there before may have been rejected since: whoever wants it looks at its marks.
        if let Some(held) = held.filter(|_| effect == LoginEffect::New) {
            instance.fill(account.key(), held, None);
        }
        let token = held.cloned();
        instance
            .publish_change(account, Announcement { generation, token, verdict, gone: false, replaces })
            .await;
        instance.waits().wake(account.key(), generation);
    }
}

/// The row's login as an answer; none where a refresh made the row, which has written its own.
fn login_note(record: &Record, now: StoreTime) -> Option<AnswerNote> {
    let row = &record.row;
    let facts = row.facts.filter(|_| row.is_by_login())?;
    Some(AnswerNote {
        attempt: row.generation,
        claim: row.made_by,
        made_from: Generation::ZERO,
        content: Content::LoggedIn(facts.as_of(now)),
        access_ends: facts.expires_at,
    })
}

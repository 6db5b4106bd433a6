//! A login under way.

use std::{sync::Arc, time::Duration};

use solekey_cache::ReadStart;
use solekey_core::{
    Account, Amendment, Answer, AnswerNote, ClaimId, Content, Credential, Generation, Import,
    Login as Request, LoginEffect, Moment, NewFacts, StoreTime, next_check,
    ports::{LoggedIn, Record, StoreError},
};
use uuid::Uuid;

use super::{Login, LoginOptions, retried};
use crate::{error::AccountError, fleet::LocalPublication, provider::Provider, solekey::Solekey};

/// A credential on its way in.
pub(super) struct LoggingIn {
    pub(super) account: Account,
    pub(super) provider: Arc<Provider>,
    pub(super) import: Import,
    /// The time at which it was handed over.
    pub(super) given: Moment,
    pub(super) options: LoginOptions,
}

/// A row that has been read, as the answer to a login.
struct Read {
    effect: LoginEffect,
    record: Record,
    now: StoreTime,
    asked: ReadStart,
}

impl LoggingIn {
    pub(super) async fn run(self, solekey: Solekey) -> Result<Login, AccountError> {
        for _ in 0..MAX_AMENDMENTS {
            let now = solekey.ready().await?;
            // The store read its clock at some time since: this is not after the hand-over.
            let as_of = now - solekey.engine.process.now().since(self.given);
            let read = match self.log_in(&solekey, as_of).await {
                Err(AccountError::Store(StoreError::AlreadyPresented)) => return Ok(Login::AlreadyPresented),
                Err(AccountError::Store(StoreError::Lesser)) => return Ok(Login::Lesser),
                read => read?,
            };
            let generation = read.record.row.generation;
            if read.effect == LoginEffect::New {
                tracing::info!(account = %self.account.key(), %generation, "logged in");
                self.publish(&solekey, read).await;
                solekey.background.logged_in(&self.account, generation);
                solekey.engine.process.retry_unread(&self.provider).await;
                return Ok(Login::New { generation });
            }
            let Some(amendment) = self.amendment(&solekey, &read) else {
                self.publish(&solekey, read).await;
                return Ok(Login::Same { generation });
            };
            match self.amend(&solekey, &read, &amendment).await {
                Err(AccountError::Store(StoreError::Moved(_))) if read.record.row.open.is_none() => {}
                Err(AccountError::Store(StoreError::Moved(_))) if amendment.is_material => {
                    return Err(AccountError::Busy);
                }
                Err(AccountError::Store(StoreError::Moved(_))) => return Ok(Login::Same { generation }),
                amended => {
                    let amended = amended?;
                    let generation = amended.record.row.generation;
                    tracing::info!(account = %self.account.key(), %generation, "a login corrected the credential");
                    self.publish(&solekey, amended).await;
                    return Ok(Login::Amended { generation });
                }
            }
        }
        Err(AccountError::Busy)
    }

    async fn log_in(&self, solekey: &Solekey, as_of: StoreTime) -> Result<Read, AccountError> {
        let Import { credential, expires_in, refresh_expires_in, .. } = &self.import;
        let age = self.import.assumed_age(self.provider.policy());
        let refresh_expires_in = refresh_expires_in.map(|left| left + age);
        let facts = facts_of(solekey, credential, *expires_in, refresh_expires_in);
        self.put(solekey, credential, facts, as_of - age, age, None).await
    }

    /// What the document corrects in a credential with the same tokens, if anything.
    fn amendment(&self, solekey: &Solekey, read: &Read) -> Option<Amendment> {
        let Read { record, now, .. } = read;
        let facts = record.row.facts?;
        let held =
            solekey.engine.sealer.open_credential(&self.account, record.row.made_by, &record.payload).ok()?;
        let left = facts.expires_at.map(|end| end.since(*now));
        self.import.amends(&held, left, solekey.engine.process.wall())
    }

    async fn amend(
        &self,
        solekey: &Solekey,
        read: &Read,
        amendment: &Amendment,
    ) -> Result<Read, AccountError> {
        let Read { record, now, .. } = read;
        let Amendment { credential, expires_in, refresh_expires_in, .. } = amendment;
        let held = record.row.facts.and_then(|facts| facts.refresh_expires_at).map(|end| end.since(*now));
        let facts = facts_of(solekey, credential, *expires_in, refresh_expires_in.or(held));
        self.put(solekey, credential, facts, *now, Duration::ZERO, Some(record.row.made_by)).await
    }

    /// Puts a credential into the row whose access token is `age` old already.
    async fn put(
        &self,
        solekey: &Solekey,
        credential: &Credential,
        facts: NewFacts,
        as_of: StoreTime,
        age: Duration,
        amends: Option<ClaimId>,
    ) -> Result<Read, AccountError> {
        let Self { account, provider, options, .. } = self;
        let id = ClaimId::new(Uuid::new_v4());
        let due_in = next_check(provider.policy(), &facts, account.key().spread());
        let request = Request {
            id,
            facts,
            accept_spent: options.accept_spent,
            accept_lesser: options.accept_lesser,
            amends,
            due_in: due_in.map(|span| span.saturating_sub(age)),
            as_of: Some(as_of),
        };
        let asked = solekey.engine.process.begin_read();
        let payload = solekey.engine.sealer.seal_credential(account, id, credential);
        let done = retried(|| solekey.engine.process.store().login(account, &request, &payload)).await;
        let LoggedIn { effect, loaded } = done.map_err(AccountError::Store)?;
        let nothing = || AccountError::Store(StoreError::unknown("the store returned no row"));
        Ok(Read { effect, record: loaded.record.ok_or_else(nothing)?, now: loaded.now, asked })
    }

    /// Writes the witness and publishes; also for a login made before, whose process may have ended too early.
    async fn publish(&self, solekey: &Solekey, read: Read) {
        let Read { effect, record, now, asked } = read;
        let (account, engine) = (&self.account, &solekey.engine);
        let (generation, replaces) = (record.row.generation, record.row.is_by_login());
        if let Some(note) = login_note(&record, now) {
            solekey.witness(account, Answer { note, payload: record.payload.clone() }).await;
        }
        let verdict =
            record.row.current_verdict().map(|verdict| verdict.map(|at| asked.at() + at.since(now)));
        let stocked = engine.sealer.open_row(&engine.process, account, &self.provider, record, now, asked);
        let held = stocked.token.as_ref();
        engine.process.memories.release(account.key());
        engine.process.entries().remove_older(account.key(), generation);
        // A token that was there before may have been rejected since: whoever wants it reads its rejections.
        if let Some(token) = held.filter(|_| effect == LoginEffect::New) {
            engine.process.fill(account.key(), token, None);
        }
        let token = held.cloned();
        engine
            .fleet
            .publish_change(account, LocalPublication { generation, token, verdict, gone: false, replaces })
            .await;
        engine.process.waits().wake(account.key(), generation);
    }
}

fn facts_of(
    solekey: &Solekey,
    credential: &Credential,
    expires_in: Option<Duration>,
    refresh_expires_in: Option<Duration>,
) -> NewFacts {
    let (access, refresh) = solekey.engine.sealer.prints(credential);
    NewFacts { access, refresh, expires_in, refresh_expires_in }
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

/// Each time another process has changed the row meanwhile.
const MAX_AMENDMENTS: u32 = 4;

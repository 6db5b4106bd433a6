//! The commands that read or change the row.

use std::{future::Future, sync::Arc};

use solekey_core::{
    Account, Claim, Commit, Moment, Settle,
    flight::{Event, RowView, StoreReply},
    ports::{Loaded, StoreError, Trouble},
};

use super::super::engine::Engine;
use super::{
    deliver::report_decision,
    kept_claim::KeptClaim,
    payloads::Fetched,
    perform::{Done, Performer, Work},
};
use crate::observer;

impl Performer {
    pub(super) fn load(&self) -> Work {
        self.change(
            Event::Loaded,
            |engine, account| async move { engine.process.store().load(&account).await },
        )
    }

    pub(super) fn claim(&mut self, claim: Claim) -> Work {
        let store = self.engine.process.store();
        let wait = store.claims_wait();
        if !wait.is_zero() {
            // The row is read once more after that: the claim of another process may be in it again.
            let process = Arc::clone(&self.engine.process);
            return Box::pin(async move {
                process.sleep_until(process.now() + wait).await;
                Event::Claimed(StoreReply::Late).into()
            });
        }
        self.claimed = Some(KeptClaim { claim, at: self.engine.process.now(), restarts: store.restarts() });
        self.change(Event::Claimed, move |engine, account| async move {
            if !engine.check.know_store().await {
                // The tokens of the provider's answer could not be recognised later.
                return Err(StoreError::not_applied("the store does not return its id"));
            }
            engine.process.store().claim(&account, &claim).await
        })
    }

    pub(super) fn settle(&self, settle: Settle) -> Work {
        self.change(Event::Settled, move |engine, account| async move {
            let done = engine.process.store().settle(&account, &settle).await;
            if let (Ok(_), Some(verdict)) = (&done, settle.verdict) {
                report_decision(&engine, &account, settle.from, verdict.decision);
            }
            done
        })
    }

    pub(super) fn commit_own(&self, commit: Commit) -> Work {
        let payload = self.payloads.own(commit.note.claim);
        self.change(Event::Committed, move |engine, account| async move {
            let payload = payload.ok_or_else(|| StoreError::not_applied("the pair is not held"))?;
            let done = engine.process.store().commit(&account, &commit, &payload).await;
            let generation = commit.note.attempt;
            match &done {
                Ok(_) => {
                    engine.process.observe(&observer::Event::Committed { account: &account, generation });
                }
                Err(StoreError::Moved(_)) => engine.fleet.overtaken(&account, generation),
                Err(_) => {}
            }
            done
        })
    }

    pub(super) fn commit_found(&self, commit: Commit) -> Work {
        let payload = self.payloads.found(commit.note.claim);
        self.change(Event::Committed, move |engine, account| async move {
            let payload = payload.ok_or_else(|| StoreError::not_applied("the answer is not held"))?;
            let done = engine.process.store().commit(&account, &commit, &payload).await;
            if done.is_ok() {
                let generation = commit.note.attempt;
                tracing::info!(account = %account.key(), %generation, "recovered a rotated pair from the answers");
                engine.process.observe(&observer::Event::Recovered { account: &account, generation });
            }
            done
        })
    }

    /// A store operation under a deadline; the row it returns becomes a payload.
    fn change<F, R>(&self, event: fn(StoreReply) -> Event, operation: F) -> Work
    where
        F: FnOnce(Arc<Engine>, Account) -> R + Send + 'static,
        R: Future<Output = Result<Loaded, StoreError>> + Send + 'static,
    {
        let (engine, account) = self.both();
        let provider = Arc::clone(&self.provider);
        let deadline = self.store_deadline();
        Box::pin(async move {
            let asked = engine.process.begin_read();
            let before = engine.process.now();
            let work = operation(Arc::clone(&engine), account.clone());
            let outcome = tokio::time::timeout(deadline, work)
                .await
                .unwrap_or_else(|_| Err(StoreError::unknown("the store did not answer in time")));
            let (reply, loaded) = reply(outcome, before, &account);
            let fetched = loaded.map_or(Fetched::Nothing, |loaded| {
                let row = loaded.record.map(|record| {
                    engine.sealer.open_row(&engine.process, &account, &provider, record, loaded.now, asked)
                });
                Fetched::Row(row.map(Box::new))
            });
            Done { event: event(reply), fetched }
        })
    }
}

fn reply(
    outcome: Result<Loaded, StoreError>,
    asked: Moment,
    account: &Account,
) -> (StoreReply, Option<Loaded>) {
    let view = |loaded: &Loaded| RowView {
        row: loaded.record.as_ref().map(|record| record.row.clone()),
        now: loaded.now,
        asked,
    };
    match outcome {
        Ok(loaded) => (StoreReply::Done(view(&loaded)), Some(loaded)),
        Err(StoreError::Moved(loaded)) => (StoreReply::Moved(view(&loaded)), Some(*loaded)),
        Err(StoreError::Late) => (StoreReply::Late, None),
        Err(StoreError::UnreadableFormat { found }) => {
            tracing::warn!(
                provider = account.provider(),
                account = %account.key(),
                found,
                "the row has a newer format; its token is served and not refreshed by this version"
            );
            (StoreReply::UnreadableFormat, None)
        }
        Err(StoreError::Unavailable(Trouble::NotApplied(error))) => {
            tracing::debug!(account = %account.key(), error = &*error as &dyn std::error::Error, "the store is away");
            (StoreReply::NotApplied, None)
        }
        Err(error) => {
            let error = &error as &dyn std::error::Error;
            tracing::debug!(account = %account.key(), error, "a change of the row is in doubt");
            (StoreReply::Unknown, None)
        }
    }
}

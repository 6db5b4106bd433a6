//! A delete under way.

use solekey_core::{
    Account, Answer, AnswerNote, ClaimId, Content, Generation, Row, Sealed, mutant, ports::Loaded,
};
use uuid::Uuid;

use super::retried;
use crate::{error::AccountError, fleet::LocalPublication, solekey::Solekey};

/// An account on its way out.
pub(super) struct Deleting {
    pub(super) account: Account,
}

impl Deleting {
    pub(super) async fn run(self, solekey: Solekey) -> Result<(), AccountError> {
        solekey.ready().await?;
        let store = solekey.engine.process.store();
        let before = row(store.load(&self.account).await.map_err(AccountError::Store)?);
        let before = before.ok_or(AccountError::UnknownAccount)?;
        if before.is_gone() {
            // Whoever deleted it may have ended before it was published.
            self.publish(&solekey, &before).await;
            return Err(AccountError::UnknownAccount);
        }
        let id = ClaimId::new(Uuid::new_v4());
        let after = retried(|| store.delete(&self.account, id)).await.map_err(AccountError::Store)?;
        let after = row(after).ok_or(AccountError::UnknownAccount)?;
        self.publish(&solekey, &after).await;
        tracing::info!(account = %self.account.key(), generation = %after.generation, "deleted");
        Ok(())
    }

    /// Removes the account here, writes the witness, and publishes the delete.
    async fn publish(&self, solekey: &Solekey, tombstone: &Row) {
        let (account, engine) = (&self.account, &solekey.engine);
        let generation = tombstone.generation;
        engine.process.memories.release(account.key());
        engine.process.entries().remove_older(account.key(), generation);
        let note = AnswerNote {
            attempt: generation,
            claim: tombstone.made_by,
            made_from: Generation::ZERO,
            content: Content::Deleted,
            access_ends: None,
        };
        solekey.witness(account, Answer { note, payload: Sealed::default() }).await;
        if let Err(error) = engine.process.answers().erase(account, generation).await {
            tracing::debug!(account = %account.key(), error = &error as &dyn std::error::Error, "answers not erased yet");
        }
        if !mutant("delete_is_not_published") {
            engine.fleet.publish_change(account, LocalPublication::gone(generation)).await;
        }
        engine.process.waits().wake(account.key(), generation);
    }
}

/// The row, where the account was ever born.
fn row(loaded: Loaded) -> Option<Row> {
    loaded.record.map(|record| record.row).filter(|row| row.generation > Generation::ZERO)
}

//! A delete under way.

use solekey_core::{
    Account, Answer, AnswerNote, ClaimId, Content, Generation, Row, Sealed, mutant, ports::Loaded,
};
use uuid::Uuid;

use super::retried;
use crate::{announcement::Announcement, error::AccountError, solekey::Solekey};

/// An account on its way out.
pub(super) struct Deleting {
    pub(super) account: Account,
}

impl Deleting {
    pub(super) async fn run(self, solekey: Solekey) -> Result<(), AccountError> {
        solekey.ready().await?;
        let store = solekey.instance.store();
        let before = row(store.load(&self.account).await.map_err(AccountError::Store)?);
        let before = before.ok_or(AccountError::UnknownAccount)?;
        if before.is_gone() {
            // Whoever deleted it may have ended before the others were told.
            self.tell(&solekey, &before).await;
            return Err(AccountError::UnknownAccount);
        }
        let id = ClaimId::new(Uuid::new_v4());
        let after = retried(|| store.delete(&self.account, id)).await.map_err(AccountError::Store)?;
        let after = row(after).ok_or(AccountError::UnknownAccount)?;
        self.tell(&solekey, &after).await;
        tracing::info!(account = %self.account.key(), generation = %after.generation, "deleted");
        Ok(())
    }

    /// Takes the account out here, writes the witness, and tells the others.
    async fn tell(&self, solekey: &Solekey, tombstone: &Row) {
        let (account, instance) = (&self.account, &solekey.instance);
        let generation = tombstone.generation;
        instance.memories.release(account.key());
        instance.entries().remove_older(account.key(), generation);
        let note = AnswerNote {
            attempt: generation,
            claim: tombstone.made_by,
            made_from: Generation::ZERO,
            content: Content::Deleted,
            access_ends: None,
        };
        solekey.witness(account, Answer { note, payload: Sealed::default() }).await;
        if let Err(error) = instance.answers().erase(account, generation).await {
            tracing::debug!(account = %account.key(), error = &error as &dyn std::error::Error, "answers not erased yet");
        }
        if !mutant("delete_tells_nobody") {
            instance.publish_change(account, Announcement::gone(generation)).await;
        }
        instance.waits().wake(account.key(), generation);
    }
}

/// The row, where the account was ever born.
fn row(loaded: Loaded) -> Option<Row> {
    loaded.record.map(|record| record.row).filter(|row| row.generation > Generation::ZERO)
}

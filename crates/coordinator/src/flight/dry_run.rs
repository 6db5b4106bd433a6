//! The dry run of an account's next flight.

use std::{sync::Arc, time::Duration};

use solekey_core::{
    Account, Need,
    flight::{AnswersView, NextStep, RowView, dry_run},
};

use super::engine::Engine;
use crate::{provider::Provider, seal::Witness};

impl Engine {
    /// Reads the answers of an account whose row was made by `witness`.
    pub(crate) async fn read_answers(
        &self,
        account: &Account,
        provider: &Arc<Provider>,
        witness: Option<&Witness>,
    ) -> AnswersView {
        let witness = witness.filter(|_| self.process.shares_answers());
        match tokio::time::timeout(PATIENCE, self.process.answers().newest(account)).await {
            Ok(Ok(found)) => {
                let found = match witness {
                    Some(witness) => witness.limit(found),
                    None => found,
                };
                self.read_again(account, provider, found, None).0
            }
            Ok(Err(_)) | Err(_) => AnswersView::Unreadable,
        }
    }

    /// The next step of a flight that resolves what is open about the account.
    pub(crate) fn next_step(
        &self,
        account: &Account,
        provider: &Provider,
        view: &RowView,
        answers: AnswersView,
    ) -> NextStep {
        // What is in doubt is read although the token is good.
        let need = Need::Resolved;
        let knowledge = self.knowledge_for(account.key(), provider, need);
        let policy = *provider.policy();
        dry_run(&self.context(&policy), need, knowledge, account.key().spread(), view, answers)
    }
}

/// The longest time that a read of the answers may take.
const PATIENCE: Duration = Duration::from_secs(1);

//! Pairs that a process of this host wrote down and did not live to commit.
//!
//! Answers in files are one host's: no other host finds them, and one that waits for this account long enough presents
//! what they have replaced. So a process does not wait until somebody asks it for the account: it looks through its
//! files when it starts, and when it may have missed something.

use std::{io, sync::Arc, time::Duration};

use solekey_core::{
    Account, AccountKey, Generation, Row,
    flight::Vigil,
    mutant,
    ports::{BoxError, Page},
};
use tokio::sync::Notify;

use crate::{answer_files::AnswerFiles, instance::Instance};

/// When to look.
#[derive(Debug, Default)]
pub(crate) struct Leftovers(Notify);

impl Leftovers {
    /// The store may have been away: what was written down meanwhile, by processes that have ended, is not in it.
    pub(crate) fn look_again(&self) {
        self.0.notify_one();
    }
}

impl Instance {
    /// Looks for what was left, until the instance drains. What is found is looked at as a doubt is, which commits it.
    pub(crate) async fn find_leftovers(self: Arc<Self>) {
        let Some(files) = self.ports.files.clone().filter(|_| !mutant("leftovers_are_left")) else { return };
        let draining = self.draining().clone();
        let work = async {
            loop {
                match self.look_through(&files).await {
                    Ok(()) => self.leftovers.0.notified().await,
                    Err(error) => {
                        tracing::debug!(error = &*error, "answers not looked through yet");
                        tokio::time::sleep(PAUSE).await;
                    }
                }
            }
        };
        let _: Option<()> = draining.run_until_cancelled(work).await;
    }

    async fn look_through(&self, files: &AnswerFiles) -> Result<(), BoxError> {
        let mut cursor = None;
        loop {
            let page = self.store().list(None, cursor.as_deref(), PAGE);
            let Page { rows, next } = tokio::time::timeout(LOOK, page).await??;
            for account in left(files, rows).await? {
                tracing::info!(account = %account.key(), "found an answer that was not committed");
                self.vigils.plan(&account, Vigil::LookAt(self.now()), self.now());
            }
            match next {
                Some(next) => cursor = Some(next),
                None => return Ok(()),
            }
            tokio::time::sleep(BREATH).await;
        }
    }
}

/// Of the accounts with an attempt open those with an answer newer than the row.
async fn left(files: &AnswerFiles, rows: Vec<(Account, Row)>) -> io::Result<Vec<Account>> {
    let open: Vec<_> = rows.into_iter().filter(|(_, row)| row.open.is_some()).collect();
    if open.is_empty() {
        return Ok(Vec::new());
    }
    let named: Vec<(AccountKey, Generation)> =
        open.iter().map(|(account, row)| (account.key(), row.generation)).collect();
    let newer = files.have_newer(named).await?;
    Ok(open.into_iter().zip(newer).filter(|(_, newer)| *newer).map(|((account, _), _)| account).collect())
}

/// A store hands out a thousand at most.
const PAGE: usize = 1000;
/// How long a page may take.
const LOOK: Duration = Duration::from_secs(10);
/// Between pages: after an outage all replicas look at once, and requests come first. A million accounts are looked
/// through in half a minute.
const BREATH: Duration = Duration::from_millis(20);
/// Until the next try with a store that is away: short beside the time an attempt takes to end.
const PAUSE: Duration = Duration::from_secs(1);

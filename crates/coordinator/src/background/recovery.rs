//! Pairs that a process of this host wrote down and did not live to commit.
//!
//! Answers in files are one host's: no other host finds them, and one that waits for this account long enough presents
//! what they have replaced. So a process does not wait until somebody asks it for the account: it scans its
//! files when it starts, and when it may have missed something.

use std::{collections::HashMap, io, sync::Arc, time::Duration};

use solekey_core::{
    Account, AccountKey, Generation, Row, StoreTime,
    flight::Recheck,
    mutant,
    ports::{BoxError, Page},
};

use super::recheck::Rechecks;
use crate::{answer_files::AnswerFiles, process::Process};

/// The task that finds orphaned answers.
pub(super) struct RecoveryTask {
    pub(super) process: Arc<Process>,
    pub(super) rechecks: Arc<Rechecks>,
}

impl RecoveryTask {
    /// Scans the files of answers at the start and after each gap, until the process drains: the store may have been away,
    /// and what was written down meanwhile, by processes that have ended, is not in it. An account with an orphaned answer
    /// is rechecked, which commits the answer.
    ///
    /// Answers that were not understood are in the verdicts of rows, wherever they are kept: once, at the start, their
    /// accounts are rechecked, too, by a version or configuration that may understand them.
    pub(super) async fn run(self) {
        let files = self.process.ports.files.clone();
        let files = files.filter(|_| !mutant("orphaned_answers_are_not_recovered"));
        let draining = self.process.tasks.draining.clone();
        let work = async {
            let mut unread = Some(UnreadRows::default());
            loop {
                match self.scan(files.as_ref(), unread.as_mut()).await {
                    Ok(now) => {
                        if let Some(unread) = unread.take() {
                            unread.restore(&self.process, now);
                        }
                        if files.is_none() {
                            return;
                        }
                        self.process.gaps.notified().await;
                    }
                    Err(error) => {
                        tracing::debug!(error = &*error, "orphaned answers not searched yet");
                        tokio::time::sleep(PAUSE).await;
                    }
                }
            }
        };
        let _: Option<()> = draining.run_until_cancelled(work).await;
    }

    async fn scan(
        &self,
        files: Option<&AnswerFiles>,
        mut unread: Option<&mut UnreadRows>,
    ) -> Result<StoreTime, BoxError> {
        let now = tokio::time::timeout(PAGE_TIMEOUT, self.process.store().identity()).await??.now;
        let mut cursor = None;
        if let Some(unread) = &mut unread {
            unread.0.clear();
        }
        loop {
            let page = self.process.store().list(None, cursor.as_deref(), PAGE);
            let Page { rows, next } = tokio::time::timeout(PAGE_TIMEOUT, page).await??;
            if let Some(unread) = &mut unread {
                for (account, row) in &rows {
                    if unread.note(account, row) && !mutant("unread_answers_are_not_read_again") {
                        self.recheck(account);
                    }
                }
            }
            if let Some(files) = files {
                for account in left(files, rows).await? {
                    tracing::info!(account = %account.key(), "found an answer that was not committed");
                    self.recheck(&account);
                }
            }
            match next {
                Some(next) => cursor = Some(next),
                None => return Ok(now),
            }
            tokio::time::sleep(BREATH).await;
        }
    }

    fn recheck(&self, account: &Account) {
        self.rechecks.plan(account, Recheck::CheckAt(self.process.now()), self.process.now());
    }
}

/// The accounts of a provider whose last answers were not understood, and when an answer was.
#[derive(Default)]
struct UnreadRows(HashMap<Box<str>, Tally>);

#[derive(Default)]
struct Tally {
    unread: Vec<StoreTime>,
    last_rotation: StoreTime,
}

impl UnreadRows {
    /// Notes what a row says; returns whether its last answer was not understood.
    fn note(&mut self, account: &Account, row: &Row) -> bool {
        let tally = self.0.entry(account.provider().into()).or_default();
        if let Some(facts) = row.facts.filter(|_| !row.is_by_login()) {
            tally.last_rotation = tally.last_rotation.max(facts.made_at);
        }
        if row.is_unread() {
            // Numbers are minted from the store's clock.
            tally.unread.push(StoreTime::from_micros(row.minted.get()));
        }
        row.is_unread()
    }

    /// Closes the providers at which no answer was understood since. Where the fleet shares breakers, it knows better.
    fn restore(self, process: &Process, now: StoreTime) {
        let shared = process.ports.rate_limiter.is_some();
        for (name, Tally { unread, last_rotation }) in self.0 {
            let since: Vec<_> = unread.into_iter().filter(|at| *at > last_rotation).collect();
            let (Some(last), Some(provider)) = (since.iter().max(), process.providers.get(&name)) else {
                continue;
            };
            if shared || mutant("restart_forgets_unread_providers") {
                continue;
            }
            process.unread.restore(provider, since.len(), now.since(*last), process.now());
        }
        process.unread.end_search();
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
/// The longest time that a page may take.
const PAGE_TIMEOUT: Duration = Duration::from_secs(10);
/// The pause between pages: after an outage all replicas scan at once, and requests come first. A million accounts are
/// scanned in half a minute.
const BREATH: Duration = Duration::from_millis(20);
/// The pause before the next try with a store that is away: short compared with the time an attempt takes to end.
const PAUSE: Duration = Duration::from_secs(1);

//! Doubts that this process rechecks by itself, so that an account is usable again although nobody asks for it.
//!
//! A recheck is a short flight: lease, row, answers, a handful of round trips, every eighth of an attempt's span. After an
//! outage that left 100,000 accounts in doubt that is some 13,000 rechecks a second at 60 s, while their access tokens end;
//! before that they are slept through. No more than [`MAX_READS`] are under way at once: a process that cannot keep up
//! rechecks later, and a watch that is interrupted by this starts again.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::{StreamExt as _, stream::FuturesUnordered};
use solekey_core::{Account, AccountKey, Moment, Need, flight::Recheck};
use tokio::sync::Notify;

use crate::{
    flight::{CROWDED, Engine, FlightHandle},
    process::Process,
};

/// Accounts in doubt, each with the time of its next recheck. An account leaves when a flight finds its doubt resolved.
#[derive(Debug, Default)]
pub(crate) struct Rechecks {
    agenda: Mutex<Agenda>,
    /// Notified when the first recheck is earlier than it was.
    earlier: Notify,
}

#[derive(Debug, Default)]
struct Agenda {
    times: BTreeSet<(Moment, AccountKey)>,
    accounts: HashMap<AccountKey, (Account, Moment)>,
}

impl Rechecks {
    /// Plans what a flight that is over asks for.
    pub(crate) fn plan(&self, account: &Account, recheck: Recheck, now: Moment) {
        match recheck {
            Recheck::Unchanged => {}
            Recheck::Over => self.lock().remove(account.key()),
            Recheck::CheckAt(at) => {
                let at = at.max(now + SHORTEST_PAUSE);
                if self.lock().insert(account, at) {
                    self.earlier.notify_one();
                }
            }
        }
    }

    /// Returns whether this account is rechecked.
    pub(crate) fn has(&self, key: AccountKey) -> bool {
        self.lock().accounts.contains_key(&key)
    }

    /// Returns the number of accounts that are rechecked.
    pub(crate) fn len(&self) -> usize {
        self.lock().accounts.len()
    }

    /// The next account whose time comes. Until its flight plans the next recheck, a late one stands in.
    async fn next(&self, process: &Process) -> Account {
        loop {
            let first = self.lock().times.first().copied();
            match first {
                None => self.earlier.notified().await,
                Some((at, _)) if at > process.now() => {
                    tokio::select! {
                        biased;
                        () = process.sleep_until(at) => {}
                        () = self.earlier.notified() => {}
                    }
                }
                Some((_, key)) => {
                    if let Some(account) = self.lock().postpone(key, process.now() + LATE) {
                        return account;
                    }
                }
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Agenda> {
        self.agenda.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Agenda {
    /// Inserts a recheck; returns whether it is the first one now.
    fn insert(&mut self, account: &Account, at: Moment) -> bool {
        let key = account.key();
        self.remove(key);
        if self.accounts.len() >= MAX_RECHECKS {
            return false;
        }
        self.accounts.insert(key, (account.clone(), at));
        self.times.insert((at, key));
        self.times.first() == Some(&(at, key))
    }

    fn remove(&mut self, key: AccountKey) {
        if let Some((_, at)) = self.accounts.remove(&key) {
            self.times.remove(&(at, key));
        }
    }

    fn postpone(&mut self, key: AccountKey, at: Moment) -> Option<Account> {
        let (account, _) = self.accounts.get(&key)?.clone();
        self.insert(&account, at);
        Some(account)
    }
}

/// The task that rechecks accounts in doubt.
pub(super) struct RecheckTask {
    pub(super) engine: Arc<Engine>,
    pub(super) rechecks: Arc<Rechecks>,
}

impl RecheckTask {
    /// Rechecks accounts in doubt until the process drains.
    pub(super) async fn run(self) {
        let process = &self.engine.process;
        let draining = process.tasks.draining.clone();
        let work = async {
            let mut under_way = FuturesUnordered::new();
            loop {
                tokio::select! {
                    biased;
                    account = self.rechecks.next(process), if under_way.len() < MAX_READS => {
                        under_way.extend(self.recheck(&account).map(finished));
                    }
                    Some(()) = under_way.next() => {}
                }
            }
        };
        let _: Option<()> = draining.run_until_cancelled(work).await;
    }

    /// Joins or starts a flight that resolves the doubt. A flight that is under way already is as good: it plans the next
    /// recheck.
    fn recheck(&self, account: &Account) -> Option<FlightHandle> {
        let now = self.engine.process.now();
        let Some(provider) = self.engine.process.providers.get(account.provider()) else {
            self.rechecks.plan(account, Recheck::Over, now);
            return None;
        };
        let handle = self.engine.join(account, provider, Need::Resolved, Duration::ZERO);
        if handle.is_none() {
            let (soon, _) = CROWDED;
            self.rechecks.plan(account, Recheck::CheckAt(now + soon), now);
        }
        handle
    }
}

/// A flight that takes longer is no recheck any more: it presents, or writes down. It must not delay other rechecks.
async fn finished(flight: FlightHandle) {
    let _ = tokio::time::timeout(RECHECK_TIMEOUT, flight.finished()).await;
}

/// As many as there are memories of watches.
const MAX_RECHECKS: usize = 100_000;
/// Rechecks under way at once: at a few milliseconds each, tens of thousands a second.
const MAX_READS: usize = 256;
/// The longest time that a recheck may take.
const RECHECK_TIMEOUT: Duration = Duration::from_secs(1);
/// The pause between two rechecks of one account.
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
/// For flights that end without having read anything, because the backend check is not settled yet.
const LATE: Duration = Duration::from_secs(60);

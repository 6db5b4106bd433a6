//! Doubts that this process looks at by itself, so that an account is usable again although nobody asks for it.
//!
//! A look is a short flight: lease, row, answers, a handful of round trips, every eighth of an attempt's span. After an
//! outage that left 100,000 accounts in doubt that is some 13,000 looks a second at 60 s, while their access tokens end;
//! before that they are slept through. No more than [`MAX_LOOKS`] are under way at once: a process that cannot keep up
//! looks later, and a watch that is interrupted by this begins anew.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::{StreamExt as _, stream::FuturesUnordered};
use solekey_core::{Account, AccountKey, Delay, Moment, Need, flight::Vigil};
use tokio::sync::Notify;

use crate::{flights::Boarding, instance::Instance};

/// Accounts in doubt, and when to look at each next. An account leaves when a flight finds its doubt resolved.
#[derive(Debug, Default)]
pub(crate) struct Vigils {
    agenda: Mutex<Agenda>,
    /// The first look is earlier than it was.
    earlier: Notify,
}

#[derive(Debug, Default)]
struct Agenda {
    looks: BTreeSet<(Moment, AccountKey)>,
    accounts: HashMap<AccountKey, (Account, Moment)>,
}

impl Vigils {
    /// What a flight that is over wants done.
    pub(crate) fn plan(&self, account: &Account, vigil: Vigil, now: Moment) {
        match vigil {
            Vigil::Unchanged => {}
            Vigil::Over => self.lock().remove(account.key()),
            Vigil::LookAt(at) => {
                let at = at.max(now + SHORTEST_PAUSE);
                if self.lock().insert(account, at) {
                    self.earlier.notify_one();
                }
            }
        }
    }

    /// Whether this account is looked at.
    pub(crate) fn keep(&self, key: AccountKey) -> bool {
        self.lock().accounts.contains_key(&key)
    }

    /// How many accounts are looked at.
    pub(crate) fn len(&self) -> usize {
        self.lock().accounts.len()
    }

    /// The next account whose time comes. Until its flight says when to look again, a late look stands in.
    async fn next(&self, instance: &Instance) -> Account {
        loop {
            let first = self.lock().looks.first().copied();
            match first {
                None => self.earlier.notified().await,
                Some((at, _)) if at > instance.now() => {
                    tokio::select! {
                        biased;
                        () = instance.sleep_until(at) => {}
                        () = self.earlier.notified() => {}
                    }
                }
                Some((_, key)) => {
                    if let Some(account) = self.lock().postpone(key, instance.now() + LATE) {
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
    /// Whether this is the first look now.
    fn insert(&mut self, account: &Account, at: Moment) -> bool {
        let key = account.key();
        self.remove(key);
        if self.accounts.len() >= MAX_VIGILS {
            return false;
        }
        self.accounts.insert(key, (account.clone(), at));
        self.looks.insert((at, key));
        self.looks.first() == Some(&(at, key))
    }

    fn remove(&mut self, key: AccountKey) {
        if let Some((_, at)) = self.accounts.remove(&key) {
            self.looks.remove(&(at, key));
        }
    }

    fn postpone(&mut self, key: AccountKey, at: Moment) -> Option<Account> {
        let (account, _) = self.accounts.get(&key)?.clone();
        self.insert(&account, at);
        Some(account)
    }
}

impl Instance {
    /// Looks at accounts in doubt until the instance drains.
    pub(crate) async fn keep_vigils(self: Arc<Self>) {
        let draining = self.draining().clone();
        let work = async {
            let mut looks = FuturesUnordered::new();
            loop {
                tokio::select! {
                    biased;
                    account = self.vigils.next(&self), if looks.len() < MAX_LOOKS => {
                        looks.extend(self.look_at(&account).map(landing));
                    }
                    Some(()) = looks.next() => {}
                }
            }
        };
        let _: Option<()> = draining.run_until_cancelled(work).await;
    }

    /// A flight that is under way already is as good a look: it plans the next one.
    fn look_at(self: &Arc<Self>, account: &Account) -> Option<Boarding> {
        let Some(provider) = self.providers.get(account.provider()) else {
            self.vigils.plan(account, Vigil::Over, self.now());
            return None;
        };
        let boarding = self.board(account, provider, Need::Resolved, Duration::ZERO);
        if boarding.is_none() {
            let (soon, _) = crate::flights::CROWDED;
            self.vigils.plan(account, Vigil::LookAt(self.now() + soon), self.now());
        }
        boarding
    }

    /// A delay that makes another flight pointless. A doubt that nobody here looks at is no such delay.
    pub(crate) fn standing_delay(&self, key: AccountKey, now: Moment) -> Option<(Moment, Delay)> {
        let hold = self.memories.hold(key, now);
        hold.filter(|(_, why)| *why != Delay::InDoubt || self.vigils.keep(key))
    }
}

/// A flight that takes longer is no look any more: it presents, or writes down. It must not keep others from looking.
async fn landing(flight: Boarding) {
    let _ = tokio::time::timeout(LOOK, flight.landing()).await;
}

/// As many as there are memories of watches.
const MAX_VIGILS: usize = 100_000;
/// Looks under way at once: at a few milliseconds each, tens of thousands a second.
const MAX_LOOKS: usize = 256;
/// How long a look may take.
const LOOK: Duration = Duration::from_secs(1);
/// Between two looks at one account.
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
/// For flights that end without having looked, because the process is not a member yet.
const LATE: Duration = Duration::from_secs(60);

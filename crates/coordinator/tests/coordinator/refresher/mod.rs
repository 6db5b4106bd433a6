//! Accounts that nobody asks for.

mod due;
mod spread;
mod starts;
mod troubles;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use solekey::{Event, Observer, Provider, Solekey};
use solekey_core::{Account, Limits, Policy, ports::TokenEndpoint};
use solekey_testkit::memory::TestClock;
use tokio::time::Instant;

use crate::fixture::{World, policy};

/// Fast enough to be no matter.
const FAST: Limits = Limits::DEFAULT;

fn limits(rate: u32, places: u32) -> Limits {
    Limits::new(rate, places)
}

/// The background refreshes of a replica.
#[derive(Default)]
struct Diary {
    seen: Mutex<Seen>,
    /// Panics when the refresh of this account ends.
    victim: Option<&'static str>,
}

#[derive(Default)]
struct Seen {
    presented: BTreeMap<String, Vec<Instant>>,
    under_way: usize,
    most: usize,
    taken: usize,
    ended: BTreeMap<&'static str, usize>,
    waited: Duration,
    late: Duration,
}

impl Observer for Diary {
    fn on(&self, event: &Event<'_>) {
        let mut seen = self.seen.lock().unwrap();
        match event {
            Event::Presenting { account, .. } => {
                seen.presented.entry(account.id().to_owned()).or_default().push(Instant::now());
                seen.under_way += 1;
                seen.most = seen.most.max(seen.under_way);
            }
            Event::Presented { .. } => seen.under_way -= 1,
            Event::Due { accounts, .. } => seen.taken += accounts,
            Event::RefreshResult { account, end, waited, late } => {
                *seen.ended.entry(end.name()).or_default() += 1;
                seen.waited = seen.waited.max(*waited);
                seen.late = seen.late.max(*late);
                drop(seen);
                assert_ne!(self.victim, Some(account.id()), "the panic of the test");
            }
            _ => {}
        }
    }
}

impl Diary {
    /// The number of presentations per account id.
    fn presentations(&self) -> BTreeMap<String, usize> {
        let seen = self.seen.lock().unwrap();
        seen.presented.iter().map(|(id, times)| (id.clone(), times.len())).collect()
    }

    fn all(&self) -> usize {
        self.presentations().values().sum()
    }

    /// The begin of each presentation, in order.
    fn times(&self) -> Vec<Instant> {
        let seen = self.seen.lock().unwrap();
        let mut times: Vec<_> = seen.presented.values().flatten().copied().collect();
        times.sort();
        times
    }

    fn ended(&self, how: &str) -> usize {
        self.seen.lock().unwrap().ended.get(how).copied().unwrap_or(0)
    }

    fn most(&self) -> usize {
        self.seen.lock().unwrap().most
    }
}

impl World {
    /// Replicas that refresh in the background, all with the same diary.
    async fn fleet(&self, replicas: usize, limits: Limits) -> (Vec<Solekey>, Arc<Diary>) {
        self.fleet_with(replicas, policy(), limits, Diary::default()).await
    }

    async fn fleet_with(
        &self,
        replicas: usize,
        policy: Policy,
        limits: Limits,
        diary: Diary,
    ) -> (Vec<Solekey>, Arc<Diary>) {
        let diary = Arc::new(diary);
        let mut fleet = Vec::new();
        for _ in 0..replicas {
            let observer = Arc::clone(&diary) as Arc<dyn Observer>;
            fleet.push(self.with_refresher(policy, limits).observer(observer).build().await.unwrap());
        }
        (fleet, diary)
    }

    fn with_refresher(&self, policy: Policy, limits: Limits) -> solekey::Builder {
        let endpoint = Arc::clone(&self.provider) as Arc<dyn TokenEndpoint>;
        Solekey::builder()
            .provider(Provider::new("acme", policy, endpoint).unwrap().background(Some(limits)))
            .store(self.store.clone())
            .answers(self.answers.clone())
            .cache(self.cache.clone())
            .lease(self.lease.clone())
            .rate_limiter(self.rate_limiter.clone())
            .clock(Arc::new(TestClock::tokio()))
    }

    /// So many accounts whose tokens have ended.
    async fn overdue_accounts(&self, count: usize) -> Vec<Account> {
        let mut accounts = Vec::new();
        for number in 0..count {
            accounts.push(self.log_in(&format!("a{number:03}"), Duration::from_secs(1)).await);
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
        accounts
    }
}

async fn secs(secs: u64) {
    tokio::time::sleep(Duration::from_secs(secs)).await;
}

async fn shut_down(fleet: Vec<Solekey>) {
    for replica in fleet {
        assert_eq!(replica.shutdown(Duration::from_secs(10)).await.in_doubt, 0);
    }
}

/// One presentation of each of these accounts.
fn once_each(accounts: &[Account]) -> BTreeMap<String, usize> {
    accounts.iter().map(|account| (account.id().to_owned(), 1)).collect()
}

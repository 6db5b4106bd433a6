//! What all parts of one instance share.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, SystemTime},
};

use solekey_cache::{Absence, Asked, ProcessCache, Times, WaitMap};
use solekey_core::{
    Account, AccountKey, Generation, Moment, Need, Remaining, StoreTime,
    ports::{Answers, Cache, Clock, Lease, News, Pace, Record, Shelved, Store},
};
use tokio::sync::Semaphore;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use uuid::Uuid;

use crate::{
    accounts::MAX_CHANGES,
    after_commit::Hooks,
    answer_files::AnswerFiles,
    backends::Closer,
    breakers::Breakers,
    changes::Announcer,
    driver::{Held, StockedRow},
    enrol::Membership,
    fingerprints::Fingerprints,
    flights::{Boarding, Flights},
    leftovers::Leftovers,
    memory::Memories,
    observer::{Event, Level, Observer},
    provider::Provider,
    refresher::{Refresher, index::Walk},
    reseal::Resealing,
    roster::Roster,
    seal::SealKeys,
    solekey::Wait,
    token::TokenData,
    told::Told,
    unpublished::Unpublished,
    vault::{Stamp, Vault},
    vigils::Vigils,
};

/// What all parts of one instance share.
pub(crate) struct Instance {
    pub(crate) ports: Ports,
    pub(crate) providers: Roster,
    pub(crate) seal: Arc<SealKeys>,
    pub(crate) membership: Membership,
    pub(crate) resealing: Resealing,
    pub(crate) hooks: Hooks,
    pub(crate) flights: Flights,
    pub(crate) memories: Memories,
    pub(crate) vigils: Vigils,
    pub(crate) leftovers: Leftovers,
    pub(crate) breakers: Breakers,
    pub(crate) refresher: Refresher,
    pub(crate) unpublished: Unpublished,
    pub(crate) changes: Announcer,
    pub(crate) tracker: TaskTracker,
    /// Places for logins and deletes under way.
    pub(crate) changing: Arc<Semaphore>,
    pub(crate) waiting_requests: AtomicUsize,
    entries: ProcessCache<Arc<TokenData>>,
    waits: Arc<WaitMap>,
    draining: CancellationToken,
    /// Stops what runs for the instance itself: news, confirmations, the look at the wall clock.
    stopped: CancellationToken,
    prints: OnceLock<Fingerprints>,
    /// Stands in until the store has said who it is: comparisons within this process still work.
    provisional: Fingerprints,
}

/// The outside, as ports.
pub(crate) struct Ports {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) answers: Arc<dyn Answers>,
    /// The same, where they are files of this host.
    pub(crate) files: Option<AnswerFiles>,
    pub(crate) cache: Option<Arc<dyn Cache>>,
    pub(crate) news: Option<Arc<dyn News>>,
    pub(crate) lease: Option<Arc<dyn Lease>>,
    /// `None`: this process starts refreshes as if it were alone.
    pub(crate) pace: Option<Arc<dyn Pace>>,
    /// Where the index of what is due is not one with the rows.
    pub(crate) index: Option<Walk>,
    /// `None` costs a request nothing.
    pub(crate) observer: Option<Arc<dyn Observer>>,
    /// What has to be ended after the last flight.
    pub(crate) closers: Vec<Closer>,
}

impl Instance {
    pub(crate) fn new(ports: Ports, providers: Roster, seal: Arc<SealKeys>, hooks: Hooks) -> Arc<Self> {
        Arc::new(Self {
            ports,
            providers,
            seal,
            membership: Membership::default(),
            resealing: Resealing::default(),
            hooks,
            flights: Flights::default(),
            memories: Memories::new(MAX_MEMORIES),
            vigils: Vigils::default(),
            leftovers: Leftovers::default(),
            breakers: Breakers::default(),
            refresher: Refresher::default(),
            unpublished: Unpublished::default(),
            changes: Announcer::default(),
            tracker: TaskTracker::new(),
            changing: Arc::new(Semaphore::new(MAX_CHANGES)),
            waiting_requests: AtomicUsize::new(0),
            entries: ProcessCache::default(),
            waits: WaitMap::new(MAX_WAITERS),
            draining: CancellationToken::new(),
            stopped: CancellationToken::new(),
            prints: OnceLock::new(),
            provisional: Fingerprints::of_store(Uuid::new_v4()),
        })
    }

    pub(crate) fn clock(&self) -> &dyn Clock {
        &*self.ports.clock
    }

    pub(crate) fn now(&self) -> Moment {
        self.ports.clock.now()
    }

    pub(crate) fn wall(&self) -> SystemTime {
        self.ports.clock.wall()
    }

    /// What the wall clock, as it goes now, showed at an earlier moment.
    pub(crate) fn wall_at(&self, then: Moment) -> SystemTime {
        let wall = self.wall();
        wall.checked_sub(self.now().since(then)).unwrap_or(wall)
    }

    pub(crate) fn store(&self) -> &dyn Store {
        &*self.ports.store
    }

    pub(crate) fn answers(&self) -> &dyn Answers {
        &*self.ports.answers
    }

    pub(crate) fn cache(&self) -> Option<&dyn Cache> {
        self.ports.cache.as_deref()
    }

    pub(crate) fn news(&self) -> Option<&dyn News> {
        self.ports.news.as_deref()
    }

    pub(crate) fn lease(&self) -> Option<&dyn Lease> {
        self.ports.lease.as_deref()
    }

    pub(crate) fn entries(&self) -> &ProcessCache<Arc<TokenData>> {
        &self.entries
    }

    pub(crate) fn waits(&self) -> &Arc<WaitMap> {
        &self.waits
    }

    /// Cancelled once nothing new may be claimed.
    pub(crate) fn draining(&self) -> &CancellationToken {
        &self.draining
    }

    /// Cancelled once the instance's own tasks should end.
    pub(crate) fn stopped(&self) -> &CancellationToken {
        &self.stopped
    }

    pub(crate) fn observe(&self, event: &Event<'_>) {
        if let Some(observer) = &self.ports.observer {
            observer.on(event);
        }
    }

    pub(crate) fn vault(&self) -> Vault<'_> {
        Vault { seal: &self.seal, fingerprints: self.fingerprints() }
    }

    pub(crate) fn fingerprints(&self) -> &Fingerprints {
        self.prints.get().unwrap_or(&self.provisional)
    }

    pub(crate) fn has_heard_of_the_store(&self) -> bool {
        self.prints.get().is_some()
    }

    pub(crate) fn learn_store(&self, id: Uuid) {
        self.prints.get_or_init(|| Fingerprints::of_store(id));
    }

    /// To be called before anything is asked of shelf or store.
    pub(crate) fn asking(&self) -> Asked {
        self.entries.asking(self.now())
    }

    pub(crate) fn fill(&self, key: AccountKey, held: &Held, rejected_at: Option<Moment>) {
        self.entries.fill(key, held.entry());
        if let Some(at) = rejected_at {
            self.entries.reject(key, held.data.generation, at);
        }
    }

    /// The grant behind this generation has ended: its token is the last one.
    pub(crate) fn condemn(&self, key: AccountKey, generation: Generation) {
        if let Some(entry) = self.entries.get(key).filter(|entry| entry.generation <= generation) {
            entry.value.condemn();
        }
    }

    /// Keeps what a flight learnt, so that for a moment nobody starts another one that would only learn it again. A delay
    /// met by a flight that no caller started need not be one for callers.
    pub(crate) fn remember(&self, account: &Account, need: Need, told: &Told) {
        let (key, now) = (account.key(), self.now());
        match told {
            Told::Unknown => self.entries.fill_absence(key, Absence::Unknown, now),
            Told::LogIn { generation, why } => {
                let absence = Absence::LogIn { generation: *generation, why: *why };
                self.entries.fill_absence(key, absence, now);
                self.condemn(key, *generation);
            }
            Told::RetryAt { at, why } if !why.may_end_early() && !need.is_behind() => {
                self.memories.put_off(key, *at, *why, now);
            }
            _ => {}
        }
    }

    /// A token whose lifetime counts from `since`.
    pub(crate) fn hold(
        &self,
        provider: &Provider,
        data: TokenData,
        since: Moment,
        lifetime: Option<Duration>,
    ) -> Held {
        let remaining = lifetime.map_or(Remaining::unknown(provider.policy().assumed_lifetime()), |left| {
            Remaining { valid: left, nominal: left }
        });
        let times = times(provider, &data, since, remaining);
        Held { data: Arc::new(data), times, asked: self.entries.asking(since), level: Level::Refresh }
    }

    /// Opens a row that was read at the store's `now`, asked for at `asked`.
    pub(crate) fn stock_row(
        &self,
        account: &Account,
        provider: &Provider,
        record: Record,
        now: StoreTime,
        asked: Asked,
    ) -> StockedRow {
        let Record { row, payload } = record;
        let Some(facts) = row.facts else {
            return StockedRow::gone(row.generation);
        };
        let (generation, overdue) = (row.generation, row.overdue_attempt(now));
        let login = row.is_by_login().then_some(row.generation);
        let vault = self.vault();
        let credential = vault.open_credential(account, row.made_by, &payload);
        let stamp =
            Stamp::of_row(row.generation, &facts, now, self.wall_at(asked.at()), provider.takes_bare_401());
        let data =
            credential.as_ref().ok().and_then(|credential| Vault::token_of(account, credential, stamp));
        let token = data.map(|data| {
            let times = times(provider, &data, asked.at(), provider.policy().remaining(&facts, now));
            Held { data: Arc::new(data), times, asked, level: Level::Store }
        });
        let facts = Some(facts.as_of(now));
        StockedRow { facts, credential: credential.map(Some), token, generation, overdue, login }
    }

    pub(crate) fn take_from_shelf(
        &self,
        account: &Account,
        provider: &Provider,
        shelved: &Shelved,
        asked: Asked,
    ) -> Option<Held> {
        let stamp = Stamp {
            generation: shelved.generation,
            lifetime: None,
            expires_at: Some(self.wall_at(asked.at()) + shelved.valid),
            bare_401: provider.takes_bare_401(),
        };
        let mut data = self.vault().open_token(account, &shelved.payload, stamp).ok()?;
        data.expires_at = data.expires_at.filter(|_| data.lifetime.is_some());
        let windows = provider.policy().windows(data.lifetime, account);
        let remaining = Remaining { valid: shelved.valid, nominal: shelved.good + windows.skew };
        let times = times(provider, &data, asked.at(), remaining);
        Some(Held { data: Arc::new(data), times, asked, level: Level::Shelf })
    }

    /// Sleeps until then by the process' clock, which may be ahead of the runtime's: never longer than a breath at a
    /// time.
    pub(crate) async fn sleep_until(&self, until: Moment) {
        loop {
            let left = until.since(self.now());
            if left.is_zero() {
                return;
            }
            tokio::time::sleep(left.min(MAX_SLEEP)).await;
        }
    }

    /// The end of a caller's wait. What its flight looks at by itself is no waiting, and short.
    pub(crate) async fn out_of_patience(&self, flight: Boarding, Wait { began, until }: Wait) {
        self.sleep_until(until).await;
        tokio::select! {
            biased;
            () = flight.looked() => {}
            () = self.sleep_until(began + LOOKS) => {}
        }
    }

    pub(crate) fn start_draining(&self) {
        self.draining.cancel();
    }

    pub(crate) fn stop(&self) {
        self.stopped.cancel();
        self.draining.cancel();
    }

    /// How many requests wait for a flight.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting_requests.load(Relaxed)
    }
}

fn times(provider: &Provider, data: &TokenData, since: Moment, remaining: Remaining) -> Times {
    let windows = provider.policy().windows(data.lifetime, &data.account);
    Times {
        good_until: since + remaining.nominal.saturating_sub(windows.skew),
        ahead_from: since + remaining.nominal.saturating_sub(windows.ahead),
        valid_until: since + remaining.valid,
    }
}

/// Memories are a few hundred bytes; this many are some 50 MB.
const MAX_MEMORIES: usize = 100_000;
/// More waiters than a process has sockets; beyond it they poll.
const MAX_WAITERS: usize = 100_000;
/// How long a flight's first looks may take, whatever its caller's patience: a look into the shelf ends within half of it.
const LOOKS: Duration = Duration::from_secs(1);
/// Suspend stops the runtime's timers, not the clock.
const MAX_SLEEP: Duration = Duration::from_secs(30);

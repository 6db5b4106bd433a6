//! The world that all processes share: the servers, the provider, the faults and the history.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use solekey_core::{
    Account, Generation, Policy, StoreTime,
    ports::{Record, Store as _},
};
use solekey_testkit::memory::{MemoryAnswers, MemoryCache, MemoryClock, MemoryLease, MemoryStore};
use tokio::time::Instant;

use super::{
    history::{Event, History, What, Who},
    network::{Line, at_once},
    provider::{Pair, Provider, SECRET},
    rng::Rng,
    setup::Setup,
};

/// The world that all processes share.
pub(crate) struct World {
    pub(crate) setup: Setup,
    pub(crate) policy: Policy,
    pub(crate) store: MemoryStore,
    pub(crate) answers: MemoryAnswers,
    pub(crate) cache: MemoryCache,
    pub(crate) lease: MemoryLease,
    /// The clock of answers, shared cache and lease.
    pub(crate) redis_clock: MemoryClock,
    pub(crate) provider: Mutex<Provider>,
    /// The random numbers of whatever is no process.
    pub(crate) rng: Rng,
    pub(crate) accounts: Vec<Account>,
    /// The first pair of each account: spent before long.
    pub(crate) spent: Mutex<BTreeMap<Account, Pair>>,
    began: Instant,
    history: Mutex<History>,
    faults: Mutex<FaultProfile>,
    healed: AtomicBool,
    calm: AtomicBool,
    deaf: AtomicBool,
    /// The time until which nobody reaches the provider.
    cut_off: Mutex<Duration>,
    calls: AtomicUsize,
    requests: AtomicUsize,
    /// The time until which each attempt's request may truly be under way.
    untils: Mutex<BTreeMap<(Account, Generation), Duration>>,
    /// Requests sent and answers read that no place has yet, with their `until`.
    in_hand: Mutex<BTreeMap<(Who, Account), Duration>>,
}

/// The servers that are away, and until when.
#[derive(Default)]
struct FaultProfile {
    store: Outage,
    answers: Outage,
    redis: Outage,
}

#[derive(Default)]
struct Outage {
    all: Duration,
    of: BTreeMap<usize, Duration>,
}

impl Outage {
    fn holds(&self, replica: usize, now: Duration) -> bool {
        now < self.all || self.of.get(&replica).is_some_and(|until| now < *until)
    }

    fn begin(&mut self, replica: Option<usize>, until: Duration) {
        match replica {
            Some(replica) => drop(self.of.insert(replica, until)),
            None => self.all = until,
        }
    }
}

/// The servers that can be away.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Server {
    Store,
    Answers,
    /// Lease and shared cache, and the answers where they lie there too.
    Redis,
}

impl World {
    pub(crate) fn new(setup: Setup) -> Arc<Self> {
        let rng = Rng::new(setup.seed, 2);
        let base = StoreTime::from_micros(1_800_000_000_000_000);
        let store = MemoryClock::tokio(base);
        // Redis has its own idea of the time; fences come from there.
        let off = if setup.calm { Duration::ZERO } else { rng.skewed(Duration::from_secs(7200)) };
        let redis = MemoryClock::tokio(if rng.chance(500) { base + off } else { base - off });
        let provider = Provider::new(&setup);
        let accounts = (0..setup.accounts)
            .map(|index| Account::new("acme", &format!("a{index}")).expect("a plain name"))
            .collect();
        Arc::new(Self {
            policy: setup.policy(),
            store: MemoryStore::with_clock(store),
            answers: MemoryAnswers::with_clock(redis.clone()),
            cache: MemoryCache::with_clock(redis.clone()),
            lease: MemoryLease::with_clock(redis.clone()),
            redis_clock: redis,
            provider: Mutex::new(provider),
            rng,
            accounts,
            spent: Mutex::default(),
            began: Instant::now(),
            history: Mutex::new(History { events: Vec::new(), base: base.as_micros() }),
            faults: Mutex::default(),
            healed: AtomicBool::new(setup.calm || setup.stranger),
            calm: AtomicBool::new(false),
            deaf: AtomicBool::new(false),
            cut_off: Mutex::default(),
            calls: AtomicUsize::new(0),
            requests: AtomicUsize::new(0),
            untils: Mutex::default(),
            in_hand: Mutex::default(),
            setup,
        })
    }

    pub(crate) fn now(&self) -> Duration {
        self.began.elapsed()
    }

    pub(crate) fn log(&self, who: Who, what: What) {
        let at = self.now();
        let mut history = lock(&self.history);
        history.events.push(Event { at, who, what });
        let length = history.events.len();
        if length < MOST_EVENTS {
            return;
        }
        let events = history.events.split_off(length - 40);
        let last = History { events, base: history.base }.lines().join("\n");
        drop(history);
        panic!("seed {}: a history without an end\n{last}", self.setup.seed);
    }

    pub(crate) fn take_history(&self) -> History {
        std::mem::take(&mut *lock(&self.history))
    }

    pub(crate) fn next_call(&self) -> usize {
        self.calls.fetch_add(1, Relaxed)
    }

    pub(crate) fn next_request(&self) -> usize {
        self.requests.fetch_add(1, Relaxed)
    }

    /// From now on things go wrong. Where there is a stranger they do not before the others are who came first.
    pub(crate) fn begin(&self) {
        self.healed.store(self.setup.calm, Relaxed);
    }

    pub(crate) fn heal(&self) {
        self.healed.store(true, Relaxed);
        *lock(&self.faults) = FaultProfile::default();
        lock(&self.provider).heal();
        self.log(Who::World, What::Healed);
    }

    /// Returns whether calls are safe from faults of their own.
    pub(crate) fn is_healed(&self) -> bool {
        self.healed.load(Relaxed)
    }

    /// Returns whether the store keeps what it acknowledged in this seed.
    pub(crate) fn never_went_back(&self) -> bool {
        self.setup.faults.store_back == 0
    }

    pub(crate) fn send_away(&self, server: Server, replica: Option<usize>, span: Duration) {
        let until = self.now() + span;
        let mut faults = lock(&self.faults);
        match server {
            Server::Store => faults.store.begin(replica, until),
            Server::Answers => faults.answers.begin(replica, until),
            Server::Redis => faults.redis.begin(replica, until),
        }
    }

    pub(crate) fn is_away(&self, line: Line, replica: usize) -> bool {
        let faults = lock(&self.faults);
        let now = self.now();
        match line {
            Line::Store => faults.store.holds(replica, now),
            Line::Cache | Line::Lease => faults.redis.holds(replica, now),
            Line::Answers => {
                faults.answers.holds(replica, now)
                    || (self.setup.answers_in_redis && faults.redis.holds(replica, now))
            }
        }
    }

    /// The patience of an adapter: every real one has some.
    pub(crate) fn deadline(&self, line: Line) -> Duration {
        match line {
            Line::Store => Duration::from_secs(3),
            Line::Answers if !self.setup.answers_in_redis => Duration::from_secs(2),
            Line::Answers | Line::Cache | Line::Lease => Duration::from_millis(500),
        }
    }

    /// The row as it is, and its refresh token where that can be read.
    pub(crate) fn peek(&self, account: &Account) -> (Option<Record>, Option<Arc<str>>, StoreTime) {
        let loaded = at_once(self.store.load(account)).expect("memory without faults of its own");
        let token = loaded.record.as_ref().and_then(|record| refresh_token(record.payload.as_bytes()));
        (loaded.record, token, loaded.now)
    }

    /// Shared bytes must not show a token once there is a key.
    pub(crate) fn scan(&self, place: &'static str, bytes: &[u8]) {
        if self.setup.sealed && bytes.windows(SECRET.len()).any(|window| window == SECRET.as_bytes()) {
            self.log(Who::World, What::SecretSeen(place));
        }
    }

    /// The access token in the row, where that can be read.
    pub(crate) fn access(&self, account: &Account) -> Option<Arc<str>> {
        let loaded = at_once(self.store.load(account)).expect("memory without faults of its own");
        token_of(loaded.record?.payload.as_bytes(), "access_token")
    }

    /// The faults are over, and everything has come to rest.
    pub(crate) fn quiesce(&self) {
        self.calm.store(true, Relaxed);
        self.log(Who::World, What::Calm);
    }

    pub(crate) fn is_calm(&self) -> bool {
        self.calm.load(Relaxed)
    }

    /// Drops all notifications from now on, or no longer.
    pub(crate) fn drop_notifications(&self, deaf: bool) {
        self.deaf.store(deaf, Relaxed);
        self.log(Who::World, What::Nemesis("all notifications are lost", deaf.to_string()));
    }

    /// Nobody reaches the provider until then.
    pub(crate) fn cut_off(&self, until: Duration) {
        *lock(&self.cut_off) = until;
    }

    pub(crate) fn is_cut_off(&self) -> bool {
        self.now() < *lock(&self.cut_off)
    }

    pub(crate) fn is_deaf(&self) -> bool {
        self.deaf.load(Relaxed)
    }

    pub(crate) fn claimed(&self, account: &Account, attempt: Generation) {
        let until = self.now() + self.policy.span();
        lock(&self.untils).insert((account.clone(), attempt), until);
    }

    pub(crate) fn until(&self, account: &Account, attempt: Option<Generation>) -> Duration {
        let until = attempt.and_then(|attempt| lock(&self.untils).get(&(account.clone(), attempt)).copied());
        until.unwrap_or_else(|| self.now())
    }

    pub(crate) fn take_in_hand(&self, who: Who, account: &Account, until: Duration) {
        lock(&self.in_hand).insert((who, account.clone()), until);
    }

    pub(crate) fn put_down(&self, who: Who, account: &Account) {
        lock(&self.in_hand).remove(&(who, account.clone()));
    }

    /// The longest time that a process may be stopped: promise 1 says what must not wait.
    pub(crate) fn longest_pause(&self, who: Who) -> Option<Duration> {
        let in_hand = lock(&self.in_hand);
        let first = in_hand.iter().filter(|((whose, _), _)| *whose == who).map(|(_, until)| *until).min();
        first.map(|until| until.saturating_sub(self.now() + self.policy.answer_budget()))
    }
}

pub(crate) fn lock<T>(state: &Mutex<T>) -> MutexGuard<'_, T> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The refresh token of a credential stored in clear, behind the mark that says so.
pub(crate) fn refresh_token(payload: &[u8]) -> Option<Arc<str>> {
    token_of(payload, "refresh_token")
}

fn token_of(payload: &[u8], name: &str) -> Option<Arc<str>> {
    let begins = payload.iter().position(|byte| *byte == b'{')?;
    let stored: serde_json::Value = serde_json::from_slice(&payload[begins..]).ok()?;
    let token = stored.get("document")?.get(name)?.as_str()?;
    Some(token.into())
}

/// Ten times what the longest waits take; beyond it somebody turns in circles.
const MOST_EVENTS: usize = 2_000_000;

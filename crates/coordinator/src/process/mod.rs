//! The base of every part of one process: ports, clock, local tokens, memory, breakers and tasks.
//!
//! Nothing here imports a subsystem: accounts, background, explain, fleet, flight and seal are built on top.

mod answered;
mod breakers;
mod clock;
mod closer;
mod local_token;
mod memory;
mod ports;
mod probes;
mod store_breaker;
mod tasks;
mod unread;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, SystemTime},
};

use solekey_cache::{ProcessCache, ReadStart, WaitMap};
use solekey_core::{
    Account, AccountKey, Generation, Moment, Remaining, mutant,
    ports::{Answers, Cache, ChangeFeed, Clock, Lease, Store},
};
use tokio::sync::Notify;

use crate::{
    observer::{Event, Level},
    provider::Provider,
    provider_map::Providers,
    token::TokenData,
};
use answered::Answered;
pub(crate) use answered::is_odd;
use breakers::Breakers;
pub use clock::ProcessClock;
pub(crate) use closer::Closer;
pub use closer::{RedisLinkState, RedisPhase};
pub(crate) use local_token::{LocalToken, times};
use memory::Memories;
pub(crate) use memory::Memory;
pub(crate) use ports::{IndexWalk, Ports};
use probes::Probes;
use tasks::Tasks;
use unread::UnreadBreakers;
pub use unread::UnreadProvider;

/// The state that all parts of one process share.
pub(crate) struct Process {
    pub(crate) ports: Ports,
    pub(crate) providers: Providers,
    pub(crate) memories: Memories,
    pub(crate) breakers: Breakers,
    pub(crate) unread: UnreadBreakers,
    pub(crate) tasks: Tasks,
    /// Notified when changes may have been missed: rows and answers on this host may have changed unseen.
    pub(crate) gaps: Notify,
    probes: Probes,
    pub(crate) answered: Answered,
    entries: ProcessCache<Arc<TokenData>>,
    waits: Arc<WaitMap>,
    waiting_requests: AtomicUsize,
}

impl Process {
    pub(crate) fn new(ports: Ports, providers: Providers) -> Arc<Self> {
        Arc::new(Self {
            ports,
            providers,
            memories: Memories::new(MAX_MEMORIES),
            breakers: Breakers::default(),
            unread: UnreadBreakers::default(),
            tasks: Tasks::default(),
            gaps: Notify::new(),
            probes: Probes::default(),
            answered: Answered::default(),
            entries: ProcessCache::default(),
            waits: WaitMap::new(MAX_FLIGHTS),
            waiting_requests: AtomicUsize::new(0),
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

    /// The wall clock's time at an earlier moment, as the wall clock goes now.
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

    /// Returns whether all processes have their answers in one location; files are those of one host.
    pub(crate) fn shares_answers(&self) -> bool {
        self.ports.files.is_none()
    }

    pub(crate) fn cache(&self) -> Option<&dyn Cache> {
        self.ports.cache.as_deref()
    }

    pub(crate) fn change_feed(&self) -> Option<&dyn ChangeFeed> {
        self.ports.change_feed.as_deref()
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

    pub(crate) fn observe(&self, event: &Event<'_>) {
        if let Some(observer) = &self.ports.observer {
            observer.on(event);
        }
    }

    /// Marks the start of a read of shared cache or store; to be called before the read.
    pub(crate) fn begin_read(&self) -> ReadStart {
        self.entries.begin_read(self.now())
    }

    /// Serves this token from memory from now on, unless a newer one is there. One that has ended only takes out what is
    /// older: the coarse clock of the fast path may be late, as on a virtual machine of which one processor stands still.
    pub(crate) fn fill(&self, key: AccountKey, token: &LocalToken, rejected_at: Option<Moment>) {
        if !token.is_valid(self.now()) && !mutant("ended_token_is_put_into_memory") {
            return self.entries.remove_older(key, token.data.generation);
        }
        self.entries.fill(key, token.entry());
        if let Some(at) = rejected_at {
            self.entries.reject(key, token.data.generation, at);
        }
    }

    /// Notes that the grant behind this generation has ended: its token is the last one.
    pub(crate) fn condemn(&self, key: AccountKey, generation: Generation) {
        if let Some(entry) = self.entries.get(key).filter(|entry| entry.generation <= generation) {
            entry.value.condemn();
        }
    }

    /// Returns the valid token that this process serves.
    pub(crate) fn served(&self, account: &Account) -> Option<LocalToken> {
        let entry = self.entries.get(account.key())?;
        let now = self.now();
        let token = LocalToken::of_entry(&entry, self.entries.begin_read(now));
        token.is_valid(now).then_some(token)
    }

    /// The token that a refresh brought, with a lifetime that counts from `since`.
    pub(crate) fn refreshed_token(
        &self,
        provider: &Provider,
        data: TokenData,
        since: Moment,
        lifetime: Option<Duration>,
    ) -> LocalToken {
        let remaining = lifetime.map_or(Remaining::unknown(provider.policy().assumed_lifetime()), |left| {
            Remaining { valid: left, nominal: left }
        });
        let times = times(provider, &data, since, remaining);
        let read_start = self.entries.begin_read(since);
        LocalToken { data: Arc::new(data), times, read_start, level: Level::Refresh }
    }

    /// Sleeps until then by the process' clock, which may be ahead of the runtime's: at most [`MAX_SLEEP`] at a time.
    pub(crate) async fn sleep_until(&self, until: Moment) {
        loop {
            let left = until.since(self.now());
            if left.is_zero() {
                return;
            }
            tokio::time::sleep(left.min(MAX_SLEEP)).await;
        }
    }

    /// The number of requests that wait for a flight.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting_requests.load(Relaxed)
    }

    /// Counts a waiting request until the guard is dropped.
    pub(crate) fn count_waiting(&self) -> impl Drop + Send + '_ {
        self.waiting_requests.fetch_add(1, Relaxed);
        WaitingRequest(&self.waiting_requests)
    }
}

/// A request that waits, counted while it does.
struct WaitingRequest<'a>(&'a AtomicUsize);

impl Drop for WaitingRequest<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

/// Memories are a few hundred bytes; this many are some 50 MB.
const MAX_MEMORIES: usize = 100_000;
/// Flights under way at once: a few kilobytes each. A process with more accounts to refresh at the same moment asks
/// its callers to come back. Each waits for a change of one account at most, hence this bounds the wait map, too.
pub(crate) const MAX_FLIGHTS: usize = 65_536;
/// Suspend stops the runtime's timers, not the clock.
const MAX_SLEEP: Duration = Duration::from_secs(30);

//! A lease that is held.

use std::fmt;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use solekey_redis_link::{LinkError, mutant};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::clock::{Reading, Term};
use crate::error::{LeaseLost, RenewError};
use crate::janitor::PendingRelease;
use crate::lease::{Fence, LeaseToken, Released, Renewed};
use crate::lock::RedisLock;

/// A lease that is held, until its deadline at the latest.
///
/// Before every act that needs the lease, ask [`ensure`](Self::ensure) with the time the act takes. A lease by itself
/// is not mutual exclusion: hand [`fence`](Self::fence) to whatever you write to.
///
/// Dropping a guard does no IO: a task of the [`RedisLock`] releases the lease.
pub struct Guard {
    hold: Arc<HeldLease>,
    keeper: Option<JoinHandle<()>>,
    given_back: bool,
}

/// The state that a guard and its keeper share.
struct HeldLease {
    lock: RedisLock,
    key: String,
    token: LeaseToken,
    fence: Fence,
    ttl: Duration,
    state: Mutex<State>,
    /// Notified when the state has changed: an idle one costs a lease nothing.
    changed: Notify,
}

#[derive(Clone, Copy)]
struct State {
    term: Term,
    deadline: Instant,
    /// The latest instant at which the server forgets the lease.
    over: Instant,
    lost: bool,
}

/// A grant as it came from the server.
pub(crate) struct Grant {
    pub(crate) key: String,
    pub(crate) token: LeaseToken,
    pub(crate) fence: Fence,
    pub(crate) ttl: Duration,
    pub(crate) remaining: Duration,
    pub(crate) sent: Sent,
}

/// The instant before a request was sent, on every clock.
#[derive(Clone, Copy)]
pub(crate) struct Sent {
    reading: Reading,
    instant: Instant,
}

impl Sent {
    pub(crate) fn now() -> Self {
        Self { reading: Reading::now(), instant: Instant::now() }
    }
}

impl Guard {
    pub(crate) fn new(lock: RedisLock, grant: Grant) -> Self {
        let Grant { key, token, fence, ttl, remaining, sent } = grant;
        let sent = if mutant("lease_counts_from_the_reply") { Sent::now() } else { sent };
        let state = Mutex::new(State::new(&lock, sent, remaining));
        let hold = Arc::new(HeldLease { lock, key, token, fence, ttl, state, changed: Notify::new() });
        Self { hold, keeper: None, given_back: false }
    }

    /// The key of the lease.
    pub fn key(&self) -> &str {
        &self.hold.key
    }

    /// The number of this grant.
    pub fn fence(&self) -> Fence {
        self.hold.fence
    }

    /// The token of the lease's holder.
    pub fn token(&self) -> LeaseToken {
        self.hold.token
    }

    /// The instant at which the lease ends if the machine is not suspended: counted from before the request was sent,
    /// less drift and margins.
    ///
    /// [`remaining`](Self::remaining) also sees suspends.
    pub fn deadline(&self) -> Instant {
        self.hold.state().deadline
    }

    /// The time left in which it is safe to act; zero once the lease is lost.
    pub fn remaining(&self) -> Duration {
        self.hold.remaining()
    }

    /// Checks that an act that takes `budget` at most still fits into the lease.
    ///
    /// # Errors
    ///
    /// [`LeaseLost`] when it does not: the act must not begin.
    pub fn ensure(&self, budget: Duration) -> Result<(), LeaseLost> {
        let remaining = self.remaining();
        if remaining.is_zero() || remaining < budget { Err(LeaseLost) } else { Ok(()) }
    }

    /// Returns when the lease is over, renewed as it may be meanwhile.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    pub async fn lost(&self) {
        loop {
            // Before the state is read, so that no change falls between the two.
            let mut changed = pin!(self.hold.changed.notified());
            changed.as_mut().enable();
            let remaining = self.remaining();
            if remaining.is_zero() {
                return;
            }
            // A timer stands still while the machine is suspended, hence the clocks are read every second.
            let _ = timeout(remaining.min(CHECK_EVERY), changed).await;
        }
    }

    /// Prolongs the lease to its whole time from now.
    ///
    /// # Errors
    ///
    /// [`RenewError::Lost`] when it is over. Any other outcome leaves the deadline where it was.
    ///
    /// # Cancel safety
    ///
    /// The lease may be prolonged at the server although the future was dropped; the deadline here stays.
    pub async fn renew(&self) -> Result<(), RenewError> {
        self.hold.renew().await
    }

    /// Renews the lease every third of its time, in a task that ends with the guard or the lease.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn keep_alive(&mut self) {
        if self.keeper.is_none() {
            let hold = Arc::clone(&self.hold);
            self.keeper = Some(tokio::spawn(async move { hold.keep().await }));
        }
    }

    /// Gives the lease back and wakes those who wait for it.
    ///
    /// # Errors
    ///
    /// The last [`LinkError`] when Redis did not confirm; the release then goes on in the background.
    ///
    /// # Cancel safety
    ///
    /// The release goes on in the background.
    pub async fn release(mut self) -> Result<Released, LinkError> {
        self.stop_keeper();
        let mut attempt = 1;
        loop {
            let outcome = self.hold.lock.release_raw(&self.hold.key, self.hold.token).await;
            match outcome {
                Ok(released) => {
                    self.given_back = true;
                    return Ok(released);
                }
                // A release is idempotent by its token, so that one of unknown fate is simply sent again.
                Err(error) if error.is_unknown() && attempt < RELEASE_ATTEMPTS => attempt += 1,
                Err(error) => return Err(error),
            }
        }
    }

    fn stop_keeper(&mut self) {
        if let Some(keeper) = self.keeper.take() {
            keeper.abort();
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.stop_keeper();
        if !self.given_back {
            self.hold.hand_to_janitor();
        }
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard")
            .field("key", &self.hold.key)
            .field("fence", &self.hold.fence)
            .field("remaining", &self.remaining())
            .finish_non_exhaustive()
    }
}

impl HeldLease {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn remaining(&self) -> Duration {
        let state = *self.state();
        if state.lost { Duration::ZERO } else { state.term.remaining(&Reading::now()) }
    }

    async fn renew(&self) -> Result<(), RenewError> {
        if self.remaining().is_zero() {
            return self.lose();
        }
        let sent = Sent::now();
        match self.lock.renew_raw(&self.key, self.token, self.ttl).await {
            Ok(Renewed::Renewed) => {
                let sent = if mutant("lease_counts_from_the_reply") { Sent::now() } else { sent };
                self.state().prolong(State::new(&self.lock, sent, self.ttl));
                self.changed.notify_waiters();
                Ok(())
            }
            Ok(Renewed::Lost) => self.lose(),
            Ok(Renewed::Late) => {
                let why = "the renewal reached the server too late".into();
                Err(RenewError::Transport(LinkError::NotApplied { why }))
            }
            Err(error) => Err(RenewError::Transport(error)),
        }
    }

    fn lose(&self) -> Result<(), RenewError> {
        self.state().lost = true;
        self.changed.notify_waiters();
        Err(RenewError::Lost(LeaseLost))
    }

    async fn keep(&self) {
        let mut pause = self.ttl / 3;
        loop {
            sleep(pause).await;
            pause = match self.renew().await {
                Ok(()) => self.ttl / 3,
                Err(RenewError::Lost(_)) => return,
                // Four more chances before the lease is over.
                Err(RenewError::Transport(_)) => self.ttl / 8,
            };
        }
    }

    fn hand_to_janitor(&self) {
        let until = self.state().over;
        self.lock.hand_to_janitor(PendingRelease::new(self.key.clone(), self.token, until, false));
    }
}

impl State {
    fn new(lock: &RedisLock, sent: Sent, remaining: Duration) -> Self {
        let term = Term::new(sent.reading, remaining, lock.options().step_allowance);
        let deadline = sent.instant + term.remaining(&sent.reading);
        Self { term, deadline, over: Instant::now() + remaining, lost: false }
    }

    /// A renewal that was overtaken by a later one does not take anything away, and a lost lease stays lost.
    fn prolong(&mut self, renewed: Self) {
        if !self.lost && renewed.deadline > self.deadline {
            *self = renewed;
        }
    }
}

/// The longest pause between two checks for a suspended machine.
const CHECK_EVERY: Duration = Duration::from_secs(1);
/// After this many requests of unknown fate the janitor takes over.
const RELEASE_ATTEMPTS: u32 = 2;

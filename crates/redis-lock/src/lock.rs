//! The handle that everybody holds.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use solekey_redis_link::{Event, LinkError, RedisLink, Subscription};
use tokio::sync::OnceCell;
use tokio::time::timeout;

use crate::acquire::Acquire;
use crate::error::AcquireError;
use crate::guard::Guard;
use crate::janitor::{Janitor, PendingRelease};
use crate::lease::{Acquired, LeaseToken, Released, Renewed};
use crate::options::{AcquireOptions, LockOptions};
use crate::verbs::Verbs;

/// Leases in one Redis.
///
/// Clones are cheap. A small task releases what was dropped; [`shutdown`](Self::shutdown) awaits it.
#[derive(Clone)]
pub struct RedisLock {
    inner: Arc<Inner>,
}

struct Inner {
    verbs: Verbs,
    janitor: Janitor,
    /// Keeps the channel subscribed once somebody has waited, so that waiters come and go without a round trip.
    resident: OnceCell<Subscription>,
}

impl RedisLock {
    /// Leases over `link`, with default options.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn new(link: RedisLink) -> Self {
        Self::with_options(link, LockOptions::default())
    }

    /// Leases over `link`.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn with_options(link: RedisLink, options: LockOptions) -> Self {
        let verbs = Verbs::new(link, options);
        let janitor = Janitor::start(verbs.clone());
        Self { inner: Arc::new(Inner { verbs, janitor, resident: OnceCell::new() }) }
    }

    /// Takes the lease `key` for `ttl` unless somebody holds it.
    ///
    /// # Errors
    ///
    /// See [`AcquireError`]. Ends within `options.patience` and one timeout of the link.
    ///
    /// # Cancel safety
    ///
    /// If a request was sent, the lease is released in the background, in case it was granted.
    pub async fn try_acquire(
        &self,
        key: &str,
        ttl: Duration,
        options: AcquireOptions,
    ) -> Result<Guard, AcquireError> {
        options.check(ttl)?;
        Acquire::new(self, key, ttl, options).attempt().await
    }

    /// Takes the lease `key` for `ttl`, waiting at most `max_wait` while somebody else holds it.
    ///
    /// Waiters are woken by a message when the lease is released, and poll by themselves every 25 to 250 ms, so that a
    /// lost message costs one poll. There is no queue: any of them may be next.
    ///
    /// # Errors
    ///
    /// As [`try_acquire`](Self::try_acquire); [`AcquireError::Busy`] once `max_wait` is over.
    ///
    /// # Cancel safety
    ///
    /// As [`try_acquire`](Self::try_acquire).
    pub async fn acquire(
        &self,
        key: &str,
        ttl: Duration,
        max_wait: Duration,
        options: AcquireOptions,
    ) -> Result<Guard, AcquireError> {
        options.check(ttl)?;
        let deadline = Instant::now() + max_wait;
        let mut acquire = Acquire::new(self, key, ttl, options);
        let first = acquire.attempt().await;
        if !matches!(first, Err(AcquireError::Busy { .. })) || max_wait.is_zero() {
            return first;
        }
        // Subscribed first and asked then: a release in between is seen by one or the other.
        let mut waiting = self.wait().await;
        loop {
            let busy_for = match acquire.attempt().await {
                Err(AcquireError::Busy { remaining }) => remaining,
                outcome => return outcome,
            };
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(AcquireError::Busy { remaining: busy_for });
            }
            waiting.until_free(key, busy_for, left).await;
        }
    }

    /// Releases what was dropped so far, as far as Redis answers, within two seconds.
    ///
    /// Leases dropped later end by their time.
    ///
    /// # Cancel safety
    ///
    /// Releasing goes on in the background.
    pub async fn shutdown(&self) {
        self.inner.janitor.shutdown().await;
    }

    /// The server's time `within` from now, in µs, for [`acquire_raw`](Self::acquire_raw); 0 until a reply has shown
    /// its clock.
    pub fn not_after(&self, within: Duration) -> u64 {
        self.inner.verbs.not_after(within)
    }

    /// Sends one acquire, without a guard: the caller repeats, renews and releases by `token`.
    ///
    /// `not_after` is an instant of the server's clock in µs, 0 for none.
    ///
    /// # Errors
    ///
    /// After [`LinkError::Unknown`] repeat the request with the same token, or release it.
    ///
    /// # Cancel safety
    ///
    /// The lease may be granted although the future was dropped; the caller releases it by its token.
    pub async fn acquire_raw(
        &self,
        key: &str,
        token: LeaseToken,
        ttl: Duration,
        floor: u64,
        not_after: u64,
    ) -> Result<Acquired, LinkError> {
        let verbs = &self.inner.verbs;
        verbs.acquire(key, token, ttl, floor, not_after, verbs.link.timeout()).await
    }

    /// Sends one renewal by `token`; it carries the link's timeout as its not-after.
    ///
    /// # Errors
    ///
    /// After [`LinkError::Unknown`] the lease may or may not have been prolonged.
    ///
    /// # Cancel safety
    ///
    /// The lease may be prolonged although the future was dropped.
    pub async fn renew_raw(&self, key: &str, token: LeaseToken, ttl: Duration) -> Result<Renewed, LinkError> {
        let verbs = &self.inner.verbs;
        verbs.renew(key, token, ttl, verbs.not_after(verbs.link.timeout())).await
    }

    /// Sends one release by `token`; repeating it is harmless and says the same.
    ///
    /// # Errors
    ///
    /// After [`LinkError::Unknown`] repeat it, or hand it to [`release_later`](Self::release_later).
    ///
    /// # Cancel safety
    ///
    /// The lease may be released although the future was dropped.
    pub async fn release_raw(&self, key: &str, token: LeaseToken) -> Result<Released, LinkError> {
        self.inner.verbs.release(key, token).await
    }

    /// Has the lease released in the background, as often as it takes within `ttl`; does no IO itself, so that a `Drop`
    /// can call it.
    pub fn release_later(&self, key: &str, token: LeaseToken, ttl: Duration) {
        self.hand_to_janitor(PendingRelease::new(key.to_owned(), token, Instant::now() + ttl, true));
    }

    pub(crate) fn hand_to_janitor(&self, pending_release: PendingRelease) {
        self.inner.janitor.hand(pending_release);
    }

    pub(crate) fn verbs(&self) -> &Verbs {
        &self.inner.verbs
    }

    pub(crate) fn options(&self) -> &LockOptions {
        &self.inner.verbs.options
    }

    async fn wait(&self) -> Waiting {
        let Verbs { link, options, .. } = &self.inner.verbs;
        let Some(channel) = &options.channel else { return Waiting(None) };
        // Where subscriptions do not work, waiters poll by themselves and need not wait for them.
        let link = link.with_timeout(link.timeout().min(CONFIRMATION));
        let subscribe = || link.subscribe([Arc::clone(channel)]);
        self.inner.resident.get_or_init(subscribe).await;
        Waiting(Some(subscribe().await))
    }
}

impl fmt::Debug for RedisLock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisLock").field("verbs", &self.inner.verbs).finish_non_exhaustive()
    }
}

/// One who waits for a lease.
struct Waiting(Option<Subscription>);

impl Waiting {
    /// Returns when the lease may be free, when it is time to poll, or after `left`.
    async fn until_free(&mut self, key: &str, busy_for: Duration, left: Duration) {
        let pause = Duration::from_millis(fastrand::u64(POLL_MS));
        let expiry = busy_for + PAST_EXPIRY;
        let _ = timeout(pause.min(expiry).min(left), self.changes_of(key)).await;
    }

    async fn changes_of(&mut self, key: &str) {
        while let Some(subscription) = &mut self.0 {
            match subscription.next().await {
                Some(Event::Notification(notification)) if *notification.payload != *key.as_bytes() => {}
                Some(_) => return,
                None => self.0 = None,
            }
        }
        std::future::pending::<()>().await;
    }
}

/// The pause between two polls of a waiter that hears nothing.
const POLL_MS: std::ops::RangeInclusive<u64> = 25..=250;
/// The longest time that a waiter grants the server to confirm its subscription.
const CONFIRMATION: Duration = Duration::from_millis(100);
/// A poll at the very millisecond of an expiry would come too early.
const PAST_EXPIRY: Duration = Duration::from_millis(2);

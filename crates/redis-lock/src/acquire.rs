//! One acquire: asking until the answer is known.

use std::time::{Duration, Instant};

use solekey_redis_link::LinkError;
use tokio::time::sleep;

use crate::error::AcquireError;
use crate::guard::{Grant, Guard, Sent};
use crate::janitor::PendingRelease;
use crate::lease::{Acquired, LeaseToken};
use crate::lock::RedisLock;
use crate::options::AcquireOptions;
use crate::verbs::wrote_nothing;

/// One acquire with one token, whose requests can be repeated: the server recognises the token.
///
/// While a request may have been executed without our knowing, the acquire is in doubt; dropped in doubt, it leaves the
/// release to the janitor.
pub(crate) struct Acquire<'a> {
    lock: &'a RedisLock,
    key: &'a str,
    token: LeaseToken,
    ttl: Duration,
    options: AcquireOptions,
    in_doubt: bool,
}

impl<'a> Acquire<'a> {
    pub(crate) fn new(lock: &'a RedisLock, key: &'a str, ttl: Duration, options: AcquireOptions) -> Self {
        Self { lock, key, token: LeaseToken::random(), ttl, options, in_doubt: false }
    }

    /// Asks until the answer is known or patience ends.
    pub(crate) async fn attempt(&mut self) -> Result<Guard, AcquireError> {
        let deadline = Instant::now() + self.options.patience;
        let mut late = 0;
        loop {
            let sent = Sent::now();
            match self.ask(deadline).await {
                Ok(Acquired::Granted { fence, remaining }) => {
                    let (key, token, ttl) = (self.key.to_owned(), self.token, self.ttl);
                    return self.accept(Grant { key, token, fence, ttl, remaining, sent });
                }
                Ok(Acquired::Busy { remaining }) => return Err(AcquireError::Busy { remaining }),
                // The reply has corrected our idea of the server's clock, hence the next request is not late for the
                // same reason.
                Ok(Acquired::Late) if late < LATE_LIMIT => late += 1,
                Ok(Acquired::Late) => return Err(AcquireError::Late),
                Err(error) if !self.in_doubt => return Err(AcquireError::Transport(error)),
                Err(_) if Instant::now() >= deadline => return Err(AcquireError::Ambiguous),
                Err(_) => sleep(PAUSE.mul_f64(0.5 + fastrand::f64())).await,
            }
        }
    }

    /// Sends one request, and stays in doubt if nobody can say what became of it.
    async fn ask(&mut self, deadline: Instant) -> Result<Acquired, LinkError> {
        let left = deadline.saturating_duration_since(Instant::now());
        let verbs = self.lock.verbs();
        let timeout = left.clamp(SHORTEST_CALL, verbs.link.timeout().max(SHORTEST_CALL));
        let not_after = verbs.not_after(timeout);
        let was_in_doubt = std::mem::replace(&mut self.in_doubt, true);
        let (key, token, ttl, floor) = (self.key, self.token, self.ttl, self.options.floor);
        let answer = verbs.acquire(key, token, ttl, floor, not_after, timeout).await;
        self.in_doubt = match &answer {
            Ok(Acquired::Granted { .. }) => false,
            Ok(Acquired::Busy { .. } | Acquired::Late) => was_in_doubt,
            Err(error) => was_in_doubt || !wrote_nothing(error),
        };
        answer
    }

    fn accept(&self, grant: Grant) -> Result<Guard, AcquireError> {
        let guard = Guard::new(self.lock.clone(), grant);
        if guard.remaining().is_zero() { Err(AcquireError::Lost) } else { Ok(guard) }
    }
}

impl Drop for Acquire<'_> {
    fn drop(&mut self) {
        if self.in_doubt {
            let until = Instant::now() + self.ttl + self.options.patience;
            self.lock.hand_to_janitor(PendingRelease::new(self.key.to_owned(), self.token, until, true));
        }
    }
}

/// Requests that may be late in a row: one for a server clock that was set, one for chance.
const LATE_LIMIT: u32 = 2;
/// Between two requests while the first one's fate is unknown.
const PAUSE: Duration = Duration::from_millis(25);
/// A shorter call would give up on servers that answer.
const SHORTEST_CALL: Duration = Duration::from_millis(50);

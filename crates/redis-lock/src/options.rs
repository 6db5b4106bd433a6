//! The options of a lock.

use std::sync::Arc;
use std::time::Duration;

use crate::error::AcquireError;

/// The options that all leases of a [`RedisLock`](crate::RedisLock) have in common.
#[derive(Clone, Debug)]
pub struct LockOptions {
    /// The largest step of the server's clock that no holder acts past its lease for; taken off every deadline.
    /// Default: 50 ms.
    pub step_allowance: Duration,
    /// The channel on which releases are published to waiters; the same for all processes that share leases. `None`
    /// leaves waiting to polling. Default: `solekey:lock`.
    pub channel: Option<Arc<str>>,
    /// The time that the last fence is remembered after its lease was released or has ended. Default: one day.
    pub tombstone: Duration,
}

impl Default for LockOptions {
    fn default() -> Self {
        Self {
            step_allowance: Duration::from_millis(50),
            channel: Some("solekey:lock".into()),
            tombstone: Duration::from_secs(24 * 60 * 60),
        }
    }
}

/// The options of one acquire.
#[derive(Clone, Copy, Debug)]
pub struct AcquireOptions {
    /// The fence will be greater than this: the highest one known from whatever the lease guards. Default: 0.
    pub floor: u64,
    /// The time for which to go on sending while the fate of a request is unknown. No request is executed later than
    /// this after it was sent, once the server's clock is known. Default: 1 s.
    pub patience: Duration,
}

impl Default for AcquireOptions {
    fn default() -> Self {
        Self { floor: 0, patience: Duration::from_secs(1) }
    }
}

impl AcquireOptions {
    pub(crate) fn check(&self, ttl: Duration) -> Result<(), AcquireError> {
        if ttl < SHORTEST || ttl > LONGEST {
            return Err(AcquireError::Invalid { field: "ttl", expected: "between 100 ms and one day" });
        }
        if self.floor >= LARGEST_FENCE {
            return Err(AcquireError::Invalid { field: "floor", expected: "a number below 2^53 - 1" });
        }
        Ok(())
    }
}

/// Below this the margins leave nothing to act in.
const SHORTEST: Duration = Duration::from_millis(100);
/// A lease that outlives a day of silence is a lock.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);
/// Lua counts in doubles.
const LARGEST_FENCE: u64 = (1 << 53) - 1;

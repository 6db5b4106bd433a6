//! The wall clock.

use std::time::{SystemTime, UNIX_EPOCH};

/// Seconds since 1970, as JWTs count. Servers compare them with their own clock.
pub(crate) fn seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

//! How many connections there may be, and how long each may keep this process waiting.

use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The bounds of connections.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// The most connections that are answered.
    pub(super) most: usize,
    /// How many there may be in addition, which are answered about health alone.
    pub(super) reserve: usize,
    /// The longest time from the first byte of a request to the end of its head.
    pub(super) head: Duration,
    /// The longest time without a request.
    pub(super) idle: Duration,
    /// The longest time in which the other side takes nothing of an answer.
    pub(super) write: Duration,
    /// The time that answers under way have to be sent in the end.
    pub(super) grace: Duration,
}

impl Limits {
    /// The bounds that the descriptors of this process allow, after their soft limit was raised.
    pub(crate) fn of_process() -> Self {
        Self::of(raised_descriptors())
    }

    fn of(descriptors: u64) -> Self {
        // The other half is left for Redis, SQLite, token endpoints and connections that are about to end.
        let most = usize::try_from(descriptors / 2).unwrap_or(MOST).min(MOST);
        Self {
            most,
            reserve: (most / 8).clamp(1, RESERVE),
            head: HEAD,
            idle: IDLE,
            write: WRITE,
            grace: GRACE,
        }
    }

    /// The number above which each new connection ends the one that has been idle longest.
    pub(super) fn crowded(&self) -> usize {
        self.most / 4 * 3
    }

    /// The most that one peer may have, so that others have the rest.
    pub(super) fn most_of_one_peer(&self) -> usize {
        (self.most / 2).max(1)
    }
}

/// Raises the soft limit of descriptors as far as this process may, and returns it. Where that is not possible the limit
/// stays, and so there are fewer connections.
fn raised_descriptors() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let wanted = limit.maximum.unwrap_or(MOST_DESCRIPTORS).min(MOST_DESCRIPTORS);
    let current = limit.current.unwrap_or(MOST_DESCRIPTORS);
    let raised = Rlimit { current: Some(wanted), maximum: limit.maximum };
    if current < wanted && setrlimit(Resource::Nofile, raised).is_ok() { wanted } else { current }
}

/// What a gateway with thousands of requests a second needs many times over; each costs some tens of kilobytes.
const MOST: usize = 4096;
const MOST_DESCRIPTORS: u64 = 65_536;
/// Supervisors probe one at a time.
const RESERVE: usize = 32;
/// A head is one packet.
const HEAD: Duration = Duration::from_secs(10);
/// Longer than gateways usually keep theirs, so that they are the ones who close.
const IDLE: Duration = Duration::from_secs(75);
const WRITE: Duration = Duration::from_secs(10);
/// The time that answers under way have to be sent, once nothing is refreshed any more.
pub(crate) const GRACE: Duration = Duration::from_secs(2);

#[cfg(test)]
impl Limits {
    /// For tests: so many, whose deadlines never come before the end.
    pub(super) fn for_tests(most: usize, reserve: usize) -> Self {
        let never = Duration::from_hours(1);
        Self { most, reserve, head: never, idle: never, write: never, grace: GRACE }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_the_descriptors_are_for_connections_and_not_more_than_4096() {
        for (descriptors, most, reserve) in
            [(64, 32, 4), (256, 128, 16), (1024, 512, 32), (8192, 4096, 32), (65_536, 4096, 32), (2, 1, 1)]
        {
            let limits = Limits::of(descriptors);
            assert_eq!((limits.most, limits.reserve), (most, reserve), "{descriptors}");
            assert!(limits.crowded() <= limits.most && limits.most_of_one_peer() >= 1);
        }
    }

    #[test]
    fn a_head_and_a_write_have_ten_seconds_and_a_quiet_connection_more_than_a_minute() {
        let Limits { head, idle, write, grace, .. } = Limits::of(1024);
        assert_eq!([head, idle, write, grace].map(|span| span.as_millis()), [10_000, 75_000, 10_000, 2_000]);
    }

    #[test]
    fn the_soft_limit_is_raised_to_the_hard_one() {
        let raised = raised_descriptors();
        let limit = getrlimit(Resource::Nofile);
        assert_eq!(
            limit.current.unwrap_or(MOST_DESCRIPTORS).min(MOST_DESCRIPTORS),
            raised.min(MOST_DESCRIPTORS)
        );
        let hard = limit.maximum.unwrap_or(MOST_DESCRIPTORS).min(MOST_DESCRIPTORS);
        assert!(raised >= hard, "{raised} of {hard}");
    }
}

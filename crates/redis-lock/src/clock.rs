//! The most pessimistic clock of the process.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// One reading of every clock that may have moved on without us.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading {
    /// Stands still while the machine is suspended.
    monotonic: Duration,
    /// Goes on while the machine is suspended.
    boot: Duration,
    /// Goes on while the machine is suspended or migrated, and may be set by hand.
    wall: Duration,
}

impl Reading {
    pub(crate) fn now() -> Self {
        Self { monotonic: read(ClockId::Monotonic), boot: read(BOOT), wall: read(ClockId::Realtime) }
    }

    /// The longest time that may have passed since `earlier`; `None` when the process seems to have been suspended or
    /// migrated, and the time cannot be known.
    pub(crate) fn since(&self, earlier: &Self) -> Option<Duration> {
        let monotonic = self.monotonic.saturating_sub(earlier.monotonic);
        let elapsed = monotonic.max(self.boot.saturating_sub(earlier.boot));
        let wall = self.wall.saturating_sub(earlier.wall);
        (wall <= elapsed + WALL_LEAD).then_some(elapsed)
    }
}

fn read(clock: ClockId) -> Duration {
    let time = clock_gettime(clock);
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or_default())
}

#[cfg(any(target_os = "android", target_os = "linux"))]
const BOOT: ClockId = ClockId::Boottime;
#[cfg(not(any(target_os = "android", target_os = "linux")))]
const BOOT: ClockId = ClockId::Monotonic;
/// A wall clock this far ahead was not merely slewed by NTP.
const WALL_LEAD: Duration = Duration::from_secs(1);

/// A span of a lease: what is left of it is counted from before the request was sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Term {
    since: Reading,
    length: Duration,
}

impl Term {
    /// The part of a lease of `granted` that is safe to act in, for a request sent at `since`.
    pub(crate) fn new(since: Reading, granted: Duration, step_allowance: Duration) -> Self {
        let drifted = granted.mul_f64(1.0 - DRIFT);
        Self { since, length: drifted.saturating_sub(MARGIN + step_allowance) }
    }

    pub(crate) fn remaining(&self, now: &Reading) -> Duration {
        now.since(&self.since).map_or(Duration::ZERO, |elapsed| self.length.saturating_sub(elapsed))
    }
}

/// The largest drift between two undisciplined clocks.
const DRIFT: f64 = 0.01;
/// The time that rounding to milliseconds and scheduling take.
const MARGIN: Duration = Duration::from_millis(5);

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(monotonic: u64, boot: u64, wall: u64) -> Reading {
        let millis = Duration::from_millis;
        Reading { monotonic: millis(monotonic), boot: millis(boot), wall: millis(wall) }
    }

    #[test]
    fn what_is_left_follows_the_clock_that_went_furthest() {
        let term = Term::new(reading(0, 0, 0), Duration::from_secs(10), Duration::from_millis(50));
        let table = [
            ("at once", reading(0, 0, 0), 9_845),
            ("all clocks agree", reading(1_000, 1_000, 1_000), 8_845),
            ("suspended for five seconds", reading(1_000, 6_000, 6_000), 3_845),
            ("wall clock slewed a little", reading(1_000, 1_000, 1_900), 8_845),
            ("wall clock far ahead", reading(1_000, 1_000, 2_100), 0),
            ("wall clock set back", reading(1_000, 1_000, 0), 8_845),
            ("over", reading(9_900, 9_900, 9_900), 0),
        ];
        for (name, now, expected) in table {
            assert_eq!(term.remaining(&now), Duration::from_millis(expected), "{name}");
        }
    }

    #[test]
    fn a_lease_shorter_than_its_margins_leaves_nothing() {
        let term = Term::new(reading(0, 0, 0), Duration::from_millis(50), Duration::from_millis(50));
        assert_eq!(term.remaining(&reading(0, 0, 0)), Duration::ZERO);
    }

    #[test]
    fn the_real_clocks_move_forward_together() {
        let earlier = Reading::now();
        assert!(Reading::now().since(&earlier).is_some_and(|elapsed| elapsed < Duration::from_secs(60)));
    }
}

//! The clock of a process: its own origin, its own wall, and jumps.

use std::time::{Duration, UNIX_EPOCH};

use solekey_core::Moment;
use solekey_testkit::memory::TestClock;

use super::rng::Rng;

/// A clock that goes with virtual time and agrees with nobody else's.
pub(crate) fn of_process(rng: &Rng) -> TestClock {
    let clock = TestClock::tokio();
    let day = Duration::from_secs(24 * 3600);
    clock.set_moment(Moment::from_micros(0) + day + rng.span(Duration::ZERO, day));
    clock.set_wall(UNIX_EPOCH + Duration::from_secs(1_800_000_000) + rng.span(Duration::ZERO, day));
    clock
}

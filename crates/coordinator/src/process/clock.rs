//! The process' most pessimistic clock.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::{Duration, SystemTime},
};

#[cfg(target_os = "linux")]
use coarse::CoarseClock;
use rustix::time::{ClockId, clock_gettime};
use solekey_core::{Moment, mutant, ports::Clock};

/// Counts suspend, and follows the wall clock when that runs ahead: after a suspend that the kernel does not account
/// for (a migrated or restored virtual machine) tokens count as old as they are.
#[derive(Debug)]
pub struct ProcessClock {
    boot_origin: Duration,
    wall_origin: SystemTime,
    /// The lead of the wall clock, in microseconds. Only grows, so that the clock never goes back.
    lead: AtomicU64,
    #[cfg(target_os = "linux")]
    coarse: CoarseClock,
}

impl ProcessClock {
    /// A clock that starts one day after its origin, so that subtracting a span from an early instant does not saturate.
    pub fn new() -> Self {
        Self {
            boot_origin: boot_time(),
            wall_origin: SystemTime::now(),
            lead: AtomicU64::new(0),
            #[cfg(target_os = "linux")]
            coarse: CoarseClock::new(),
        }
    }

    /// Compares with the wall clock. Called once a second; too dear for every read.
    pub fn observe_wall(&self) {
        #[cfg(target_os = "linux")]
        self.coarse.update();
        if mutant("wall_clock_is_not_read") {
            return;
        }
        let wall = SystemTime::now().duration_since(self.wall_origin).unwrap_or_default();
        let ahead = wall.saturating_sub(self.passed());
        if ahead > TOLERANCE {
            self.lead.fetch_max(u64::try_from(ahead.as_micros()).unwrap_or(u64::MAX), Relaxed);
        }
    }

    fn passed(&self) -> Duration {
        boot_time().saturating_sub(self.boot_origin)
    }
}

impl Default for ProcessClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for ProcessClock {
    fn now(&self) -> Moment {
        let lead = Duration::from_micros(self.lead.load(Relaxed));
        Moment::from_micros(0) + ORIGIN + self.passed() + lead
    }

    #[cfg(target_os = "linux")]
    fn coarse_now(&self) -> Moment {
        let passed = self.coarse.boot_time().saturating_sub(self.boot_origin);
        let lead = Duration::from_micros(self.lead.load(Relaxed));
        Moment::from_micros(0) + ORIGIN + passed + lead
    }

    fn wall(&self) -> SystemTime {
        SystemTime::now()
    }
}

fn boot_time() -> Duration {
    #[cfg(target_os = "linux")]
    let id = ClockId::Boottime;
    #[cfg(not(target_os = "linux"))]
    let id = ClockId::Monotonic;
    read(id)
}

fn read(id: ClockId) -> Duration {
    let time = clock_gettime(id);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

const ORIGIN: Duration = Duration::from_secs(24 * 60 * 60);
/// Slewing by NTP is not a jump.
const TOLERANCE: Duration = Duration::from_secs(1);

#[cfg(target_os = "linux")]
mod coarse;
#[cfg(test)]
mod laws;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_never_goes_back_and_a_wall_clock_in_step_does_not_move_it() {
        let clock = ProcessClock::new();
        let before = clock.now();
        clock.observe_wall();
        let after = clock.now();
        assert!(after >= before);
        assert!(after.since(before) < TOLERANCE);
    }

    #[test]
    fn a_wall_clock_that_ran_ahead_pulls_the_clock_along() {
        let wall_origin = SystemTime::now() - Duration::from_secs(3600);
        let clock = ProcessClock { wall_origin, ..ProcessClock::new() };
        let before = clock.now();
        clock.observe_wall();
        assert!(clock.now().since(before) >= Duration::from_secs(3599));
        assert!(clock.coarse_now().since(before) >= Duration::from_secs(3599));
    }
}

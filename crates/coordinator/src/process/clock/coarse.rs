//! The time since boot, from clocks that the kernel moves on with every tick: a fifth of what the exact one costs.

use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use std::time::Duration;

use rustix::time::{ClockId, clock_getres, clock_gettime};

/// The lead of the time since boot over two clocks that can be read by the tick.
///
/// The monotonic one stands still in suspend; the wall clock does not, and can be set. The further of the two is never
/// behind for longer than until the next [`update`](Self::update), unless the wall clock was set back at the same time.
#[derive(Debug)]
pub(super) struct CoarseClock {
    /// In microseconds, as all of these.
    monotonic: AtomicI64,
    wall: AtomicI64,
    tick: i64,
}

impl CoarseClock {
    pub(super) fn new() -> Self {
        let tick = clock_getres(ClockId::MonotonicCoarse);
        let coarse = Self {
            monotonic: AtomicI64::new(0),
            wall: AtomicI64::new(0),
            tick: micros(tick.tv_sec, tick.tv_nsec),
        };
        coarse.update();
        coarse
    }

    /// Compares with the exact clock.
    pub(super) fn update(&self) {
        // The exact clock is read last: what passes in between makes it appear later, which is the safe side.
        let (monotonic, wall) = (exact(ClockId::Monotonic), exact(ClockId::Realtime));
        let boot = exact(ClockId::Boottime);
        self.monotonic.store(boot - monotonic, Relaxed);
        self.wall.store(boot - wall, Relaxed);
    }

    /// The time since boot, a tick ahead at the most; behind for as long as the kernel's tick is late.
    pub(super) fn boot_time(&self) -> Duration {
        let monotonic = exact(ClockId::MonotonicCoarse) + self.monotonic.load(Relaxed);
        let wall = exact(ClockId::RealtimeCoarse) + self.wall.load(Relaxed);
        Duration::from_micros(u64::try_from(monotonic.max(wall) + self.tick).unwrap_or(0))
    }
}

fn exact(id: ClockId) -> i64 {
    let time = clock_gettime(id);
    micros(time.tv_sec, time.tv_nsec)
}

fn micros(secs: i64, nanos: i64) -> i64 {
    secs * 1_000_000 + nanos / 1_000
}

//! Time in a world: whole seconds, as the store's clock and the processes' clocks show them.

use std::{ops::Range, time::Duration};

use solekey_core::{Moment, StoreTime};

/// Seconds since the beginning.
pub(crate) type Tick = u16;

/// The instant a world begins, on the store's clock and on every process' clock: far from each other, and from every
/// other number in a world, so that [`Canon`](super::canon) distinguishes them.
const STORE_ORIGIN: u64 = 1_000_000_000_000;
const PROCESS_ORIGIN: u64 = 50_000_000;
const SECOND: u64 = 1_000_000;

/// The range of instants on the store's clock, and of generations.
pub(crate) const STORE_TIMES: Range<u64> = STORE_ORIGIN - 1_000 * SECOND..STORE_ORIGIN + 100_000 * SECOND;

/// The range of instants on the processes' clocks.
pub(crate) const MOMENTS: Range<u64> = PROCESS_ORIGIN..PROCESS_ORIGIN + 100_000 * SECOND;

pub(crate) fn secs(count: u8) -> Duration {
    Duration::from_secs(count.into())
}

pub(crate) fn store_time(tick: i32) -> StoreTime {
    StoreTime::from_micros(STORE_ORIGIN.saturating_add_signed(i64::from(tick) * SECOND.cast_signed()))
}

pub(crate) fn moment(tick: Tick) -> Moment {
    Moment::from_micros(PROCESS_ORIGIN + u64::from(tick) * SECOND)
}

/// The first tick at which this moment has come.
pub(crate) fn tick_of(moment: Moment) -> Tick {
    Tick::try_from((moment.as_micros() - PROCESS_ORIGIN).div_ceil(SECOND)).unwrap_or(Tick::MAX)
}

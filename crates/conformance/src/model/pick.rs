//! Small, hostile domains.

use std::time::Duration;

use fastrand::Rng;
use solekey_core::StoreTime;

/// A number near one that is there, or somewhere else entirely.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Near {
    /// That one.
    This,
    /// So many before it.
    Before(u8),
    /// So many after it.
    After(u8),
    /// A number of its own.
    Far(u64),
}

impl Near {
    /// Mostly the number itself.
    pub(super) fn draw(rng: &mut Rng) -> Self {
        match rng.u8(..16) {
            0..9 => Self::This,
            9..11 => Self::Before(rng.u8(1..4)),
            11..15 => Self::After(rng.u8(1..4)),
            _ => Self::Far(pick(rng, &FAR)),
        }
    }

    /// Mostly the number itself, and never far above.
    pub(super) fn close(rng: &mut Rng) -> Self {
        match rng.u8(..32) {
            0..2 => Self::Before(1),
            2..4 => Self::After(1),
            4 => Self::Far(0),
            _ => Self::This,
        }
    }

    pub(super) fn of(self, number: u64) -> u64 {
        match self {
            Self::This => number,
            Self::Before(some) => number.saturating_sub(some.into()),
            Self::After(some) => number.saturating_add(some.into()),
            Self::Far(other) => other,
        }
    }
}

/// Numbers around which the count of digits changes, or numbers in scripts are no longer exact.
const FAR: [u64; 7] = [0, 9, 10, 99, 100, (1 << 53) - 1, (1 << 53) + 1];

/// By how many microseconds the server's clock is stepped back; forward where that is negative.
pub(super) fn step(rng: &mut Rng) -> i64 {
    pick(rng, &[3_600_000_000, 5_000_000, 400_000, -5_000_000, -3_600_000_000])
}

/// Over at once, soon enough to end during the run, or not at all during it.
pub(super) fn span(rng: &mut Rng) -> Duration {
    match rng.u8(..8) {
        0 => Duration::ZERO,
        1 => Duration::from_micros(rng.u64(..50)),
        2..4 => Duration::from_micros(rng.u64(..5_000)),
        _ => Duration::from_secs(rng.u64(1_000..100_000)),
    }
}

pub(super) fn maybe_span(rng: &mut Rng) -> Option<Duration> {
    rng.bool().then(|| span(rng))
}

pub(super) fn pick<T: Copy>(rng: &mut Rng, of: &[T]) -> T {
    of[rng.usize(..of.len())]
}

/// One in so many.
pub(super) fn rarely(rng: &mut Rng, in_so_many: u8) -> bool {
    rng.u8(..in_so_many) == 0
}

/// The instant at which spans begin.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AsOf {
    /// No instant is given.
    Unset,
    /// A while ago.
    Ago(Duration),
    /// An instant in the future, as given by a clock that is ahead.
    Ahead,
    /// The beginning of time.
    Beginning,
}

impl AsOf {
    pub(super) fn draw(rng: &mut Rng) -> Self {
        match rng.u8(..16) {
            0..6 => Self::Unset,
            6..12 => Self::Ago(Duration::from_micros(rng.u64(..5_000_000))),
            12..15 => Self::Ahead,
            _ => Self::Beginning,
        }
    }

    pub(super) fn at(self, now: StoreTime) -> Option<StoreTime> {
        match self {
            Self::Unset => None,
            Self::Ago(span) => Some(now - span),
            Self::Ahead => Some(FAR_TIME),
            Self::Beginning => Some(StoreTime::default()),
        }
    }
}

/// Beyond every run, and exact in a script.
pub(super) const FAR_TIME: StoreTime = StoreTime::from_micros(1 << 52);

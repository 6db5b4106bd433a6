//! Chance, from the seed.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

/// A die of its own for everybody who throws: what one does changes no throw of another.
#[derive(Debug)]
pub(crate) struct Rng(Mutex<fastrand::Rng>);

impl Rng {
    pub(crate) fn new(seed: u64, stream: u64) -> Self {
        // Neighbouring seeds must not throw alike.
        let mixed = (seed ^ stream.rotate_left(32)).wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ stream;
        let mut rng = fastrand::Rng::with_seed(mixed);
        rng.u64(..);
        Self(Mutex::new(rng))
    }

    fn with<T>(&self, throw: impl FnOnce(&mut fastrand::Rng) -> T) -> T {
        throw(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// True that often in a thousand.
    pub(crate) fn chance(&self, permille: u32) -> bool {
        permille > 0 && self.with(|rng| rng.u32(0..1000)) < permille
    }

    /// A number below `end`.
    pub(crate) fn below(&self, end: usize) -> usize {
        self.with(|rng| rng.usize(0..end.max(1)))
    }

    /// One of these.
    pub(crate) fn pick<T: Clone>(&self, from: &[T]) -> T {
        from[self.below(from.len())].clone()
    }

    /// A span of whole milliseconds, both ends included.
    pub(crate) fn span(&self, least: Duration, most: Duration) -> Duration {
        let (least, most) = (millis(least), millis(most.max(least)));
        Duration::from_millis(self.with(|rng| rng.u64(least..=most)))
    }

    /// A span up to `most`, short ones as likely as long ones.
    pub(crate) fn skewed(&self, most: Duration) -> Duration {
        let share = self.with(fastrand::Rng::f64);
        most.mul_f64(share * share * share)
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

//! The store's clock, which SQLite does not have.

use std::{
    sync::{Mutex, PoisonError},
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use solekey_core::StoreTime;

/// The host's wall clock, made to never step back.
///
/// All processes of the host read the same wall clock, and each change leaves its time in the file, so that no later
/// change, by whatever process, happens earlier. While the wall clock is behind (it was set back), time goes on at the
/// speed of the monotonic clock instead of standing still, or no attempt would ever leave its flight.
pub(crate) struct StoreClock(Mutex<Anchor>);

#[derive(Clone, Copy)]
struct Anchor {
    at: StoreTime,
    when: Instant,
}

impl StoreClock {
    pub(crate) fn start() -> Self {
        Self(Mutex::new(Anchor { at: StoreTime::default(), when: Instant::now() }))
    }

    /// The time now, not before `seen`, the latest one in the file.
    pub(crate) fn now(&self, seen: StoreTime) -> StoreTime {
        let mut anchor = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *anchor = anchor.next(wall(), seen, Instant::now());
        anchor.at
    }
}

impl Anchor {
    fn next(self, wall: StoreTime, seen: StoreTime, when: Instant) -> Self {
        let onward = self.at + when.saturating_duration_since(self.when);
        Self { at: wall.max(seen).max(onward), when }
    }
}

fn wall() -> StoreTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    StoreTime::default() + since
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn at(seconds: u64) -> StoreTime {
        StoreTime::from_micros(seconds * 1_000_000)
    }

    #[test]
    fn it_follows_the_wall_clock_and_what_others_wrote() {
        let when = Instant::now();
        let anchor = Anchor { at: at(10), when };
        assert_eq!(anchor.next(at(12), at(0), when).at, at(12));
        assert_eq!(anchor.next(at(12), at(15), when).at, at(15));
    }

    #[test]
    fn it_goes_on_when_the_wall_clock_is_set_back() {
        let when = Instant::now();
        let set_back = Anchor { at: at(100), when }.next(at(3), at(100), when + SECOND);
        assert_eq!(set_back.at, at(101));
        assert_eq!(set_back.next(at(4), at(100), when + 3 * SECOND).at, at(103));
    }
}

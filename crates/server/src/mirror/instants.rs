//! A moment by more than one clock.

use std::time::{Duration, SystemTime};

use tokio::time::Instant;

/// A moment by two clocks: the runtime's stands still while the machine is suspended, the wall clock may be set back.
#[derive(Clone, Copy, Debug)]
pub(super) struct Instants {
    runtime: Instant,
    wall: SystemTime,
}

impl Instants {
    pub(super) fn now() -> Self {
        Self { runtime: Instant::now(), wall: SystemTime::now() }
    }

    /// Returns whether less than `span` has passed since by both clocks. By a wall clock that was set back nothing is
    /// known.
    pub(super) fn is_within(self, span: Duration) -> bool {
        self.runtime.elapsed() < span && self.wall.elapsed().is_ok_and(|passed| passed < span)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_has_passed_when_it_has_by_either_clock() {
        let (now, minute) = (Instants::now(), Duration::from_mins(1));
        assert!(now.is_within(minute));
        let suspended = Instants { wall: now.wall - minute, ..now };
        let set_back = Instants { wall: now.wall + minute, ..now };
        for unknown in [suspended, set_back] {
            assert!(!unknown.is_within(minute), "{unknown:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_runtimes_clock_counts_by_itself() {
        let before = Instants::now();
        tokio::time::advance(Duration::from_mins(1)).await;
        assert!(!before.is_within(Duration::from_mins(1)));
    }
}

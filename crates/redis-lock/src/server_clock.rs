//! The server's clock, estimated from the times in its replies.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The best sample of the server's clock so far.
#[derive(Debug, Default)]
pub(crate) struct ServerClock(Mutex<Option<Sample>>);

/// A reply that carried the server's time, and between which two instants here that time was read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    pub(crate) sent: Instant,
    pub(crate) received: Instant,
    pub(crate) server_us: u64,
    /// The connection it came over: another one may lead to another server, with another clock.
    pub(crate) epoch: u64,
}

impl ServerClock {
    pub(crate) fn observe(&self, sample: Sample) {
        let mut best = self.best();
        if best.is_none_or(|best| sample.replaces(&best)) {
            *best = Some(sample);
        }
    }

    /// The latest the server's clock may show at `when`, in µs; 0 while nothing is known.
    ///
    /// Erring late is harmless: a request may then linger by one round trip. Erring early would refuse good ones.
    pub(crate) fn latest_at(&self, when: Instant, epoch: u64) -> u64 {
        match *self.best() {
            Some(best) if best.epoch == epoch => best.latest_at(when),
            _ => 0,
        }
    }

    fn best(&self) -> MutexGuard<'_, Option<Sample>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sample {
    fn replaces(&self, best: &Self) -> bool {
        let tighter = self.span() <= best.span();
        let stale = self.received.saturating_duration_since(best.received) > LONGEST_USE;
        self.epoch != best.epoch || tighter || stale || !self.agrees_with(best)
    }

    /// Returns whether both can be true of one clock that was not set in between.
    fn agrees_with(&self, best: &Self) -> bool {
        let earliest = best.server_us + micros(self.sent.saturating_duration_since(best.received));
        let slack = micros(SLACK);
        self.server_us + slack >= earliest && self.server_us <= best.latest_at(self.received) + slack
    }

    fn latest_at(&self, when: Instant) -> u64 {
        self.server_us + micros(when.saturating_duration_since(self.sent))
    }

    fn span(&self) -> Duration {
        self.received.saturating_duration_since(self.sent)
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX / 4)
}

/// Two clocks may drift this long before a sample is too old, however tight it was.
const LONGEST_USE: Duration = Duration::from_secs(30);
/// Drift within `LONGEST_USE`; a larger disagreement means that the server's clock was set.
const SLACK: Duration = Duration::from_millis(20);

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(start: Instant, sent_ms: u64, received_ms: u64, server_us: u64) -> Sample {
        let at = |ms| start + Duration::from_millis(ms);
        Sample { sent: at(sent_ms), received: at(received_ms), server_us, epoch: 1 }
    }

    #[test]
    fn nothing_is_known_before_the_first_reply_nor_about_another_server() {
        let (clock, start) = (ServerClock::default(), Instant::now());
        assert_eq!(clock.latest_at(start, 1), 0);
        clock.observe(sample(start, 0, 10, 5_000_000));
        assert_eq!(clock.latest_at(start, 2), 0);
    }

    #[test]
    fn the_estimate_is_an_upper_bound_from_the_tightest_sample() {
        let (clock, start) = (ServerClock::default(), Instant::now());
        clock.observe(sample(start, 0, 2, 5_001_000));
        clock.observe(sample(start, 100, 180, 5_150_000));
        assert_eq!(clock.latest_at(start + Duration::from_secs(1), 1), 6_001_000);
    }

    #[test]
    fn a_server_clock_that_was_set_is_followed_at_once() {
        let start = Instant::now();
        for jump in [3_600_000_000, 1_000] {
            let clock = ServerClock::default();
            clock.observe(sample(start, 0, 2, 5_000_000_000));
            clock.observe(sample(start, 100, 180, jump));
            assert_eq!(clock.latest_at(start + Duration::from_millis(100), 1), jump);
        }
    }
}

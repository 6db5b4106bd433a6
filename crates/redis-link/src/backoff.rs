//! The pause between attempts, so that a hundred replicas do not connect together.

use std::time::Duration;

/// Doubling waits with jitter, between two bounds.
#[derive(Debug)]
pub(crate) struct Backoff {
    first: Duration,
    longest: Duration,
    next: Duration,
}

impl Backoff {
    pub(crate) fn new(first: Duration, longest: Duration) -> Self {
        let first = first.min(longest);
        Self { first, longest, next: first }
    }

    /// The next wait: between half and all of a step that doubles each time.
    pub(crate) fn step(&mut self) -> Duration {
        let step = self.next;
        self.next = (step * 2).min(self.longest);
        step.mul_f64(0.5 + fastrand::f64() / 2.0)
    }

    pub(crate) fn reset(&mut self) {
        self.next = self.first;
    }
}

/// A wait drawn evenly from zero up to `longest`.
pub(crate) fn jitter(longest: Duration) -> Duration {
    longest.mul_f64(fastrand::f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_start_over_after_a_reset() {
        let (first, longest) = (Duration::from_millis(100), Duration::from_secs(2));
        let mut backoff = Backoff::new(first, longest);
        for expected in [100, 200, 400, 800, 1600, 2000, 2000].map(Duration::from_millis) {
            let step = backoff.step();
            assert!(step >= expected / 2 && step <= expected, "{step:?} for {expected:?}");
        }
        backoff.reset();
        assert!(backoff.step() <= first);
    }

    /// A hundred replicas that lost one server: their waits fill the whole span, and no two are nearly alike.
    #[test]
    fn waits_of_many_are_spread_over_the_whole_span() {
        let span = Duration::from_secs(1);
        let first_step = |_| Backoff::new(span, span).step();
        let waits: Vec<_> = (0..300).map(first_step).collect();
        assert!(
            waits.iter().any(|wait| *wait < span * 11 / 20)
                && waits.iter().any(|wait| *wait > span * 19 / 20)
        );
        let waits: Vec<_> = (0..300).map(|_| jitter(span)).collect();
        assert!(waits.iter().any(|wait| *wait < span / 10) && waits.iter().any(|wait| *wait > span * 9 / 10));
        assert!(waits.iter().all(|wait| *wait <= span));
    }
}

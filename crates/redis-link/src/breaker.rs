//! The rule by which a standing connection counts as an outage.

use std::time::Duration;

use crate::{mutant::mutant, state::DownReason};

/// The last answers of one connection.
///
/// It only decides; opening and probing are the link's business. A new connection starts with a new record.
#[derive(Debug)]
pub(crate) struct Breaker {
    slow: Duration,
    silent_in_a_row: u32,
    latencies: [Duration; WINDOW],
    seen: usize,
}

impl Breaker {
    pub(crate) fn new(slow: Duration) -> Self {
        Self { slow, silent_in_a_row: 0, latencies: [Duration::ZERO; WINDOW], seen: 0 }
    }

    /// Records an answer and returns the reason if the connection should now count as slow.
    pub(crate) fn answered(&mut self, latency: Duration) -> Option<DownReason> {
        self.silent_in_a_row = 0;
        self.latencies[self.seen % WINDOW] = latency;
        self.seen += 1;
        self.is_slow().then_some(DownReason::Slow)
    }

    /// Records a call that got no answer within `waited`, and says whether the connection should now count as silent.
    ///
    /// A caller's own tight deadline says nothing about the server, so only waits beyond the slow mark count.
    pub(crate) fn silent(&mut self, waited: Duration) -> Option<DownReason> {
        if waited < self.slow {
            return None;
        }
        if mutant("breaker_never_opens") {
            return None;
        }
        self.silent_in_a_row += 1;
        (self.silent_in_a_row >= SILENT_LIMIT).then_some(DownReason::Silent)
    }

    /// Returns whether one probe that took `latency` is reason enough to try again.
    pub(crate) fn forgives(&mut self, latency: Duration) -> bool {
        let fast = latency <= self.slow;
        if fast {
            *self = Self::new(self.slow);
        }
        fast
    }

    fn is_slow(&self) -> bool {
        let filled = self.seen.min(WINDOW);
        let slow = self.latencies[..filled].iter().filter(|latency| **latency > self.slow).count();
        filled >= ENOUGH && slow * 2 > filled && !mutant("breaker_never_opens")
    }
}

/// The number of answers the median is taken over: a second's worth at a slow median, so that it forgets quickly.
const WINDOW: usize = 16;
/// Fewer answers than this do not make a median worth acting on.
const ENOUGH: usize = 8;
/// Calls without an answer in a row that open the breaker.
const SILENT_LIMIT: u32 = 3;

#[cfg(test)]
mod laws;

#[cfg(test)]
mod tests {
    use super::*;

    const SLOW: Duration = Duration::from_millis(250);
    const FAST: Duration = Duration::from_millis(1);
    const LATE: Duration = Duration::from_millis(400);

    #[test]
    fn three_silent_calls_in_a_row_open_it_and_an_answer_between_them_does_not() {
        let mut breaker = Breaker::new(SLOW);
        assert_eq!([breaker.silent(LATE), breaker.silent(LATE)], [None, None]);
        assert_eq!(breaker.answered(FAST), None);
        assert_eq!([breaker.silent(LATE), breaker.silent(LATE)], [None, None]);
        assert_eq!(breaker.silent(LATE), Some(DownReason::Silent));
    }

    #[test]
    fn a_callers_own_tight_deadline_does_not_count_against_the_server() {
        let mut breaker = Breaker::new(SLOW);
        assert!((0..100).all(|_| breaker.silent(FAST).is_none()));
    }

    #[test]
    fn a_slow_median_opens_it_and_a_few_slow_answers_do_not() {
        let mut breaker = Breaker::new(SLOW);
        assert!((0..8).all(|_| breaker.answered(FAST).is_none()));
        assert!((0..8).all(|_| breaker.answered(LATE).is_none()));
        assert_eq!(breaker.answered(LATE), Some(DownReason::Slow));
    }

    #[test]
    fn only_a_fast_probe_is_forgiven() {
        let mut breaker = Breaker::new(SLOW);
        assert!(!breaker.forgives(LATE));
        assert!(breaker.forgives(FAST));
    }
}

//! The measurements of the load.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hdrhistogram::Histogram;

/// A request that took longer than this has waited: a token from memory takes a millisecond or two.
pub(super) const WAITED_FROM: Duration = Duration::from_millis(20);

/// The measurements of the load of one phase so far.
#[derive(Debug)]
pub(super) struct Figures {
    requests: AtomicU64,
    failed: AtomicU64,
    retried: AtomicU64,
    detail: Mutex<Detail>,
}

#[derive(Debug)]
struct Detail {
    /// Microseconds.
    waits: Histogram<u64>,
    /// The number of failures of each kind; there are a handful of kinds.
    failures: BTreeMap<String, u64>,
}

/// The end of one request.
#[derive(Debug)]
pub(super) struct Ending {
    /// From the first byte sent to the last byte of the last answer.
    pub(super) took: Duration,
    /// A connection was cut by the kill, and another replica asked.
    pub(super) retried: bool,
    /// The reason why the request failed, in a few words that are the same for all of its kind.
    pub(super) failure: Option<String>,
}

/// The measurements of the load of one phase.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Traffic {
    /// Requests that have ended, each counted once.
    pub(super) requests: u64,
    /// Those that ended otherwise than with a token that the provider accepts at that moment.
    pub(super) failed_requests: u64,
    /// Those whose connection the kill cut and that another replica then answered, or failed to.
    pub(super) retried_requests: u64,
    /// Over the successful requests that took longer than [`WAITED_FROM`].
    pub(super) waits: Waits,
    /// Failures by kind.
    pub(super) failures: BTreeMap<String, u64>,
}

/// The waiting times of the requests that had to wait.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Waits {
    /// The number of these requests.
    pub(super) count: u64,
    /// The median, in milliseconds to a tenth; zero when nobody waited.
    pub(super) p50_ms: f64,
    /// The 99th percentile, in milliseconds to a tenth; zero when nobody waited.
    pub(super) p99_ms: f64,
}

impl Figures {
    pub(super) fn new() -> Self {
        let waits = Histogram::new_with_bounds(1, LONGEST_US, DIGITS).expect("these bounds make a histogram");
        Self {
            requests: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            retried: AtomicU64::new(0),
            detail: Mutex::new(Detail { waits, failures: BTreeMap::new() }),
        }
    }

    /// Counts one request; says whether it is among the first failures of its kind.
    pub(super) fn record(&self, ending: Ending) -> bool {
        let Ending { took, retried, failure } = ending;
        self.requests.fetch_add(1, Relaxed);
        self.retried.fetch_add(u64::from(retried), Relaxed);
        match failure {
            None => {
                if took > WAITED_FROM {
                    let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
                    self.detail().waits.saturating_record(micros);
                }
                false
            }
            Some(kind) => {
                self.failed.fetch_add(1, Relaxed);
                let mut detail = self.detail();
                let seen = detail.failures.entry(kind).or_default();
                *seen += 1;
                *seen <= SHOWN_PER_KIND
            }
        }
    }

    pub(super) fn requests(&self) -> u64 {
        self.requests.load(Relaxed)
    }

    pub(super) fn failed(&self) -> u64 {
        self.failed.load(Relaxed)
    }

    pub(super) fn retried(&self) -> u64 {
        self.retried.load(Relaxed)
    }

    pub(super) fn traffic(&self) -> Traffic {
        let detail = self.detail();
        Traffic {
            requests: self.requests(),
            failed_requests: self.failed(),
            retried_requests: self.retried(),
            waits: Waits {
                count: detail.waits.len(),
                p50_ms: quantile_ms(&detail.waits, 0.5),
                p99_ms: quantile_ms(&detail.waits, 0.99),
            },
            failures: detail.failures.clone(),
        }
    }

    fn detail(&self) -> MutexGuard<'_, Detail> {
        self.detail.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn quantile_ms(waits: &Histogram<u64>, quantile: f64) -> f64 {
    if waits.is_empty() {
        return 0.0;
    }
    let tenths = (waits.value_at_quantile(quantile) + 50) / 100;
    f64::from(u32::try_from(tenths).unwrap_or(u32::MAX)) / 10.0
}

/// No request outlives its timeout, which is well below a minute.
const LONGEST_US: u64 = 60_000_000;
const DIGITS: u8 = 3;

/// The first failures of each kind are shown as they happen; the rest are counted.
const SHOWN_PER_KIND: u64 = 3;

#[cfg(test)]
mod tests {
    use super::*;

    fn ending(millis: u64) -> Ending {
        Ending { took: Duration::from_millis(millis), retried: false, failure: None }
    }

    #[test]
    fn waits_are_those_of_the_successful_requests_that_took_longer_than_the_limit() {
        let figures = Figures::new();
        for millis in [1, 5, 20, 100, 200, 300] {
            figures.record(ending(millis));
        }
        figures.record(Ending { failure: Some("503".into()), ..ending(9000) });
        let Traffic { requests, failed_requests, waits, .. } = figures.traffic();
        assert_eq!((requests, failed_requests, waits.count), (7, 1, 3));
        assert!((waits.p50_ms - 200.0).abs() < 1.0, "{waits:?}");
        assert!((waits.p99_ms - 300.0).abs() < 1.0, "{waits:?}");
    }

    #[test]
    fn when_nobody_waited_the_waits_are_zero() {
        let figures = Figures::new();
        figures.record(ending(3));
        assert_eq!(figures.traffic().waits, Waits::default());
    }

    #[test]
    fn a_retried_request_is_counted_once_and_only_fails_if_its_last_try_does() {
        let figures = Figures::new();
        figures.record(Ending { retried: true, ..ending(30) });
        let traffic = figures.traffic();
        assert_eq!((traffic.requests, traffic.failed_requests, traffic.retried_requests), (1, 0, 1));
    }

    #[test]
    fn failures_are_counted_by_kind_and_the_first_of_each_are_shown() {
        let figures = Figures::new();
        let shown = |kind: &str| figures.record(Ending { failure: Some(kind.into()), ..ending(1) });
        let first: Vec<bool> = (0..5).map(|_| shown("503")).collect();
        assert_eq!(first, [true, true, true, false, false]);
        assert!(shown("timeout"));
        let expected = BTreeMap::from([("503".to_owned(), 5), ("timeout".to_owned(), 1)]);
        assert_eq!(figures.traffic().failures, expected);
    }
}

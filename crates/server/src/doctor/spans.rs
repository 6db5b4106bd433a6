//! Measures the response times of a server.

use std::{
    fmt,
    time::{Duration, Instant},
};

/// The durations of several requests, the shortest first. At least one.
pub(super) struct Spans(Vec<Duration>);

impl Spans {
    /// Measures this number of requests, or as many as [`PATIENCE`] allows. Nothing if one fails.
    pub(super) async fn of(count: usize, mut ask: impl AsyncFnMut() -> Option<()>) -> Option<Self> {
        let mut spans = Vec::with_capacity(count);
        let all = Instant::now();
        while spans.is_empty() || spans.len() < count && all.elapsed() < PATIENCE {
            let began = Instant::now();
            ask().await?;
            spans.push(began.elapsed());
        }
        spans.sort_unstable();
        Some(Self(spans))
    }

    pub(super) fn median(&self) -> Duration {
        self.0[self.0.len() / 2]
    }
}

impl fmt::Display for Spans {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (median, count) = (self.median(), self.0.len());
        let slowest = self.0.last().copied().unwrap_or_default();
        write!(f, "{median:.1?} in the median of {count} questions, {slowest:.1?} at worst")
    }
}

/// The time after which no further request is made: a few are enough to assess a server this slow.
const PATIENCE: Duration = Duration::from_secs(3);

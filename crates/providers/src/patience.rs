//! Timers of a process that may be stopped.

use std::time::{Duration, Instant, SystemTime};

use solekey_core::mutant;

/// Ends once `span` is over, and after that a time in which the process ran: what had arrived while it was stopped has been
/// read by then, however late the timer fires.
pub(crate) async fn over(span: Duration) {
    tokio::time::sleep(span).await;
    for _ in 0..MOST_STOPS {
        let before = tokio::time::Instant::now();
        if mutant("timer_beats_a_readable_answer") {
            return;
        }
        tokio::time::sleep(MOMENT).await;
        if before.elapsed() < MOMENT * 2 {
            return;
        }
    }
}

/// The time since a moment, on the clock that shows most of it: the monotonic one stands still in suspend.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Since(Instant, SystemTime);

impl Since {
    pub(crate) fn now() -> Self {
        Self(Instant::now(), SystemTime::now())
    }

    pub(crate) fn elapsed(self) -> Duration {
        self.0.elapsed().max(self.1.elapsed().unwrap_or_default())
    }
}

/// For reading what the kernel holds: an answer is a few packets.
const MOMENT: Duration = Duration::from_millis(500);
/// A machine that stops again within each such time has no time to give.
const MOST_STOPS: u8 = 20;

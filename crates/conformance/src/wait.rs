//! Waiting for something that comes by itself.

use std::time::Duration;

use tokio::time::{Instant, sleep};

/// Far beyond every span in the lists.
pub(crate) use solekey_testkit::wait::BOUND as LIMIT;

/// Polls every few milliseconds until `read` finds something.
pub(crate) async fn until<T>(what: &str, read: impl AsyncFn() -> Option<T>) -> T {
    let give_up = Instant::now() + LIMIT;
    loop {
        if let Some(found) = read().await {
            return found;
        }
        assert!(Instant::now() < give_up, "waited {LIMIT:?} for {what}");
        sleep(Duration::from_millis(3)).await;
    }
}

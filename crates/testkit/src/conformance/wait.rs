//! Waiting for something that comes by itself.

use std::time::Duration;

use tokio::time::{Instant, sleep};

/// Far beyond every span in the lists.
const LIMIT: Duration = Duration::from_secs(20);

/// Looks every few milliseconds until `look` finds something.
pub(super) async fn until<T>(what: &str, look: impl AsyncFn() -> Option<T>) -> T {
    let give_up = Instant::now() + LIMIT;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < give_up, "waited {LIMIT:?} for {what}");
        sleep(Duration::from_millis(3)).await;
    }
}

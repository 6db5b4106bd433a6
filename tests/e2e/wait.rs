//! Waiting, always bounded.

use std::time::Duration;

/// Far longer than anything takes on a busy machine: only a failing test gets here.
const BOUND: Duration = Duration::from_secs(40);
/// Between two looks.
pub(crate) const POLL: Duration = Duration::from_millis(20);

/// What comes of `future`, which has to end.
pub(crate) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    let outcome = tokio::time::timeout(BOUND, future).await;
    outcome.unwrap_or_else(|_| panic!("not within {BOUND:?}: {what}"))
}

/// Asks until there is an answer.
pub(crate) async fn eventually<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    within(what, async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            tokio::time::sleep(POLL).await;
        }
    })
    .await
}

//! Finding what an index of due accounts has lost.
//!
//! Where rows are in Redis the index is a key of its own, written after the row: what a crash in between loses would never
//! be due. A slow walk over all rows enters it again.

use std::{fmt, sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use solekey_core::ports::StoreError;

use super::part_of;
use crate::instance::Instance;

/// Walks over all rows, and tells how many there are.
#[derive(Clone)]
pub(crate) struct Walk(Arc<dyn Fn() -> BoxFuture<'static, Result<u64, StoreError>> + Send + Sync>);

impl Walk {
    #[cfg_attr(not(feature = "redis"), expect(dead_code))]
    pub(crate) fn new(
        walk: impl Fn() -> BoxFuture<'static, Result<u64, StoreError>> + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(walk))
    }

    /// Walks now and then, for ever; the replicas of a fleet at different times.
    async fn go_on(&self) {
        loop {
            tokio::time::sleep(PAUSE / 2 + part_of(PAUSE)).await;
            match (self.0)().await {
                Ok(rows) => tracing::debug!(rows, "walked over all rows for what is due"),
                Err(error) => {
                    tracing::debug!(error = &error as &dyn std::error::Error, "not all rows walked over");
                }
            }
        }
    }
}

impl fmt::Debug for Walk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Walk")
    }
}

impl Instance {
    /// Walks until the instance drains.
    pub(super) async fn keep_index(self: Arc<Self>) {
        let Some(walk) = &self.ports.index else { return };
        let _: Option<()> = self.draining().run_until_cancelled(walk.go_on()).await;
    }
}

/// Between two walks of one replica: a million rows are a few minutes of a server that notices little of it, and what was
/// lost is found by the next request anyway.
const PAUSE: Duration = Duration::from_secs(4 * 60 * 60);

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn rows_are_walked_over_again_and_again_though_one_walk_fails() {
        let walks = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&walks);
        let walk = Walk::new(move || {
            let number = count.fetch_add(1, Relaxed);
            Box::pin(async move { if number == 0 { Err(StoreError::not_applied("away")) } else { Ok(7) } })
        });
        let _ = tokio::time::timeout(PAUSE * 12, walk.go_on()).await;
        assert!((8..=24).contains(&walks.load(Relaxed)), "{walks:?}");
    }
}

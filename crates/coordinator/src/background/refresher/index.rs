//! Finding what an index of due accounts has lost.
//!
//! Where rows are in Redis the index is a key of its own, written after the row: what a crash in between loses would never
//! be due. A slow walk over all rows enters it again.

use std::{sync::Arc, time::Duration};

use super::jitter::part_of;
use crate::process::{IndexWalk, Process};

/// Walks until the process drains.
pub(super) async fn run_index(process: Arc<Process>) {
    let Some(index) = &process.ports.index else { return };
    let _: Option<()> = process.tasks.draining.run_until_cancelled(walk_forever(index)).await;
}

/// Walks now and then; the replicas of a fleet at different times.
async fn walk_forever(index: &IndexWalk) {
    loop {
        tokio::time::sleep(PAUSE / 2 + part_of(PAUSE)).await;
        match index.walk().await {
            Ok(rows) => tracing::debug!(rows, "walked over all rows for what is due"),
            Err(error) => {
                tracing::debug!(error = &error as &dyn std::error::Error, "not all rows walked over");
            }
        }
    }
}

/// Between two walks of one replica: a million rows are a few minutes of a server that notices little of it, and what was
/// lost is found by the next request anyway.
const PAUSE: Duration = Duration::from_secs(4 * 60 * 60);

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

    use solekey_core::ports::StoreError;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn rows_are_walked_over_again_and_again_though_one_walk_fails() {
        let walks = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&walks);
        let walk = IndexWalk::new(move || {
            let number = count.fetch_add(1, Relaxed);
            Box::pin(async move { if number == 0 { Err(StoreError::not_applied("away")) } else { Ok(7) } })
        });
        let _ = tokio::time::timeout(PAUSE * 12, walk_forever(&walk)).await;
        assert!((8..=24).contains(&walks.load(Relaxed)), "{walks:?}");
    }
}

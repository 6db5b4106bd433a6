//! Many tasks that do the same at once.

use std::{future::Future, time::Instant};

use anyhow::Result;
use tokio::task::JoinSet;

/// Seconds per operation of `tasks` tasks that share `trips` of them. Each gets the number of its operation.
pub(crate) async fn per_trip<Trip>(
    tasks: usize,
    trips: usize,
    trip: impl Fn(usize) -> Trip + Clone + Send + 'static,
) -> Result<f64>
where
    Trip: Future<Output = Result<()>> + Send,
{
    let mut crowd = JoinSet::new();
    let began = Instant::now();
    for task in 0..tasks {
        let trip = trip.clone();
        crowd.spawn(async move {
            for number in (task..trips).step_by(tasks) {
                trip(number).await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(ended) = crowd.join_next().await {
        ended??;
    }
    Ok(began.elapsed().as_secs_f64() / trips as f64)
}

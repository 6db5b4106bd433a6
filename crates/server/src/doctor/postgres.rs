//! PostgreSQL, asked.

use std::time::Duration;

use solekey::core::{ExposeSecret as _, Secret};
use solekey_store_sql::{PostgresError, PostgresReadOnly, PostgresStore};

use super::{clock, condition, finding::Finding, spans::Spans};

/// Queries everything that is assessed, over a connection of its own.
pub(super) async fn examine(url: &Secret) -> Vec<Finding> {
    let mut read_only = match PostgresReadOnly::connect(url.expose_secret()).await {
        Ok(read_only) => read_only,
        Err(error) => return vec![unreachable(&error)],
    };
    let mut findings = match read_only.condition().await {
        Ok(condition) => condition::assess(&condition),
        Err(error) => vec![unreachable(&error)],
    };
    findings.push(tables(url).await);
    findings.extend(latency(&mut read_only).await);
    findings.extend(clock(&mut read_only).await);
    read_only.close().await;
    findings
}

fn unreachable(error: &PostgresError) -> Finding {
    let advice = match error {
        PostgresError::Url { .. } => "correct store.url",
        _ => "start it, or correct store.url; without it nothing is refreshed",
    };
    Finding::error("postgres.reachable", in_full(error), advice)
}

/// Makes the tables if there are none, as a start would. If the role may not, the finding has the error of the server.
async fn tables(url: &Secret) -> Finding {
    let check = "postgres.tables";
    match PostgresStore::connect(url.expose_secret()).await {
        Ok(store) => {
            store.close().await;
            Finding::ok(check, "there, in the schema solekey")
        }
        Err(error) => Finding::error(
            check,
            in_full(&error),
            "let the role own the schema solekey, or create it, on the primary",
        ),
    }
}

fn in_full(error: &PostgresError) -> String {
    let all = std::iter::successors(Some(error as &dyn std::error::Error), |error| error.source());
    all.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

async fn latency(read_only: &mut PostgresReadOnly) -> Option<Finding> {
    let spans = Spans::of(QUESTIONS, async || read_only.clock().await.ok().map(drop)).await?;
    Some(assess_latency(spans.median(), spans.to_string()))
}

fn assess_latency(median: Duration, observed: String) -> Finding {
    let check = "postgres.latency";
    match median {
        median if median >= SLOW => {
            Finding::error(check, observed, "move it nearer: to /readyz an answer this slow is none")
        }
        median if median >= SLOW / 10 => Finding::warning(
            check,
            observed,
            "move it nearer: a refresh asks it four times, one after the other",
        ),
        _ => Finding::ok(check, observed),
    }
}

async fn clock(read_only: &mut PostgresReadOnly) -> Option<Finding> {
    clock::compare("postgres.clock", async || read_only.clock().await.ok()).await
}

const QUESTIONS: usize = 21;
/// The time that a check of an instance's health waits for its store.
const SLOW: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::super::finding::Level;
    use super::*;

    #[test]
    fn a_server_far_away_is_a_burden_and_one_that_seems_down_an_error() {
        for (millis, level) in [
            (1, Level::Ok),
            (99, Level::Ok),
            (100, Level::Warning),
            (999, Level::Warning),
            (1000, Level::Error),
        ] {
            assert_eq!(assess_latency(Duration::from_millis(millis), String::new()).level, level, "{millis}");
        }
    }
}

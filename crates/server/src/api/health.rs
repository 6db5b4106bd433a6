//! For supervisors and load balancers.

use std::time::Duration;

use axum::{Json, extract::State};
use http::{StatusCode, Uri};
use serde::Serialize;
use solekey::{Health, UnreadProvider};

use super::{Failure, Shared, query::Query};

#[derive(Serialize)]
pub(super) struct Readiness {
    /// Everything works.
    ready: bool,
    /// `ready`, `degraded` or `down`.
    status: &'static str,
    /// Absent when store and cache did not answer in time.
    #[serde(flatten)]
    health: Option<Health>,
    /// Settings that work but should not stay as they are, and files that are not kept fresh.
    warnings: Vec<String>,
}

#[derive(Serialize)]
pub(super) struct Alive {
    alive: bool,
}

pub(super) async fn alive() -> Json<Alive> {
    Json(Alive { alive: true })
}

pub(super) async fn ready(State(api): Shared, uri: Uri) -> Result<(StatusCode, Json<Readiness>), Failure> {
    // Strict: 503 also where tokens can be served and nothing can be refreshed.
    let strict = Query::of(&uri, &["strict"])?.flag("strict")?;
    let health = tokio::time::timeout(PATIENCE, api.solekey.health()).await.ok();
    let serves = health.as_ref().is_some_and(Health::is_ready);
    let ready = health.as_ref().is_some_and(Health::is_whole);
    let status = match (serves, ready) {
        (_, true) => "ready",
        (true, false) => "degraded",
        (false, false) => "down",
    };
    let code = if ready || serves && !strict { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let unread = health.iter().flat_map(|health| &health.unread).map(warning);
    let replaced = health.iter().filter(|health| health.store_replaced).map(|_| REPLACED.to_owned());
    let warnings =
        [api.warnings.clone(), api.files.warnings(), replaced.collect(), unread.collect()].concat();
    Ok((code, Json(Readiness { ready, status, health, warnings })))
}

fn warning(UnreadProvider { provider, .. }: &UnreadProvider) -> String {
    format!(
        "provider.{provider}: answers of the token endpoint are not understood; they are kept, and one account in turn \
         is tried, ever more rarely"
    )
}

const REPLACED: &str = "store.url: the store has another identity than when this process started: it has lost what it \
     held, or is another one; accounts come back from their answers, and a process that starts refreshes nothing until \
     somebody decides which store's answers count";

/// Whoever probes waits a few seconds at most.
const PATIENCE: Duration = Duration::from_secs(4);

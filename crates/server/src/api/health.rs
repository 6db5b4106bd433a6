//! For supervisors and load balancers.

use std::time::Duration;

use axum::{Json, extract::State};
use http::StatusCode;
use serde::Serialize;
use solekey::Health;

use super::Shared;

#[derive(Serialize)]
pub(super) struct Readiness {
    ready: bool,
    /// Absent when store and cache did not answer in time.
    #[serde(flatten)]
    health: Option<Health>,
    /// What works but should not stay as it is.
    warnings: Vec<String>,
}

#[derive(Serialize)]
pub(super) struct Alive {
    alive: bool,
}

pub(super) async fn alive() -> Json<Alive> {
    Json(Alive { alive: true })
}

pub(super) async fn ready(State(api): Shared) -> (StatusCode, Json<Readiness>) {
    let health = tokio::time::timeout(PATIENCE, api.solekey.health()).await.ok();
    let ready = health.as_ref().is_some_and(Health::is_ready);
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(Readiness { ready, health, warnings: api.warnings.clone() }))
}

/// Whoever probes waits a few seconds at most.
const PATIENCE: Duration = Duration::from_secs(4);

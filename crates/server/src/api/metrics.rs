//! For Prometheus.

use axum::{
    extract::State,
    response::{IntoResponse as _, Response},
};
use http::{HeaderValue, header};

use super::{Failure, Shared};
use crate::metrics::OPEN_METRICS;

pub(super) async fn metrics(State(api): Shared) -> Response {
    for provider in &api.providers {
        api.metrics.set_files_in_trouble(provider, api.files.of(provider));
    }
    let health = api.solekey.health().await;
    let ready = [("serve", health.serve.up), ("refresh", health.refresh.up)];
    match api.metrics.page(&api.solekey.stats(), &api.solekey.sealing(), ready) {
        Ok(page) => ([(header::CONTENT_TYPE, HeaderValue::from_static(OPEN_METRICS))], page).into_response(),
        Err(_) => Failure::internal().into_response(),
    }
}

//! For Prometheus.

use axum::{
    extract::State,
    response::{IntoResponse as _, Response},
};
use http::{HeaderValue, header};

use super::{Failure, Shared};
use crate::metrics::OPEN_METRICS;

pub(super) async fn metrics(State(api): Shared) -> Response {
    match api.metrics.page(&api.solekey.vitals(), &api.solekey.sealing()) {
        Ok(page) => ([(header::CONTENT_TYPE, HeaderValue::from_static(OPEN_METRICS))], page).into_response(),
        Err(_) => Failure::internal().into_response(),
    }
}

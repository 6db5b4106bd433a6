//! The HTTP API.

mod account_path;
mod accounts;
mod body;
#[cfg(test)]
mod every_answer;
mod evidence;
mod failure;
mod health;
mod metrics;
mod query;
#[cfg(test)]
mod refusals;
mod tokens;

use std::{panic::AssertUnwindSafe, sync::Arc};

use axum::{
    Router,
    extract::{Request, State},
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use futures_util::FutureExt as _;
use http::{HeaderValue, header};
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;
use solekey::{Solekey, core::mutant};

use crate::{
    guard::{self, Admission},
    hosts::Hosts,
    metrics::Metrics,
    mirror::Troubles,
};
use failure::Failure;

/// The state that the handlers share.
pub(crate) struct Api {
    pub(crate) solekey: Solekey,
    pub(crate) metrics: Arc<Metrics>,
    /// The configured providers, which distinguish "none of its accounts" from "no such provider".
    pub(crate) providers: Vec<String>,
    /// Settings that work but should not stay as they are.
    pub(crate) warnings: Vec<String>,
    /// The mirrored files that are not kept fresh.
    pub(crate) files: Troubles,
}

/// Answers requests: the guard first, then the routes.
#[derive(Clone)]
pub(crate) struct HttpApi {
    routes: TowerToHyperService<Router>,
    hosts: Arc<Hosts>,
}

impl HttpApi {
    pub(crate) fn new(api: Arc<Api>, hosts: Hosts) -> Self {
        Self { routes: TowerToHyperService::new(routes(api)), hosts: Arc::new(hosts) }
    }

    /// Answers a request of a connection that was admitted in this way.
    pub(crate) async fn answer(&self, request: Request, by: Admission) -> Response {
        finished(async {
            let (head, body) = request.into_parts();
            if let Err(refused) = guard::admit(&head, by, &self.hosts) {
                tracing::debug!(?refused, "a request was refused before it was read");
                return Failure::from(refused).into_response();
            }
            let answered = self.routes.call(Request::from_parts(head, body)).await;
            answered.unwrap_or_else(|never| match never {})
        })
        .await
    }

    /// The answer where there are as many connections as this process serves.
    pub(crate) async fn overloaded() -> Response {
        finished(async { Failure::overloaded().into_response() }).await
    }
}

fn routes(api: Arc<Api>) -> Router {
    Router::new()
        .route("/v1/accounts", get(accounts::list))
        .route(
            "/v1/accounts/{provider}/{id}",
            get(accounts::show).put(accounts::login).delete(accounts::delete),
        )
        .route("/v1/accounts/{provider}/{id}/token", get(tokens::token))
        .route("/v1/accounts/{provider}/{id}/rejected", post(tokens::rejected))
        .route("/v1/accounts/{provider}/{id}/refresh", post(tokens::refresh))
        .route("/v1/accounts/{provider}/{id}/export", post(accounts::export))
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(metrics::metrics))
        .fallback(|| async { Failure::not_found() })
        .method_not_allowed_fallback(|| async { Failure::method_not_allowed() })
        .with_state(api)
}

/// Every answer stays out of caches and is of the type that it says, and a panic becomes an answer.
async fn finished(answering: impl Future<Output = Response>) -> Response {
    let answered = AssertUnwindSafe(answering).catch_unwind().await;
    let mut response = answered.unwrap_or_else(|_| Failure::internal().into_response());
    let headers = response.headers_mut();
    if !mutant("answers_may_be_cached") {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

type Shared = State<Arc<Api>>;

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;

    use super::*;

    #[tokio::test]
    async fn a_panic_becomes_an_answer() {
        let answer = finished(async { panic!("a planned panic") }).await;
        assert_eq!(answer.status(), 500);
        let body = to_bytes(answer.into_body(), 1024).await.expect("a body");
        assert_eq!(&body[..], br#"{"code":"internal","message":"the server made a mistake"}"#);
    }
}

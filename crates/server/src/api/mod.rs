//! The HTTP API.

mod account_path;
mod accounts;
mod body;
mod evidence;
mod failure;
mod health;
mod metrics;
mod query;
mod tokens;

use std::{panic::AssertUnwindSafe, sync::Arc};

use axum::{
    Router,
    extract::{Request, State},
    middleware::{self, Next},
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use futures_util::FutureExt as _;
use http::{HeaderValue, header};
use solekey::Solekey;

use crate::metrics::Metrics;
use failure::Failure;

/// What the handlers share.
pub(crate) struct Api {
    pub(crate) solekey: Solekey,
    pub(crate) metrics: Arc<Metrics>,
    /// The configured providers, to tell "none of its accounts" from "no such provider".
    pub(crate) providers: Vec<String>,
    /// What works but should not stay as it is.
    pub(crate) warnings: Vec<String>,
}

pub(crate) fn router(api: Arc<Api>) -> Router {
    Router::new()
        .route("/v1/accounts", get(accounts::list))
        .route(
            "/v1/accounts/{provider}/{id}",
            get(accounts::show).put(accounts::login).delete(accounts::delete),
        )
        .route("/v1/accounts/{provider}/{id}/token", get(tokens::token))
        .route("/v1/accounts/{provider}/{id}/rejected", post(tokens::rejected))
        .route("/v1/accounts/{provider}/{id}/refresh", post(tokens::refresh))
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(metrics::metrics))
        .fallback(|| async { Failure::not_found() })
        .method_not_allowed_fallback(|| async { Failure::method_not_allowed() })
        .layer(middleware::from_fn(guarded))
        .with_state(api)
}

/// Every answer stays out of caches, and a panic becomes an answer.
async fn guarded(request: Request, next: Next) -> Response {
    let answered = AssertUnwindSafe(next.run(request)).catch_unwind().await;
    let mut response = answered.unwrap_or_else(|_| Failure::internal().into_response());
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

type Shared = State<Arc<Api>>;

#[cfg(test)]
mod tests {
    use axum::body::{Body, to_bytes};
    use hyper::service::Service as _;
    use hyper_util::service::TowerToHyperService;

    use super::*;

    async fn broken() -> Response {
        panic!("a planned panic")
    }

    #[tokio::test]
    async fn a_panic_becomes_an_answer() {
        let router = Router::new().route("/", get(broken)).layer(middleware::from_fn(guarded));
        let answer = TowerToHyperService::new(router).call(Request::new(Body::empty())).await;
        let answer = answer.expect("an answer");
        assert_eq!(answer.status(), 500);
        let body = to_bytes(answer.into_body(), 1024).await.expect("a body");
        assert_eq!(&body[..], br#"{"code":"internal","message":"the server made a mistake"}"#);
    }
}

//! The server's sockets and routes.

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::Router;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::response::Response;
use axum::routing::{get, post};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::endpoint_state::EndpointState;
use super::metadata;
use super::peer::Peer;
use super::reply;
use super::request::TokenRequest;
use super::visit::Visit;

/// Accepts until it is dropped; the connections go with it.
///
/// Not `axum::serve`, which leaves the connections running when it is dropped.
pub(super) async fn accept(listener: TcpListener, endpoint_state: Arc<EndpointState>) {
    let router = router(endpoint_state);
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept(), if connections.len() < MAX_CONNECTIONS => match accepted {
                Ok((stream, _)) => drop(connections.spawn(serve(stream, router.clone()))),
                // Out of descriptors, most likely: leave the others time to give some back.
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve(stream: TcpStream, router: Router) {
    let Ok(peer) = Peer::of(&stream) else { return };
    // It only makes answers quicker.
    let _ = stream.set_nodelay(true);
    let service = TowerToHyperService::new(router.layer(Extension(peer)));
    let connection =
        http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service);
    // It fails when a client leaves or a fault cuts it off: the referee knows about both.
    let _ = connection.await;
}

fn router(endpoint_state: Arc<EndpointState>) -> Router {
    Router::new()
        .route("/token", post(token))
        .route("/token/{via}", post(token))
        .route("/resource", get(resource))
        .route("/.well-known/oauth-authorization-server", get(metadata))
        .route("/.well-known/oauth-authorization-server/{via}", get(metadata))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(endpoint_state)
}

async fn token(
    State(endpoint_state): State<Arc<EndpointState>>,
    Extension(peer): Extension<Peer>,
    uri: Uri,
    via: Option<Path<String>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let request = match TokenRequest::read(&headers, &body, endpoint_state.behaviour.json_only) {
        Ok(request) => request,
        Err(reason) => return reply::error(StatusCode::BAD_REQUEST, "invalid_request", reason),
    };
    if request.field("grant_type") != Some("refresh_token") {
        return reply::error(StatusCode::BAD_REQUEST, "unsupported_grant_type", "only refresh_token");
    }
    match request.field("refresh_token") {
        Some(token) if !token.is_empty() => {
            let visit = Visit::open(endpoint_state, peer, token, via.map(|Path(via)| via));
            visit.serve(&request, uri.path()).await
        }
        _ => reply::error(StatusCode::BAD_REQUEST, "invalid_request", "refresh_token is missing"),
    }
}

async fn metadata(
    State(endpoint_state): State<Arc<EndpointState>>,
    via: Option<Path<String>>,
    headers: HeaderMap,
) -> Response {
    endpoint_state.state().lookups += 1;
    let host = headers.get(header::HOST).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let via = via.map(|Path(via)| via);
    reply::answer(StatusCode::OK, &metadata::document(host, via.as_deref(), &endpoint_state.behaviour))
}

async fn resource(State(endpoint_state): State<Arc<EndpointState>>, headers: HeaderMap) -> Response {
    let authorization = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let Some(access) = authorization.and_then(|value| value.strip_prefix("Bearer ")) else {
        return unauthorized("Bearer realm=\"resource\"");
    };
    let accepted = {
        let state = &mut *endpoint_state.state();
        let now = endpoint_state.now(state);
        state.grants.use_access(access, now)
    };
    if accepted {
        return reply::answer(StatusCode::OK, &json!({"ok": true}));
    }
    unauthorized(
        "Bearer realm=\"resource\", error=\"invalid_token\", error_description=\"The token is not accepted\"",
    )
}

fn unauthorized(challenge: &'static str) -> Response {
    let mut response = reply::answer(StatusCode::UNAUTHORIZED, &json!({"error": "unauthorized"}));
    response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
    response
}

/// More than any test opens, fewer than a usual limit of descriptors.
const MAX_CONNECTIONS: usize = 900;

/// A token request is a few hundred bytes; a JWT assertion makes it a few thousand.
const MAX_BODY: usize = 64 << 10;

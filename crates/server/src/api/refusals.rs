//! What the guard refuses costs nothing: neither store nor answers are asked.
#![allow(clippy::unwrap_used)]

use axum::body::Body;
use http::{Request, StatusCode};

use crate::{fixture::InMemory, guard::Admission};

const ROUTES: [&str; 9] = [
    "/v1/accounts",
    "/v1/accounts/acme/alice",
    "/v1/accounts/acme/alice?explain=true",
    "/v1/accounts/acme/alice/token",
    "/v1/accounts/acme/alice/rejected",
    "/v1/accounts/acme/alice/refresh",
    "/v1/accounts/acme/alice/export",
    "/readyz",
    "/nothing",
];
const METHODS: [&str; 8] = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"];

type Headers = &'static [(&'static str, &'static str)];

/// Headers, and the statuses with which they are refused on most routes and about health.
const REFUSED: [(Headers, u16, Option<u16>); 8] = [
    (&[], 421, Some(421)),
    (&[("host", "evil.example")], 421, Some(421)),
    (&[("host", "localhost"), ("host", "localhost")], 421, Some(421)),
    (&[("host", "evil.example"), ("origin", "http://evil.example")], 421, Some(421)),
    (&[("host", "localhost"), ("origin", "http://evil.example")], 403, None),
    (&[("host", "localhost"), ("origin", "null")], 403, None),
    (&[("host", "localhost"), ("sec-fetch-site", "cross-site")], 403, None),
    (&[("host", "localhost"), ("sec-fetch-site", "same-site")], 403, None),
];

fn request(method: &str, path: &str, headers: &[(&str, &str)]) -> Request<Body> {
    let request = Request::builder().method(method).uri(path);
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    let document = r#"{"access_token":"at2","refresh_token":"rt2","expires_in":3600}"#;
    request.body(Body::from(if method == "PUT" { document } else { "" })).unwrap()
}

/// The number of calls that a request can cause; the background has others.
fn calls(memory: &InMemory) -> u64 {
    let store = ["load", "claim", "commit", "settle", "login", "delete", "list"];
    let answers = ["newest", "write", "erase"];
    store.iter().map(|name| memory.store.faults().calls(name)).sum::<u64>()
        + answers.iter().map(|name| memory.answers.faults().calls(name)).sum::<u64>()
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_asks_nobody() {
    let memory = InMemory::new().await;
    let answer = async |request| memory.http.answer(request, Admission::Loopback).await.status();
    let here: Headers = &[("host", "localhost")];
    assert_eq!(answer(request("PUT", "/v1/accounts/acme/alice", here)).await, StatusCode::CREATED);
    // What starts by itself has started; while nobody waits, time stands still.
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    let before = calls(&memory);
    for (headers, status, about_health) in REFUSED {
        for path in ROUTES {
            for method in METHODS {
                let expected = if path == "/readyz" { about_health } else { Some(status) };
                let Some(expected) = expected else { continue };
                let status = answer(request(method, path, headers)).await;
                assert_eq!(status.as_u16(), expected, "{method} {path} {headers:?}");
                assert_eq!(calls(&memory), before, "{method} {path} {headers:?}");
            }
        }
    }
    assert_eq!(answer(request("GET", "/v1/accounts/acme/alice", here)).await, StatusCode::OK);
    assert!(calls(&memory) > before, "calls are counted");
}

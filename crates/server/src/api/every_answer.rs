//! What every answer has, and no error says, on every route and with every status.
#![allow(clippy::unwrap_used)]

use std::{collections::BTreeSet, time::Duration};

use axum::body::{Body, Bytes, to_bytes};
use http::{HeaderMap, Request};
use serde_json::Value;

use super::*;
use crate::fixture::InMemory;

/// Part of whatever a client sends in these tests that is no name of a route.
const HUSH: &str = "hush";

struct Asked {
    line: String,
    headers: Vec<(&'static str, &'static str)>,
    body: Body,
}

/// `METHOD target`, called on this host.
fn ask(line: &str) -> Asked {
    Asked { line: line.to_owned(), headers: vec![("host", "localhost")], body: Body::empty() }
}

impl Asked {
    fn body(self, body: impl Into<Body>) -> Self {
        Self { body: body.into(), ..self }
    }

    fn header(mut self, name: &'static str, value: &'static str) -> Self {
        self.headers.retain(|(other, _)| *other != name);
        self.headers.push((name, value));
        self
    }

    fn request(self) -> Request<Body> {
        let (method, target) = self.line.split_once(' ').unwrap();
        let request = Request::builder().method(method).uri(target);
        let request =
            self.headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        request.body(self.body).unwrap()
    }
}

/// Checks what holds for every answer, and notes its status.
async fn assert_sound(about: &str, answer: Response, seen: &mut BTreeSet<u16>) -> u16 {
    let (head, body) = answer.into_parts();
    let status = head.status.as_u16();
    let body = to_bytes(body, 1 << 20).await.unwrap();
    let about = format!("{about}: {status} {:?} {}", head.headers, String::from_utf8_lossy(&body));
    assert_eq!(only(&head.headers, "cache-control"), "no-store", "{about}");
    assert_eq!(only(&head.headers, "x-content-type-options"), "nosniff", "{about}");
    for name in head.headers.keys() {
        assert!(!name.as_str().starts_with("access-control-"), "{about}");
    }
    if status >= 400 {
        assert_says_nothing(&about, &head.headers, &body);
    }
    seen.insert(status);
    status
}

fn assert_says_nothing(about: &str, headers: &HeaderMap, body: &Bytes) {
    let said = format!("{headers:?} {}", String::from_utf8_lossy(body));
    assert!(!said.contains(HUSH) && !said.contains("alice"), "{about}");
    let is_unauthorized = about.contains(": 401 ");
    assert_eq!(headers.contains_key("www-authenticate"), is_unauthorized, "{about}");
    if body.is_empty() {
        return;
    }
    assert_eq!(only(headers, "content-type"), "application/json", "{about}");
    let body: Value = serde_json::from_slice(body).unwrap();
    if body.get("ready").is_some() {
        return;
    }
    let fields: BTreeSet<_> = body.as_object().unwrap().keys().map(String::as_str).collect();
    let known = BTreeSet::from(["code", "message", "field", "retry_after"]);
    assert!(fields.is_subset(&known) && fields.contains("code") && fields.contains("message"), "{about}");
    let retry_after = headers.get("retry-after").map(|value| value.to_str().unwrap().parse::<u64>().unwrap());
    assert_eq!(retry_after, body.get("retry_after").and_then(Value::as_u64), "{about}");
    assert_eq!(retry_after.is_some(), about.contains(": 503 "), "{about}");
}

fn only<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    let mut values = headers.get_all(name).iter();
    let value = values.next().unwrap_or_else(|| panic!("no {name}")).to_str().unwrap();
    assert_eq!(values.next(), None, "{name} twice");
    value
}

/// A pair that is good for an hour.
const GOOD: &str = r#"{"access_token":"at-hush","refresh_token":"rt-hush","expires_in":3600}"#;
/// Nothing refreshes it, and it has ended.
const ENDED: &str = r#"{"access_token":"at-hush-2","expires_at":1}"#;
const ROUTES: [&str; 9] = [
    "/v1/accounts",
    "/v1/accounts/acme/alice",
    "/v1/accounts/acme/alice/token",
    "/v1/accounts/acme/alice/rejected",
    "/v1/accounts/acme/alice/refresh",
    "/healthz",
    "/readyz",
    "/metrics",
    "/hush",
];

fn on_a_day_like_any_other() -> Vec<(Asked, u16)> {
    let put = |target: &str| ask(&format!("PUT /v1/accounts/{target}"));
    let get = |target: &str| ask(&format!("GET /v1/accounts{target}"));
    let post = |target: &str, body: &'static str| ask(&format!("POST /v1/accounts/acme/{target}")).body(body);
    vec![
        (put("acme/alice").body(GOOD), 201),
        (put("acme/alice").body(GOOD), 200),
        (put("acme/ended").body(ENDED), 201),
        (put("acme/another").body(GOOD), 409),
        (put("acme/hush").body("hush"), 422),
        (put("acme/hush").body(r#"{"access_token":"hush","expires_at":"hush"}"#), 422),
        (put("acme/hush").body(r#"{"access_token":["hush"]}"#), 422),
        (put("acme/hush").body(format!(r#"{{"access_token":"{}"}}"#, HUSH.repeat(1 << 20))), 422),
        (put("acme/alice?accept_spent=hush").body(GOOD), 422),
        (put("acme/%00hush").body(GOOD), 422),
        (put("acme/%hush").body(GOOD), 422),
        (put("hush/alice").body(GOOD), 404),
        (get(""), 200),
        (get("?limit=hush"), 422),
        (get("?cursor=hush"), 422),
        (get("?provider=hush"), 404),
        (get("/acme/alice"), 200),
        (get("/acme/alice?explain=true"), 200),
        (get("/acme/alice?explain=hush"), 422),
        (get("/acme/hush"), 404),
        (get("/hush/alice"), 404),
        (get("/acme/alice/token"), 200),
        (get("/acme/alice/token").header("x-token-wait-ms", HUSH), 422),
        (get("/acme/ended/token"), 401),
        (get("/acme/hush/token"), 404),
        (get("/hush/alice/token"), 404),
        (get("/acme/alice/hush"), 404),
        (post("alice/rejected", r#"{"access_token":"hush"}"#), 200),
        (post("alice/rejected", r#"{"access_token":["hush"]}"#), 422),
        (post("alice/rejected", r#"{"generation":"hush"}"#), 422),
        (post("alice/rejected", r#"{"generation":18446744073709551615}"#), 422),
        (post("alice/rejected", "hush"), 422),
        (post("hush/rejected", r#"{"access_token":"hush"}"#), 404),
        (post("alice/refresh", r#"{"generation":["hush"]}"#), 422),
        (post("alice/refresh", "hush"), 422),
        (post("hush/refresh", ""), 404),
        (post("alice/refresh", "hush").header("content-type", "text/plain"), 415),
        (ask("DELETE /v1/accounts/acme/ended"), 204),
        (ask("DELETE /v1/accounts/acme/alice?hush=hush").header("host", "hush.example"), 421),
        (ask("GET /healthz"), 200),
        (ask("GET /readyz"), 200),
        (ask("GET /metrics"), 200),
        (ask("GET /hush"), 404),
    ]
}

#[tokio::test(start_paused = true)]
async fn every_answer_stays_out_of_caches_and_no_error_repeats_what_it_was_asked() {
    let memory = InMemory::new().await;
    let mut seen = BTreeSet::new();
    let mut check = async |asked: Asked| {
        let about = asked.line.clone();
        let answer = memory.http.answer(asked.request(), Admission::Loopback).await;
        assert_sound(&about, answer, &mut seen).await
    };
    for (asked, status) in on_a_day_like_any_other() {
        let line = asked.line.clone();
        assert_eq!(check(asked).await, status, "{line}");
    }
    for route in ROUTES {
        for method in ["HEAD", "OPTIONS", "PATCH", "TRACE"] {
            check(ask(&format!("{method} {route}"))).await;
        }
        let line = format!("POST {route}");
        check(ask(&line).header("host", "hush.example")).await;
        check(ask(&line).header("origin", "http://hush.example")).await;
        check(ask(&line).header("sec-fetch-site", "cross-site")).await;
        check(ask(&line).header("content-type", "text/plain").body(HUSH)).await;
    }
    memory.store.faults().leave();
    memory.answers.faults().leave();
    for (line, body) in [
        ("GET /v1/accounts", ""),
        ("GET /v1/accounts/acme/hush-away", ""),
        ("PUT /v1/accounts/acme/hush-away", GOOD),
        ("DELETE /v1/accounts/acme/hush-away", ""),
        ("GET /v1/accounts/acme/hush-away/token", ""),
        ("POST /v1/accounts/acme/hush-away/refresh", ""),
        ("POST /v1/accounts/acme/hush-away/rejected", r#"{"access_token":"hush"}"#),
        ("GET /readyz?strict=true", ""),
    ] {
        assert_eq!(check(ask(line).body(body)).await, 503, "{line}");
    }
    let statuses = [200, 201, 204, 401, 403, 404, 405, 409, 415, 421, 422, 503];
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), statuses);
}

#[tokio::test(start_paused = true)]
async fn so_does_what_is_answered_where_no_route_was_reached() {
    let memory = InMemory::new().await;
    let mut seen = BTreeSet::new();
    let crowded = HttpApi::overloaded().await;
    assert_eq!(assert_sound("a crowd", crowded, &mut seen).await, 503);
    let panicked = finished(async { panic!("hush") }).await;
    assert_eq!(assert_sound("a panic", panicked, &mut seen).await, 500);
    let never = Body::from_stream(futures_util::stream::pending::<Result<Bytes, std::io::Error>>());
    let slow = ask("PUT /v1/accounts/acme/hush-away").body(never).request();
    let slow = memory.http.answer(slow, Admission::Loopback).await;
    assert_eq!(assert_sound("a body that never comes", slow, &mut seen).await, 408);
    let broken = futures_util::stream::once(async { Err::<Bytes, _>(std::io::Error::other(HUSH)) });
    let broken = ask("PUT /v1/accounts/acme/hush-away").body(Body::from_stream(broken)).request();
    let broken = memory.http.answer(broken, Admission::Loopback).await;
    assert_eq!(assert_sound("a body that breaks", broken, &mut seen).await, 422);
}

#[tokio::test(start_paused = true)]
async fn a_document_that_never_comes_holds_no_other_login_up_and_ends_after_half_a_minute() {
    let memory = InMemory::new().await;
    let began = tokio::time::Instant::now();
    let never = Body::from_stream(futures_util::stream::pending::<Result<Bytes, std::io::Error>>());
    let never = ask("PUT /v1/accounts/acme/never").body(never).request();
    let api = memory.http.clone();
    let never = tokio::spawn(async move { api.answer(never, Admission::Loopback).await });
    tokio::task::yield_now().await;
    let whole = Body::from(r#"{"access_token":"a","refresh_token":"r"}"#);
    let whole = ask("PUT /v1/accounts/acme/whole").body(whole).request();
    let whole = memory.http.answer(whole, Admission::Loopback).await;
    assert_eq!(whole.status().as_u16(), 201);
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    assert_eq!(never.await.unwrap().status().as_u16(), 408);
    assert_eq!(began.elapsed().as_secs(), 30);
}

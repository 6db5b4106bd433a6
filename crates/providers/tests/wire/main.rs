//! The requests that reach a token endpoint, and the meaning of its answers.

#![allow(clippy::unwrap_used)]

mod atproto;
mod clients;
mod code_assist;
mod corpus;
mod cut;
mod decoded;
mod late;
mod listing;
mod model;
mod proxies;
mod stub;

use std::time::{Duration, SystemTime};

use solekey_core::{
    Account, Delay, ExposeSecret, Outcome, Revocation, TokenAnswer, classify,
    ports::{ExchangeRequest, TokenEndpoint, Wire},
    secret,
};
use solekey_providers::{
    BodyFormat, ClientAuth, EndpointSettings, FallbackClient, HttpEndpoint, MAX_BODY_BYTES, Preset,
};
use solekey_testkit::wait::{BOUND, eventually};
use stub::{Answer, Stub, http, json};

/// Long enough for a busy machine: no test waits for it to end.
const AMPLE: Duration = BOUND;
/// For the tests that do.
const SHORT: Duration = Duration::from_millis(300);
/// For those that do once the request is sent.
const ENOUGH_TO_SEND: Duration = Duration::from_secs(3);

fn at(url: String) -> EndpointSettings {
    let client_id = "gateway".to_owned();
    EndpointSettings { token_url: url, client_id, connect_timeout: AMPLE, ..EndpointSettings::default() }
}

fn settings(stub: &Stub) -> EndpointSettings {
    at(format!("http://{}/token", stub.address()))
}

async fn exchange(endpoint: &HttpEndpoint, timeout: Duration) -> Wire {
    let account = Account::new("acme", "a").unwrap();
    endpoint.exchange(&account, ExchangeRequest::new(&secret("rt-hush")), timeout).await
}

async fn ask(settings: EndpointSettings, timeout: Duration) -> Wire {
    exchange(&settings.build().unwrap(), timeout).await
}

/// The outcome of one exchange with this answer, and the stub it was held with.
async fn come_to(answer: Answer) -> (Outcome<TokenAnswer>, Stub) {
    let stub = Stub::start(answer).await;
    let settings = settings(&stub);
    let dialect = settings.dialect.clone();
    let wire = ask(settings, AMPLE).await;
    (classify(&dialect, &wire, SystemTime::now()).outcome, stub)
}

fn is_lost(wire: &Wire) -> bool {
    matches!(wire, Wire::Lost { .. })
}

fn is_not_sent(wire: &Wire) -> bool {
    matches!(wire, Wire::NotSent { .. })
}

#[tokio::test]
async fn a_refresh_is_one_form_post() {
    let (outcome, stub) =
        come_to(json("200 OK", r#"{"access_token":"at","refresh_token":"rt2","expires_in":60}"#)).await;
    let Outcome::Success(answer) = outcome else { panic!("{outcome:?}") };
    assert_eq!(answer.access_token.unwrap().expose_secret(), "at");
    let [request] = &stub.requests()[..] else { panic!("one request") };
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("POST /token HTTP/1.1\r\n"), "{head}");
    assert!(head.contains("content-type: application/x-www-form-urlencoded"), "{head}");
    assert!(head.contains("accept: application/json"), "{head}");
    assert!(!head.to_ascii_lowercase().contains("authorization"), "{head}");
    assert_eq!(body, "grant_type=refresh_token&refresh_token=rt-hush&client_id=gateway");
}

/// C-T8.
#[tokio::test]
async fn the_codex_preset_sends_json_with_grant_type_refresh_token_and_client_id() {
    let stub = Stub::start(json("200 OK", r#"{"access_token":"at"}"#)).await;
    let preset = Preset::named("codex").unwrap();
    let url = format!("http://{}/token", stub.address());
    let endpoint = EndpointSettings { token_url: url, ..preset.endpoint }.build().unwrap();
    assert!(matches!(exchange(&endpoint, AMPLE).await, Wire::Reply { .. }));
    let requests = stub.requests();
    let (head, body) = requests[0].split_once("\r\n\r\n").unwrap();
    assert!(head.contains("content-type: application/json"), "{head}");
    let expected = serde_json::json!({
        "client_id": "app_EMoamEEZ73f0CkXaXp7hrann",
        "grant_type": "refresh_token",
        "refresh_token": "rt-hush",
        "scope": "openid profile email",
    });
    assert_eq!(serde_json::from_str::<serde_json::Value>(body).unwrap(), expected);
}

#[tokio::test]
async fn a_client_secret_travels_in_the_header_or_in_the_body() {
    let stub = Stub::start(json("200 OK", "{}")).await;
    for (client_auth, in_head, in_body) in [
        (
            ClientAuth::Basic(secret("s3cret")),
            "authorization: Basic Z2F0ZXdheTpzM2NyZXQ=",
            "refresh_token=rt-hush",
        ),
        (ClientAuth::Post(secret("s3cret")), "POST", "&client_id=gateway&client_secret=s3cret"),
    ] {
        ask(EndpointSettings { client_auth, ..settings(&stub) }, AMPLE).await;
        let request = stub.requests().pop().unwrap();
        let (head, body) = request.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(in_head) && body.ends_with(in_body), "{request}");
    }
}

#[tokio::test]
async fn a_second_client_presents_in_an_exchange_of_its_own_where_the_first_one_may_not() {
    let stub = Stub::start(json("401 Unauthorized", r#"{"error":"unauthorized_client"}"#)).await;
    let fallback_client = Some(FallbackClient {
        client_id: "other".to_owned(),
        client_auth: ClientAuth::Post(secret("s3cret")),
    });
    let endpoint = EndpointSettings { fallback_client, ..settings(&stub) }.build().unwrap();
    let first = "&client_id=gateway";
    let second = "&client_id=other&client_secret=s3cret";
    for (at, (client, outcome)) in
        [(first, Outcome::OtherClient), (second, Outcome::OurFault), (first, Outcome::OtherClient)]
            .into_iter()
            .enumerate()
    {
        let wire = exchange(&endpoint, AMPLE).await;
        let actual = classify(endpoint.dialect(), &wire, SystemTime::now()).outcome.map(|_| ());
        assert_eq!((actual, stub.requests().len()), (outcome, at + 1), "one request per exchange");
        assert!(stub.requests()[at].ends_with(client), "{client}");
    }
}

/// A2.
#[tokio::test]
async fn every_exchange_has_a_connection_of_its_own() {
    let stub = Stub::start(json("200 OK", r#"{"access_token":"at"}"#)).await;
    let endpoint = settings(&stub).build().unwrap();
    for _ in 0..3 {
        assert!(matches!(exchange(&endpoint, AMPLE).await, Wire::Reply { .. }));
    }
    assert_eq!((stub.connections(), stub.requests().len()), (3, 3));
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_the_token_is_not_sent_again() {
    for status in
        ["301 Moved", "302 Found", "303 See Other", "307 Temporary Redirect", "308 Permanent Redirect"]
    {
        let (outcome, stub) = come_to(Answer::KeepAlive(http(status, "location: /token\r\n", ""))).await;
        assert!(
            matches!(outcome, Outcome::Refused { why: Delay::ProviderDown, .. }),
            "{status}: {outcome:?}"
        );
        assert_eq!((stub.connections(), stub.requests().len()), (1, 1), "{status}");
    }
}

#[tokio::test]
async fn a_page_is_no_evidence_about_the_account() {
    let page = "<html><title>invalid_grant</title></html>";
    let html =
        |status| Answer::KeepAlive(http(status, "content-type: text/html\r\nretry-after: 7\r\n", page));
    let (outcome, _stub) = come_to(html("403 Forbidden")).await;
    let seven = Some(Duration::from_secs(7));
    assert!(matches!(outcome, Outcome::Refused { retry_after, .. } if retry_after == seven), "{outcome:?}");
    let (outcome, _stub) = come_to(html("200 OK")).await;
    assert!(matches!(outcome, Outcome::Unread), "{outcome:?}");
    for status in ["502 Bad Gateway", "503 Service Unavailable"] {
        let (outcome, _stub) = come_to(html(status)).await;
        assert!(matches!(outcome, Outcome::Ambiguous), "{status}: {outcome:?}");
    }
}

#[tokio::test]
async fn the_body_of_a_200_decides_its_outcome() {
    let (outcome, _stub) = come_to(json("200 OK", r#"{"error":"invalid_grant"}"#)).await;
    assert!(matches!(outcome, Outcome::Permanent(Revocation::Refused)), "{outcome:?}");
    let (outcome, _stub) = come_to(json("200 OK", r#"{"ok":false,"error":"later"}"#)).await;
    assert!(matches!(outcome, Outcome::Unread), "{outcome:?}");
    let (outcome, _stub) = come_to(json("200 OK", r#"{"token_type":"Bearer"}"#)).await;
    assert!(matches!(outcome, Outcome::Unread), "{outcome:?}");
    let (outcome, _stub) = come_to(json("200 OK", r#"{"refresh_token":"rt2","expires_in":60}"#)).await;
    let Outcome::Success(answer) = outcome else { panic!("{outcome:?}") };
    assert_eq!(answer.lifetime(SystemTime::now()), Some(Duration::ZERO));
}

#[tokio::test]
async fn an_answer_beyond_the_cap_is_not_read_to_its_end() {
    let junk = "x".repeat(2 * MAX_BODY_BYTES);
    let body = format!(r#"{{"access_token":"at","junk":"{junk}"}}"#);
    let unframed = format!("HTTP/1.1 200 OK\r\n\r\n{body}");
    for answer in [Answer::Close(http("200 OK", "", &body)), Answer::Close(unframed)] {
        let stub = Stub::start(answer).await;
        let wire = ask(settings(&stub), AMPLE).await;
        assert!(matches!(&wire, Wire::Lost { why } if why.contains("exceeds")), "{wire:?}");
    }
}

/// A2.
#[tokio::test]
async fn a_connection_that_ends_early_leaves_doubt_and_no_second_request() {
    for bytes in [
        "",
        "HTTP/1.1 200 OK\r\ncontent-",
        "HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{\"access",
        "junk\r\n\r\n",
    ] {
        let stub = Stub::start(Answer::Close(bytes.to_owned())).await;
        let wire = ask(settings(&stub), AMPLE).await;
        assert!(is_lost(&wire), "{bytes}: {wire:?}");
        assert_eq!((stub.connections(), stub.requests().len()), (1, 1), "{bytes}");
    }
}

#[tokio::test]
async fn silence_ends_with_the_budget_and_leaves_doubt() {
    let stalled = "HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{\"access".to_owned();
    for answer in [Answer::Silence, Answer::KeepAlive(stalled)] {
        let stub = Stub::start(answer).await;
        let wire = ask(settings(&stub), ENOUGH_TO_SEND).await;
        assert!(is_lost(&wire), "{wire:?}");
        eventually("the request", async || (stub.requests().len() == 1).then_some(())).await;
    }
}

#[tokio::test]
async fn a_refused_connection_sent_nothing() {
    let address = Stub::start(Answer::Silence).await.address();
    // The port stays closed: the stub's task is gone once a connection to it is refused.
    while tokio::net::TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    let wire = ask(at(format!("http://{address}/token")), AMPLE).await;
    assert!(is_not_sent(&wire), "{wire:?}");
}

#[tokio::test]
async fn a_connection_that_is_never_ready_sent_nothing() {
    let stub = Stub::start(Answer::Deaf).await;
    let url = format!("https://{}/token", stub.address());
    let slow = EndpointSettings { connect_timeout: SHORT, ..at(url.clone()) };
    let wire = ask(slow, AMPLE).await;
    assert!(is_not_sent(&wire), "{wire:?}");
    // However short the budget, connecting ends before it does.
    let wire = ask(at(url), SHORT).await;
    assert!(is_not_sent(&wire), "{wire:?}");
}

#[tokio::test]
async fn a_failed_handshake_or_an_unknown_name_sent_nothing() {
    let stub = Stub::start(Answer::Babble(http("400 Bad Request", "", ""))).await;
    for host in [stub.address().to_string(), "solekey.invalid".to_owned()] {
        let wire = ask(at(format!("https://{host}/token")), AMPLE).await;
        assert!(is_not_sent(&wire), "{wire:?}");
    }
}

#[tokio::test]
async fn no_secret_is_in_what_is_printed() {
    let stub = Stub::start(json("200 OK", r#"{"access_token":"at-hush","refresh_token":"rt-hush"}"#)).await;
    let closing = Stub::start(Answer::Close(String::new())).await;
    for (stub, body) in [(&stub, BodyFormat::Form), (&closing, BodyFormat::Json)] {
        let client_auth = ClientAuth::Basic(secret("cs-hush"));
        let endpoint = EndpointSettings { client_auth, body, ..settings(stub) }.build().unwrap();
        let wire = exchange(&endpoint, AMPLE).await;
        let classified = classify(endpoint.dialect(), &wire, SystemTime::now());
        let printed = format!("{endpoint:?} {wire:?} {classified:?} {}", endpoint.client());
        assert!(!printed.contains("hush"), "{printed}");
    }
}

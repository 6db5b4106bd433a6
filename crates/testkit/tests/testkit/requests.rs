//! The requests that the endpoint accepts, and the use of its tokens.

use std::time::Duration;

use serde_json::{Value, json};
use solekey_testkit::provider::{AccessFormat, AuthorizationServer, Client, Decision, ExpiresIn, Replay};

use crate::gateway::{client, get_resource, pair, present, refresh};

fn form(refresh_token: &str) -> Vec<(&'static str, String)> {
    vec![("grant_type", "refresh_token".to_owned()), ("refresh_token", refresh_token.to_owned())]
}

#[tokio::test]
async fn form_and_json_bodies_are_read() {
    let server = AuthorizationServer::start(Replay::StrictFamily).await.unwrap();
    let granted = server.grant("alice");
    let second = refresh(&server, &granted.refresh_token).await;
    let body =
        json!({"grant_type": "refresh_token", "refresh_token": second.refresh_token, "client_id": "x"});
    let answer: Value =
        client().post(server.token_url()).json(&body).send().await.unwrap().json().await.unwrap();
    assert_eq!(server.newest("alice"), Some(pair(&answer)));
    assert_eq!(answer["token_type"], "Bearer");
    assert_eq!(server.rotations(), 2);
}

#[tokio::test]
async fn what_is_no_refresh_is_refused_and_is_no_presentation() {
    let server = AuthorizationServer::start(Replay::StrictFamily).await.unwrap();
    let post = |body: &'static str| {
        let request = client().post(server.token_url()).body(body);
        request.header("content-type", "application/x-www-form-urlencoded").send()
    };
    for (body, code) in [
        ("grant_type=password&refresh_token=rt", "unsupported_grant_type"),
        ("grant_type=refresh_token", "invalid_request"),
        ("grant_type=refresh_token&refresh_token=a&refresh_token=b", "invalid_request"),
        ("", "unsupported_grant_type"),
    ] {
        let response = post(body).await.unwrap();
        assert_eq!(response.status(), 400, "{body}");
        assert_eq!(response.json::<Value>().await.unwrap()["error"], code, "{body}");
    }
    let text = client().post(server.token_url()).body("grant_type=refresh_token").send().await.unwrap();
    assert_eq!(text.status(), 400);
    assert_eq!(client().get(server.token_url()).send().await.unwrap().status(), 405);
    assert_eq!(server.presentations(), 0);
}

#[tokio::test]
async fn only_the_expected_client_by_the_expected_method_is_served() {
    let (id, secret) = ("my client".to_owned(), "s%:cret".to_owned());
    let post = [("client_id", id.clone()), ("client_secret", secret.clone())];
    // Form-encoded before it is base64-encoded, as RFC 6749 asks for.
    let basic = ("my+client", "s%25%3Acret");
    for expected in [
        Client::Public { id: id.clone() },
        Client::Basic { id: id.clone(), secret: secret.clone() },
        Client::Post { id: id.clone(), secret: secret.clone() },
    ] {
        let builder = AuthorizationServer::builder().replay(Replay::NonRotating);
        let server = builder.client(expected.clone()).start().await.unwrap();
        let token = server.grant("alice").refresh_token;
        let request = || client().post(server.token_url());
        let public = [form(&token), post[..1].to_vec()].concat();
        let posted = [form(&token), post.to_vec()].concat();
        let wrong = [form(&token), vec![post[0].clone(), ("client_secret", "wrong".into())]].concat();
        let mut served = 0;
        for attempt in [
            request().form(&form(&token)),
            request().form(&wrong),
            request().form(&form(&token)).basic_auth(basic.0, Some("wrong")),
            request().form(&public),
            request().form(&posted),
            request().form(&form(&token)).basic_auth(basic.0, Some(basic.1)),
        ] {
            let response = attempt.send().await.unwrap();
            if response.status() == 200 {
                served += 1;
                continue;
            }
            assert_eq!(response.status(), 401);
            assert!(response.headers().contains_key("www-authenticate"));
            assert_eq!(response.json::<Value>().await.unwrap()["error"], "invalid_client");
        }
        assert_eq!(served, 1, "{expected:?}");
        assert_eq!((server.rotations(), server.double_presentations()), (1, 0), "{expected:?}");
    }
}

#[tokio::test]
async fn a_wrong_client_uses_up_no_token() {
    let expected = Client::Public { id: "me".into() };
    let server = AuthorizationServer::builder().client(expected).start().await.unwrap();
    let granted = server.grant("alice");
    assert_eq!(present(&server, &granted.refresh_token).await.unwrap().status(), 401);
    assert_eq!(server.log()[0].decision, Decision::Refused);
    assert_eq!(server.newest("alice"), Some(granted));
}

#[tokio::test]
async fn the_lifetime_is_reported_as_configured() {
    for (expires_in, reported) in
        [(ExpiresIn::Number, json!(6)), (ExpiresIn::Text, json!("6")), (ExpiresIn::Omitted, Value::Null)]
    {
        let builder = AuthorizationServer::builder().expires_in(expires_in);
        let server =
            builder.token_lifetime(Duration::from_secs(6)).field("scope", "a b").start().await.unwrap();
        let granted = server.grant("alice");
        let answer: Value = present(&server, &granted.refresh_token).await.unwrap().json().await.unwrap();
        assert_eq!(answer["expires_in"], reported);
        assert_eq!(answer["scope"], "a b");
    }
}

#[tokio::test]
async fn an_access_token_works_until_it_expires_or_is_rejected() {
    let lifetime = Duration::from_secs(3600);
    let server = AuthorizationServer::builder().token_lifetime(lifetime).start().await.unwrap();
    let (a, b) = (server.grant("a").access_token, server.grant("b").access_token);
    assert_eq!(get_resource(&server, &a).await.status(), 200);
    assert!(server.reject_access(&a));
    assert!(!server.reject_access("at-unknown"));
    let rejected = get_resource(&server, &a).await;
    assert_eq!(rejected.status(), 401);
    let challenge = rejected.headers()["www-authenticate"].to_str().unwrap();
    assert!(challenge.starts_with("Bearer ") && challenge.contains("error=\"invalid_token\""));
    assert!(!server.is_valid(&a) && server.is_valid(&b));
    server.advance(lifetime);
    assert!(!server.is_valid(&b));
    assert_eq!(get_resource(&server, &b).await.status(), 401);
}

#[tokio::test]
async fn a_request_without_a_token_is_not_answered_with_invalid_token() {
    let server = AuthorizationServer::start(Replay::Strict).await.unwrap();
    let response = client().get(server.resource_url()).send().await.unwrap();
    assert_eq!(response.status(), 401);
    assert!(!response.headers()["www-authenticate"].to_str().unwrap().contains("error"));
}

#[tokio::test]
async fn a_rotation_ends_earlier_access_tokens_where_that_is_configured() {
    let server = AuthorizationServer::builder().rotation_ends_access().start().await.unwrap();
    let granted = server.grant("alice");
    let successor = refresh(&server, &granted.refresh_token).await;
    assert!(!server.is_valid(&granted.access_token) && server.is_valid(&successor.access_token));
}

#[tokio::test]
async fn jwt_access_tokens_carry_their_expiry() {
    use base64::Engine as _;
    let builder = AuthorizationServer::builder().access_format(AccessFormat::Jwt);
    let server = builder.token_lifetime(Duration::from_secs(600)).start().await.unwrap();
    let (a, b) = (server.grant("alice").access_token, server.grant("alice").access_token);
    assert_ne!(a, b);
    let claims = a.split('.').nth(1).unwrap();
    let claims = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(claims).unwrap();
    let claims: Value = serde_json::from_slice(&claims).unwrap();
    assert_eq!(claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap(), 600);
    assert_eq!(get_resource(&server, &a).await.status(), 200);
}

#[tokio::test]
async fn a_server_that_is_stopped_refuses_connections() {
    let server = AuthorizationServer::start(Replay::Strict).await.unwrap();
    let address = server.address();
    server.stop().await;
    assert!(std::net::TcpStream::connect(address).is_err());
}

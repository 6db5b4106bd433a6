//! Ids that resemble paths, and paths that resemble nothing.

use crate::fixture::{World, document};

/// A18.
#[tokio::test]
async fn an_id_is_what_stands_between_two_slashes_decoded_once() {
    let world = World::new().await;
    let sidecar = world.sidecar().await;
    let ids = [
        ("alice@example.com", "alice@example.com"),
        ("alice%40example.org", "alice@example.org"),
        ("org%2Fteam%2Falice", "org/team/alice"),
        ("%2e%2e", ".."),
        (".", "."),
        ("...", "..."),
        ("a%2e%2e%2fb", "a../b"),
        ("%252e%252e", "%2e%2e"),
        ("%2Fetc%2Fpasswd", "/etc/passwd"),
        ("J%C3%BCrgen%20%E2%98%83", "Jürgen ☃"),
        ("a+b", "a+b"),
        ("a%2Bb", "a+b"),
        ("a%3Fb%23c", "a?b#c"),
        ("a;b=c", "a;b=c"),
        ("token", "token"),
        ("rejected", "rejected"),
        ("Alice", "Alice"),
        ("alice", "alice"),
        ("alice%20", "alice "),
        ("'; DROP TABLE accounts; --", "'; DROP TABLE accounts; --"),
    ];
    let mut generations = std::collections::BTreeMap::new();
    for (segment, id) in ids {
        let segment = segment.replace(' ', "%20");
        let body = document(&world.provider.grant(id), 3600);
        let answer = sidecar.raw("PUT", &format!("/v1/accounts/acme/{segment}"), &body).await;
        if let Some(before) = generations.get(id) {
            assert_eq!(answer.code(), (201, ""), "{segment} is the same account as before");
            assert!(answer.generation() > *before);
        }
        assert_eq!(answer.status, 201, "{segment}: {answer:?}");
        generations.insert(id, answer.generation());
        let shown = sidecar.raw("GET", &format!("/v1/accounts/acme/{segment}"), "").await;
        assert_eq!(shown.text("id"), id, "{segment}");
        let token = sidecar.raw("GET", &format!("/v1/accounts/acme/{segment}/token"), "").await;
        assert_eq!(token.access_token(), world.provider.newest(id).unwrap().access_token, "{segment}");
    }
    let mut listed: Vec<String> = sidecar.get("/v1/accounts?limit=1000").await.body["accounts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|account| account["id"].as_str().unwrap().to_owned())
        .collect();
    listed.sort();
    let mut expected: Vec<_> = generations.into_keys().map(str::to_owned).collect();
    expected.sort();
    assert_eq!(listed, expected);
}

/// A18.
#[tokio::test]
async fn dot_segments_are_ids_and_lead_nowhere() {
    let world = World::new().await;
    let sidecar = world.sidecar().await;
    sidecar.log_in("alice", &world.provider.grant("alice")).await;
    for target in ["/v1/accounts/acme/../token", "/v1/accounts/acme/%2e%2e/token", "/v1/accounts/acme/."] {
        assert_eq!(sidecar.raw("GET", target, "").await.code(), (404, "unknown_account"), "{target}");
    }
    for target in [
        "/v1/accounts/acme/x/../alice/token",
        "/v1/accounts/acme/x/%2e%2e/alice/token",
        "/v1/../v1/accounts/acme/alice/token",
        "/v1//accounts/acme/alice/token",
        "/v1/accounts/acme/alice/token/",
        "/v1/accounts/acme/alice/",
        "/v1/accounts/",
        "/v1/accounts/acme",
        "/V1/accounts/acme/alice/token",
        "/v1/accounts/acme/alice%2Ftoken/x",
        "/",
        "/v2",
        "/etc/passwd",
    ] {
        assert_eq!(sidecar.raw("GET", target, "").await.code(), (404, "not_found"), "{target}");
    }
    assert_eq!(
        sidecar.raw("GET", "/v1/accounts/acme/alice%2Ftoken", "").await.code(),
        (404, "unknown_account")
    );
}

#[tokio::test]
async fn names_that_cannot_be_names_are_refused() {
    let world = World::new().await;
    let sidecar = world.sidecar().await;
    let body = document(&world.provider.grant("alice"), 3600);
    let long = "x".repeat(513);
    for (path, field) in [
        ("acme/", "id"),
        ("acme/%zz", "id"),
        ("acme/100%", "id"),
        ("acme/%ff%fe", "id"),
        ("acme/a%00b", "id"),
        ("acme/a%0ab", "id"),
        (&format!("acme/{long}"), "id"),
        ("%zz/alice", "provider"),
        (&format!("{long}/alice"), "provider"),
    ] {
        for (method, tail) in
            [("PUT", ""), ("GET", ""), ("DELETE", ""), ("GET", "/token"), ("POST", "/refresh")]
        {
            if path == "acme/" && tail.is_empty() {
                continue;
            }
            let answer = sidecar.raw(method, &format!("/v1/accounts/{path}{tail}"), &body).await;
            assert_eq!(
                (answer.code(), answer.field()),
                ((422, "invalid_input"), field),
                "{method} {path:.20}{tail}"
            );
        }
    }
    let listed = sidecar.get("/v1/accounts").await;
    assert_eq!(listed.body["accounts"].as_array().unwrap().len(), 0);
}

//! Bad input: a clear error that names the field, and nothing changed.

use reqwest::Method;
use serde_json::{Value, json};

use crate::fixture::{Answer, Sidecar, World, account, steady, token};

/// Everything a client can see of `alice`, and all there is.
async fn seen(sidecar: &Sidecar) -> (Value, Value, Value) {
    let token = sidecar.get(&token("alice")).await.body;
    let mut listed = sidecar.get("/v1/accounts").await.body;
    for account in listed["accounts"].as_array_mut().unwrap() {
        *account = steady(account.take());
    }
    (sidecar.state("alice").await, token, listed)
}

#[tokio::test]
async fn documents_that_are_no_credentials_change_nothing() {
    let world = World::new().await;
    let sidecar = world.sidecar().await;
    sidecar.log_in("alice", &world.provider.grant("alice")).await;
    let before = seen(&sidecar).await;

    let deep = format!("{{\"access_token\":\"x\",\"a\":{}1{}}}", "[".repeat(10_000), "]".repeat(10_000));
    let fields = format!("{{\"access_token\":\"x\",\"a\":\"{}\"}}", "x".repeat(64 * 1024));
    let huge = format!("{{\"access_token\":\"x\",\"a\":\"{}\"}}", "x".repeat(2 * 1024 * 1024));
    for (document, field) in [
        ("", "document"),
        ("{", "document"),
        ("[]", "document"),
        ("null", "document"),
        ("\"x\"", "document"),
        ("<html><body>404</body></html>", "document"),
        ("{\"access_token\":\"a\"} trailing", "document"),
        ("{\"access_token\":\"a\",}", "document"),
        (&deep, "document"),
        (&fields, "document"),
        (&huge, "document"),
        ("{}", "access_token"),
        ("{\"access_token\":null,\"refresh_token\":\"\"}", "access_token"),
        ("{\"id_token\":\"x\",\"expires_in\":3600}", "access_token"),
        ("{\"access_token\":7}", "access_token"),
        ("{\"access_token\":\"a\",\"access_token\":\"b\"}", "access_token"),
        ("{\"access_token\":\"a\\nb\"}", "access_token"),
        ("{\"access_token\":\"a\",\"refresh_token\":[]}", "refresh_token"),
        ("{\"access_token\":\"a\",\"expires_at\":\"tomorrow\"}", "expires_at"),
        ("{\"access_token\":\"a\",\"expires_in\":\"soon\"}", "expires_in"),
        ("{\"access_token\":\"a\",\"expires_in\":{}}", "expires_in"),
        ("{\"tokens\":{}}", "tokens.access_token"),
        ("{\"tokens\":7}", "tokens"),
    ] {
        for id in ["alice", "newcomer"] {
            let answer = sidecar.put(&account(id), document.to_owned()).await;
            let about = document.chars().take(60).collect::<String>();
            assert_eq!(
                (answer.code(), answer.field()),
                ((422, "invalid_input"), field),
                "{about}: {answer:?}"
            );
            assert!(answer.text("message").starts_with(field), "{answer:?}");
        }
    }
    let answer = sidecar.put(&account("alice"), b"{\"access_token\":\"\xff\"}".to_vec()).await;
    assert_eq!((answer.code(), answer.field()), ((422, "invalid_input"), "document"));

    assert_eq!(seen(&sidecar).await, before);
    assert_eq!(world.provider.presentations(), 0);
}

#[tokio::test]
async fn an_error_never_quotes_the_input() {
    let world = World::new().await;
    let sidecar = world.sidecar().await;
    for document in [
        "{\"access_token\":\"hush\" \"hush\"}",
        "{\"access_token\":\"hush\",\"expires_at\":\"hush\"}",
        "{\"access_token\":\"hush\\n\"}",
        "hush",
    ] {
        let answer = sidecar.put(&account("alice"), document).await;
        assert_eq!(answer.status, 422, "{document}");
        assert!(!answer.body.to_string().contains("hush"), "{answer:?}");
    }
    let answer =
        sidecar.post(&format!("{}/rejected", account("alice")), "{\"access_token\":[\"hush\"]}").await;
    assert_eq!((answer.code(), answer.field()), ((422, "invalid_input"), "access_token"));
    assert!(!answer.body.to_string().contains("hush"), "{answer:?}");
}

#[tokio::test]
async fn evidence_that_says_nothing_rotates_nothing() {
    let world = World::new().await;
    let sidecar = world.sidecar().await;
    sidecar.log_in("alice", &world.provider.grant("alice")).await;
    let before = seen(&sidecar).await;

    let deep = format!("{{\"access_token\":{}{}}}", "[".repeat(5000), "]".repeat(5000));
    for (body, field) in [
        ("", "document"),
        ("7", "document"),
        ("{}", "access_token"),
        ("{\"access_token\":null}", "access_token"),
        ("{\"access_token\":\"\"}", "access_token"),
        ("{\"access_token\":7}", "access_token"),
        ("{\"access_token\":\"a\",\"generation\":7}", "access_token"),
        ("{\"acces_token\":\"a\"}", "acces_token"),
        ("{\"generation\":\"7\"}", "generation"),
        ("{\"generation\":-1}", "generation"),
        ("{\"generation\":1.5}", "generation"),
        ("{\"generation\":99999999999999999999}", "generation"),
        (&deep, "document"),
    ] {
        let answer = sidecar.post(&format!("{}/rejected", account("alice")), body.to_owned()).await;
        assert_eq!(
            (answer.code(), answer.field()),
            ((422, "invalid_input"), field),
            "{body:.60}: {answer:?}"
        );
    }
    for (body, field) in [
        ("7", "document"),
        ("{\"access_token\":\"a\"}", "access_token"),
        ("{\"generation\":\"now\"}", "generation"),
    ] {
        let answer = sidecar.post(&format!("{}/refresh", account("alice")), body).await;
        assert_eq!((answer.code(), answer.field()), ((422, "invalid_input"), field), "{body}");
    }
    assert_eq!(seen(&sidecar).await, before);
    assert_eq!(world.provider.presentations(), 0);
}

#[tokio::test]
async fn parameters_that_mean_nothing_are_refused_by_name() {
    let world = World::new().await;
    let sidecar = world.sidecar().await;
    sidecar.log_in("alice", &world.provider.grant("alice")).await;
    let before = seen(&sidecar).await;
    let other = json!({"access_token": "a", "refresh_token": "b"}).to_string();

    for (method, path, field) in [
        (Method::PUT, "/v1/accounts/acme/alice?accept_spend=true", "accept_spend"),
        (Method::PUT, "/v1/accounts/acme/alice?accept_spent=yes", "accept_spent"),
        (Method::PUT, "/v1/accounts/acme/alice?accept_spent", "accept_spent"),
        (Method::PUT, "/v1/accounts/acme/alice?accept_spent=true&accept_spent=true", "accept_spent"),
        (Method::GET, "/v1/accounts/acme/alice?verbose=1", "verbose"),
        (Method::DELETE, "/v1/accounts/acme/alice?force=true", "force"),
        (Method::GET, "/v1/accounts/acme/alice/token?wait=1", "wait"),
        (Method::POST, "/v1/accounts/acme/alice/refresh?x=1", "x"),
        (Method::POST, "/v1/accounts/acme/alice/rejected?x=1", "x"),
        (Method::GET, "/v1/accounts?providr=acme", "providr"),
        (Method::GET, "/v1/accounts?limit=0", "limit"),
        (Method::GET, "/v1/accounts?limit=1001", "limit"),
        (Method::GET, "/v1/accounts?limit=x", "limit"),
        (Method::GET, "/v1/accounts?cursor=nonsense", "cursor"),
    ] {
        let answer = Answer::of(sidecar.request(method.clone(), path).body(other.clone())).await;
        assert_eq!(
            (answer.code(), answer.field()),
            ((422, "invalid_input"), field),
            "{method} {path}: {answer:?}"
        );
    }
    for value in ["soon", "-1", "1.5", ""] {
        let request = sidecar.request(Method::GET, &token("alice")).header("X-Token-Wait-Ms", value);
        let answer = Answer::of(request).await;
        assert_eq!((answer.code(), answer.field()), ((422, "invalid_input"), "x-token-wait-ms"), "{value}");
    }
    assert_eq!(seen(&sidecar).await, before);
    assert_eq!(world.provider.presentations(), 0);
}

#[tokio::test]
async fn an_unknown_provider_takes_no_login() {
    let world = World::new().await;
    let sidecar = world.sidecar().await;
    let document = json!({"access_token": "a", "refresh_token": "b"}).to_string();
    assert_eq!(sidecar.put("/v1/accounts/other/alice", document).await.code(), (404, "unknown_provider"));
    assert_eq!(sidecar.get("/v1/accounts").await.body["accounts"], json!([]));
}

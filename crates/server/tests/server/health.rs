//! Liveness, readiness, and the details that a sidecar reports of itself.

use serde_json::json;
use solekey_server::{Config, Environment, Server, ServerError};
use solekey_testkit::redis::{Data, RedisServer, redis_for_tests};

use crate::fixture::{Sidecar, World, token, until};

#[tokio::test]
async fn an_embedded_sidecar_is_alive_and_ready() {
    let world = World::new().await;
    let sidecar = world.sidecar().await;
    assert_eq!(sidecar.get("/healthz").await.status, 200);
    let ready = sidecar.get("/readyz").await;
    assert_eq!(ready.status, 200);
    for (key, value) in [
        ("ready", json!(true)),
        ("store", json!(true)),
        ("answers", json!(true)),
        ("cache", json!(null)),
        ("mistake", json!(null)),
        ("draining", json!(false)),
        ("warnings", json!([])),
    ] {
        assert_eq!(ready.body[key], value, "{key}");
    }
}

#[tokio::test]
async fn a_redis_url_that_cannot_be_read_is_an_error_and_is_not_repeated() {
    let world = World::new().await;
    for url in ["not a url", "http://127.0.0.1:1", "redis://", "redis://:hush@127.0.0.1:port/"] {
        let text =
            format!("listen = \"127.0.0.1:0\"\n[redis]\nurl = \"{url}\"\n{}", world.provider_table(""));
        let config = Config::parse(&text, &Environment::default()).unwrap();
        let Err(ServerError::Key(error)) = Server::bind(config).await else { panic!("{url} was taken") };
        assert!(error.field().starts_with("redis.url"), "{url}: {error}");
        assert!(!error.to_string().contains("hush"), "{error}");
    }
}

#[tokio::test]
async fn a_sidecar_starts_without_its_redis_reports_that_and_works_once_it_is_there() {
    let world = World::new().await;
    let mut redis = RedisServer::start().await.unwrap();
    let state_dir = world.folder.path().join("state");
    let config = format!(
        "listen = \"127.0.0.1:0\"\nstate_dir = \"{}\"\n[redis]\nurl = \"{}\"\n{}",
        state_dir.display(),
        redis.url(),
        world.provider_table("")
    );
    redis.kill9();
    let sidecar = Sidecar::start(&config).await;

    assert_eq!(sidecar.get("/healthz").await.status, 200);
    let ready = sidecar.get("/readyz").await;
    assert_eq!(
        (ready.status, &ready.body["store"], &ready.body["cache"]),
        (503, &json!(false), &json!(false))
    );
    assert!(ready.body["warnings"][0].as_str().unwrap().contains("provider.acme"), "{ready:?}");
    assert_eq!(sidecar.get(&token("alice")).await.code(), (503, "refresh_unavailable"));
    let pair = world.provider.grant("alice");
    let login = sidecar.put("/v1/accounts/acme/alice", crate::fixture::document(&pair, 3600)).await;
    assert_eq!(login.code(), (503, "refresh_unavailable"));
    assert!(login.headers.contains_key("retry-after"));

    redis.restart(Data::Lost).await.unwrap();
    until(async || sidecar.get("/readyz").await.status == 200).await;
    sidecar.log_in("alice", &pair).await;
    assert_eq!(sidecar.get(&token("alice")).await.access_token(), pair.access_token);
}

#[tokio::test]
async fn two_sidecars_share_accounts_through_redis_and_one_refreshes() {
    let world = World::new().await;
    let redis = redis_for_tests().await.unwrap();
    let config = format!(
        "listen = \"127.0.0.1:0\"\nstate_dir = \"{}\"\n[redis]\nurl = \"{}\"\nprefix = \"{}\"\n{}",
        world.folder.path().display(),
        redis.url,
        redis.prefix,
        world.provider_table("")
    );
    let (one, other) = (Sidecar::start(&config).await, Sidecar::start(&config).await);
    one.log_in_expired("alice", &world.provider.grant("alice")).await;
    let path = token("alice");
    let (first, second) = tokio::join!(one.get(&path), other.get(&path));
    assert_eq!(first.access_token(), second.access_token());
    assert_eq!((world.provider.rotations(), world.provider.double_presentations()), (1, 0));
}

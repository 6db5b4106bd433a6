//! Stores that answer and refuse.

use serde_json::json;
use solekey_testkit::{
    postgres::{self, PostgresServer},
    redis::RedisServer,
};

use crate::fixture::{Answer, Sidecar, World, token, until};

/// A sidecar whose rows are in this Redis.
async fn over_redis(world: &World, url: &str) -> Sidecar {
    let config = format!(
        "listen = \"127.0.0.1:0\"\nstate_dir = \"{}\"\n[redis]\nurl = \"{url}\"\n{}",
        world.folder.path().join("state").display(),
        world.provider_table("")
    );
    Sidecar::start(&config).await
}

async fn command(redis: &RedisServer, words: &str) {
    redis.command(&words.split(' ').collect::<Vec<_>>()).await.unwrap();
}

/// Waits until nothing can be refreshed, for a reason with this word; the lenient and the strict answer.
async fn refuses(sidecar: &Sidecar, word: &str) -> (Answer, Answer) {
    until(async || {
        let ready = sidecar.get("/readyz").await;
        ready.body["refresh"]["why"].as_str().is_some_and(|why| why.contains(word))
    })
    .await;
    (sidecar.get("/readyz").await, sidecar.get("/readyz?strict=true").await)
}

#[tokio::test]
async fn a_store_that_refuses_writes_is_not_ready_and_says_why() {
    let world = World::new().await;
    let redis = RedisServer::start().await.unwrap();
    command(&redis, "ACL SETUSER keeper on >secret ~* &* +@all").await;
    let url = format!("redis://keeper:secret@{}", redis.address());
    let sidecar = over_redis(&world, &url).await;
    let pair = world.provider.grant("alice");
    sidecar.log_in("alice", &pair).await;
    let ready = sidecar.get("/readyz").await;
    assert_eq!(
        (ready.status, &ready.body["status"], &ready.body["ready"]),
        (200, &json!("ready"), &json!(true))
    );
    assert_eq!(ready.body["refresh"], json!({"up": true}));

    for (break_it, word, mend_it) in [
        ("CONFIG SET maxmemory 1", "OOM", "CONFIG SET maxmemory 0"),
        ("REPLICAOF 127.0.0.1 1", "READONLY", "REPLICAOF NO ONE"),
        ("ACL SETUSER keeper -evalsha -eval", "NOPERM", "ACL SETUSER keeper +@all"),
    ] {
        command(&redis, break_it).await;
        let (lenient, strict) = refuses(&sidecar, word).await;
        assert_eq!((lenient.status, strict.status), (200, 503), "{break_it}: {lenient:?}");
        assert_eq!((&lenient.body["status"], &lenient.body["ready"]), (&json!("degraded"), &json!(false)));
        assert_eq!(lenient.body["serve"], json!({"up": true}));
        assert_eq!(sidecar.get(&token("alice")).await.access_token(), pair.access_token, "{break_it}");
        let page = sidecar.client.get(format!("http://{}/metrics", sidecar.address)).send().await.unwrap();
        let metrics = page.text().await.unwrap();
        assert!(metrics.contains("solekey_ready{what=\"refresh\"} 0\n"), "{metrics}");
        command(&redis, mend_it).await;
        until(async || sidecar.get("/readyz?strict=true").await.status == 200).await;
    }
    command(&redis, "ACL SETUSER keeper -@all +ping +info +hello +client").await;
    // A process that holds a valid token serves it; one that holds nothing has nothing to serve.
    let (held, _) = refuses(&sidecar, "NOPERM").await;
    assert_eq!((held.status, &held.body["status"]), (200, &json!("degraded")));
    let sidecar = over_redis(&world, &url).await;
    let (down, _) = refuses(&sidecar, "NOPERM").await;
    assert_eq!((down.status, &down.body["status"]), (503, &json!("down")));
    assert!(down.body["serve"]["why"].as_str().unwrap().contains("NOPERM"), "{down:?}");
    assert_eq!(sidecar.get("/readyz?strict=maybe").await.status, 422);
}

#[tokio::test]
async fn a_read_only_database_is_not_ready_and_says_so() {
    if postgres::is_waived() {
        return;
    }
    let world = World::new().await;
    let server = PostgresServer::start_with(&[("default_transaction_read_only", "on")]).await.unwrap();
    let config = format!(
        "listen = \"127.0.0.1:0\"\nstate_dir = \"{}\"\n[store]\nurl = \"{}\"\n{}",
        world.folder.path().join("state").display(),
        server.url(),
        world.provider_table("")
    );
    let sidecar = Sidecar::start(&config).await;
    let (lenient, strict) = refuses(&sidecar, "read-only").await;
    assert_eq!((lenient.status, strict.status), (503, 503), "{lenient:?}");
}

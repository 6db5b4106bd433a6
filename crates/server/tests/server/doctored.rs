//! The doctor, over real servers.

use solekey_server::{
    Config, Environment,
    doctor::{Diagnosis, Level, examine},
};
use solekey_testkit::{
    postgres::{PostgresServer, is_waived},
    redis::RedisServer,
    wait::eventually,
};

use tokio::io::AsyncWriteExt as _;

use crate::fixture::{Sidecar, World};

async fn examined(config: &str, environment: &[(&str, &str)]) -> Diagnosis {
    let environment: Environment = environment.iter().copied().collect();
    examine(Config::parse(config, &environment).unwrap()).await
}

/// Examines until the diagnosis is as it should be: on a busy machine servers answer late, which the doctor says.
async fn examined_until(
    config: &str,
    environment: &[(&str, &str)],
    expected: impl Fn(&Diagnosis) -> bool,
) -> Diagnosis {
    eventually("the expected diagnosis", async || {
        let diagnosis = examined(config, environment).await;
        if expected(&diagnosis) { Ok(diagnosis) } else { Err(format!("{diagnosis:#?}")) }
    })
    .await
}

/// Rows in this Redis, answers in a folder of the world.
fn redis_alone(world: &World, url: &str) -> String {
    let state = world.folder.path().join("state");
    format!("state_dir = \"{}\"\n[redis]\nurl = \"{url}\"\n{}", state.display(), world.provider_table(""))
}

/// Rows in this PostgreSQL, answers in a folder of the world.
fn postgres_alone(world: &World, url: &str) -> String {
    let state = world.folder.path().join("state");
    format!("state_dir = \"{}\"\n[store]\nurl = \"{url}\"\n{}", state.display(), world.provider_table(""))
}

fn level(diagnosis: &Diagnosis, check: &str) -> Level {
    found(diagnosis, check).unwrap_or_else(|| panic!("{check} in {diagnosis:#?}"))
}

fn found(diagnosis: &Diagnosis, check: &str) -> Option<Level> {
    let found = diagnosis.findings.iter().find(|finding| finding.check == check);
    found.map(|finding| finding.level)
}

#[tokio::test]
async fn one_host_without_redis_is_in_order() {
    let world = World::new().await;
    let in_order = |diagnosis: &Diagnosis| {
        diagnosis.healthy && diagnosis.findings.iter().all(|finding| finding.level < Level::Warning)
    };
    let diagnosis = examined_until(&world.config(), &[], in_order).await;
    for (check, expected) in [
        ("provider", Level::Ok),
        ("store", Level::Ok),
        ("answers", Level::Ok),
        ("state_dir", Level::Note),
        ("seal", Level::Note),
    ] {
        assert_eq!(level(&diagnosis, check), expected, "{check}");
    }
    assert_eq!(world.provider.presentations(), 0);
}

#[tokio::test]
async fn a_redis_that_keeps_everything_is_in_order_and_one_that_forgets_is_not() {
    let world = World::new().await;
    let careful =
        RedisServer::builder().append_only().setting("appendfsync", "always").start().await.unwrap();
    let checks = [
        "redis.version",
        "redis.role",
        "redis.eviction",
        "redis.persistence",
        "redis.push",
        "redis.latency",
        "redis.clock",
        "store",
    ];
    let diagnosis = examined_until(&redis_alone(&world, &careful.url()), &[], |diagnosis| {
        diagnosis.healthy && checks.iter().all(|check| found(diagnosis, check) == Some(Level::Ok))
    })
    .await;
    // Which is what a start warns about, too.
    assert_eq!(level(&diagnosis, "configuration"), Level::Warning);
    assert_eq!(level(&diagnosis, "redis.memory"), Level::Ok);

    let careless = RedisServer::builder()
        .setting("maxmemory", "100mb")
        .setting("maxmemory-policy", "allkeys-lru")
        .start()
        .await
        .unwrap();
    let diagnosis = examined(&redis_alone(&World::new().await, &careless.url()), &[]).await;
    assert!(!diagnosis.healthy);
    assert_eq!(level(&diagnosis, "redis.persistence"), Level::Error, "{diagnosis:#?}");
    assert_eq!(level(&diagnosis, "redis.eviction"), Level::Error, "{diagnosis:#?}");
}

#[tokio::test]
async fn a_replica_is_not_where_writes_go() {
    let world = World::new().await;
    let primary = RedisServer::start().await.unwrap();
    let address = primary.address();
    let replica = RedisServer::builder()
        .setting("replicaof", &format!("{} {}", address.ip(), address.port()))
        .start()
        .await
        .unwrap();
    let diagnosis = examined(&redis_alone(&world, &replica.url()), &[]).await;
    // The link gives a replica no command.
    assert!(!diagnosis.healthy, "{diagnosis:#?}");
}

#[tokio::test]
async fn an_unreachable_service_is_named_and_no_secret_is_shown() {
    let world = World::new().await;
    let gone = RedisServer::start().await.unwrap();
    let url = format!("redis://:hush-hush@{}", gone.address());
    gone.command(&["CONFIG", "SET", "requirepass", "another"]).await.unwrap();
    let turned_away = examined(&redis_alone(&world, &url), &[]).await;
    assert_eq!(level(&turned_away, "redis.reachable"), Level::Error, "{turned_away:#?}");
    drop(gone);
    let config = redis_alone(&world, &url).replace(&world.provider.token_url(), "http://127.0.0.1:1/token");
    let diagnosis = examined(&config, &[]).await;
    assert_eq!(level(&diagnosis, "redis.reachable"), Level::Error, "{diagnosis:#?}");
    assert_eq!(level(&diagnosis, "store"), Level::Error, "{diagnosis:#?}");
    assert_eq!(level(&diagnosis, "provider"), Level::Warning, "{diagnosis:#?}");
    let text = serde_json::to_string(&[turned_away, diagnosis]).unwrap();
    assert!(!text.contains("hush-hush"), "{text}");
}

#[tokio::test]
async fn a_seal_key_that_sealed_nothing_here_is_an_error() {
    let world = World::new().await;
    let one = "a:AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";
    let other = "b:AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=";
    examined_until(&world.config(), &[("SOLEKEY_SEAL_KEY", one)], |diagnosis| diagnosis.healthy).await;
    let diagnosis = examined(&world.config(), &[("SOLEKEY_SEAL_KEY", other)]).await;
    assert_eq!(level(&diagnosis, "backends"), Level::Error, "{diagnosis:#?}");
    assert!(!diagnosis.healthy);
}

async fn until_durability_is(expected: Level, config: &str) -> Diagnosis {
    examined_until(config, &[], |diagnosis| found(diagnosis, "postgres.durability") == Some(expected)).await
}

#[tokio::test]
async fn a_postgres_that_waits_for_its_disk_is_in_order() {
    if is_waived() {
        return;
    }
    let (world, server) = (World::new().await, PostgresServer::start_with(&[("fsync", "on")]).await.unwrap());
    let checks = ["version", "role", "durability", "replication", "tls", "tables", "latency", "clock"];
    let checks = checks.map(|check| format!("postgres.{check}"));
    examined_until(&postgres_alone(&world, &server.url()), &[], |diagnosis| {
        let mut all = checks.iter().map(String::as_str).chain(["store"]);
        diagnosis.healthy && all.all(|check| found(diagnosis, check) == Some(Level::Ok))
    })
    .await;
}

#[tokio::test]
async fn a_postgres_with_fsync_off_is_an_error_for_a_store_of_accounts() {
    if is_waived() {
        return;
    }
    let (world, server) =
        (World::new().await, PostgresServer::start_with(&[("fsync", "off")]).await.unwrap());
    let diagnosis = until_durability_is(Level::Error, &postgres_alone(&world, &server.url())).await;
    assert!(!diagnosis.healthy);
}

#[tokio::test]
async fn whatever_the_database_sets_for_its_sessions_changes_wait_for_the_disk() {
    if is_waived() {
        return;
    }
    let settings = [("fsync", "on"), ("synchronous_commit", "off")];
    let (world, server) = (World::new().await, PostgresServer::start_with(&settings).await.unwrap());
    until_durability_is(Level::Ok, &postgres_alone(&world, &server.url())).await;
}

#[tokio::test]
async fn a_postgres_whose_pages_may_tear_is_warned_of() {
    if is_waived() {
        return;
    }
    let settings = [("fsync", "on"), ("full_page_writes", "off")];
    let (world, server) = (World::new().await, PostgresServer::start_with(&settings).await.unwrap());
    until_durability_is(Level::Warning, &postgres_alone(&world, &server.url())).await;
}

#[tokio::test]
async fn a_postgres_that_waits_for_a_standby_which_is_not_there_is_an_error() {
    if is_waived() {
        return;
    }
    let settings = [("fsync", "on"), ("synchronous_standby_names", "nobody")];
    let (world, server) = (World::new().await, PostgresServer::start_with(&settings).await.unwrap());
    let diagnosis = examined_until(&postgres_alone(&world, &server.url()), &[], |diagnosis| {
        found(diagnosis, "postgres.replication") == Some(Level::Error)
    })
    .await;
    assert!(!diagnosis.healthy);
}

#[tokio::test]
async fn a_role_that_may_not_create_tables_is_an_error() {
    if is_waived() {
        return;
    }
    let (world, server) = (World::new().await, PostgresServer::start_with(&[("fsync", "on")]).await.unwrap());
    let read_only = format!("{}?options=-c%20default_transaction_read_only%3Don", server.url());
    // Asking needs no right.
    let diagnosis = until_durability_is(Level::Ok, &postgres_alone(&world, &read_only)).await;
    assert_eq!(level(&diagnosis, "postgres.tables"), Level::Error, "{diagnosis:#?}");
}

#[tokio::test]
async fn a_postgres_that_is_not_there_is_named_and_its_password_is_not_shown() {
    let world = World::new().await;
    let away = examined(&postgres_alone(&world, "postgres://u:hush-hush@127.0.0.1:1/db"), &[]).await;
    assert_eq!(level(&away, "postgres.reachable"), Level::Error, "{away:#?}");
    assert_eq!(level(&away, "store"), Level::Error, "{away:#?}");
    let misspelt = examined(&postgres_alone(&world, "postgres://u@h/db?pasword=hush-hush"), &[]).await;
    assert_eq!(level(&misspelt, "postgres.reachable"), Level::Error, "{misspelt:#?}");
    let text = serde_json::to_string(&[away, misspelt]).unwrap();
    assert!(text.contains("pasword") && !text.contains("hush-hush"), "{text}");
}

#[tokio::test]
async fn what_is_left_under_an_older_seal_key_is_counted_and_left_as_it_is() {
    let world = World::new().await;
    let one = "a:AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";
    let both = format!("b:AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=,{one}");
    let environment: Environment = [("SOLEKEY_SEAL_KEY", one)].into_iter().collect();
    let sidecar = Sidecar::start_in(&world.config(), &environment).await.unwrap();
    sidecar.log_in("alice", &world.provider.grant("alice")).await;
    sidecar.ended().await;
    for _ in 0..2 {
        examined_until(&world.config(), &[("SOLEKEY_SEAL_KEY", &both)], |diagnosis| {
            let keys = diagnosis.findings.iter().find(|finding| finding.check == "seal.keys");
            keys.is_some_and(|found| found.level == Level::Note && found.said.contains("2 under a"))
        })
        .await;
    }
}

#[tokio::test]
async fn a_user_who_may_not_ask_for_info_is_a_note_and_what_is_used_is_checked() {
    let world = World::new().await;
    let redis = RedisServer::start().await.unwrap();
    let url = format!("redis://keeper:secret@{}", redis.address());
    let allow = async |rules: &str| {
        let words = format!("ACL SETUSER keeper reset on >secret {rules}");
        redis.command(&words.split(' ').collect::<Vec<_>>()).await.unwrap();
    };
    allow("~solekey:* &solekey:* +@all -info").await;
    let noted = |diagnosis: &Diagnosis| {
        found(diagnosis, "redis.info") == Some(Level::Note)
            && found(diagnosis, "redis.reachable").is_none()
            && ["redis.eviction", "redis.keys", "redis.push", "store"]
                .iter()
                .all(|check| found(diagnosis, check) == Some(Level::Ok))
    };
    let diagnosis = examined_until(&redis_alone(&world, &url), &[], noted).await;
    assert!(diagnosis.healthy, "{diagnosis:#?}");

    allow("~another:* &another:* +@all").await;
    let strange = |diagnosis: &Diagnosis| {
        found(diagnosis, "redis.keys") == Some(Level::Error)
            && found(diagnosis, "redis.push") == Some(Level::Warning)
            && found(diagnosis, "store") == Some(Level::Error)
    };
    examined_until(&redis_alone(&world, &url), &[], strange).await;
}

#[tokio::test]
async fn a_token_endpoint_that_does_not_speak_tls_is_an_error() {
    let world = World::new().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/token", listener.local_addr().unwrap());
    let answers = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n").await;
        }
    });
    let config = world.config().replace(&world.provider.token_url(), &url);
    let fails = |diagnosis: &Diagnosis| found(diagnosis, "provider") == Some(Level::Error);
    let diagnosis = examined_until(&config, &[], fails).await;
    assert!(!diagnosis.healthy);
    answers.abort();
}

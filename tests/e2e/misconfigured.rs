//! Replicas that are set up wrong, or before their servers.

use std::process::Stdio;

use reqwest::StatusCode;
use solekey::{AccountError, Solekey, TokenError, core::Account};
use solekey_testkit::{
    postgres::{PostgresServer, is_waived},
    provider::{AuthorizationServer, Replay},
    redis::{Data, RedisServer},
};

use crate::{
    blueprint::{Backing, Blueprint},
    fleet::{Fleet, Mode, Plan},
    sidecar::{Settings, Sidecar, serve},
    wait::within,
};

const KEY: &str = "k1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
const OTHER_KEY: &str = "k1:AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";

/// The key that comes next, and the one that sealed the present values.
fn both_keys() -> String {
    format!("k2:{},{KEY}", OTHER_KEY.trim_start_matches("k1:"))
}

async fn assert_refused(replica: &Solekey, account: &Account, wrong: &str) {
    let answer = within("an answer", replica.token(account)).await;
    assert!(matches!(&answer, Err(TokenError::Configuration { field, .. }) if field == wrong), "{answer:?}");
    let answer = within("an answer", replica.refresh(account, None)).await;
    assert!(matches!(&answer, Err(TokenError::Configuration { field, .. }) if field == wrong), "{answer:?}");
    let login = within("an answer", replica.login(account, br#"{"refresh_token": "x"}"#, false)).await;
    assert!(matches!(login, Err(AccountError::Configuration(_))), "{login:?}");
    let health = replica.health().await;
    assert!(health.mistake.as_ref().is_some_and(|mistake| mistake.contains(wrong)), "{health:?}");
    assert!(!health.is_ready());
}

async fn wrong_keys_are_refused(mode: Mode) {
    let plan = Plan { mode, replicas: 1, seal_keys: Some(KEY.to_owned()), ..Plan::default() };
    let fleet = Fleet::start(plan).await;
    let (account, _) = fleet.log_in_due("a").await;
    for seal_keys in [Some(OTHER_KEY.to_owned()), None] {
        let stranger = Blueprint { seal_keys, ..fleet.blueprint.clone() }.build().await;
        assert_refused(&stranger, &account, "seal.key").await;
        stranger.shutdown(solekey::DEFAULT_DRAIN).await;
    }
    assert_eq!(fleet.provider.presentations(), 0);
    let next = Blueprint { seal_keys: Some(both_keys()), ..fleet.blueprint.clone() }.build().await;
    let token = within("a token", next.token(&account)).await.unwrap();
    assert_eq!(token.expose_secret(), fleet.provider.newest("a").unwrap().access_token);
    next.shutdown(solekey::DEFAULT_DRAIN).await;
    fleet.assert_presented(&account, 1);
    fleet.shut_down().await;
}

#[tokio::test]
async fn a_replica_with_another_seal_key_refreshes_nothing() {
    wrong_keys_are_refused(Mode::Redis).await;
}

#[tokio::test]
async fn a_replica_with_another_seal_key_refreshes_nothing_without_redis() {
    wrong_keys_are_refused(Mode::Embedded).await;
}

#[tokio::test]
async fn a_replica_with_another_store_under_the_same_prefix_refreshes_nothing() {
    let fleet = Fleet::start(Plan { mode: Mode::RedisAndSqlite, ..Plan::default() }).await;
    let (account, _) = fleet.log_in_due("a").await;
    let Backing::RedisAndSqlite { url, prefix, .. } = fleet.blueprint.backing.clone() else { unreachable!() };
    let file = fleet.folder.path().join("another.db");
    let backing = Backing::RedisAndSqlite { url, prefix, file };
    let stranger = Blueprint { backing, ..fleet.blueprint.clone() }.build().await;
    assert_refused(&stranger, &account, "store.url").await;
    stranger.shutdown(solekey::DEFAULT_DRAIN).await;
    assert_eq!(fleet.provider.presentations(), 0);
    fleet.assert_all_serve_the_newest(&account).await;
    fleet.assert_presented(&account, 1);
    fleet.shut_down().await;
}

#[tokio::test]
async fn a_redis_url_that_cannot_be_read_ends_the_start_and_names_the_key() {
    let folder = tempfile::tempdir().unwrap();
    let provider = AuthorizationServer::start(Replay::StrictFamily).await.unwrap();
    for url in ["http://127.0.0.1:6379", "redis://:hush@127.0.0.1:port", "nonsense"] {
        let settings = Settings::new(&provider, &format!("[redis]\nurl = \"{url}\""));
        let mut command = serve(&settings, "wrong", folder.path());
        let ended = within("it ends", command.stderr(Stdio::piped()).output()).await.unwrap();
        let stderr = String::from_utf8(ended.stderr).unwrap();
        assert!(!ended.status.success(), "{url}");
        assert!(stderr.contains("redis.url"), "{url}: {stderr}");
        assert!(!stderr.contains("hush"), "{stderr}");
    }
}

#[tokio::test]
async fn a_postgres_url_that_cannot_be_read_ends_the_start_and_names_the_key() {
    let folder = tempfile::tempdir().unwrap();
    let provider = AuthorizationServer::start(Replay::StrictFamily).await.unwrap();
    for (url, expected) in [
        ("postgres://u:hush@127.0.0.1:port/db", "store.url: expected postgres://"),
        ("postgresql://u:hush@h/db?sslmode=maybe", "for the parameter sslmode"),
        ("postgres://u@h/db?sslmode=hush", "for the parameter sslmode"),
        ("postgres://u@h/db?pasword=hush", "store.url: expected no parameter pasword"),
        ("postgres://u@h/db?password=a&hush=b", "store.url: expected no other parameters"),
        ("mysql://u:hush@h/db", "store.url"),
    ] {
        let settings = Settings::new(&provider, &format!("[store]\nurl = \"{url}\""));
        let mut command = serve(&settings, "wrong", folder.path());
        let ended = within("it ends", command.stderr(Stdio::piped()).output()).await.unwrap();
        let stderr = String::from_utf8(ended.stderr).unwrap();
        assert!(!ended.status.success(), "{url}");
        assert!(stderr.contains("store.url: ") && stderr.contains(expected), "{url}: {stderr}");
        assert!(!stderr.contains("hush"), "{stderr}");
    }
}

#[tokio::test]
async fn without_its_postgres_a_sidecar_starts_reports_that_and_comes_alive_when_the_server_appears() {
    if is_waived() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let provider = AuthorizationServer::start(Replay::StrictFamily).await.unwrap();
    let mut postgres = PostgresServer::start().await.unwrap();
    postgres.kill9();
    let url = postgres.url().replace("solekey@", "solekey:hush@");
    let settings = Settings::new(&provider, &format!("[store]\nurl = \"{url}\""));
    let sidecar = Sidecar::start(&settings, "early", folder.path()).await;
    let answer = sidecar.get("/readyz").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!((&answer.body["store"], &answer.body["cache"]), (&false.into(), &().into()), "{answer:?}");
    let pair = provider.grant("a");
    let refused = sidecar.import("a", &crate::fleet::document(&pair, pair.expires_in)).await;
    assert_eq!((refused.status, refused.code()), (StatusCode::SERVICE_UNAVAILABLE, "refresh_unavailable"));
    postgres.restart().await.unwrap();
    sidecar.ready().await;
    sidecar.log_in_due("a", &pair).await;
    assert_eq!(sidecar.token("a").await.token(), provider.newest("a").unwrap().access_token);
    // Another sidecar, on a host of its own, finds what the first one has brought.
    let elsewhere = tempfile::tempdir().unwrap();
    let second = Sidecar::start(&settings, "second", elsewhere.path()).await;
    assert_eq!(second.token("a").await.token(), provider.newest("a").unwrap().access_token);
    assert_eq!((provider.presentations(), provider.double_presentations()), (1, 0));
    let log = std::fs::read_to_string(folder.path().join("early.log")).unwrap();
    let warns = log.contains("the PostgreSQL database cannot be used yet");
    assert!(warns && !log.contains("hush"), "{log}");
    second.stop().await;
    sidecar.stop().await;
}

#[tokio::test]
async fn without_its_redis_a_sidecar_starts_reports_that_and_comes_alive_when_the_server_appears() {
    let folder = tempfile::tempdir().unwrap();
    let provider = AuthorizationServer::start(Replay::StrictFamily).await.unwrap();
    let mut redis = RedisServer::start().await.unwrap();
    redis.kill9();
    let settings = Settings::new(&provider, &format!("[redis]\nurl = \"{}\"", redis.url()));
    let sidecar = Sidecar::start(&settings, "early", folder.path()).await;
    assert_eq!(sidecar.get("/healthz").await.status, StatusCode::OK);
    let answer = sidecar.get("/readyz").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!((&answer.body["store"], &answer.body["cache"]), (&false.into(), &false.into()), "{answer:?}");
    let pair = provider.grant("a");
    let refused = sidecar.import("a", &crate::fleet::document(&pair, pair.expires_in)).await;
    assert_eq!((refused.status, refused.code()), (StatusCode::SERVICE_UNAVAILABLE, "refresh_unavailable"));
    redis.restart(Data::Kept).await.unwrap();
    sidecar.ready().await;
    sidecar.log_in_due("a", &pair).await;
    assert_eq!(sidecar.token("a").await.token(), provider.newest("a").unwrap().access_token);
    assert_eq!((provider.presentations(), provider.double_presentations()), (1, 0));
    sidecar.stop().await;
}

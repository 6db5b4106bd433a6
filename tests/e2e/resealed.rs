//! Seal keys that change while everything goes on.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use reqwest::{Method, StatusCode};
use rustix::process::Signal;
use serde_json::Value;
use solekey::core::ports::Store;
use solekey_redis_link::RedisLink;
use solekey_store_redis::RedisStore;
use solekey_store_sql::SqliteStore;
use solekey_testkit::{
    provider::{AuthorizationServer, Replay},
    redis::RedisServer,
};

use crate::{
    blueprint::patient,
    fleet::account,
    secrets::Scan,
    sidecar::{Settings, Sidecar, path},
    wait::eventually,
};

const OLD: &str = "old:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
const NEW: &str = "new:HxwdHh8AAQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRo=";
/// Enough for a walk of at least half a second, in the middle of which somebody can be killed.
const ACCOUNTS: usize = 48;

#[derive(Clone, Copy)]
enum Rows {
    InRedis,
    InSqlite,
}

/// The servers and files that sidecars share.
struct World {
    provider: AuthorizationServer,
    folder: tempfile::TempDir,
    redis: RedisServer,
    rows: Rows,
}

impl World {
    async fn new(rows: Rows) -> Self {
        let provider = AuthorizationServer::start(Replay::StrictFamily).await.unwrap();
        let redis = RedisServer::builder().start().await.unwrap();
        Self { provider, folder: tempfile::tempdir().unwrap(), redis, rows }
    }

    /// A sidecar with this key ring, or without one.
    async fn sidecar(&self, ring: Option<&str>, name: &str) -> Sidecar {
        let place = match self.rows {
            Rows::InRedis => format!("state_dir = \"state\"\n[redis]\nurl = \"{}\"", self.redis.url()),
            Rows::InSqlite => {
                format!("[redis]\nurl = \"{}\"\n[store]\nurl = \"sqlite://solekey.db\"", self.redis.url())
            }
        };
        let settings =
            Settings { seal_keys: ring.map(str::to_owned), ..Settings::new(&self.provider, &place) };
        Sidecar::start(&settings, name, self.folder.path()).await
    }

    /// The store of the rows, for reads that bypass the sidecars.
    async fn store(&self) -> Arc<dyn Store> {
        match self.rows {
            Rows::InRedis => {
                let link = RedisLink::connect(&self.redis.url(), patient()).await.unwrap();
                Arc::new(RedisStore::new(link, "solekey").unwrap())
            }
            Rows::InSqlite => {
                Arc::new(SqliteStore::open(&self.folder.path().join("solekey.db")).await.unwrap())
            }
        }
    }

    /// Returns the number of rows by the key that sealed them; an empty name stands for clear.
    async fn rows_by_key(&self, store: &dyn Store) -> BTreeMap<String, usize> {
        let mut rows = BTreeMap::new();
        for id in ids() {
            let record = store.load(&account(&id)).await.unwrap().record.unwrap();
            *rows.entry(key_of(record.payload.as_bytes())).or_default() += 1;
        }
        rows
    }
}

/// The id of the key that a value lies under.
fn key_of(sealed: &[u8]) -> String {
    match sealed {
        [1, len, rest @ ..] => String::from_utf8(rest[..usize::from(*len)].to_vec()).unwrap(),
        _ => String::new(),
    }
}

fn ids() -> impl Iterator<Item = String> {
    (0..ACCOUNTS).map(|number| format!("account-{number}"))
}

async fn resealed(sidecar: &Sidecar) -> Value {
    eventually("everything lies under the first key", async || {
        let sealing = sidecar.get("/readyz").await.body["sealing"].clone();
        if sealing["done"] == true { Ok(sealing) } else { Err(sealing) }
    })
    .await
}

/// Every account can be refreshed and serves the newest token there is.
async fn all_is_well(world: &World, sidecar: &Sidecar) {
    for id in ids() {
        let newest = world.provider.newest(&id).unwrap();
        assert_eq!(sidecar.token(&id).await.token(), newest.access_token);
    }
    assert_eq!(world.provider.double_presentations(), 0);
    assert_eq!(world.provider.burned_accounts(), Vec::<String>::new());
}

async fn refresh(sidecar: &Sidecar, id: &str) {
    let answer = sidecar.ask(Method::POST, &format!("{}/refresh", path(id)), "").await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
}

async fn a_rotation_of_keys(rows: Rows) {
    let world = World::new(rows).await;
    let old = world.sidecar(Some(OLD), "old").await;
    for id in ids() {
        old.log_in(&id, &world.provider.grant(&id)).await;
    }
    // A few have answers, which carry a credential of their own.
    for id in ids().take(6) {
        refresh(&old, &id).await;
    }
    old.stop().await;
    let store = world.store().await;
    assert_eq!(world.rows_by_key(&*store).await, BTreeMap::from([("old".to_owned(), ACCOUNTS)]));

    let both = format!("{NEW},{OLD}");
    let victim = world.sidecar(Some(&both), "victim").await;
    // It is stopped during each read of the rows, so that it is caught in the middle however long the read takes.
    eventually("it is in the middle", async || {
        victim.signal(Signal::STOP);
        let rows = world.rows_by_key(&*store).await;
        if rows.len() == 2 {
            return Ok(());
        }
        victim.signal(Signal::CONT);
        Err(rows)
    })
    .await;
    victim.signal(Signal::KILL);
    victim.end().await;
    let left = world.rows_by_key(&*store).await;
    assert!(left.contains_key("old") && left.contains_key("new"), "killed in the middle: {left:?}");

    // Two go on with what is left, while accounts are rotated, also through one whose ring is in the older order.
    let straggler = world.sidecar(Some(&format!("{OLD},{NEW}")), "straggler").await;
    let (one, other) = (world.sidecar(Some(&both), "one").await, world.sidecar(Some(&both), "other").await);
    for (at, id) in ids().enumerate() {
        refresh([&one, &other, &straggler][at % 3], &id).await;
    }
    straggler.stop().await;
    for sidecar in [one, other] {
        // What the straggler has sealed by the older key is for the first walk after it.
        sidecar.stop().await;
    }
    let last = world.sidecar(Some(&both), "last").await;
    let sealing = resealed(&last).await;
    assert_eq!(
        (&sealing["key"], &sealing["left"]["old"]),
        (&Value::from("new"), &Value::from(0)),
        "{sealing}"
    );
    let page = last.metrics().await;
    assert!(page.contains("solekey_values_to_reseal{key=\"old\"} 0"), "{page}");
    assert_eq!(world.rows_by_key(&*store).await, BTreeMap::from([("new".to_owned(), ACCOUNTS)]));
    all_is_well(&world, &last).await;
    last.stop().await;

    // The older key is gone, and so is the shared cache's copy of everything.
    if let Rows::InSqlite = rows {
        world.redis.command(&["FLUSHALL"]).await.unwrap();
    }
    let new = world.sidecar(Some(NEW), "new").await;
    all_is_well(&world, &new).await;
    for id in ids().take(6) {
        refresh(&new, &id).await;
    }
    all_is_well(&world, &new).await;
    // A sidecar that has only the older key reports this, and changes nothing.
    let late = world.sidecar(Some(OLD), "late").await;
    let answer = late.token("account-0").await;
    assert_eq!(
        (answer.status, answer.code()),
        (StatusCode::INTERNAL_SERVER_ERROR, "misconfigured"),
        "{answer:?}"
    );
    new.stop().await;
    late.stop().await;
}

#[tokio::test]
async fn keys_in_redis_rotate_under_load_and_over_a_kill_and_the_older_one_can_be_removed() {
    a_rotation_of_keys(Rows::InRedis).await;
}

#[tokio::test]
async fn keys_in_sqlite_rotate_under_load_and_over_a_kill_and_the_older_one_can_be_removed() {
    a_rotation_of_keys(Rows::InSqlite).await;
}

async fn clear_is_purged(rows: Rows) {
    let world = World::new(rows).await;
    let clear = world.sidecar(None, "clear").await;
    for id in ids().take(8) {
        clear.log_in(&id, &world.provider.grant(&id)).await;
        refresh(&clear, &id).await;
    }
    clear.stop().await;
    let tokens: BTreeSet<_> = ids().take(8).flat_map(|id| world.provider.tokens_of(&id)).collect();
    assert!(!places(&world, &tokens).await.is_empty(), "there is something to purge");

    let refused = world.sidecar(Some(NEW), "refused").await;
    assert_eq!(refused.token("account-0").await.code(), "misconfigured");
    refused.stop().await;
    let sealed = world.sidecar(Some(&format!("{NEW},clear")), "sealed").await;
    resealed(&sealed).await;
    sealed.stop().await;
    assert_eq!(places(&world, &tokens).await, Vec::<String>::new());

    let alone = world.sidecar(Some(NEW), "alone").await;
    for id in ids().take(8) {
        assert_eq!(alone.token(&id).await.token(), world.provider.newest(&id).unwrap().access_token);
        refresh(&alone, &id).await;
    }
    let listed = alone.get("/v1/accounts").await;
    assert_eq!(listed.body["accounts"].as_array().map(Vec::len), Some(8), "{listed:?}");
    alone.stop().await;
    assert_eq!(world.provider.double_presentations(), 0);
}

/// Returns the places in which a token is found in clear, or in Base64.
async fn places(world: &World, tokens: &BTreeSet<String>) -> Vec<String> {
    let mut scan = Scan::default();
    scan.add_keys(&world.redis).await;
    scan.add_files(world.folder.path());
    let places = scan.places_of(tokens).into_iter().map(str::to_owned);
    places.collect()
}

#[tokio::test]
async fn what_was_stored_in_clear_in_redis_and_files_is_gone_once_there_is_a_key() {
    clear_is_purged(Rows::InRedis).await;
}

#[tokio::test]
async fn what_was_stored_in_clear_in_sqlite_is_gone_once_there_is_a_key() {
    clear_is_purged(Rows::InSqlite).await;
}

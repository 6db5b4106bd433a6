//! The conformance lists of the workspace.

use std::{env, path::Path, process::Stdio};

use testcontainers::{
    ContainerAsync, Image, ImageExt as _, core::IntoContainerPort as _, runners::AsyncRunner as _,
};
use testcontainers_modules::{postgres::Postgres, redis::Redis, valkey::Valkey};
use tokio::process::Command;
use uuid::Uuid;

use crate::image::named;

/// A conformance list: a target of the workspace, and the test that runs it.
struct List {
    target: &'static str,
    test: &'static str,
}

const OF_REDIS: [List; 5] = [
    List { target: "adapter", test: "conformance::redis_does_what_every_store_does" },
    List { target: "adapter", test: "conformance::redis_does_what_every_location_of_answers_does" },
    List { target: "adapter", test: "conformance::redis_does_what_every_shared_cache_does" },
    List { target: "adapter", test: "conformance::redis_does_what_every_rate_limiter_does" },
    List { target: "port", test: "redis_does_what_every_lease_does" },
];
const OF_POSTGRES: [List; 1] =
    [List { target: "conformance", test: "postgres::list::postgres_passes_every_case" }];

#[tokio::test(flavor = "multi_thread")]
async fn redis_in_a_container_passes_every_list() {
    let image = named(Redis::default(), "SOLEKEY_TEST_REDIS_IMAGE", &owner());
    let redis = image.start().await.expect("Redis starts");
    pass("REDIS_URL", &format!("redis://{}", address(&redis, 6379).await), &OF_REDIS).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn valkey_in_a_container_passes_every_list() {
    let image = named(Valkey::default(), "SOLEKEY_TEST_VALKEY_IMAGE", &owner());
    let valkey = image.start().await.expect("Valkey starts");
    pass("REDIS_URL", &format!("redis://{}", address(&valkey, 6379).await), &OF_REDIS).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_in_a_container_passes_every_case() {
    let image = named(Postgres::default(), "SOLEKEY_TEST_POSTGRES_IMAGE", &owner());
    // All its data end with the container.
    let postgres = image.with_startup_timeout(PATIENCE).start().await.expect("PostgreSQL starts");
    let url = format!("postgres://postgres:postgres@{}/postgres", address(&postgres, 5432).await);
    pass("DATABASE_URL", &url, &OF_POSTGRES).await;
}

fn owner() -> String {
    Uuid::new_v4().to_string()
}

async fn address<I: Image>(container: &ContainerAsync<I>, port: u16) -> String {
    let host = container.get_host().await.expect("a host");
    let port = container.get_host_port_ipv4(port.tcp()).await.expect("a mapped port");
    format!("{host}:{port}")
}

/// Runs the lists in the test binaries of the workspace, against this server, and asserts that each of them ran.
async fn pass(variable: &str, url: &str, lists: &[List]) {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace");
    let mut cargo = Command::new(env::var("CARGO").unwrap_or_else(|_| "cargo".into()));
    cargo.current_dir(workspace).args(["test", "--workspace", "--all-features", "--locked"]);
    for list in lists {
        cargo.args(["--test", list.target]);
    }
    cargo.args(["--", "--exact", "--show-output"]).args(lists.iter().map(|list| list.test));
    // The main workspace has another target folder than this one.
    cargo
        .env_remove("CARGO_TARGET_DIR")
        .envs(env::var("SOLEKEY_TARGET_DIR").map(|folder| ("CARGO_TARGET_DIR", folder)));
    let ran = cargo.env(variable, url).stdin(Stdio::null()).output().await.expect("cargo runs");
    let output = String::from_utf8_lossy(&ran.stdout);
    println!("{output}");
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    for list in lists {
        assert!(output.contains(&format!("test {} ... ok", list.test)), "{} did not run", list.test);
    }
}

/// The first start writes a whole database.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(180);

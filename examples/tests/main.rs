//! Every example does what it says: it is run as a program, and its output is read.
#![allow(clippy::unwrap_used)]

mod gateway;
mod output;

use output::{output_of, refused};
use solekey_testkit::redis::redis_for_tests;

#[tokio::test]
async fn in_memory_many_callers_cost_one_presentation_and_a_rejection_another_token() {
    let output = output_of(env!("CARGO_BIN_EXE_in_memory"), &[]).await;
    assert!(output.contains("100 callers at once: 1 presentation\n"), "{output}");
    assert!(output.contains("the resource returned 401 Unauthorized, then 200 OK\n"), "{output}");
    assert_eq!(output.matches("change: account ").count(), 2, "{output}");
    assert!(output.ends_with("presented twice: 0, burned: []\n"), "{output}");
}

#[tokio::test]
async fn embedded_processes_of_one_host_share_a_token_and_a_restart_finds_it() {
    let output = output_of(env!("CARGO_BIN_EXE_embedded"), &[]).await;
    assert!(output.contains("first login:  taken in\n"), "{output}");
    assert!(output.contains("two processes, the same token: true, presentations: 1\n"), "{output}");
    assert!(output.contains("second login: refused, that refresh token was presented before\n"), "{output}");
    assert!(output.ends_with("after a restart, the same token: true, presentations: 1\n"), "{output}");
}

#[tokio::test]
async fn redis_fleet_has_one_refresh_owner() {
    let redis = redis_for_tests().await.unwrap();
    let output = output_of(env!("CARGO_BIN_EXE_redis_fleet"), &[&redis.url]).await;
    assert!(output.contains("60 callers, 1 token\n"), "{output}");
    assert!(output.contains("1 presentation, by replica-"), "{output}");
    assert!(output.ends_with("presented twice: 0, burned: []\n"), "{output}");
}

#[tokio::test]
async fn lock_only_refuses_the_writes_of_an_old_holder() {
    let redis = redis_for_tests().await.unwrap();
    let output = output_of(env!("CARGO_BIN_EXE_lock_only"), &[&redis.url]).await;
    assert!(output.contains("busy, for at most 20s: true\n"), "{output}");
    assert!(output.contains("the next fence is greater: true\n"), "{output}");
    assert!(output.contains("the old holder: refused, a later holder has written\n"), "{output}");
    assert!(output.ends_with("pages: [1, 2, 3, 4]\n"), "{output}");
}

#[tokio::test]
async fn examples_that_want_a_redis_say_how_to_get_one() {
    for example in [env!("CARGO_BIN_EXE_redis_fleet"), env!("CARGO_BIN_EXE_lock_only")] {
        let complaint = refused(example).await;
        assert!(complaint.contains("REDIS_URL") && complaint.contains("redis-server"), "{complaint}");
    }
}

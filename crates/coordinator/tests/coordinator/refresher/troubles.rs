//! Providers and stores that are away.

use std::time::Duration;

use solekey::Status;
use tokio::time::Instant;

use super::{limits, once_each, secs, shut_down};
use crate::fixture::{Script, World};

/// S-T86.
#[tokio::test(start_paused = true)]
async fn while_the_store_is_away_nothing_is_presented() {
    let world = World::new();
    let accounts = world.overdue_accounts(3).await;
    let (fleet, diary) = world.fleet(2, limits(10, 4)).await;
    world.store.faults().leave();
    secs(60).await;
    assert_eq!(world.provider.presentations(), 0);
    world.store.faults().come_back();
    secs(180).await;
    assert_eq!(diary.presentations(), once_each(&accounts), "and then they are");
    shut_down(fleet).await;
}

/// S-T86.
#[tokio::test(start_paused = true)]
async fn an_account_whose_row_cannot_be_read_is_left_alone_until_its_next_turn() {
    let world = World::new();
    world.overdue_accounts(1).await;
    world.store.faults().fail_next_of("load", 1, solekey_testkit::memory::Fault::NotApplied);
    let (fleet, diary) = world.fleet(1, limits(10, 4)).await;
    secs(30).await;
    assert_eq!((world.provider.presentations(), diary.ended("store_down")), (0, 1));
    secs(150).await;
    assert_eq!((world.provider.presentations(), diary.ended("refreshed")), (1, 1));
    shut_down(fleet).await;
}

/// S-T84.
#[tokio::test(start_paused = true)]
async fn after_failures_of_three_accounts_no_other_is_started_and_none_is_changed() {
    let world = World::new();
    let accounts = world.overdue_accounts(10).await;
    world.provider.script(vec![Script::NotSent; 1_000]);
    let (fleet, diary) = world.fleet(1, limits(1_000, 1)).await;
    tokio::time::sleep(Duration::from_millis(1_700)).await;
    assert!(diary.presentations().len() <= 4, "{:?}", diary.presentations());
    secs(120).await;
    assert!(diary.all() < 40, "one in turn tries, ever more rarely: {}", diary.all());
    world.provider.script([]);
    secs(600).await;
    for account in &accounts {
        assert_eq!(fleet[0].state(account).await.unwrap().status, Status::Fresh);
    }
    shut_down(fleet).await;
}

/// S-T88.
#[tokio::test(start_paused = true)]
async fn presentations_without_an_answer_count_as_failures() {
    let world = World::new();
    world.overdue_accounts(10).await;
    world.provider.script(vec![Script::LoseRequest; 3]);
    let (fleet, diary) = world.fleet(1, limits(1_000, 1)).await;
    let began = Instant::now();
    while diary.all() < 4 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let times = diary.times();
    assert!(times[3] - times[2] >= Duration::from_millis(700), "{times:?}");
    assert!(times[2] - began < Duration::from_secs(2));
    shut_down(fleet).await;
}

/// S-T85.
#[tokio::test(start_paused = true)]
async fn a_client_that_is_not_accepted_is_tried_for_three_accounts_and_none_is_changed() {
    let world = World::new();
    let accounts = world.overdue_accounts(5).await;
    world.provider.script(vec![Script::Answer(401, r#"{"error":"invalid_client"}"#); 1_000]);
    let (fleet, _) = world.fleet(1, limits(1_000, 1)).await;
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert!((3..=4).contains(&world.provider.presentations()), "{}", world.provider.presentations());
    for account in &accounts {
        let state = fleet[0].state(account).await.unwrap();
        assert_eq!((state.rotations, state.status == Status::LoginNeeded), (0, false));
    }
    shut_down(fleet).await;
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_says_when_to_come_back_is_left_alone_until_then_by_all_replicas() {
    let world = World::new();
    let accounts = world.overdue_accounts(10).await;
    world.provider.script([Script::Later(30)]);
    let (fleet, diary) = world.fleet(3, limits(2, 4)).await;
    while world.provider.presentations() == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let reported = Instant::now();
    secs(29).await;
    let early = diary.times().into_iter().filter(|at| *at > reported + Duration::from_millis(5)).count();
    assert_eq!(early, 0, "whoever was on its way had its start before");
    secs(240).await;
    let refreshed = diary.presentations().into_values().filter(|count| *count >= 1).count();
    assert_eq!(refreshed, accounts.len());
    assert_eq!(world.provider.doubles(), 0);
    shut_down(fleet).await;
}

//! The accounts that are due, and when.

use std::{sync::Arc, time::Duration};

use solekey::Status;
use solekey_core::{InDoubt, PolicySettings, Replay, StoreTime, ports::Store as _};

use super::{Diary, FAST, limits, once_each, secs, shut_down};
use crate::fixture::{Script, World, account, policy};

#[tokio::test(start_paused = true)]
async fn accounts_whose_time_has_come_are_refreshed_once_each_by_whichever_replica_takes_them() {
    let world = World::new();
    let accounts = world.overdue_accounts(40).await;
    let (fleet, diary) = world.fleet(3, limits(100, 6)).await;
    secs(30).await;
    assert_eq!(diary.presentations(), once_each(&accounts));
    assert_eq!((world.provider.presentations(), world.provider.doubles()), (40, 0));
    assert_eq!((diary.ended("refreshed"), diary.seen.lock().unwrap().taken), (40, 40), "taken once each");
    secs(3_500).await;
    assert_eq!(diary.presentations().into_values().min(), Some(2), "and in the next cycle once more");
    shut_down(fleet).await;
}

/// S-T81.
#[tokio::test(start_paused = true)]
async fn more_accounts_than_one_batch_are_all_refreshed_and_the_rounds_go_on() {
    let world = World::new();
    let accounts = world.overdue_accounts(3).await;
    let (fleet, diary) = world.fleet(1, limits(10, 2)).await;
    secs(5).await;
    assert_eq!(diary.presentations(), once_each(&accounts));
    world.log_in("late", Duration::from_secs(1)).await;
    secs(20).await;
    assert_eq!(diary.presentations().get("late"), Some(&1));
    shut_down(fleet).await;
}

/// S-T92.
#[tokio::test(start_paused = true)]
async fn accounts_in_a_cooldown_come_after_it_and_those_that_need_a_login_do_not_come() {
    let world = World::new();
    let accounts = world.overdue_accounts(2).await;
    // Without a time to come back: the cooldown is the account's.
    let unavailable = Script::Answer(429, "{}");
    world.provider.script([unavailable.clone(), Script::Answer(400, r#"{"error":"invalid_grant"}"#)]);
    let (fleet, diary) = world.fleet(1, limits(1, 1)).await;
    secs(1_000).await;
    let presentations = diary.presentations();
    let mut counts: Vec<_> = presentations.values().copied().collect();
    counts.sort_unstable();
    assert_eq!(
        counts,
        [1, 2],
        "one had to wait and was refreshed, the other was asked once: {presentations:?}"
    );
    let mut states = Vec::new();
    for account in &accounts {
        states.push(fleet[0].state(account).await.unwrap().status);
    }
    assert!(states.contains(&Status::LoginNeeded) && states.contains(&Status::Fresh), "{states:?}");
    shut_down(fleet).await;
}

#[tokio::test(start_paused = true)]
async fn a_refresh_token_that_would_die_of_idleness_is_used_half_way_to_its_end() {
    let world = World::new();
    let document = world.provider.grant("idle", Duration::from_secs(30 * DAY));
    let document = document.replacen('{', &format!(r#"{{"refresh_token_expires_in":{},"#, 4 * DAY), 1);
    let (fleet, diary) = world.fleet(1, FAST).await;
    fleet[0].login(&account("idle"), document.as_bytes(), false).await.unwrap();
    secs(2 * DAY - 60).await;
    assert_eq!(diary.all(), 0);
    secs(120).await;
    assert_eq!(diary.all(), 1, "its access token is good for weeks");
    shut_down(fleet).await;
}

#[tokio::test(start_paused = true)]
async fn a_doubt_that_its_owner_left_is_checked_in_its_time_by_a_replica_without_any_request() {
    let world = World::new();
    let a = world.overdue_accounts(1).await.remove(0);
    let policy = PolicySettings {
        replay: Replay::STRICT_FAMILY,
        in_doubt: InDoubt::AskLogin,
        exchange_timeout: Duration::from_secs(1),
        quarantine: Some(Duration::from_secs(3)),
        ..PolicySettings::default()
    };
    let policy = policy.build().unwrap();
    world.provider.script([Script::LoseAnswer]);
    let owner = world.replica_with(policy).await;
    owner.token(&a).await.unwrap_err();
    owner.shutdown(Duration::ZERO).await;
    drop(owner);
    let (fleet, diary) = world.fleet_with(1, policy, FAST, Diary::default()).await;
    secs(60).await;
    let state = fleet[0].state(&a).await.unwrap();
    assert_eq!((state.status, world.provider.presentations()), (Status::LoginNeeded, 1));
    assert_eq!(diary.all(), 0);
    shut_down(fleet).await;
}

/// S-T74.
#[tokio::test(start_paused = true)]
async fn an_account_that_somebody_else_has_refreshed_is_skipped_without_a_start_or_a_write() {
    let world = World::new();
    let a = world.log_in("a", Duration::from_secs(3600)).await;
    world.store.hold_until(&a, StoreTime::from_micros(1));
    let (fleet, diary) = world.fleet(1, FAST).await;
    secs(20).await;
    assert_eq!((diary.ended("fresh"), diary.ended("refreshed")), (1, 0), "nothing is skipped silently");
    assert_eq!((world.provider.presentations(), world.rate_limiter.granted("acme").len()), (0, 0));
    assert_eq!((world.lease.faults().calls("acquire"), world.store.faults().calls("claim")), (0, 0));
    shut_down(fleet).await;
}

#[tokio::test(start_paused = true)]
async fn accounts_that_are_due_and_present_nothing_are_checked_without_hurry() {
    let world = World::new();
    for number in 0..400 {
        let account = world.log_in(&format!("a{number}"), Duration::from_secs(3600)).await;
        world.store.hold_until(&account, StoreTime::from_micros(1));
    }
    let (fleet, diary) = world.fleet(1, limits(5, 4)).await;
    secs(10).await;
    let taken = diary.seen.lock().unwrap().taken;
    // Four reads per start, and pauses that are shorter by a quarter at most.
    assert!((50..=4 * 5 * 10 * 4 / 3 + 4).contains(&taken), "{taken}");
    shut_down(fleet).await;
}

/// S-T30.
#[tokio::test(start_paused = true)]
async fn an_account_whose_lease_is_held_elsewhere_counts_as_put_off_and_not_as_refreshed() {
    let world = World::new();
    world.overdue_accounts(1).await;
    world.provider.close();
    let (fleet, diary) = world.fleet(1, FAST).await;
    let other = world.replica().await;
    let begin_read = other.clone();
    let request = tokio::spawn(async move { begin_read.token(&account("a000")).await });
    tokio::time::sleep(Duration::from_millis(1)).await;
    // It is taken while the request's flight holds its lease.
    tokio::time::sleep(Duration::from_millis(900)).await;
    world.provider.open();
    request.await.unwrap().unwrap();
    secs(10).await;
    assert_eq!((diary.ended("refreshed"), world.provider.presentations()), (0, 1));
    let skipped = ["in_flight", "fresh"].map(|how| diary.ended(how)).iter().sum::<usize>();
    assert_eq!(skipped, diary.seen.lock().unwrap().taken, "each that was taken is counted");
    shut_down(fleet).await;
    other.shutdown(Duration::from_secs(1)).await;
}

#[tokio::test(start_paused = true)]
async fn one_accounts_panic_harms_no_other() {
    let world = World::new();
    let accounts = world.overdue_accounts(12).await;
    let diary = Diary { victim: Some("a003"), ..Diary::default() };
    let (fleet, diary) = world.fleet_with(1, policy(), limits(10, 4), diary).await;
    secs(20).await;
    assert_eq!(diary.presentations(), once_each(&accounts));
    shut_down(fleet).await;
}

#[tokio::test(start_paused = true)]
async fn with_nothing_due_four_questions_a_minute_are_all_there_is() {
    let world = World::new();
    world.log_in("a", Duration::from_secs(24 * 3600)).await;
    let (fleet, _) = world.fleet(1, FAST).await;
    secs(120).await;
    let calls = || ["due", "load", "claim"].map(|call| world.store.faults().calls(call));
    let before = calls();
    secs(600).await;
    let [due, load, claim] = [0, 1, 2].map(|at| calls()[at] - before[at]);
    assert!((40..=55).contains(&due), "{due} questions in ten minutes");
    assert_eq!((load, claim, world.rate_limiter.faults().calls("request")), (0, 0, 0));
    shut_down(fleet).await;
}

/// S-T89.
#[tokio::test(start_paused = true)]
async fn what_is_taken_and_not_started_at_shutdown_is_due_again_after_the_visibility_timeout() {
    let world = World::new();
    let accounts = world.overdue_accounts(4).await;
    let (fleet, diary) = world.fleet(1, limits(1, 4)).await;
    secs(2).await;
    let before = diary.all();
    assert!((1..4).contains(&before), "some wait for their start: {before}");
    let began = tokio::time::Instant::now();
    shut_down(fleet).await;
    assert!(began.elapsed() < Duration::from_secs(1), "a wait for a start ends at once");
    assert_eq!(diary.all(), before, "nothing is presented afterwards");
    let (fleet, diary) = world.fleet(1, limits(1, 4)).await;
    secs(60).await;
    assert_eq!(diary.all(), 0, "they are held");
    secs(90).await;
    assert_eq!(before + diary.all(), accounts.len());
    assert_eq!(world.provider.doubles(), 0);
    shut_down(fleet).await;
}

#[tokio::test(start_paused = true)]
async fn a_read_only_replica_and_one_without_a_refresher_leave_accounts_alone() {
    let world = World::new();
    let accounts = world.overdue_accounts(1).await;
    for builder in [world.builder(policy()), world.builder(policy()).read_only()] {
        let replica = builder.build().await.unwrap();
        secs(300).await;
        assert_eq!(world.provider.presentations(), 0);
        replica.shutdown(Duration::from_secs(1)).await;
    }
    let due = world.store.due("acme", Duration::ZERO, 10).await.unwrap();
    assert_eq!(due, accounts, "nobody has taken it");
}

/// S-T91.
#[tokio::test(start_paused = true)]
async fn accounts_of_a_provider_that_is_not_configured_are_nobodys_to_take() {
    let world = World::new();
    let accounts = world.overdue_accounts(1).await;
    let other = Arc::clone(&world.provider) as Arc<dyn solekey_core::ports::TokenEndpoint>;
    let replica = solekey::Solekey::builder()
        .provider(solekey::Provider::new("other", policy(), other).unwrap())
        .store(world.store.clone())
        .answers(world.answers.clone())
        .build()
        .await
        .unwrap();
    secs(60).await;
    assert_eq!(world.store.due("acme", Duration::ZERO, 10).await.unwrap(), accounts);
    replica.shutdown(Duration::from_secs(1)).await;
}

/// In seconds.
const DAY: u64 = 24 * 3600;

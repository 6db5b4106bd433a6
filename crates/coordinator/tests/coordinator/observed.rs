//! The events of an observer.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use solekey::{Event, Observer, Solekey};

use crate::fixture::{HOUR, Script, World, policy};

/// Writes down a word for each event.
#[derive(Default)]
struct Diary(Mutex<Vec<String>>);

impl Observer for Diary {
    fn on(&self, event: &Event<'_>) {
        let word = match event {
            Event::Presented { outcome, phase, .. } => format!("{} {}", phase.name(), outcome.name()),
            Event::InDoubt { .. } => "in doubt".to_owned(),
            Event::CoolingDown { why, .. } => format!("cooling down: {}", why.name()),
            Event::LoginNeeded { why, .. } => format!("login needed: {}", why.name()),
            Event::Served { level, stale, .. } => format!("served from {level:?}, stale: {stale}"),
            Event::Refused { error, .. } => format!("refused: {error}"),
            Event::Leased { outcome, .. } => format!("lease {outcome:?}"),
            Event::Committed { .. } => "committed".to_owned(),
            Event::Recovered { .. } => "recovered".to_owned(),
            _ => return,
        };
        self.0.lock().unwrap().push(word);
    }
}

impl Diary {
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }

    fn count(&self, word: &str) -> usize {
        self.0.lock().unwrap().iter().filter(|other| other.starts_with(word)).count()
    }
}

async fn observed(world: &World) -> (Solekey, Arc<Diary>) {
    let diary = Arc::new(Diary::default());
    let observer = Arc::clone(&diary) as Arc<dyn Observer>;
    (world.builder(policy()).observer(observer).build().await.unwrap(), diary)
}

/// S-T50.
#[tokio::test(start_paused = true)]
async fn each_token_served_is_reported_with_the_level_it_was_found_at() {
    let (world, account) = World::overdue().await;
    let (owner, of_owner) = observed(&world).await;
    owner.token(&account).await.unwrap();
    owner.token(&account).await.unwrap();
    let answer = ["lease Granted", "answered success", "committed", "served from Refresh, stale: false"];
    let mut heard = of_owner.take();
    assert_eq!(heard.pop().as_deref(), Some("served from Process, stale: false"));
    heard.sort_unstable();
    let mut answer = answer.map(str::to_owned);
    answer.sort_unstable();
    assert_eq!(heard, answer);

    let (other, of_other) = observed(&world).await;
    other.token(&account).await.unwrap();
    assert_eq!(of_other.take(), ["served from Redis, stale: false"]);

    world.lose_redis();
    let (third, of_third) = observed(&world).await;
    third.token(&account).await.unwrap();
    assert_eq!(of_third.take(), ["served from Store, stale: false"]);
}

/// S-T69.
#[tokio::test(start_paused = true)]
async fn the_end_of_a_grant_is_reported_once_by_its_writer_and_each_refusal_where_it_is_returned() {
    let (world, account) = World::overdue().await;
    world.provider.script([Script::Answer(400, r#"{"error":"invalid_grant"}"#)]);
    let (one, of_one) = observed(&world).await;
    let (other, of_other) = observed(&world).await;
    for replica in [&one, &other, &one, &other] {
        replica.token(&account).await.unwrap_err();
        tokio::time::sleep(Duration::from_secs(60)).await;
    }
    let both = |word| of_one.count(word) + of_other.count(word);
    assert_eq!((both("login needed: refused"), both("answered permanent")), (1, 1));
    assert_eq!(both("refused: login required"), 4);
}

#[tokio::test(start_paused = true)]
async fn a_doubt_is_reported_once_by_each_process_that_finds_it() {
    let (world, account) = World::overdue().await;
    world.provider.script([Script::Answer(502, "<html>bad gateway</html>")]);
    let (one, of_one) = observed(&world).await;
    let (other, of_other) = observed(&world).await;
    one.token_within(&account, Duration::ZERO).await.unwrap_err();
    for replica in [&one, &other] {
        while replica.token(&account).await.is_err() {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }
    assert_eq!(of_one.count("answered ambiguous"), 1);
    assert_eq!(of_one.count("in doubt"), 1);
    assert!(of_other.count("in doubt") <= 1, "it may have found the doubt resolved");
}

#[tokio::test(start_paused = true)]
async fn a_cooldown_is_reported_with_its_reason() {
    let (world, account) = World::overdue().await;
    world.provider.script([Script::Later(600)]);
    let (replica, diary) = observed(&world).await;
    replica.token(&account).await.unwrap_err();
    assert_eq!(diary.count("cooling down: rate_limited"), 1);
    assert_eq!(diary.count("refused: refresh unavailable"), 1);
    let account = world.log_in("b", HOUR).await;
    replica.token(&account).await.unwrap();
    assert_eq!(diary.count("cooling down"), 1);
}

/// S-T48.
#[tokio::test(start_paused = true)]
async fn a_lease_that_cannot_be_had_is_reported_and_the_token_refreshed_all_the_same() {
    let (world, account) = World::overdue().await;
    world.lease.faults().leave();
    let (replica, diary) = observed(&world).await;
    assert_eq!(replica.token(&account).await.unwrap().expose_secret(), "access-a-2");
    assert_eq!((diary.count("lease Unreachable"), diary.count("committed")), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_token_without_a_refresh_token_is_reported_once_by_each_process_that_finds_it() {
    let (world, account) = World::overdue().await;
    let (one, of_one) = observed(&world).await;
    let (other, of_other) = observed(&world).await;
    let only = br#"{"access_token":"access-a-x","expires_in":60}"#;
    let options = solekey::LoginOptions { accept_lesser: true, ..solekey::LoginOptions::default() };
    one.login_with(&account, only, options).await.unwrap();
    for replica in [&one, &other] {
        replica.token(&account).await.unwrap();
        let answer = replica.refresh(&account, None).await;
        assert!(answer.is_err(), "a person is answer, and nothing has ended yet");
    }
    for diary in [&of_one, &of_other] {
        assert_eq!(diary.count("login needed"), 0);
    }
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_secs(60)).await;
        for replica in [&one, &other] {
            replica.token(&account).await.unwrap_err();
        }
    }
    for diary in [&of_one, &of_other] {
        assert_eq!(diary.count("login needed: no_refresh_token"), 1);
    }
    // A login begins anew.
    one.login(&account, br#"{"access_token":"access-a-y","expires_in":60}"#, false).await.unwrap();
    tokio::time::sleep(Duration::from_secs(61)).await;
    one.token(&account).await.unwrap_err();
    assert_eq!(of_one.count("login needed: no_refresh_token"), 2);
}

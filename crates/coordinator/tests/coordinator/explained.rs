//! Explanations of accounts, compared with what then happens.

use std::time::Duration;

use solekey::{AccountError, Solekey, Step};
use solekey_core::{Account, PolicySettings};

use crate::fixture::{HOUR, Script, World, policy};

async fn step(replica: &Solekey, account: &Account) -> (Step, Option<String>) {
    let next = replica.explain(account).await.unwrap().next;
    (next.step, next.why)
}

#[tokio::test(start_paused = true)]
async fn an_explanation_presents_nothing_and_changes_nothing() {
    let (world, account) = World::overdue().await;
    let replica = world.replica().await;
    let before = replica.state(&account).await.unwrap();
    let explained = replica.explain(&account).await.unwrap();
    assert_eq!(explained.next.step, Step::Present);
    assert_eq!(explained.state, before);
    assert_eq!(replica.state(&account).await.unwrap(), before);
    assert_eq!(world.provider.presentations(), 0);
    replica.token(&account).await.unwrap();
    let served = replica.explain(&account).await.unwrap();
    assert_eq!(
        (served.next.step, served.history.rotations, served.history.by_login),
        (Step::Serve, 1, false)
    );
    assert_eq!(served.here.serves, Some(served.state.generation));
    let due_in = served.next.due_in.expect("the row has its due time");
    assert!((60..=3600).contains(&due_in), "{due_in}");
    tokio::time::sleep(Duration::from_secs(20)).await;
    let later = replica.explain(&account).await.unwrap();
    assert_eq!(
        (later.next.due_in, later.history.made_ago),
        (Some(due_in - 20), served.history.made_ago + 20)
    );
}

#[tokio::test(start_paused = true)]
async fn a_doubt_is_explained_with_its_attempt_and_with_what_ends_it() {
    let world = World::new();
    // While its access token lives, a family is not risked.
    let account = world.log_in("a", HOUR).await;
    let impatient = PolicySettings {
        exchange_timeout: Duration::from_secs(1),
        quarantine: Some(Duration::from_secs(3)),
        max_wait: Duration::from_secs(1),
        ..PolicySettings::default()
    };
    let replica = world.replica_with(impatient.build().unwrap()).await;
    world.provider.script([Script::LoseAnswer]);
    replica.refresh(&account, None).await.unwrap_err();
    let flying = replica.explain(&account).await.unwrap();
    let attempt = flying.attempt.expect("an open attempt");
    assert!((1..=3).contains(&attempt.in_flight_for.unwrap()) && !attempt.further, "{attempt:?}");
    let claimed_ago = attempt.first_claimed_ago;
    assert_eq!(flying.next.step, Step::Wait);
    tokio::time::sleep(Duration::from_secs(4)).await;
    let doubtful = replica.explain(&account).await.unwrap();
    assert_eq!((doubtful.next.step, doubtful.here.watches), (Step::Wait, true));
    let doubt = doubtful.attempt.expect("an open attempt");
    assert_eq!((doubt.in_flight_for, doubt.first_claimed_ago), (None, claimed_ago + 4));
    assert!(doubtful.story.iter().any(|sentence| sentence.contains("in doubt")), "{:?}", doubtful.story);
}

#[tokio::test(start_paused = true)]
async fn a_cooldown_and_an_ended_grant_are_reported_with_their_reasons() {
    let (world, account) = World::overdue().await;
    let replica = world.replica().await;
    world.provider.script([Script::Later(50)]);
    replica.token_within(&account, Duration::from_secs(2)).await.unwrap_err();
    let why = Some("the provider limits the rate of refreshes".to_owned());
    assert_eq!(step(&replica, &account).await, (Step::Wait, why));
    tokio::time::sleep(Duration::from_secs(51)).await;
    world.provider.script([Script::Answer(400, r#"{"error":"invalid_grant"}"#)]);
    replica.token(&account).await.unwrap_err();
    let why = Some("the provider refused the refresh token".to_owned());
    assert_eq!(step(&replica, &account).await, (Step::LogIn, why));
    let verdict = replica.explain(&account).await.unwrap().verdict.expect("a verdict");
    assert!(verdict.log_in, "{verdict:?}");
}

#[tokio::test(start_paused = true)]
async fn answers_that_cannot_be_read_are_reported_as_doubt() {
    let world = World::new();
    let account = world.log_in("a", HOUR).await;
    let replica = world.replica_with(PolicySettings::default().build().unwrap()).await;
    world.answers.faults().leave();
    let explained = replica.explain(&account).await.unwrap();
    assert!(!explained.answers.readable);
    assert!(explained.story.iter().any(|sentence| sentence.contains("not absence")), "{:?}", explained.story);
}

#[tokio::test(start_paused = true)]
async fn who_is_not_there_has_no_explanation() {
    let world = World::new();
    let account = world.log_in("a", HOUR).await;
    let replica = world.replica_with(policy()).await;
    replica.delete(&account).await.unwrap();
    for account in [account, crate::fixture::account("nobody")] {
        assert!(matches!(replica.explain(&account).await, Err(AccountError::UnknownAccount)));
    }
}

//! Answers that arrived whole and were not understood.

use std::{sync::Arc, time::Duration};

use solekey::{Solekey, TokenError};
use solekey_core::{
    Account, Answer, AnswerNote, Content, Generation, Policy, PolicySettings, Replay, Revocation, Sealed,
    ports::{Answers as _, Store as _},
};
use solekey_testkit::memory::Fault;

use crate::{
    fixture::{HOUR, Script, World, account, policy, seal},
    mortal::{Death, mortal_store},
};

const FOREVER: usize = 100_000;
/// Longer than any token lives, any attempt lasts and any watch.
const DAY: Duration = Duration::from_secs(24 * 3600);
const REVOKING: [Replay; 3] = [Replay::STRICT, Replay::STRICT_FAMILY, Replay::grace(Duration::from_secs(30))];

fn with(replay: Replay) -> Policy {
    PolicySettings {
        replay,
        exchange_timeout: Duration::from_secs(1),
        quarantine: Some(Duration::from_secs(3)),
        ..PolicySettings::default()
    }
    .build()
    .unwrap()
}

async fn needs_login(replica: &Solekey, account: &Account) -> bool {
    matches!(replica.token(account).await, Err(TokenError::LogIn { why: Revocation::AnswerUnread }))
}

async fn story(replica: &Solekey, account: &Account) -> String {
    replica.explain(account).await.unwrap().story.join("\n")
}

/// A world whose values are sealed, an account whose next answer is not understood, and a replica.
async fn sealed() -> (World, Account, Solekey) {
    let (world, account) = (World::new(), account("a"));
    let owner = world.builder(policy()).seal(seal()).build().await.unwrap();
    let document = world.provider.grant("a", Duration::from_secs(1));
    owner.login(&account, document.as_bytes(), false).await.unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    world.provider.script([Script::Foreign]);
    (world, account, owner)
}

/// Asks every ten minutes for a day.
async fn persist(replica: &Solekey, account: &Account) {
    for _ in 0..DAY.as_secs() / 600 {
        let _ = replica.token(account).await;
        tokio::time::sleep(Duration::from_secs(600)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn where_reuse_revokes_nobody_presents_after_an_answer_that_was_not_understood() {
    for replay in REVOKING {
        for odd in [
            Script::Foreign,
            Script::Hide(200),
            Script::Hide(204),
            Script::Answer(200, ""),
            Script::Answer(200, r#"{"error":"some_new_word"}"#),
            Script::Answer(200, r#"{"access_token":""}"#),
        ] {
            let (world, account) = World::overdue().await;
            world.provider.script([odd]);
            let owner = world.replica_with(with(replay)).await;
            assert!(needs_login(&owner, &account).await, "{replay:?}");
            let other = world.replica_with(with(replay)).await;
            assert!(needs_login(&other, &account).await, "{replay:?}");
            owner.shutdown(Duration::from_secs(1)).await;
            other.shutdown(Duration::from_secs(1)).await;
            let heir = world.replica_with(with(replay)).await;
            persist(&heir, &account).await;
            assert_eq!((world.provider.presentations(), world.provider.doubles()), (1, 0), "{replay:?}");
            assert!(story(&heir, &account).await.contains("stored as it came"));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_row_alone_is_enough_to_present_nothing() {
    let (world, account) = World::overdue().await;
    world.provider.script([Script::Foreign]);
    let owner = world.replica().await;
    assert!(needs_login(&owner, &account).await);
    world.answers.forget(&account);
    world.cache.faults().leave();
    persist(&owner, &account).await;
    persist(&world.replica().await, &account).await;
    assert_eq!(world.provider.presentations(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_answer_alone_is_enough_to_present_nothing() {
    let (world, account) = World::overdue().await;
    world.provider.script([Script::Foreign]);
    let (store, pulse) = mortal_store(&world, Death::Before("settle"));
    let owner = world.embedded(policy()).store(store).build().await.unwrap();
    let _ = owner.token_within(&account, Duration::from_secs(1)).await;
    assert!(pulse.is_gone());
    owner.shutdown(Duration::ZERO).await;
    let row = world.store.load(&account).await.unwrap().record.unwrap().row;
    assert!(row.open.is_some() && !row.is_unread(), "{row:?}");
    let heir = world.replica().await;
    persist(&heir, &account).await;
    assert!(needs_login(&heir, &account).await);
    assert!(world.store.load(&account).await.unwrap().record.unwrap().row.is_unread());
    assert_eq!(world.provider.presentations(), 1);
}

#[tokio::test(start_paused = true)]
async fn it_is_written_down_however_long_its_location_is_away() {
    let (world, account) = World::overdue().await;
    world.provider.script([Script::Foreign]);
    world.answers.faults().fail_next_of("write", 7, Fault::NotApplied);
    let owner = world.replica().await;
    assert!(needs_login(&owner, &account).await, "callers do not wait for it");
    tokio::time::sleep(Duration::from_secs(60)).await;
    let kept = world.answers.all(&account);
    assert!(kept.iter().any(|answer| answer.note.content == Content::Unread), "{kept:?}");
}

#[tokio::test(start_paused = true)]
async fn whoever_understands_it_later_commits_it_at_the_start_without_a_request() {
    let (world, account, owner) = sealed().await;
    assert!(needs_login(&owner, &account).await);
    owner.shutdown(Duration::from_secs(1)).await;
    tokio::time::sleep(HOUR / 2).await;
    let unchanged = world.builder(policy()).seal(seal()).build().await.unwrap();
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert!(needs_login(&unchanged, &account).await);
    let taught = world.taught(policy()).seal(seal()).build().await.unwrap();
    tokio::time::sleep(Duration::from_secs(10)).await;
    let row = world.store.load(&account).await.unwrap().record.unwrap().row;
    assert_eq!((row.rotations, row.is_unread()), (1, false));
    let end = row.facts.unwrap().expires_at.unwrap();
    let left = end.since(world.store.load(&account).await.unwrap().now);
    assert!(left < HOUR / 2 && left > HOUR / 3, "its lifetime counts from the request: {left:?}");
    for replica in [&taught, &unchanged] {
        tokio::time::sleep(Duration::from_secs(3)).await;
        assert_eq!(replica.token(&account).await.unwrap().expose_secret(), "access-a-2");
    }
    tokio::time::sleep(HOUR).await;
    assert_eq!(taught.token(&account).await.unwrap().expose_secret(), "access-a-3");
    assert_eq!((world.provider.presentations(), world.provider.doubles()), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn an_account_whose_token_is_good_is_recovered_too() {
    let world = Arc::new(World::new());
    let account = world.log_in("a", HOUR).await;
    world.provider.script([Script::Foreign]);
    let owner = world.replica().await;
    let _ = owner.refresh(&account, None).await;
    assert_eq!(owner.token(&account).await.unwrap().expose_secret(), "access-a-1", "valid tokens are served");
    owner.shutdown(Duration::from_secs(1)).await;
    let _taught = world.taught(policy()).build().await.unwrap();
    tokio::time::sleep(Duration::from_secs(10)).await;
    let row = world.store.load(&account).await.unwrap().record.unwrap().row;
    assert_eq!((row.rotations, row.is_unread()), (1, false));
}

#[tokio::test(start_paused = true)]
async fn a_store_that_lost_the_account_gets_it_back_from_an_answer_that_is_understood_by_now() {
    let (world, account) = World::overdue().await;
    world.provider.script([Script::Foreign]);
    let owner = world.replica().await;
    assert!(needs_login(&owner, &account).await);
    owner.shutdown(Duration::from_secs(1)).await;
    world.store.forget(&account);
    let taught = world.taught(policy()).build().await.unwrap();
    assert_eq!(taught.token(&account).await.unwrap().expose_secret(), "access-a-2");
}

#[tokio::test(start_paused = true)]
async fn a_login_ends_it_and_a_late_one_is_history() {
    let (world, account) = World::overdue().await;
    world.provider.script([Script::Foreign]);
    world.answers.faults().fail_next_of("write", 5, Fault::NotApplied);
    world.store.faults().fail_next_of("settle", 5, Fault::NotApplied);
    let owner = world.replica().await;
    let _ = owner.token_within(&account, Duration::from_secs(1)).await;
    let document = world.provider.grant("a", Duration::from_secs(60));
    let other = world.replica().await;
    other.login(&account, document.as_bytes(), false).await.unwrap();
    tokio::time::sleep(Duration::from_secs(60)).await;
    let row = world.store.load(&account).await.unwrap().record.unwrap().row;
    assert!(!row.is_unread(), "{row:?}");
    let taught = world.taught(policy()).build().await.unwrap();
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!(taught.token(&account).await.unwrap().expose_secret(), "access-a-4", "not what was kept");
    assert_eq!(world.provider.doubles(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_person_may_present_all_the_same() {
    let (world, account) = World::overdue().await;
    // What was taken for an answer came from a proxy: the token is not spent.
    world.provider.script([Script::Answer(200, "<html>log in to the network</html>")]);
    let owner = world.replica().await;
    assert!(needs_login(&owner, &account).await);
    assert_eq!(owner.refresh(&account, None).await.unwrap().expose_secret(), "access-a-2");
    assert_eq!(world.provider.presentations(), 2);
    assert!(owner.health().await.unread.is_empty(), "its success opens the provider");
}

#[tokio::test(start_paused = true)]
async fn where_nothing_can_be_lost_it_is_presented_again() {
    for replay in [Replay::NON_ROTATING, Replay::UNTIL_USED] {
        let (world, account) = World::overdue().await;
        world.provider.script([Script::Answer(200, "{}")]);
        let owner = world.replica_with(with(replay)).await;
        let first = owner.token(&account).await;
        assert!(!matches!(first, Err(TokenError::LogIn { .. })), "{first:?}");
        tokio::time::sleep(Duration::from_secs(180)).await;
        assert_eq!(owner.token(&account).await.unwrap().expose_secret(), "access-a-2", "{replay:?}");
        assert!(owner.health().await.unread.is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn a_kept_answer_that_was_moved_or_changed_is_doubt_and_never_a_credential() {
    let (world, a, owner) = sealed().await;
    let b = account("b");
    let document = world.provider.grant("b", HOUR);
    owner.login(&b, document.as_bytes(), false).await.unwrap();
    assert!(needs_login(&owner, &a).await);
    owner.shutdown(Duration::from_secs(1)).await;
    let unread = world.answers.all(&a).into_iter().find(|answer| !answer.note.content.is_usable()).unwrap();
    let later = Generation::new(unread.note.attempt.get() + 1_000_000_000_000);
    let in_clear = [b"\0", &unread.payload.as_bytes()[1..]].concat();
    for (account, forged) in [
        (&b, Answer { note: AnswerNote { attempt: later, ..unread.note }, ..unread.clone() }),
        (&a, Answer { note: AnswerNote { attempt: later, ..unread.note }, ..unread.clone() }),
        (&b, Answer { note: AnswerNote { attempt: later, ..unread.note }, payload: Sealed::new(in_clear) }),
    ] {
        world.answers.write(account, &forged).await.unwrap();
        let taught = world.taught(policy()).seal(seal()).build().await.unwrap();
        tokio::time::sleep(Duration::from_secs(10)).await;
        let row = world.store.load(account).await.unwrap().record.unwrap().row;
        // The one that was not forged brings the first account's pair back.
        assert!(row.generation < later && (*account == a || row.rotations == 0), "{row:?}");
        taught.shutdown(Duration::from_secs(1)).await;
    }
    assert_eq!(world.provider.doubles(), 0);
}

/// Sixty accounts whose tokens end one after the other, ten seconds apart.
async fn sixty(world: &World) -> Vec<Account> {
    let mut accounts = Vec::new();
    for number in 0..60 {
        accounts.push(world.log_in(&format!("u{number}"), Duration::from_secs(100 + number * 10)).await);
    }
    tokio::time::sleep(Duration::from_secs(100)).await;
    accounts
}

#[tokio::test(start_paused = true)]
async fn of_sixty_accounts_due_one_after_another_three_at_most_are_presented() {
    three_at_most(|world| world.builder(policy()).rate_limiter(world.rate_limiter.clone())).await;
}

#[tokio::test(start_paused = true)]
async fn the_same_where_the_fleet_shares_its_store_alone() {
    three_at_most(|world| world.embedded(policy())).await;
}

/// Of sixty accounts on three replicas.
async fn three_at_most(replica: impl Fn(&World) -> solekey::Builder) {
    let world = World::new();
    let accounts = sixty(&world).await;
    world.provider.speak_foreign(true);
    let mut replicas = Vec::new();
    for _ in 0..3 {
        replicas.push(replica(&world).build().await.unwrap());
    }
    for round in 0..30 {
        for (at, account) in accounts.iter().enumerate() {
            let answer = replicas[(at + round) % 3].token(account).await;
            let valid = round == 0 && at >= 5;
            assert!(answer.is_ok() || !valid, "valid tokens are served: {answer:?}");
            assert!(answer.is_err() || round < 6, "{answer:?}");
        }
        tokio::time::sleep(Duration::from_secs(120)).await;
    }
    assert!(world.provider.presentations() <= 3, "{}", world.provider.presentations());
    assert_eq!(world.provider.doubles(), 0);
    let health = replicas[0].health().await;
    assert_eq!((health.unread.len(), health.unread[0].provider.as_str()), (1, "acme"));
    assert_eq!(replicas[0].stats().unread_providers, 1);

    // It is understood again: the next try is a success, and everybody is served.
    world.provider.speak_foreign(false);
    let presented = world.provider.presentations();
    for _ in 0..100 {
        tokio::time::sleep(Duration::from_secs(600)).await;
        for (at, account) in accounts.iter().enumerate() {
            let _ = replicas[at % 3].token(account).await;
        }
    }
    let mut served = 0;
    for account in &accounts {
        served += usize::from(replicas[0].token(account).await.is_ok());
    }
    assert_eq!(served, 60 - presented);
    assert_eq!(world.provider.doubles(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_process_alone_keeps_the_provider_closed_over_restarts() {
    let world = World::new();
    let accounts = sixty(&world).await;
    world.provider.speak_foreign(true);
    tokio::time::sleep(Duration::from_secs(700)).await;
    // The breaker in the store is away, too.
    world.store.faults().fail_next_of("repin", FOREVER, Fault::NotApplied);
    for round in 0..10 {
        let alone = world.embedded(policy()).build().await.unwrap();
        for account in &accounts[round * 5..round * 5 + 5] {
            assert!(alone.token(account).await.is_err());
            tokio::time::sleep(Duration::from_secs(10)).await;
        }
        alone.shutdown(Duration::from_secs(1)).await;
    }
    assert!(world.provider.presentations() <= 3, "{}", world.provider.presentations());
    // A version that understands what was kept opens it at once.
    let taught = world.taught(policy()).build().await.unwrap();
    tokio::time::sleep(Duration::from_secs(10)).await;
    for account in &accounts {
        assert!(taught.token(account).await.is_ok());
    }
    assert_eq!(world.provider.doubles(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_was_under_way_is_not_started_again() {
    let world = World::new();
    let accounts = sixty(&world).await;
    tokio::time::sleep(Duration::from_secs(600)).await;
    world.provider.speak_foreign(true);
    let replica = Arc::new(world.builder(policy()).build().await.unwrap());
    tokio::time::sleep(Duration::from_secs(1)).await;
    let calls = accounts[..20].iter().map(|account| {
        let (replica, account) = (Arc::clone(&replica), account.clone());
        tokio::spawn(async move { needs_login(&replica, &account).await })
    });
    for call in calls.collect::<Vec<_>>() {
        assert!(call.await.unwrap());
    }
    for account in &accounts {
        assert!(replica.token(account).await.is_err());
    }
    assert_eq!((world.provider.presentations(), world.provider.doubles()), (20, 0));
}

#[tokio::test(start_paused = true)]
async fn a_login_lets_one_account_try() {
    let world = World::new();
    let accounts = sixty(&world).await;
    tokio::time::sleep(Duration::from_secs(700)).await;
    world.provider.speak_foreign(true);
    let replica = world.builder(policy()).build().await.unwrap();
    for account in &accounts[..5] {
        assert!(replica.token(account).await.is_err());
    }
    assert_eq!(world.provider.presentations(), 1);
    let document = world.provider.grant("u0", HOUR);
    replica.login(&accounts[0], document.as_bytes(), false).await.unwrap();
    assert!(replica.token(&accounts[0]).await.is_ok());
    for _ in 0..20 {
        tokio::time::sleep(Duration::from_secs(20)).await;
        for account in &accounts[1..] {
            let _ = replica.token(account).await;
        }
    }
    assert_eq!(world.provider.presentations(), 2, "one more tried, and the others wait");
}

#[tokio::test(start_paused = true)]
async fn without_the_fleets_breaker_each_process_still_closes() {
    let world = World::new();
    let accounts = sixty(&world).await;
    tokio::time::sleep(Duration::from_secs(700)).await;
    world.provider.speak_foreign(true);
    world.rate_limiter.faults().fail_next_of("breaker", FOREVER, Fault::NotApplied);
    let replica = world.builder(policy()).rate_limiter(world.rate_limiter.clone()).build().await.unwrap();
    for account in &accounts {
        assert!(replica.token(account).await.is_err());
    }
    assert_eq!(world.provider.presentations(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_kept_as_it_came() {
    let (world, account) = World::overdue().await;
    let body = r#"{"pair":{"x":1}}"#;
    world.provider.script([Script::Answer(200, body)]);
    let taught = world.taught(policy()).build().await.unwrap();
    assert!(needs_login(&taught, &account).await);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let kept =
        world.answers.all(&account).into_iter().find(|answer| !answer.note.content.is_usable()).unwrap();
    assert!(kept.payload.as_bytes().ends_with(body.as_bytes()));
}

#[tokio::test(start_paused = true)]
async fn once_answers_are_understood_again_a_presentation_asks_about_its_endpoint_once() {
    let (world, account) = World::overdue().await;
    world.provider.script([Script::Foreign]);
    let limiter = world.rate_limiter.clone();
    let replica = world.builder(policy()).rate_limiter(limiter).build().await.unwrap();
    world.rate_limiter.faults().leave();
    assert!(needs_login(&replica, &account).await);
    let document = world.provider.grant("a", Duration::from_secs(1));
    replica.login(&account, document.as_bytes(), false).await.unwrap();
    let asked = async || {
        let before = world.rate_limiter.faults().calls("breaker");
        tokio::time::sleep(2 * HOUR).await;
        replica.token(&account).await.unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
        world.rate_limiter.faults().calls("breaker") - before
    };
    assert_eq!(asked().await, 2, "the fleet learns that it was understood");
    assert_eq!(asked().await, 1, "and known then");
}

#[tokio::test(start_paused = true)]
async fn every_replica_says_when_the_next_account_is_tried_and_asks_for_it_every_minute() {
    let (world, account) = World::overdue().await;
    let other = world.log_in("b", Duration::from_secs(1)).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    world.provider.script(vec![Script::Foreign; FOREVER]);
    let replica =
        async || world.builder(policy()).rate_limiter(world.rate_limiter.clone()).build().await.unwrap();
    let (one, two) = (replica().await, replica().await);
    assert!(needs_login(&one, &account).await);
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert!(two.token(&other).await.is_err());
    for (replica, name) in [(&one, "the one that closed it"), (&two, "one that asked")] {
        let unread = replica.health().await.unread;
        assert!((580..=590).contains(&unread[0].next_try_in), "{name}: {unread:?}");
    }
    let asked = || world.rate_limiter.faults().calls("breaker");
    let before = asked();
    let began = tokio::time::Instant::now();
    while began.elapsed() < Duration::from_secs(9 * 60) {
        assert!(two.token(&other).await.is_err());
        tokio::time::sleep(Duration::from_secs(5)).await;
    }
    assert!((5..=15).contains(&(asked() - before)), "{} in nine minutes", asked() - before);
    assert_eq!(world.provider.presentations(), 1);
}

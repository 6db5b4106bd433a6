//! Executions that broke earlier rules, played with whole replicas: pairs lost, grants revoked, somebody else's token
//! served.

use std::{sync::Arc, time::Duration};

use solekey::{Builder, SealKeys, Solekey, TokenError};
use solekey_core::{
    Account, Delay,
    ports::{Cache as _, Clock as _, Store as _},
};
use solekey_testkit::memory::{Fault, TestClock};

use crate::{
    fixture::{HOUR, Script, World, policy},
    mortal::{Death, mortal},
};

const FOREVER: usize = 100_000;

/// The keys of a ring that is being changed.
const OLD: &str = "k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const NEW: &str = "k2:HxwdHh8AAQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRo=";

fn sealing(world: &World, ring: &str) -> Builder {
    world.builder(policy()).seal(SealKeys::parse(ring).unwrap())
}

/// Returns what a replica serves, once the read that a notification asks for has run behind a first request.
async fn served(replica: &Solekey, account: &Account) -> Result<String, TokenError> {
    tokio::time::sleep(Duration::from_secs(3)).await;
    let _ = replica.token(account).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    replica.token(account).await.map(|token| token.expose_secret().to_owned())
}

/// A1.
#[tokio::test(start_paused = true)]
async fn a_process_that_slept_between_its_claim_and_the_send_presents_nothing() {
    let (world, account) = World::overdue().await;
    let clock = TestClock::tokio();
    let replica = world.builder(policy()).clock(Arc::new(clock.clone())).build().await.unwrap();
    tokio::spawn({
        let world = Arc::clone(&world);
        async move {
            while world.store.faults().calls("claim") == 0 {
                tokio::task::yield_now().await;
            }
            clock.advance(HOUR);
        }
    });
    let answer = replica.token_within(&account, Duration::from_millis(1)).await;
    assert!(matches!(answer, Err(TokenError::RetryAt { .. })), "{answer:?}");
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(world.store.load(&account).await.unwrap().record.unwrap().row.open, None, "settled");
    assert_eq!(world.provider.presentations(), 0, "the attempt's time was over when it woke up");
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(replica.token(&account).await.unwrap().expose_secret(), "access-a-2");
}

/// An owner reads a new pair, writes it down as an answer, and is dead before the commit.
async fn die_before_the_commit(world: &Arc<World>, ring: SealKeys, account: &Account) {
    let (owner, pulse) = mortal(world, policy(), Death::Before("commit"));
    let owner = owner.seal(ring).build().await.unwrap();
    let _ = owner.token_within(account, Duration::from_millis(500)).await;
    assert!(pulse.is_gone());
    owner.shutdown(Duration::ZERO).await;
}

/// A4.
#[tokio::test(start_paused = true)]
async fn an_answer_that_cannot_be_read_for_a_while_is_waited_for_and_committed() {
    let (world, account) = World::overdue().await;
    die_before_the_commit(&world, SealKeys::none(), &account).await;
    // The store is back; now Redis goes away.
    world.lose_redis();
    let heir = world.replica().await;
    for _ in 0..60 {
        let answer = heir.token_within(&account, Duration::from_secs(1)).await;
        assert!(matches!(answer, Err(TokenError::RetryAt { .. })), "{answer:?}");
        tokio::time::sleep(Duration::from_secs(10)).await;
    }
    assert_eq!(world.provider.presentations(), 1, "what cannot be read may be there");
    world.find_redis();
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(heir.token(&account).await.unwrap().expose_secret(), "access-a-2");
    assert_eq!(world.provider.presentations(), 1);
}

/// A4.
#[tokio::test(start_paused = true)]
async fn an_answer_whose_seal_key_the_finder_lacks_is_doubt_and_who_has_the_key_commits_it() {
    let world = Arc::new(World::new());
    let account = crate::fixture::account("a");
    let document = world.provider.grant("a", Duration::from_secs(1));
    let lacks = sealing(&world, OLD).build().await.unwrap();
    lacks.login(&account, document.as_bytes(), false).await.unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    let both = format!("{NEW},{OLD}");
    die_before_the_commit(&world, SealKeys::parse(&both).unwrap(), &account).await;
    world.cache.wipe();

    for _ in 0..30 {
        let answer = lacks.token(&account).await.unwrap_err();
        assert!(matches!(&answer, TokenError::RetryAt { .. }), "{answer:?}");
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
    assert_eq!(world.provider.presentations(), 1, "what does not open may be there");
    let has = sealing(&world, &both).build().await.unwrap();
    assert_eq!(has.token(&account).await.unwrap().expose_secret(), "access-a-2");
    assert_eq!((world.provider.presentations(), world.provider.doubles()), (1, 0));
}

/// A9.
#[tokio::test(start_paused = true)]
async fn the_answer_of_a_deleted_account_does_not_come_back_under_its_successor() {
    let (world, account) = World::overdue().await;
    die_before_the_commit(&world, SealKeys::none(), &account).await;
    let operator = world.replica().await;
    world.answers.faults().fail_next_of("erase", FOREVER, Fault::NotApplied);
    operator.delete(&account).await.unwrap();
    let document = world.provider.grant("a", HOUR);
    operator.login(&account, document.as_bytes(), false).await.unwrap();
    for shared_cache_is_lost in [false, true] {
        if shared_cache_is_lost {
            world.cache.wipe();
        }
        let heir = world.replica().await;
        assert_eq!(heir.token(&account).await.unwrap().expose_secret(), "access-a-3");
    }
    assert_eq!(operator.refresh(&account, None).await.unwrap().expose_secret(), "access-a-4");
    assert_eq!(world.provider.doubles(), 0, "what is presented is the successor's");
}

/// A9.
#[tokio::test(start_paused = true)]
async fn a_login_into_a_restored_store_is_newer_than_every_answer_of_before() {
    let world = World::new();
    let account = world.log_in("a", HOUR).await;
    let backup = world.store.snapshot();
    let replica = world.replica().await;
    for _ in 0..2 {
        replica.refresh(&account, None).await.unwrap();
        tokio::time::sleep(Duration::from_secs(10)).await;
    }
    replica.shutdown(Duration::from_secs(1)).await;
    world.store.restore(&backup);
    let document = world.provider.grant("a", HOUR);
    let operator = world.replica().await;
    operator.login(&account, document.as_bytes(), false).await.unwrap();
    world.cache.wipe();
    let heir = world.replica().await;
    assert_eq!(heir.token(&account).await.unwrap().expose_secret(), "access-a-4");
    assert_eq!(heir.refresh(&account, None).await.unwrap().expose_secret(), "access-a-5");
}

/// A9.
#[tokio::test(start_paused = true)]
async fn an_answer_that_is_no_success_is_kept_by_nobody_and_stops_nobody() {
    for odd in
        [Script::Answer(500, "{}"), Script::Answer(502, r#"{"error":"server_error"}"#), Script::Hide(503)]
    {
        let (world, account) = World::overdue().await;
        world.provider.script([odd]);
        let owner = world.replica().await;
        let answer = owner.token_within(&account, Duration::from_secs(1)).await;
        assert!(matches!(answer, Err(TokenError::RetryAt { .. })), "{answer:?}");
        owner.shutdown(Duration::from_secs(1)).await;
        assert!(world.answers.all(&account).iter().all(|answer| answer.note.content.facts().is_some()));
        let heir = world.replica().await;
        tokio::time::sleep(Duration::from_secs(2)).await;
        let _ = heir.token(&account).await;
        tokio::time::sleep(Duration::from_secs(120)).await;
        assert_eq!(world.provider.presentations(), 2, "the next owner goes on");
    }
}

/// A10.
#[tokio::test(start_paused = true)]
async fn a_login_replaces_a_pair_that_was_published_and_never_committed() {
    let (world, account) = World::overdue().await;
    let (warm, owner) = (world.replica().await, world.replica().await);
    world.store.faults().fail_next_of("commit", FOREVER, Fault::NotApplied);
    owner.token(&account).await.unwrap();
    assert_eq!(warm.token(&account).await.unwrap().expose_secret(), "access-a-2", "by the shared cache");
    let document = world.provider.grant("a", HOUR);
    world.replica().await.login(&account, document.as_bytes(), false).await.unwrap();
    // The owner goes on trying, and finds that it is history.
    world.store.faults().heal();
    assert_eq!(served(&warm, &account).await.unwrap(), "access-a-3");
    assert_eq!(served(&world.replica().await, &account).await.unwrap(), "access-a-3");
}

/// A10.
#[tokio::test(start_paused = true)]
async fn a_login_after_a_delete_is_newer_than_everything_replicas_remember() {
    let world = World::new();
    let account = world.log_in("a", HOUR).await;
    let (operator, warm) = (world.replica().await, world.replica().await);
    for _ in 0..3 {
        operator.refresh(&account, None).await.unwrap();
        tokio::time::sleep(Duration::from_secs(10)).await;
    }
    assert_eq!(served(&warm, &account).await.unwrap(), "access-a-4");
    operator.delete(&account).await.unwrap();
    let document = world.provider.grant("a", HOUR);
    operator.login(&account, document.as_bytes(), false).await.unwrap();
    for replica in [&warm, &operator, &world.replica().await] {
        assert_eq!(served(replica, &account).await.unwrap(), "access-a-5");
    }
}

/// A10.
#[tokio::test(start_paused = true)]
async fn a_login_into_a_restored_store_is_newer_than_everything_replicas_remember() {
    let world = World::new();
    let account = world.log_in("a", HOUR).await;
    let backup = world.store.snapshot();
    let (operator, warm) = (world.replica().await, world.replica().await);
    for _ in 0..2 {
        operator.refresh(&account, None).await.unwrap();
        tokio::time::sleep(Duration::from_secs(10)).await;
    }
    assert_eq!(served(&warm, &account).await.unwrap(), "access-a-3");
    world.store.restore(&backup);
    world.answers.wipe();
    let document = world.provider.grant("a", HOUR);
    operator.login(&account, document.as_bytes(), false).await.unwrap();
    for replica in [&warm, &operator, &world.replica().await] {
        assert_eq!(served(replica, &account).await.unwrap(), "access-a-4");
    }
}

/// A11.
#[tokio::test(start_paused = true)]
async fn a_row_that_a_failover_took_back_gets_its_pair_from_the_answers() {
    let (world, account) = World::overdue().await;
    let backup = world.store.snapshot();
    let owner = world.replica().await;
    assert_eq!(owner.token(&account).await.unwrap().expose_secret(), "access-a-2");
    owner.shutdown(Duration::from_secs(1)).await;
    // Store and shared cache were one server, and the replica that took over had received neither the claim nor the commit.
    world.store.restore(&backup);
    world.cache.wipe();
    world.lease.wipe();
    let heirs = [world.replica().await, world.replica().await];
    for heir in &heirs {
        assert_eq!(heir.token(&account).await.unwrap().expose_secret(), "access-a-2");
    }
    assert_eq!((world.provider.presentations(), world.provider.doubles()), (1, 0));
}

/// A14.
#[tokio::test(start_paused = true)]
async fn a_503_after_a_rotation_is_not_taken_for_a_token_that_was_not_processed() {
    let world = World::new();
    let account = world.log_in("a", HOUR).await;
    let replica = world.replica().await;
    replica.token(&account).await.unwrap();
    tokio::time::sleep(Duration::from_secs(3600 - 300)).await;
    // Whatever stands in front of this unknown provider says "come back in a second".
    world.provider.script([Script::Hide(503)]);
    for _ in 0..20 {
        assert_eq!(replica.token(&account).await.unwrap().expose_secret(), "access-a-1");
        tokio::time::sleep(Duration::from_secs(10)).await;
    }
    assert_eq!((world.provider.presentations(), world.provider.doubles()), (1, 0));
}

/// A15.
#[tokio::test(start_paused = true)]
async fn what_a_deleted_account_left_is_gone_from_shared_cache_answers_and_replicas() {
    let world = World::new();
    let account = world.log_in("a", HOUR).await;
    let (operator, warm) = (world.replica().await, world.replica().await);
    operator.refresh(&account, None).await.unwrap();
    assert_eq!(served(&warm, &account).await.unwrap(), "access-a-2");
    operator.delete(&account).await.unwrap();
    assert!(matches!(served(&warm, &account).await, Err(TokenError::UnknownAccount)));
    assert_eq!(world.cache.read(&account).await.unwrap().token, None);
    assert!(world.answers.all(&account).iter().all(|answer| answer.payload.is_empty()));
    assert!(world.store.load(&account).await.unwrap().record.unwrap().payload.is_empty());
}

/// A replica whose wall clock is off.
async fn off(world: &World, by: impl FnOnce(&TestClock)) -> Solekey {
    let clock = TestClock::tokio();
    by(&clock);
    world.builder(policy()).clock(Arc::new(clock)).build().await.unwrap()
}

/// A17.
#[tokio::test(start_paused = true)]
async fn wall_clocks_of_replicas_are_not_compared() {
    let world = World::new();
    let account = world.log_in("a", HOUR).await;
    let day = Duration::from_secs(86_400);
    let mut replicas = Vec::new();
    for shared_cache_is_back in [true, false] {
        if !shared_cache_is_back {
            world.cache.wipe();
        }
        let behind = off(&world, |clock| clock.set_wall(clock.wall() - day)).await;
        let ahead = off(&world, |clock| clock.set_wall(clock.wall() + day)).await;
        for replica in [behind, ahead] {
            assert_eq!(replica.token(&account).await.unwrap().expose_secret(), "access-a-1");
            replicas.push(replica);
        }
    }
    assert_eq!(world.provider.presentations(), 0, "nothing counts as expired");
    tokio::time::sleep(HOUR).await;
    world.lose_redis();
    world.store.faults().leave();
    for replica in &replicas {
        let answer = replica.token_within(&account, Duration::from_millis(10)).await;
        assert!(matches!(answer, Err(TokenError::RetryAt { .. })), "past its end for everybody: {answer:?}");
    }
}

/// A17.
#[tokio::test(start_paused = true)]
async fn a_process_that_slept_knows_that_its_tokens_have_ended() {
    let world = World::new();
    let account = world.log_in("a", HOUR).await;
    let clock = TestClock::tokio();
    let replica = world.builder(policy()).clock(Arc::new(clock.clone())).build().await.unwrap();
    assert_eq!(replica.token(&account).await.unwrap().expose_secret(), "access-a-1");
    world.lose_redis();
    world.store.faults().leave();
    // The host slept: timers stood still, and the process' clock did not.
    clock.advance(HOUR);
    let answer = replica.token_within(&account, Duration::from_millis(10)).await;
    let Err(TokenError::RetryAt { why, .. }) = answer else { panic!("{answer:?}") };
    assert!(matches!(why, Delay::StoreDown | Delay::InFlight), "{why:?}");
    world.find_redis();
    world.store.faults().come_back();
}

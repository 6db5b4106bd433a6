//! Logins and deletes whose callers hang up.

use std::time::Duration;

use solekey::{AccountError, Login, Solekey, TokenError};
use solekey_core::{
    Account, ClaimId, Content, Generation, Sealed,
    ports::{Cache as _, CacheEntry, Store as _},
};
use uuid::Uuid;

use crate::fixture::{HOUR, World, account, polled};

/// A world with an account that the second replica serves from memory.
async fn warm() -> (World, Account, [Solekey; 2]) {
    let world = World::new();
    let account = world.log_in("a", HOUR).await;
    let replicas = [world.replica().await, world.replica().await];
    assert_eq!(replicas[1].token(&account).await.unwrap().expose_secret(), "access-a-1");
    (world, account, replicas)
}

/// Returns what a replica serves once it has read: the read runs behind the first request.
async fn settled(replica: &Solekey, account: &Account) -> Result<String, TokenError> {
    tokio::time::sleep(Duration::from_secs(3)).await;
    let _ = replica.token(account).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    replica.token(account).await.map(|token| token.expose_secret().to_owned())
}

async fn shared_cache(world: &World, account: &Account) -> CacheEntry {
    world.cache.read(account).await.unwrap()
}

async fn generation(world: &World, account: &Account) -> Option<Generation> {
    world.store.load(account).await.unwrap().record.map(|record| record.row.generation)
}

#[tokio::test(start_paused = true)]
async fn a_delete_dropped_at_any_await_is_a_delete_everywhere() {
    for polls in 1..MOST_POLLS {
        let (world, account, [one, other]) = warm().await;
        let ended = polled(polls, one.delete(&account)).await;
        let served = settled(&other, &account).await;
        assert!(matches!(served, Err(TokenError::UnknownAccount)), "{polls}: {served:?}");
        let shared_cache = shared_cache(&world, &account).await;
        assert_eq!((shared_cache.gone, shared_cache.token), (true, None), "{polls}");
        assert_eq!(shared_cache.known, generation(&world, &account).await, "{polls}");
        let kept: Vec<_> = world.answers.all(&account).iter().map(|answer| answer.note.content).collect();
        assert_eq!(kept, [Content::Deleted], "{polls}");
        if ended {
            assert!(polls > 1, "it waits at least once");
            return;
        }
    }
    panic!("no end after {MOST_POLLS} polls");
}

#[tokio::test(start_paused = true)]
async fn a_login_dropped_at_any_await_is_a_login_everywhere() {
    for polls in 1..MOST_POLLS {
        let (world, account, [one, other]) = warm().await;
        let document = world.provider.grant("a", HOUR);
        let ended = polled(polls, one.login(&account, document.as_bytes(), false)).await;
        assert_eq!(settled(&other, &account).await.unwrap(), "access-a-2", "{polls}");
        let shared_cache = shared_cache(&world, &account).await;
        let newest = generation(&world, &account).await;
        assert_eq!(
            (shared_cache.known, shared_cache.token.map(|token| token.generation)),
            (newest, newest),
            "{polls}"
        );
        let witness = world.answers.all(&account).pop().unwrap().note;
        assert_eq!(Some(witness.attempt), newest, "{polls}");
        if ended {
            assert!(polls > 1, "it waits at least once");
            return;
        }
    }
    panic!("no end after {MOST_POLLS} polls");
}

#[tokio::test(start_paused = true)]
async fn shutdown_awaits_a_change_whose_caller_is_gone() {
    let (world, account, [one, _]) = warm().await;
    assert!(!polled(1, one.delete(&account)).await);
    let late = one.delete(&account);
    one.shutdown(Duration::from_secs(5)).await;
    assert!(shared_cache(&world, &account).await.gone);
    assert!(matches!(late.await, Err(AccountError::ShuttingDown)));
}

#[tokio::test(start_paused = true)]
async fn deleting_again_notifies_the_others_when_the_first_time_did_not() {
    let (world, account, [one, other]) = warm().await;
    // Its process ended right after.
    world.store.delete(&account, ClaimId::new(Uuid::new_v4())).await.unwrap();
    assert!(matches!(one.delete(&account).await, Err(AccountError::UnknownAccount)));
    let served = settled(&other, &account).await;
    assert!(matches!(served, Err(TokenError::UnknownAccount)), "{served:?}");
    assert!(shared_cache(&world, &account).await.gone);
    let kept: Vec<_> = world.answers.all(&account).iter().map(|answer| answer.note.content).collect();
    assert_eq!(kept, [Content::Deleted]);
}

#[tokio::test(start_paused = true)]
async fn logging_in_again_notifies_the_others_when_the_first_time_did_not() {
    let (world, account, [one, other]) = warm().await;
    let document = world.provider.grant("a", HOUR);
    let brief = world.replica().await;
    world.cache.faults().leave();
    brief.login(&account, document.as_bytes(), false).await.unwrap();
    brief.shutdown(Duration::from_secs(1)).await;
    world.cache.faults().come_back();
    let again = one.login(&account, document.as_bytes(), false).await.unwrap();
    assert!(matches!(again, Login::Same { .. }), "{again:?}");
    assert_eq!(settled(&other, &account).await.unwrap(), "access-a-2");
    let newest = generation(&world, &account).await;
    assert_eq!(shared_cache(&world, &account).await.token.map(|token| token.generation), newest);
}

#[tokio::test(start_paused = true)]
async fn logging_in_again_does_not_take_back_a_rejection() {
    let world = World::new();
    let (account, replica) = (account("a"), world.replica().await);
    let document = world.provider.grant("a", HOUR);
    replica.login(&account, document.as_bytes(), false).await.unwrap();
    let token = replica.token(&account).await.unwrap();
    world.cache.reject(&account, token.generation(), &Sealed::default()).await.unwrap();
    replica.login(&account, document.as_bytes(), false).await.unwrap();
    assert_eq!(shared_cache(&world, &account).await.rejected, Some(token.generation()));
}

#[tokio::test(start_paused = true)]
async fn a_delete_of_what_never_was_leaves_nothing_behind() {
    let world = World::new();
    let replica = world.replica().await;
    let nobody = account("nobody");
    assert!(matches!(replica.delete(&nobody).await, Err(AccountError::UnknownAccount)));
    assert_eq!(shared_cache(&world, &nobody).await, CacheEntry::default());
    assert!(world.answers.all(&nobody).is_empty());
}

/// A change takes a few dozen.
const MOST_POLLS: usize = 100;

//! Answers that a process wrote and did not live to commit, where answers are files of its host.

use std::{sync::Arc, time::Duration};

use solekey_core::{Account, ports::Store as _};
use solekey_testkit::memory::MemoryChangeFeed;
use tempfile::TempDir;

use crate::{
    fixture::{World, policy},
    mortal::{Death, mortal_store},
};

/// A host whose process died between an answer and its commit.
async fn bereft() -> (Arc<World>, Account, TempDir) {
    let world = Arc::new(World::new());
    let host = tempfile::tempdir().unwrap();
    // The access token has long to live: nobody presents anything for that long.
    let account = world.log_in("a", Duration::from_secs(30 * 60)).await;
    tokio::time::sleep(Duration::from_secs(25 * 60)).await;
    let (store, pulse) = mortal_store(&world, Death::Before("commit"));
    let owner = world.bare(policy()).store(store).state_dir(host.path()).build().await.unwrap();
    let _ = owner.refresh(&account, None).await;
    assert!(pulse.is_gone());
    owner.shutdown(Duration::ZERO).await;
    assert_eq!(rotations(&world, &account).await, 0);
    (world, account, host)
}

async fn rotations(world: &World, account: &Account) -> u64 {
    world.store.load(account).await.unwrap().record.unwrap().row.rotations
}

/// Returns whether the pair is committed to the row while nobody asks for it.
async fn is_committed(world: &World, account: &Account) -> bool {
    for _ in 0..100 {
        if rotations(world, account).await == 1 {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    false
}

#[tokio::test(start_paused = true)]
async fn the_next_process_on_its_host_commits_it_without_any_request() {
    let (world, account, host) = bereft().await;
    let _heir = world.bare(policy()).state_dir(host.path()).build().await.unwrap();
    assert!(is_committed(&world, &account).await);
    let elsewhere = tempfile::tempdir().unwrap();
    let other = world.bare(policy()).state_dir(elsewhere.path()).build().await.unwrap();
    assert_eq!(other.token(&account).await.unwrap().expose_secret(), "access-a-2");
    assert_eq!((world.provider.presentations(), world.provider.doubles()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_process_that_finds_the_store_away_commits_orphaned_answers_once_it_is_back() {
    let (world, account, host) = bereft().await;
    world.store.faults().leave();
    let _heir = world.bare(policy()).state_dir(host.path()).build().await.unwrap();
    tokio::time::sleep(Duration::from_secs(30)).await;
    world.store.faults().come_back();
    assert!(is_committed(&world, &account).await);
    assert_eq!((world.provider.presentations(), world.provider.doubles()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_running_process_searches_for_orphaned_answers_when_it_may_have_missed_a_notification() {
    let (world, account, host) = bereft().await;
    let (change_feed, another) = (MemoryChangeFeed::new(), tempfile::tempdir().unwrap());
    let builder = world.bare(policy()).change_feed(Arc::new(change_feed.of_another()));
    let _lasting = builder.state_dir(another.path()).build().await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    // What it would have found, had it been there when it scanned.
    let left = |folder: &TempDir| folder.path().join("answers").join(account.key().to_string());
    std::fs::rename(left(&host), left(&another)).unwrap();
    assert!(!is_committed(&world, &account).await);
    change_feed.gap();
    assert!(is_committed(&world, &account).await);
    assert_eq!((world.provider.presentations(), world.provider.doubles()), (1, 0));
}

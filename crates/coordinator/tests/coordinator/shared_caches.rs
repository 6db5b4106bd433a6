//! Tokens found in the shared cache, or not.

use std::time::Duration;

use solekey_core::ports::Cache as _;

use crate::fixture::{HOUR, World, policy};

/// S-T38.
#[tokio::test(start_paused = true)]
async fn a_valid_token_missing_from_the_shared_cache_comes_from_the_row_and_is_put_there() {
    let world = World::new();
    let account = world.log_in("a", HOUR).await;
    world.cache.wipe();
    let replica = world.replica().await;
    assert_eq!(replica.token(&account).await.unwrap().expose_secret(), "access-a-1");
    tokio::time::sleep(Duration::from_millis(10)).await;
    assert!(world.cache.read(&account).await.unwrap().token.is_some());
    let loads = world.store.faults().calls("load");
    assert_eq!(world.replica().await.token(&account).await.unwrap().expose_secret(), "access-a-1");
    assert_eq!((world.store.faults().calls("load"), world.provider.presentations()), (loads, 0));
}

/// S-T42.
#[tokio::test(start_paused = true)]
async fn without_a_shared_cache_the_stored_token_is_served() {
    let world = World::new();
    let account = world.log_in("a", HOUR).await;
    let embedded = world.embedded(policy()).build().await.unwrap();
    assert_eq!(embedded.token(&account).await.unwrap().expose_secret(), "access-a-1");
    assert_eq!(world.provider.presentations(), 0);
}

/// S-T43.
#[tokio::test(start_paused = true)]
async fn a_shared_cache_that_cannot_be_read_or_written_counts_as_one_that_knows_nothing() {
    let world = World::new();
    let account = world.log_in("a", HOUR).await;
    world.cache.faults().leave();
    let replica = world.replica().await;
    assert_eq!(replica.token(&account).await.unwrap().expose_secret(), "access-a-1");
    let refreshed = replica.refresh(&account, None).await.unwrap();
    assert_eq!(refreshed.expose_secret(), "access-a-2", "also where its publication fails");
    assert_eq!(world.provider.presentations(), 1);
}

/// S-T51.
#[tokio::test(start_paused = true)]
async fn a_token_lies_there_until_it_ends_and_is_good_for_a_share_less() {
    for (lifetime, skew) in [(3600, 60), (600, 60), (360, 36)] {
        let world = World::new();
        let account = world.log_in("a", Duration::from_secs(lifetime)).await;
        let cached = world.cache.read(&account).await.unwrap().token.unwrap();
        assert_eq!(cached.valid.as_millis().div_ceil(1000), u128::from(lifetime));
        assert_eq!(cached.valid.saturating_sub(cached.good).as_secs(), skew, "{lifetime}");
    }
}

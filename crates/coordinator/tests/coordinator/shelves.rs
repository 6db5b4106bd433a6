//! Tokens found on the shelf, or not.

use std::time::Duration;

use solekey_core::ports::Cache as _;

use crate::fixture::{HOUR, World, policy};

#[tokio::test(start_paused = true)]
async fn s_t38_a_valid_token_that_no_shelf_has_comes_from_the_row_and_goes_onto_the_shelf() {
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

#[tokio::test(start_paused = true)]
async fn s_t42_without_a_shelf_the_stored_token_is_served() {
    let world = World::new();
    let account = world.log_in("a", HOUR).await;
    let embedded = world.embedded(policy()).build().await.unwrap();
    assert_eq!(embedded.token(&account).await.unwrap().expose_secret(), "access-a-1");
    assert_eq!(world.provider.presentations(), 0);
}

#[tokio::test(start_paused = true)]
async fn s_t43_a_shelf_that_cannot_be_read_or_written_is_a_shelf_that_knows_nothing() {
    let world = World::new();
    let account = world.log_in("a", HOUR).await;
    world.cache.faults().leave();
    let replica = world.replica().await;
    assert_eq!(replica.token(&account).await.unwrap().expose_secret(), "access-a-1");
    let refreshed = replica.refresh(&account, None).await.unwrap();
    assert_eq!(refreshed.expose_secret(), "access-a-2", "also where its publication fails");
    assert_eq!(world.provider.presentations(), 1);
}

#[tokio::test(start_paused = true)]
async fn s_t51_a_token_lies_there_until_it_ends_and_is_good_for_a_share_less() {
    for (lifetime, skew) in [(3600, 60), (600, 60), (360, 36)] {
        let world = World::new();
        let account = world.log_in("a", Duration::from_secs(lifetime)).await;
        let shelved = world.cache.read(&account).await.unwrap().token.unwrap();
        assert_eq!(shelved.valid.as_millis().div_ceil(1000), u128::from(lifetime));
        assert_eq!(shelved.valid.saturating_sub(shelved.good).as_secs(), skew, "{lifetime}");
    }
}

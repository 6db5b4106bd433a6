//! Stopping.

use std::time::Duration;

use solekey::{DEFAULT_DRAIN, TokenError};

use crate::fixture::{HOUR, World};

/// B15.
#[tokio::test(start_paused = true)]
async fn a_sent_exchange_is_awaited_and_its_answer_written() {
    let world = World::new();
    let account = world.log_in("a", Duration::from_secs(1)).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let replica = world.replica().await;
    let call = tokio::spawn({
        let (replica, account) = (replica.clone(), account.clone());
        async move { replica.token(&account).await }
    });
    tokio::time::sleep(Duration::from_millis(50)).await;
    let end = replica.shutdown(DEFAULT_DRAIN).await;
    assert_eq!(end.in_doubt, 0);
    assert_eq!(call.await.unwrap().unwrap().expose_secret(), "access-a-2");
    assert_eq!(world.replica().await.token(&account).await.unwrap().expose_secret(), "access-a-2");
    assert_eq!(world.provider.presentations(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_draining_replica_serves_what_it_has_and_claims_nothing() {
    let world = World::new();
    let fresh = world.log_in("a", HOUR).await;
    let expired = world.log_in("b", Duration::from_secs(1)).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let replica = world.replica().await;
    replica.token(&fresh).await.unwrap();
    replica.start_draining();
    assert_eq!(replica.token(&fresh).await.unwrap().expose_secret(), "access-a-1");
    assert!(matches!(replica.token(&expired).await, Err(TokenError::ShuttingDown)));
    assert_eq!(world.provider.presentations(), 0);
    assert_eq!(replica.shutdown(DEFAULT_DRAIN).await.in_doubt, 0);
}

/// B15.
#[tokio::test(start_paused = true)]
async fn what_is_still_under_way_at_the_deadline_is_counted_as_in_doubt() {
    let world = World::new();
    let account = world.log_in("a", Duration::from_secs(1)).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    world.provider.close();
    let replica = world.replica().await;
    let call = tokio::spawn({
        let (replica, account) = (replica.clone(), account.clone());
        async move { replica.token(&account).await }
    });
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(replica.shutdown(Duration::from_millis(10)).await.in_doubt, 1);
    call.abort();
}

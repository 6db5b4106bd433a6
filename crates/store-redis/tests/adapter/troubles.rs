//! The errors when Redis does not answer.

use std::time::Duration;

use solekey_core::ports::{Store, StoreError, Trouble};
use solekey_redis_link::{LinkOptions, RedisLink};
use solekey_store_redis::RedisStore;
use solekey_testkit::{
    redis::{Data, RedisServer},
    wait::{eventually, within},
};

use crate::{
    fixture::{Fixture, patient},
    requests::{account, claim, login, payload},
};

#[tokio::test]
async fn an_unknown_outcome_is_reported_as_unknown_and_repeating_the_request_is_safe() {
    let mut server = RedisServer::builder().append_only().start().await.unwrap();
    let impatient = LinkOptions { command_timeout: Duration::from_secs(1), ..patient() };
    let link = RedisLink::connect(&server.url(), impatient).await.unwrap();
    let store = RedisStore::new(link.clone(), "solekey").unwrap();
    let alice = account("alice");
    let retry = async || eventually("a row", async || store.load(&alice).await.ok()).await;
    let request = login(1);
    eventually("a login", async || store.login(&alice, &request, &payload()).await.ok()).await;

    let request = claim(&retry().await);
    server.pause().unwrap();
    // The change first: a link that has found silence sends nothing.
    let (change, read) = (store.claim(&alice, &request).await, store.load(&alice).await);
    assert!(matches!(read, Err(StoreError::Unavailable(Trouble::NotApplied(_)))), "{read:?}");
    assert!(matches!(change, Err(StoreError::Unavailable(Trouble::Unknown(_)))), "{change:?}");
    server.resume().unwrap();

    retry().await;
    let claimed = eventually("a claim", async || match store.claim(&alice, &request).await {
        Ok(claimed) => Some(claimed),
        Err(StoreError::Unavailable(_)) => None,
        Err(error) => panic!("{error:?}"),
    })
    .await;
    assert_eq!(claimed.record.unwrap().row.open.unwrap().id, request.id);

    server.kill9();
    let mut state = link.watch_state();
    within("the end is noticed", state.wait_for(|state| !state.is_up())).await.unwrap();
    let change = store.claim(&alice, &request).await;
    assert!(matches!(change, Err(StoreError::Unavailable(Trouble::NotApplied(_)))), "{change:?}");

    server.restart(Data::Kept).await.unwrap();
    let row = retry().await.record.unwrap().row;
    assert_eq!(row.open.unwrap().id, request.id, "what was acknowledged is kept");
}

#[tokio::test]
async fn a_field_that_cannot_be_read_is_trouble_and_not_an_empty_row() {
    let fixture = Fixture::new().await;
    let alice = account("alice");
    fixture.store.login(&alice, &login(1), &payload()).await.unwrap();
    let row = crate::fixture::key_of(&alice, "rec");
    let _: i64 = fixture.ask("HSET", &row, &["access", "garbage"]).await;
    let read = fixture.store.load(&alice).await;
    assert!(matches!(read, Err(StoreError::Unavailable(Trouble::NotApplied(_)))), "{read:?}");
    assert_eq!(fixture.store.list(None, None, 10).await.unwrap().rows, []);
}

#[tokio::test]
async fn numbers_that_scripts_would_round_are_refused() {
    let fixture = Fixture::new().await;
    let alice = account("alice");
    fixture.store.login(&alice, &login(1), &payload()).await.unwrap();
    let request = claim(&fixture.store.load(&alice).await.unwrap());
    let request = solekey_core::Claim { fence: Some(solekey_core::Fence::new((1 << 53) + 1)), ..request };
    let refused = fixture.store.claim(&alice, &request).await;
    assert!(matches!(refused, Err(StoreError::Unavailable(Trouble::NotApplied(_)))), "{refused:?}");
}

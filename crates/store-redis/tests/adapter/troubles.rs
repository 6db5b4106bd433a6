//! What is said when Redis does not answer.

use std::time::Duration;

use solekey_core::ports::{Store, StoreError, Trouble};
use solekey_redis_link::{LinkOptions, RedisLink};
use solekey_store_redis::RedisStore;
use solekey_testkit::redis::{Data, RedisServer};

use crate::{
    fixture::Fixture,
    wishes::{account, claim, login, payload},
};

/// Longer than anything here takes; met only when something hangs.
const BOUND: Duration = Duration::from_secs(30);

async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(BOUND, future).await.expect("comes in time")
}

#[tokio::test]
async fn an_outcome_that_is_unknown_is_said_to_be_and_repeating_it_is_safe() {
    let mut server = RedisServer::builder().append_only().start().await.unwrap();
    let impatient = LinkOptions { command_timeout: Duration::from_millis(300), ..LinkOptions::default() };
    let link = RedisLink::connect(&server.url(), impatient).await.unwrap();
    let store = RedisStore::new(link.clone(), "solekey").unwrap();
    let alice = account("alice");
    let retry = async || {
        within(async {
            loop {
                if let Ok(loaded) = store.load(&alice).await {
                    return loaded;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await
    };
    store.login(&alice, &login(1), &payload()).await.unwrap();

    let wish = claim(&retry().await);
    server.pause().unwrap();
    let (read, change) = (store.load(&alice).await, store.claim(&alice, &wish).await);
    assert!(matches!(read, Err(StoreError::Unavailable(Trouble::NotApplied(_)))), "{read:?}");
    assert!(matches!(change, Err(StoreError::Unavailable(Trouble::Unknown(_)))), "{change:?}");
    server.resume().unwrap();

    retry().await;
    let claimed = within(async {
        loop {
            match store.claim(&alice, &wish).await {
                Ok(claimed) => return claimed,
                Err(StoreError::Unavailable(_)) => tokio::time::sleep(Duration::from_millis(20)).await,
                Err(error) => panic!("{error:?}"),
            }
        }
    })
    .await;
    assert_eq!(claimed.record.unwrap().row.open.unwrap().id, wish.id);

    server.kill9();
    let mut state = link.watch_state();
    within(state.wait_for(|state| !state.is_up())).await.unwrap();
    let change = store.claim(&alice, &wish).await;
    assert!(matches!(change, Err(StoreError::Unavailable(Trouble::NotApplied(_)))), "{change:?}");

    server.restart(Data::Kept).await.unwrap();
    let row = retry().await.record.unwrap().row;
    assert_eq!(row.open.unwrap().id, wish.id, "what was acknowledged is kept");
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
    let wish = claim(&fixture.store.load(&alice).await.unwrap());
    let wish = solekey_core::Claim { fence: Some(solekey_core::Fence::new((1 << 53) + 1)), ..wish };
    let refused = fixture.store.claim(&alice, &wish).await;
    assert!(matches!(refused, Err(StoreError::Unavailable(Trouble::NotApplied(_)))), "{refused:?}");
}

//! The notifications of publications.

use std::time::Duration;

use solekey_cache::RedisCache;
use solekey_core::{
    Sealed,
    ports::{Cache, Heard, Trouble},
};
use solekey_redis_link::{LinkOptions, RedisLink, cmd};
use solekey_testkit::{
    redis::{ClientKind, Data, RedisServer},
    wait::{self, eventually},
};

use crate::fixture::{Fixture, account, fresh, generation, patient};

async fn within<T>(future: impl Future<Output = T>) -> T {
    wait::within("the notification, or the server", future).await
}

#[tokio::test]
async fn a_listener_hears_every_change_and_no_garbage() {
    let fixture = Fixture::new().await;
    let mut change_feed = fixture.cache.listen().await;
    for garbage in ["", "hello", "x 1", "00000000000000000000000000000000 x"] {
        let _: i64 = fixture.link.query(cmd("PUBLISH").arg(fixture.channel()).arg(garbage)).await.unwrap();
    }
    fixture.cache.publish(&fixture.account, &fresh(7)).await.unwrap();
    fixture.cache.publish(&fixture.account, &fresh(6)).await.unwrap();
    fixture.cache.publish(&fixture.account, &fresh(8)).await.unwrap();
    fixture.cache.reject(&fixture.account, generation(8), &Sealed::default()).await.unwrap();
    fixture.cache.reject(&fixture.account, generation(8), &Sealed::default()).await.unwrap();
    fixture.cache.clear_rejection(&fixture.account, generation(8)).await.unwrap();
    fixture.cache.publish(&fixture.account, &fresh(9)).await.unwrap();
    // Refused publications and repeated rejections are not notified.
    for number in [7, 8, 8, 8, 9] {
        let expected = Heard::Changed { key: fixture.account.key(), generation: generation(number) };
        assert_eq!(within(change_feed.next()).await, Some(expected));
    }
}

#[tokio::test]
async fn whoever_is_woken_finds_the_fast_entry() {
    let fixture = Fixture::new().await;
    let mut change_feed = fixture.cache.listen().await;
    for number in 1..=20 {
        let publication = fresh(number);
        let publish = fixture.cache.publish(&fixture.account, &publication);
        let poll = async {
            within(change_feed.next()).await.unwrap();
            fixture.ask::<bool>("EXISTS", "tok", &[]).await
        };
        let (published, found) = tokio::join!(publish, poll);
        assert!(published.unwrap() && found);
    }
}

#[tokio::test]
async fn a_cut_subscription_is_heard_as_a_gap_before_anything_newer() {
    let server = RedisServer::start().await.unwrap();
    let link = RedisLink::connect(&server.url(), patient()).await.unwrap();
    let cache = RedisCache::new(link, "solekey").unwrap();
    let mut change_feed = cache.listen().await;
    server.kill_clients(ClientKind::PubSub).await.unwrap();
    assert_eq!(within(change_feed.next()).await, Some(Heard::Gap));

    // Once the subscription is back, what is published is heard; until then it is lost together with the gap.
    let alice = account("alice");
    let mut number = 0;
    let heard = within(async {
        loop {
            number += 1;
            cache.publish(&alice, &fresh(number)).await.unwrap();
            match tokio::time::timeout(Duration::from_millis(50), change_feed.next()).await {
                Ok(Some(Heard::Changed { key, .. })) => return key,
                Ok(other) => assert_eq!(other, Some(Heard::Gap)),
                Err(_) => {}
            }
        }
    })
    .await;
    assert_eq!(heard, alice.key());
}

#[tokio::test]
async fn trouble_says_whether_something_may_have_changed() {
    let mut server = RedisServer::start().await.unwrap();
    let impatient = LinkOptions { command_timeout: Duration::from_secs(1), ..patient() };
    let link = RedisLink::connect(&server.url(), impatient).await.unwrap();
    let cache = RedisCache::new(link.clone(), "solekey").unwrap();
    let alice = account("alice");

    server.pause().unwrap();
    let (write, read) = (cache.publish(&alice, &fresh(1)).await, cache.read(&alice).await);
    assert!(matches!(write, Err(Trouble::Unknown(_))), "{write:?}");
    assert!(matches!(read, Err(Trouble::NotApplied(_))), "{read:?}");
    server.resume().unwrap();

    server.kill9();
    let mut state = link.watch_state();
    within(state.wait_for(|state| !state.is_up())).await.unwrap();
    let write = cache.publish(&alice, &fresh(2)).await;
    assert!(matches!(write, Err(Trouble::NotApplied(_))), "{write:?}");

    server.restart(Data::Lost).await.unwrap();
    eventually("a publication", async || cache.publish(&alice, &fresh(3)).await.ok()).await;
    let shared_cache = eventually("what was published", async || cache.read(&alice).await.ok()).await;
    assert_eq!(shared_cache.known, Some(generation(3)));
}

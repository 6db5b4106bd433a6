//! A server that is a replica, or has become one.

use std::time::Duration;

use solekey_core::{
    Content, Login,
    ports::{Answers, Store, StoreError, Trouble},
};
use solekey_redis_link::{RedisLink, cmd};
use solekey_store_redis::{RedisAnswers, RedisStore};
use solekey_testkit::{redis::RedisServer, wait::eventually};

use crate::{
    answers::{answer, registration},
    fixture::patient,
    requests::{account, claim, facts, login, payload},
};

/// A replica may lack what the primary has acknowledged.
#[tokio::test]
async fn nothing_is_absent_because_a_replica_does_not_have_it() {
    let server = RedisServer::start().await.unwrap();
    let link = RedisLink::connect(&server.url(), patient()).await.unwrap();
    let (answers, store) =
        (RedisAnswers::new(link.clone(), "p").unwrap(), RedisStore::new(link, "p").unwrap());
    let alice = account("alice");
    answers.register(&registration(7)).await.unwrap();
    let written = answer(1, Content::Rotated(facts(1)));
    answers.write(&alice, &written).await.unwrap();
    let due_now = Login { due_in: Some(Duration::ZERO), ..login(1) };
    store.login(&alice, &due_now, &payload()).await.unwrap();
    let request = claim(&store.load(&alice).await.unwrap());

    let observer = RedisLink::connect(&server.url(), patient()).await.unwrap();
    observer.query::<()>(cmd("REPLICAOF").arg("127.0.0.1").arg("1")).await.unwrap();
    let found = answers.newest(&alice).await;
    assert!(matches!(found, Err(Trouble::NotApplied(_))), "{found:?}");
    let found = answers.newest(&account("bob")).await;
    assert!(matches!(found, Err(Trouble::NotApplied(_))), "{found:?}");
    for account in [&alice, &account("bob")] {
        let found = store.load(account).await;
        assert!(matches!(found, Err(StoreError::Unavailable(Trouble::NotApplied(_)))), "{found:?}");
    }
    let claimed = store.claim(&alice, &request).await;
    assert!(matches!(claimed, Err(StoreError::Unavailable(Trouble::NotApplied(_)))), "{claimed:?}");
    let identity = store.identity().await;
    assert!(matches!(identity, Err(StoreError::Unavailable(Trouble::NotApplied(_)))), "{identity:?}");
    let listed = store.list(None, None, 10).await;
    assert!(matches!(listed, Err(StoreError::Unavailable(Trouble::NotApplied(_)))), "{listed:?}");
    store.due("acme", Duration::from_secs(1), 10).await.unwrap_err();

    observer.query::<()>(cmd("REPLICAOF").arg("NO").arg("ONE")).await.unwrap();
    let found = eventually("the server is a primary again", async || {
        answers.newest(&alice).await.map_err(|error| error.to_string())
    })
    .await;
    assert_eq!(found.newest.map(|found| found.note.claim), Some(written.note.claim));
}

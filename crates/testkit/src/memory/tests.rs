//! The switches, snapshots and clocks of the ports in memory. That the ports do what they stand for is shown by the
//! conformance lists, which `solekey-conformance` runs over them.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

use solekey_core::{
    Account, ClaimId, Moment, StoreTime,
    ports::{Clock, Store, StoreError, Trouble},
};

use super::*;

#[tokio::test]
async fn faults_strike_before_or_after_the_work_and_end() {
    let (store, account) = (MemoryStore::new(), Account::new("acme", "a").unwrap());
    let pin = async |value: &'static [u8]| store.pin("x", value).await;
    store.faults().fail_next_of("pin", 1, Fault::UnknownBefore);
    store.faults().fail_next_of("pin", 1, Fault::UnknownAfter);
    store.faults().fail_next(1, Fault::NotApplied);
    assert!(matches!(pin(b"1").await, Err(StoreError::Unavailable(Trouble::Unknown(_)))));
    assert!(matches!(pin(b"2").await, Err(StoreError::Unavailable(Trouble::Unknown(_)))));
    assert!(matches!(store.load(&account).await, Err(StoreError::Unavailable(Trouble::NotApplied(_)))));
    assert_eq!(pin(b"3").await.unwrap(), b"2", "the second was carried out, the first was not");
    store.faults().leave();
    assert!(pin(b"4").await.is_err());
    store.faults().come_back();
    assert!(pin(b"5").await.is_ok());
    assert_eq!(store.faults().calls("pin"), 5);
}

#[tokio::test]
async fn a_store_goes_back_to_a_snapshot_while_its_clock_goes_on() {
    let store = MemoryStore::with_clock(MemoryClock::standing(StoreTime::from_micros(10)));
    store.pin("kept", b"1").await.unwrap();
    let snapshot = store.snapshot();
    let before = store.identity().await.unwrap();
    store.pin("lost", b"1").await.unwrap();
    store.clock().advance(Duration::from_micros(5));
    store.restore(&snapshot);
    let after = store.identity().await.unwrap();
    assert_eq!((after.id, after.now), (before.id, StoreTime::from_micros(15)));
    assert_eq!(store.pin("lost", b"2").await.unwrap(), b"2");
    store.wipe();
    assert_ne!(store.identity().await.unwrap().id, before.id);
    assert_eq!(store.delete(&Account::new("acme", "a").unwrap(), id()).await.unwrap().record, None);
}

#[tokio::test(start_paused = true)]
async fn clocks_follow_a_paused_runtime() {
    let (server, process) = (MemoryClock::tokio(StoreTime::from_micros(0)), TestClock::tokio());
    let (moment, wall) = (process.now(), process.wall());
    tokio::time::sleep(Duration::from_secs(90)).await;
    assert_eq!(server.now(), StoreTime::from_micros(90_000_000));
    assert_eq!(process.now().since(moment), Duration::from_secs(90));
    process.set_wall(wall);
    process.advance(Duration::from_secs(10));
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(process.wall(), wall + Duration::from_secs(11), "set back, then on");
    assert_eq!(process.now().since(moment), Duration::from_secs(101));
    process.set_moment(Moment::from_micros(1));
    assert_eq!(process.now(), Moment::from_micros(1));
}

fn id() -> ClaimId {
    ClaimId::new(uuid::Uuid::new_v4())
}

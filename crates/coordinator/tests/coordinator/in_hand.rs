//! An answer that was read, and a process that is to end.

use std::time::Duration;

use solekey_core::ports::Store as _;

use crate::fixture::World;

#[tokio::test(start_paused = true)]
async fn an_answer_in_hand_is_written_before_the_process_ends_although_nothing_takes_it_at_first() {
    let (world, account) = World::overdue().await;
    let replica = world.replica().await;
    world.provider.close();
    let asked = tokio::spawn({
        let (replica, account) = (replica.clone(), account.clone());
        async move { replica.token(&account).await }
    });
    tokio::time::sleep(Duration::from_millis(200)).await;
    world.store.faults().leave();
    world.lose_redis();
    let ending = tokio::spawn(async move { replica.shutdown(Duration::from_secs(10)).await });
    tokio::time::sleep(Duration::from_millis(100)).await;
    world.provider.open();
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(!ending.is_finished(), "it has a pair that is nowhere else");
    world.store.faults().come_back();
    world.find_redis();
    assert_eq!(ending.await.unwrap().in_doubt, 0);
    let row = world.store.load(&account).await.unwrap().record.unwrap().row;
    assert_eq!((row.rotations, row.open), (1, None));
    // Its caller got the token, or was asked to come back.
    let _ = asked.await.unwrap();
    assert_eq!(world.replica().await.token(&account).await.unwrap().expose_secret(), "access-a-2");
    assert_eq!((world.provider.presentations(), world.provider.doubles()), (1, 0));
}

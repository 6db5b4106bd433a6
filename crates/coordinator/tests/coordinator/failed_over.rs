//! A store that comes back as another server, with what that one had heard of.

use std::{sync::Arc, time::Duration};

use solekey::Solekey;
use solekey_core::{Account, Policy, PolicySettings, Replay, ports::Store as _};

use crate::fixture::{World, policy};

const PATIENCE: Duration = Duration::from_secs(8);

fn strict() -> Policy {
    PolicySettings {
        replay: Replay::STRICT_FAMILY,
        exchange_timeout: Duration::from_secs(10),
        quarantine: Some(Duration::from_secs(13)),
        ..PolicySettings::default()
    }
    .build()
    .unwrap()
}

/// An owner whose request is at the provider, and what it will be served.
async fn presenting(
    world: &Arc<World>,
    account: &Account,
) -> (Arc<Solekey>, tokio::task::JoinHandle<Result<String, solekey::TokenError>>) {
    world.provider.close();
    let owner = Arc::new(world.embedded(strict()).build().await.unwrap());
    let (asked, whose) = (Arc::clone(&owner), account.clone());
    let served =
        tokio::spawn(async move { asked.token(&whose).await.map(|token| token.expose_secret().to_owned()) });
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(world.store.load(account).await.unwrap().record.unwrap().row.open.is_some());
    (owner, served)
}

/// A22.
#[tokio::test(start_paused = true)]
async fn a_claim_that_it_had_not_heard_of_is_repeated_before_others_claim() {
    let (world, account) = World::overdue().await;
    let before = world.store.snapshot();
    let (_owner, served) = presenting(&world, &account).await;
    let others = [
        world.embedded(strict()).build().await.unwrap(),
        // This one knows of the attempt and waits for it.
        world.embedded(strict()).build().await.unwrap(),
    ];
    let _ = others[1].token_within(&account, Duration::from_millis(500)).await;

    world.store.fail_over(&before);
    for other in &others {
        let asked = other.token_within(&account, Duration::from_secs(4)).await;
        assert!(asked.is_err(), "{asked:?}");
    }
    world.provider.open();
    let _ = served.await.unwrap();
    for other in &others {
        assert_eq!(other.token(&account).await.unwrap().expose_secret(), "access-a-2");
    }
    assert_eq!((world.provider.presentations(), world.provider.doubles()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn what_nobody_was_about_to_present_is_presented_after_three_seconds() {
    let (world, account) = World::overdue().await;
    let replica = world.embedded(policy()).build().await.unwrap();
    world.store.fail_over(&world.store.snapshot());
    let asked = replica.token_within(&account, Duration::from_secs(2)).await;
    assert!(asked.is_err() && world.provider.presentations() == 0, "{asked:?}");
    assert_eq!(replica.token_within(&account, PATIENCE).await.unwrap().expose_secret(), "access-a-2");
    assert!(world.store.faults().calls("claim") < 10, "nobody asks again and again");
}

#[tokio::test(start_paused = true)]
async fn a_claim_is_repeated_until_the_store_takes_it() {
    let (world, account) = World::overdue().await;
    let before = world.store.snapshot();
    let (_owner, served) = presenting(&world, &account).await;
    world.store.faults().fail_next_of("repeat_claim", 5, solekey_testkit::memory::Fault::NotApplied);
    world.store.fail_over(&before);
    let other = world.embedded(strict()).build().await.unwrap();
    let asked = other.token_within(&account, Duration::from_secs(5)).await;
    assert!(asked.is_err() && world.store.faults().calls("repeat_claim") == 6, "{asked:?}");
    world.provider.open();
    served.await.unwrap().unwrap();
    assert_eq!((world.provider.presentations(), world.provider.doubles()), (1, 0));
}

//! The same login, used by somebody who shares nothing with this fleet.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use solekey::{Provider, Solekey, TokenError};
use solekey_core::{
    Account, Dialect, Revocation,
    ports::{ExchangeRequest, TokenEndpoint, Wire},
};

use crate::fixture::{HOUR, Script, Strict, World, policy};

/// The fixture's provider, which says that a token was used in the words of its dialect.
struct Outspoken {
    inner: Arc<Strict>,
    dialect: Dialect,
}

#[async_trait]
impl TokenEndpoint for Outspoken {
    async fn exchange(&self, account: &Account, request: ExchangeRequest<'_>, timeout: Duration) -> Wire {
        self.inner.exchange(account, request, timeout).await
    }

    fn dialect(&self) -> &Dialect {
        &self.dialect
    }

    fn client(&self) -> &str {
        self.inner.client()
    }
}

async fn replica(world: &World) -> Solekey {
    let endpoint = Outspoken { inner: world.provider.clone(), dialect: Dialect::openai() };
    let builder = Solekey::builder()
        .provider(Provider::new("acme", policy(), Arc::new(endpoint)).unwrap())
        .store(world.store.clone())
        .answers(world.answers.clone())
        .cache(world.cache.clone())
        .lease(world.lease.clone())
        .clock(Arc::new(solekey_testkit::memory::TestClock::tokio()));
    builder.build().await.unwrap()
}

/// The provider's answer for a token that was used.
const USED: Script = Script::Answer(400, r#"{"error":{"code":"refresh_token_reused"}}"#);

async fn revocation(replica: &Solekey, account: &Account) -> Revocation {
    loop {
        match replica.token(account).await {
            Err(TokenError::LogIn { why }) => return why,
            Err(TokenError::RetryAt { .. }) => tokio::time::sleep(Duration::from_secs(1)).await,
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_used_the_token_outside_of_the_fleet_is_named_on_every_replica_and_after_a_restart() {
    let (world, account) = World::overdue().await;
    world.provider.script([USED]);
    let (one, other) = (replica(&world).await, replica(&world).await);
    assert_eq!(revocation(&one, &account).await, Revocation::RotatedElsewhere);
    assert_eq!(revocation(&other, &account).await, Revocation::RotatedElsewhere);
    world.cache.wipe();
    let later = replica(&world).await;
    assert_eq!(revocation(&later, &account).await, Revocation::RotatedElsewhere);
    assert_eq!(world.provider.presentations(), 1);
    let story = later.explain(&account).await.unwrap().story.join(" ");
    assert!(story.contains("somebody else used the refresh token"), "{story}");

    let document = world.provider.grant("a", HOUR);
    one.login(&account, document.as_bytes(), false).await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    for replica in [&one, &other, &later] {
        assert_eq!(replica.token(&account).await.unwrap().expose_secret(), "access-a-2");
    }
}

#[tokio::test(start_paused = true)]
async fn after_a_lost_answer_nobody_else_is_blamed() {
    let (world, account) = World::overdue().await;
    world.provider.script([Script::LoseAnswer, USED]);
    let (one, other) = (replica(&world).await, replica(&world).await);
    assert_eq!(revocation(&one, &account).await, Revocation::AnswerLost);
    assert_eq!(revocation(&other, &account).await, Revocation::AnswerLost);
    assert_eq!(world.provider.presentations(), 2);
}

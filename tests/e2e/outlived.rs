//! An exchange that outlives its lease.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use async_trait::async_trait;
use solekey::core::{
    Account, ClaimId, Fence,
    ports::{Lease, LeaseReply, Trouble},
};
use solekey_redis_link::{LinkOptions, RedisLink};
use solekey_redis_lock::{RedisLease, RedisLock};
use solekey_testkit::provider::Fault;
use tokio::task::JoinSet;

use crate::{
    blueprint::{Backing, Blueprint},
    fleet::{Fleet, Mode, Plan},
    wait::{eventually, within},
};

/// The real lease, for a moment only.
#[derive(Clone)]
struct ShortLease {
    lease: RedisLease,
    granted: Arc<AtomicUsize>,
}

#[async_trait]
impl Lease for ShortLease {
    async fn acquire(
        &self,
        account: &Account,
        token: ClaimId,
        _: Duration,
        floor: Option<Fence>,
    ) -> Result<LeaseReply, Trouble> {
        let reply = self.lease.acquire(account, token, MOMENT, floor).await?;
        if matches!(reply, LeaseReply::Granted { .. }) {
            self.granted.fetch_add(1, SeqCst);
        }
        Ok(reply)
    }

    async fn release(&self, account: &Account, token: ClaimId) -> Result<(), Trouble> {
        self.lease.release(account, token).await
    }
}

const MOMENT: Duration = Duration::from_millis(100);
const REPLICAS: usize = 4;

/// N-3.
#[tokio::test]
async fn an_exchange_longer_than_its_lease_is_presented_once() {
    let mut fleet = Fleet::start(Plan { mode: Mode::Redis, replicas: 0, ..Plan::default() }).await;
    let Backing::Redis { url, prefix, .. } = &fleet.blueprint.backing else { unreachable!() };
    let link = RedisLink::connect(url, LinkOptions::default()).await.unwrap();
    let lease = RedisLease::new(RedisLock::new(link), prefix);
    let short = ShortLease { lease, granted: Arc::default() };
    for number in 1..=REPLICAS {
        let token_url = fleet.provider.token_url_for(&format!("replica-{number}"));
        let blueprint = Blueprint { token_url, ..fleet.blueprint.clone() };
        let builder = blueprint.builder().await.lease(Arc::new(short.clone()));
        fleet.replicas.push(builder.build().await.unwrap());
    }
    let (account, _) = fleet.log_in_due("a").await;
    fleet.provider.inject(Fault::HoldBefore.once());
    let mut callers = JoinSet::new();
    for replica in fleet.replicas.iter().cycle().take(40) {
        let (replica, account) = (replica.clone(), account.clone());
        callers.spawn(async move { replica.token(&account).await });
    }
    within("the owner's request", fleet.provider.held(account.id())).await;
    // The others are granted the lease again and again, since it does not last, and find the attempt.
    let by_now = short.granted.load(SeqCst);
    eventually("others hold the lease", async || {
        (short.granted.load(SeqCst) > by_now + REPLICAS).then_some(())
    })
    .await;
    assert_eq!(fleet.provider.presentations(), 1);
    fleet.provider.release(account.id());
    for token in within("all callers are answered", callers.join_all()).await {
        assert_eq!(token.unwrap().expose_secret(), fleet.provider.newest("a").unwrap().access_token);
    }
    fleet.assert_presented(&account, 1);
    fleet.assert_all_serve_the_newest(&account).await;
    fleet.shut_down().await;
}

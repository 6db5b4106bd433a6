//! The lease of an account: Solekey's `Lease` port.

use std::time::Duration;

use async_trait::async_trait;
use solekey_core::{
    Account, ClaimId, Fence,
    ports::{Lease, LeaseReply, Trouble},
};
use solekey_redis_link::LinkError;

use crate::{Acquired, LeaseToken, RedisLock, verbs::wrote_nothing};

/// The lease of each account: `{prefix}:{account key}:lease`.
#[derive(Clone, Debug)]
pub struct RedisLease {
    lock: RedisLock,
    prefix: Box<str>,
}

impl RedisLease {
    /// Leases under `prefix`, taken through `lock`.
    pub fn new(lock: RedisLock, prefix: &str) -> Self {
        Self { lock, prefix: prefix.into() }
    }

    fn key(&self, account: &Account) -> String {
        format!("{}:{{{}}}:lease", self.prefix, account.key())
    }
}

#[async_trait]
impl Lease for RedisLease {
    async fn acquire(
        &self,
        account: &Account,
        token: ClaimId,
        ttl: Duration,
        floor: Option<Fence>,
    ) -> Result<LeaseReply, Trouble> {
        let key = self.key(account);
        let token = LeaseToken::from(token.uuid());
        let not_after = self.lock.not_after(LATEST);
        let floor = floor.map_or(0, Fence::get);
        match self.lock.acquire_raw(&key, token, ttl, floor, not_after).await {
            Ok(Acquired::Granted { fence, .. }) => Ok(LeaseReply::Granted { fence: Fence::new(fence.get()) }),
            Ok(Acquired::Busy { remaining }) => Ok(LeaseReply::Busy { remaining }),
            Ok(Acquired::Late) => Err(Trouble::not_applied("the request arrived after it was given up")),
            Err(error) => {
                if !wrote_nothing(&error) {
                    self.lock.release_later(&key, token, ttl);
                }
                Err(trouble(error))
            }
        }
    }

    async fn release(&self, account: &Account, token: ClaimId) -> Result<(), Trouble> {
        let key = self.key(account);
        let token = LeaseToken::from(token.uuid());
        match self.lock.release_raw(&key, token).await {
            Ok(_) => Ok(()),
            Err(error) => {
                self.lock.release_later(&key, token, GIVEN_BACK);
                Err(trouble(error))
            }
        }
    }
}

fn trouble(error: LinkError) -> Trouble {
    if wrote_nothing(&error) { Trouble::not_applied(error) } else { Trouble::unknown(error) }
}

/// An acquire executed later than this leaves no lease behind: its caller has gone on without.
const LATEST: Duration = Duration::from_secs(2);
/// A lease is given back for so long: longer than a link takes to find a connection half-open and to replace it.
const GIVEN_BACK: Duration = Duration::from_secs(30);

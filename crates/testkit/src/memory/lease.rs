//! Leases in memory.

use std::{collections::BTreeMap, sync::Mutex, time::Duration};

use async_trait::async_trait;
use solekey_core::{
    Account, ClaimId, Fence, StoreTime, mutant,
    ports::{Lease, LeaseReply, Trouble},
};

use super::{Faults, MemoryClock, clock::moved, lock};

/// Leases in memory. As with Redis, a wipe deletes the fences too; new ones start from the server's clock.
#[derive(Default, Debug)]
pub struct MemoryLease {
    clock: MemoryClock,
    faults: Faults,
    leases: Mutex<BTreeMap<Account, LeaseKey>>,
}

/// The last grant of an account, as it is remembered for its fence and its token.
#[doc(hidden)] // For the comparison with other leases.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LeaseKey {
    /// The fence.
    pub fence: Fence,
    /// The token of the holder, or of the last one.
    pub token: ClaimId,
    /// The time at which the lease ends, or ended by itself; `None` once it was released.
    pub ends: Option<StoreTime>,
    /// The time for which it was granted.
    pub ttl: Duration,
    /// The time at which this record is forgotten.
    forgotten: StoreTime,
}

impl MemoryLease {
    /// Nothing is held; time is the wall clock.
    pub fn new() -> Self {
        Self::default()
    }

    /// Nothing is held; time is this clock.
    pub fn with_clock(clock: MemoryClock) -> Self {
        Self { clock, ..Self::default() }
    }

    /// Returns the switches for faults.
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// Every lease is lost without notice.
    pub fn wipe(&self) {
        lock(&self.leases).clear();
    }

    /// The clock is stepped back, or forward by a negative number: what was written lies ahead by so much.
    #[doc(hidden)] // For the comparison with other leases.
    pub fn step_back(&self, micros: i64) {
        for lease_key in lock(&self.leases).values_mut() {
            lease_key.ends = lease_key.ends.map(|ends| moved(ends, micros));
        }
    }

    /// One account's lease is lost without notice.
    pub fn forget(&self, account: &Account) {
        lock(&self.leases).remove(account);
    }

    /// Returns the record of the account, for tests to inspect.
    #[doc(hidden)] // For the comparison with other leases.
    pub fn lease_key(&self, account: &Account) -> Option<LeaseKey> {
        let now = self.clock.now();
        lock(&self.leases).get(account).copied().filter(|lease_key| now < lease_key.forgotten)
    }

    fn grant(
        &self,
        account: &Account,
        token: ClaimId,
        ttl: Duration,
        floor: Option<Fence>,
    ) -> Result<LeaseReply, Trouble> {
        let now = self.clock.now();
        let mut leases = lock(&self.leases);
        if let Some(lease_key) = leases.get_mut(account) {
            lease_key.follow(now);
        }
        let last = leases.get(account).copied().filter(|lease_key| now < lease_key.forgotten);
        match last {
            Some(lease_key) if lease_key.is_held(now) && lease_key.token == token => {
                return Ok(LeaseReply::Granted { fence: lease_key.fence });
            }
            Some(LeaseKey { ends: Some(ends), .. }) if now < ends => {
                return Ok(LeaseReply::Busy { remaining: ends.since(now) });
            }
            Some(LeaseKey { ends: None, token: last, .. }) if last == token => {
                return Err(Trouble::not_applied(
                    "the request was overtaken by the release of its own token",
                ));
            }
            _ => {}
        }
        let fence = next_fence(last.map(|lease_key| lease_key.fence), floor, now)?;
        let ends = now + ttl;
        leases.insert(
            account.clone(),
            LeaseKey { fence, token, ends: Some(ends), ttl, forgotten: ends + REMEMBERED },
        );
        Ok(LeaseReply::Granted { fence })
    }

    fn give_back(&self, account: &Account, token: ClaimId) {
        let now = self.clock.now();
        if let Some(lease_key) = lock(&self.leases).get_mut(account)
            && lease_key.is_held(now)
            && lease_key.token == token
        {
            (lease_key.ends, lease_key.forgotten) = (None, now + REMEMBERED);
        }
    }
}

impl LeaseKey {
    /// A clock that stepped back makes no lease last longer than it was granted for.
    fn follow(&mut self, now: StoreTime) {
        if let Some(ends) = self.ends.filter(|ends| ends.since(now) > self.ttl)
            && !mutant("lease_waits_for_a_clock_that_stepped_back")
        {
            let ends = ends.min(now + self.ttl);
            (self.ends, self.forgotten) = (Some(ends), ends + REMEMBERED);
        }
    }

    fn is_held(&self, now: StoreTime) -> bool {
        self.ends.is_some_and(|ends| now < ends)
    }
}

#[async_trait]
impl Lease for MemoryLease {
    async fn acquire(
        &self,
        account: &Account,
        token: ClaimId,
        ttl: Duration,
        floor: Option<Fence>,
    ) -> Result<LeaseReply, Trouble> {
        self.faults.meet("acquire", || self.grant(account, token, ttl, floor)).await?
    }

    async fn release(&self, account: &Account, token: ClaimId) -> Result<(), Trouble> {
        self.faults.meet("release", || self.give_back(account, token)).await
    }
}

fn next_fence(last: Option<Fence>, floor: Option<Fence>, now: StoreTime) -> Result<Fence, Trouble> {
    let above = |fence: Option<Fence>| fence.map_or(0, |fence| fence.get().saturating_add(1));
    let fence = above(last).max(above(floor)).max(now.as_micros());
    if fence > LARGEST {
        return Err(Trouble::not_applied("no larger fence can be written exactly"));
    }
    Ok(Fence::new(fence))
}

/// The time for which a lease is remembered after its end or its release.
const REMEMBERED: Duration = Duration::from_secs(24 * 60 * 60);

/// Scripts count exactly up to 2^53.
const LARGEST: u64 = (1 << 53) - 1;

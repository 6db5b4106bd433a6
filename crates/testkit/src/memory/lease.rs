//! Leases in memory.

use std::{collections::BTreeMap, sync::Mutex, time::Duration};

use async_trait::async_trait;
use solekey_core::{
    Account, ClaimId, Fence, StoreTime,
    ports::{Lease, LeaseReply, Trouble},
};

use super::{Faults, MemoryClock, lock};

/// Leases in memory. As with Redis, whoever wipes them forgets the fences, which the server's clock makes up for.
#[derive(Default, Debug)]
pub struct MemoryLease {
    clock: MemoryClock,
    faults: Faults,
    doors: Mutex<BTreeMap<Account, Door>>,
}

/// The last grant of an account. A released one remains, for its fence.
#[derive(Clone, Copy, Debug)]
struct Door {
    fence: Fence,
    held: Option<Held>,
}

#[derive(Clone, Copy, Debug)]
struct Held {
    token: ClaimId,
    until: StoreTime,
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

    /// What goes wrong.
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// Every lease is lost without notice.
    pub fn wipe(&self) {
        lock(&self.doors).clear();
    }

    fn grant(&self, account: &Account, token: ClaimId, ttl: Duration, floor: Option<Fence>) -> LeaseReply {
        let now = self.clock.now();
        let mut doors = lock(&self.doors);
        let last = doors.get(account).copied();
        if let Some(Held { token: holder, until }) =
            last.and_then(|door| door.held.filter(|held| now < held.until))
        {
            let fence = last.map_or(Fence::new(0), |door| door.fence);
            return if holder == token {
                LeaseReply::Granted { fence }
            } else {
                LeaseReply::Busy { remaining: until.since(now) }
            };
        }
        let fence = next_fence(last.map(|door| door.fence), floor, now);
        doors.insert(account.clone(), Door { fence, held: Some(Held { token, until: now + ttl }) });
        LeaseReply::Granted { fence }
    }

    fn give_back(&self, account: &Account, token: ClaimId) {
        if let Some(door) = lock(&self.doors).get_mut(account)
            && door.held.is_some_and(|held| held.token == token)
        {
            door.held = None;
        }
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
        self.faults.meet("acquire", || self.grant(account, token, ttl, floor)).await
    }

    async fn release(&self, account: &Account, token: ClaimId) -> Result<(), Trouble> {
        self.faults.meet("release", || self.give_back(account, token)).await
    }
}

fn next_fence(last: Option<Fence>, floor: Option<Fence>, now: StoreTime) -> Fence {
    let above = |fence: Option<Fence>| fence.map_or(0, |fence| fence.get() + 1);
    Fence::new(above(last).max(above(floor)).max(now.as_micros()))
}

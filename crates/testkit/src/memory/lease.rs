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

/// The last grant of an account, as it is remembered for its fence and its token.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Door {
    /// The fence.
    pub fence: Fence,
    /// Whose it is, or was.
    pub token: ClaimId,
    /// When the lease ends, or ended by itself; `None` once it was given back.
    pub ends: Option<StoreTime>,
    /// When all this is forgotten.
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

    /// What goes wrong.
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// Every lease is lost without notice.
    pub fn wipe(&self) {
        lock(&self.doors).clear();
    }

    /// One account's lease is lost without notice.
    pub fn forget(&self, account: &Account) {
        lock(&self.doors).remove(account);
    }

    /// What is remembered of the account: for looking at in tests.
    pub fn door(&self, account: &Account) -> Option<Door> {
        let now = self.clock.now();
        lock(&self.doors).get(account).copied().filter(|door| now < door.forgotten)
    }

    fn grant(
        &self,
        account: &Account,
        token: ClaimId,
        ttl: Duration,
        floor: Option<Fence>,
    ) -> Result<LeaseReply, Trouble> {
        let now = self.clock.now();
        let mut doors = lock(&self.doors);
        let last = doors.get(account).copied().filter(|door| now < door.forgotten);
        match last {
            Some(door) if door.is_held(now) && door.token == token => {
                return Ok(LeaseReply::Granted { fence: door.fence });
            }
            Some(Door { ends: Some(ends), .. }) if now < ends => {
                return Ok(LeaseReply::Busy { remaining: ends.since(now) });
            }
            Some(Door { ends: None, token: last, .. }) if last == token => {
                return Err(Trouble::not_applied(
                    "the request was overtaken by the release of its own token",
                ));
            }
            _ => {}
        }
        let fence = next_fence(last.map(|door| door.fence), floor, now)?;
        let ends = now + ttl;
        doors.insert(account.clone(), Door { fence, token, ends: Some(ends), forgotten: ends + REMEMBERED });
        Ok(LeaseReply::Granted { fence })
    }

    fn give_back(&self, account: &Account, token: ClaimId) {
        let now = self.clock.now();
        if let Some(door) = lock(&self.doors).get_mut(account)
            && door.is_held(now)
            && door.token == token
        {
            (door.ends, door.forgotten) = (None, now + REMEMBERED);
        }
    }
}

impl Door {
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

/// How long a lease is remembered after its end or its release.
const REMEMBERED: Duration = Duration::from_secs(24 * 60 * 60);

/// Scripts count exactly up to 2^53.
const LARGEST: u64 = (1 << 53) - 1;

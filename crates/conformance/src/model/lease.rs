//! Comparison of a lease adapter with the lease in memory.

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use fastrand::Rng;
use solekey_core::{
    Account, ClaimId, Fence, StoreTime,
    ports::{Lease, LeaseReply, Trouble},
};
use solekey_testkit::memory::{LeaseKey, MemoryClock, MemoryLease};
use uuid::Uuid;

use super::{
    Backstage, Divergence, Outcome, Pairs,
    pick::{pick, rarely, step},
};

/// A lease in Redis and one in memory.
pub struct LeasePairs {
    adapter: Arc<dyn Lease>,
    memory: MemoryLease,
    clock: MemoryClock,
    server: Backstage,
    accounts: [Account; 3],
    tokens: [ClaimId; 4],
    minted: u128,
    /// The largest fence that each account was ever granted.
    largest: BTreeMap<Account, u64>,
    /// The server's time after the last operation.
    last: StoreTime,
}

/// The stored state of a lease: fence, token, and the time at which it ends and for which it was granted, unless it was
/// released.
type Remembered = (Fence, ClaimId, Option<(StoreTime, Duration)>);

/// An operation on leases; numbers stand for accounts and tokens.
#[derive(Clone, Debug)]
pub enum LeaseOperation {
    /// Acquires the lease.
    Acquire {
        /// The number of the account.
        account: usize,
        /// The number of the token.
        token: usize,
        /// The time to live.
        ttl: Duration,
        /// The lower limit of the fence.
        floor: Floor,
    },
    /// Releases the lease.
    Release {
        /// The number of the account.
        account: usize,
        /// The number of the token.
        token: usize,
    },
    /// Replaces the token by one that was never used.
    Renew {
        /// The number of the token.
        token: usize,
    },
    /// The server's clock is stepped back; forward where this is negative.
    Step(i64),
    /// The account's lease is lost.
    Lose {
        /// The number of the account.
        account: usize,
    },
    /// All data are lost.
    LoseEverything,
    /// The server forgets the scripts.
    LoseScripts,
}

/// The lower limit of the fence of a grant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Floor {
    /// No limit is given.
    None,
    /// The server's time minus this.
    Behind(Duration),
    /// The server's time plus this.
    Ahead(Duration),
    /// The largest fence ever granted.
    Largest,
    /// The largest number that scripts count exactly, minus this.
    Last(u64),
}

impl Floor {
    fn draw(rng: &mut Rng) -> Self {
        match rng.u8(..32) {
            0..12 => Self::None,
            12..16 => Self::Behind(Duration::from_micros(rng.u64(..10_000_000))),
            16..22 => Self::Ahead(Duration::from_micros(rng.u64(..10_000_000))),
            22..31 => Self::Largest,
            _ => Self::Last(rng.u64(..4)),
        }
    }
}

impl LeasePairs {
    /// `adapter` keeps its leases on `server`, under its prefix.
    pub fn new(adapter: Arc<dyn Lease>, server: Backstage) -> Self {
        let clock = MemoryClock::standing(StoreTime::default());
        let account = |id| Account::new("acme", id).expect("a valid name");
        Self {
            adapter,
            memory: MemoryLease::with_clock(clock.clone()),
            clock,
            server,
            accounts: ["a", "b", "c"].map(account),
            tokens: [0; 4].map(|_: u128| ClaimId::new(Uuid::nil())),
            minted: 0,
            largest: BTreeMap::new(),
            last: StoreTime::default(),
        }
    }

    async fn acquire(
        &mut self,
        account: &Account,
        token: ClaimId,
        ttl: Duration,
        floor: Floor,
    ) -> Result<Outcome, Divergence> {
        let before = self.last;
        let floor = self.floor(account, floor);
        let was = self.lease_at_server(account).await;
        let actual = self.adapter.acquire(account, token, ttl, floor).await;
        let is = self.lease_at_server(account).await;
        let after = self.now().await;
        let at = match (&actual, is) {
            // The end of a new grant shows when it was made, and that of a lease which lasted too long when it was seen.
            (Ok(_), Some((_, _, Some((ends, ttl))))) if is != was => ends - ttl,
            // A repeated grant, and a lease that is busy, was there before.
            (Ok(_), _) => before,
            // A refusal requires that the token does not hold the lease, at the latest at the end of the call.
            (Err(_), _) => after,
        };
        self.clock.set(at);
        let expected = self.memory.acquire(account, token, ttl, floor).await;
        let outcome = match (&actual, &expected) {
            (Ok(LeaseReply::Granted { fence }), Ok(LeaseReply::Granted { fence: expected }))
                if fence == expected =>
            {
                let largest = self.largest.entry(account.clone()).or_default();
                *largest = fence.get().max(*largest);
                if is.map(|(fence, ..)| fence) == was.map(|(fence, ..)| fence) {
                    "granted again"
                } else {
                    "granted"
                }
            }
            (Ok(LeaseReply::Busy { remaining }), Ok(LeaseReply::Busy { remaining: expected }))
                if remaining.abs_diff(*expected) <= after.since(before) + MILLI =>
            {
                "busy"
            }
            (Err(Trouble::NotApplied(_)), Err(Trouble::NotApplied(_))) => "refused",
            _ => return Err(Divergence::of(&(&actual, is, before, after), &(&expected, at))),
        };
        if (before..=after).contains(&at) && self.lease_in_memory(account) == is {
            return Ok(outcome);
        }
        Err(Divergence::of(&(&actual, is, before, after), &(&expected, self.lease_in_memory(account), at)))
    }

    async fn release(&mut self, account: &Account, token: ClaimId) -> Result<Outcome, Divergence> {
        let before = self.last;
        let was = self.lease_at_server(account).await;
        let actual = self.adapter.release(account, token).await;
        let is = self.lease_at_server(account).await;
        let after = self.now().await;
        // A lease that was not released may have ended just before.
        self.clock.set(if is == was { after } else { before });
        let expected = self.memory.release(account, token).await;
        if actual.is_err() || expected.is_err() || self.lease_in_memory(account) != is {
            return Err(Divergence::of(
                &(actual, is, before, after),
                &(expected, self.lease_in_memory(account)),
            ));
        }
        Ok(if is == was { "nothing to release" } else { "released" })
    }

    fn lease_in_memory(&self, account: &Account) -> Option<Remembered> {
        let held = |key: LeaseKey| key.ends.map(|ends| (ends, key.ttl));
        self.memory.lease_key(account).map(|key| (key.fence, key.token, held(key)))
    }

    fn floor(&self, account: &Account, floor: Floor) -> Option<Fence> {
        let now = self.last;
        Some(Fence::new(match floor {
            Floor::None => return None,
            Floor::Behind(span) => (now - span).as_micros(),
            Floor::Ahead(span) => (now + span).as_micros(),
            Floor::Largest => self.largest.get(account).copied().unwrap_or_default(),
            Floor::Last(back) => LARGEST - back,
        }))
    }

    async fn now(&mut self) -> StoreTime {
        let now = self.server.now().await;
        assert!(now >= self.last, "the server's clock goes back");
        self.last = now;
        now
    }

    fn renew(&mut self, token: usize) {
        self.minted += 1;
        self.tokens[token] = ClaimId::new(Uuid::from_u128(self.minted));
    }

    /// Returns what the server stores for the account.
    async fn lease_at_server(&self, account: &Account) -> Option<Remembered> {
        let text = self.server.text(&["GET", &self.server.key(account, "lease")]).await?;
        let mut words = text.split(' ');
        let (fence, state, token) = (words.next()?, words.next()?, words.next()?);
        let mut number = || words.next().and_then(|word| word.parse().ok());
        let held = number().map(StoreTime::from_micros).zip(number().map(Duration::from_millis));
        assert_eq!(held.is_some(), state == "held", "{text}");
        Some((Fence::new(fence.parse().ok()?), ClaimId::new(Uuid::try_parse(token).ok()?), held))
    }
}

#[async_trait]
impl Pairs for LeasePairs {
    type Operation = LeaseOperation;

    const PORT: &'static str = "lease";

    const OUTCOMES: &'static [Outcome] = &[
        "granted",
        "granted again",
        "busy",
        "refused",
        "released",
        "nothing to release",
        "token renewed",
        "clock stepped",
        "data lost",
        "scripts lost",
    ];

    fn draw(rng: &mut Rng) -> LeaseOperation {
        let (account, token) = (rng.usize(..3), rng.usize(..4));
        match rng.u8(..100) {
            0..52 => {
                let ttl = if rarely(rng, 3) {
                    Duration::from_millis(rng.u64(1..6))
                } else {
                    Duration::from_secs(pick(rng, &[1_000, 100_000]))
                };
                LeaseOperation::Acquire { account, token, ttl, floor: Floor::draw(rng) }
            }
            52..82 => LeaseOperation::Release { account, token },
            82..88 => LeaseOperation::Renew { token },
            88..92 => LeaseOperation::Step(step(rng)),
            92..97 => LeaseOperation::Lose { account },
            97..99 => LeaseOperation::LoseScripts,
            _ => LeaseOperation::LoseEverything,
        }
    }

    fn about(operation: &LeaseOperation) -> Option<usize> {
        match operation {
            LeaseOperation::Acquire { account, .. }
            | LeaseOperation::Release { account, .. }
            | LeaseOperation::Lose { account } => Some(*account),
            LeaseOperation::Renew { .. }
            | LeaseOperation::Step(_)
            | LeaseOperation::LoseEverything
            | LeaseOperation::LoseScripts => None,
        }
    }

    async fn carry_out(&mut self, operation: &LeaseOperation) -> Result<Outcome, Divergence> {
        match *operation {
            LeaseOperation::Acquire { account, token, ttl, floor } => {
                let (account, token) = (self.accounts[account].clone(), self.tokens[token]);
                self.acquire(&account, token, ttl, floor).await
            }
            LeaseOperation::Release { account, token } => {
                let (account, token) = (self.accounts[account].clone(), self.tokens[token]);
                self.release(&account, token).await
            }
            LeaseOperation::Renew { token } => {
                self.renew(token);
                Ok("token renewed")
            }
            LeaseOperation::Step(micros) => {
                self.server.step_back(micros).await;
                self.memory.step_back(micros);
                Ok("clock stepped")
            }
            LeaseOperation::Lose { account } => {
                let account = &self.accounts[account];
                self.server.lose(&[self.server.key(account, "lease")]).await;
                self.memory.forget(account);
                Ok("data lost")
            }
            LeaseOperation::LoseEverything => {
                self.server.lose_everything().await;
                self.memory.wipe();
                Ok("data lost")
            }
            LeaseOperation::LoseScripts => {
                self.server.lose_scripts().await;
                Ok("scripts lost")
            }
        }
    }

    async fn read(&mut self) -> Result<(), Divergence> {
        for account in self.accounts.clone() {
            let (actual, expected) = (self.lease_at_server(&account).await, self.lease_in_memory(&account));
            if actual != expected {
                return Err(Divergence::of(&actual, &expected));
            }
        }
        Ok(())
    }

    async fn start_over(&mut self) {
        self.server.lose_everything().await;
        self.memory.wipe();
        self.largest.clear();
        self.minted = 0;
        (0..self.tokens.len()).for_each(|token| self.renew(token));
        self.now().await;
    }
}

impl fmt::Debug for LeasePairs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LeasePairs").finish_non_exhaustive()
    }
}

/// The precision of the server's expiry times.
const MILLI: Duration = Duration::from_millis(1);

/// The largest number that scripts count exactly.
const LARGEST: u64 = (1 << 53) - 1;

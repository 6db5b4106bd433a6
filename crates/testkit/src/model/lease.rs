//! Leases.

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use fastrand::Rng;
use solekey_core::{
    Account, ClaimId, Fence, StoreTime,
    ports::{Lease, LeaseReply, Trouble},
};
use uuid::Uuid;

use super::{
    Backstage, Divergence, Outcome, Twins,
    pick::{pick, rarely},
};
use crate::memory::{MemoryClock, MemoryLease};

/// A lease in Redis and one in memory.
pub struct LeaseTwins {
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

/// What is remembered of a lease: fence, token, and when it ends, unless it was given back.
type Remembered = (Fence, ClaimId, Option<StoreTime>);

/// An operation on leases; numbers stand for accounts and tokens.
#[derive(Clone, Debug)]
pub enum LeaseOperation {
    /// Takes.
    Acquire {
        /// Which account.
        account: usize,
        /// By which token.
        token: usize,
        /// For how long.
        ttl: Duration,
        /// Above what.
        floor: Floor,
    },
    /// Gives back.
    Release {
        /// Which account.
        account: usize,
        /// By which token.
        token: usize,
    },
    /// From now on the token is one that nobody has used.
    Renew {
        /// Which.
        token: usize,
    },
    /// The account's lease is lost.
    Lose {
        /// Which account.
        account: usize,
    },
    /// All data are lost.
    LoseEverything,
    /// The server forgets the scripts.
    LoseScripts,
}

/// What the fence of a grant has to be above.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Floor {
    /// Nothing is said.
    None,
    /// The server's time, so much earlier.
    Behind(Duration),
    /// The server's time, so much later.
    Ahead(Duration),
    /// The largest fence ever granted.
    Largest,
    /// Near the end of what can be counted exactly.
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

impl LeaseTwins {
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
        let was = self.door_at_server(account).await;
        let said = self.adapter.acquire(account, token, ttl, floor).await;
        let is = self.door_at_server(account).await;
        let after = self.now().await;
        let at = match (&said, is) {
            // A new grant says when it was made by when it ends.
            (Ok(LeaseReply::Granted { .. }), Some((_, _, Some(ends)))) if is != was => ends - ttl,
            // A repeated one, and one that is busy, was there before.
            (Ok(_), _) => before,
            // A refusal is made of what is not held, be it at last.
            (Err(_), _) => after,
        };
        self.clock.set(at);
        let meant = self.memory.acquire(account, token, ttl, floor).await;
        let outcome = match (&said, &meant) {
            (Ok(LeaseReply::Granted { fence }), Ok(LeaseReply::Granted { fence: meant }))
                if fence == meant =>
            {
                let largest = self.largest.entry(account.clone()).or_default();
                *largest = fence.get().max(*largest);
                if is == was { "granted again" } else { "granted" }
            }
            (Ok(LeaseReply::Busy { remaining }), Ok(LeaseReply::Busy { remaining: meant }))
                if remaining.abs_diff(*meant) <= after.since(before) + MILLI =>
            {
                "busy"
            }
            (Err(Trouble::NotApplied(_)), Err(Trouble::NotApplied(_))) => "refused",
            _ => return Err(Divergence::of(&(&said, is, before, after), &(&meant, at))),
        };
        if (before..=after).contains(&at) && self.door(account) == is {
            return Ok(outcome);
        }
        Err(Divergence::of(&(&said, is, before, after), &(&meant, self.door(account), at)))
    }

    async fn release(&mut self, account: &Account, token: ClaimId) -> Result<Outcome, Divergence> {
        let before = self.last;
        let was = self.door_at_server(account).await;
        let said = self.adapter.release(account, token).await;
        let is = self.door_at_server(account).await;
        let after = self.now().await;
        // What was not given back may have ended just before.
        self.clock.set(if is == was { after } else { before });
        let meant = self.memory.release(account, token).await;
        if said.is_err() || meant.is_err() || self.door(account) != is {
            return Err(Divergence::of(&(said, is, before, after), &(meant, self.door(account))));
        }
        Ok(if is == was { "nothing to release" } else { "released" })
    }

    fn door(&self, account: &Account) -> Option<Remembered> {
        self.memory.door(account).map(|door| (door.fence, door.token, door.ends))
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

    /// What the server holds of the account.
    async fn door_at_server(&self, account: &Account) -> Option<Remembered> {
        let text = self.server.text(&["GET", &self.server.key(account, "lease")]).await?;
        let mut words = text.split(' ');
        let (fence, state, token) = (words.next()?, words.next()?, words.next()?);
        let ends = words.next().and_then(|ends| ends.parse().ok()).map(StoreTime::from_micros);
        assert_eq!(ends.is_some(), state == "held", "{text}");
        Some((Fence::new(fence.parse().ok()?), ClaimId::new(Uuid::try_parse(token).ok()?), ends))
    }
}

#[async_trait]
impl Twins for LeaseTwins {
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
            82..92 => LeaseOperation::Renew { token },
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
            LeaseOperation::Renew { .. } | LeaseOperation::LoseEverything | LeaseOperation::LoseScripts => {
                None
            }
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

    async fn look(&mut self) -> Result<(), Divergence> {
        for account in self.accounts.clone() {
            let (said, meant) = (self.door_at_server(&account).await, self.door(&account));
            if said != meant {
                return Err(Divergence::of(&said, &meant));
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

impl fmt::Debug for LeaseTwins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LeaseTwins").finish_non_exhaustive()
    }
}

/// What the server's count of time is exact to.
const MILLI: Duration = Duration::from_millis(1);

/// The largest number that scripts count exactly.
const LARGEST: u64 = (1 << 53) - 1;

//! Shelves.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use fastrand::Rng;
use solekey_core::{
    Account, Delay, Generation, Revocation, Ruling, Sealed, StoreTime, Verdict,
    ports::{Cache, Heard, Listen, Publication, Shelf, Shelved},
};

use super::{
    Backstage, Divergence, Outcome, Twins,
    pick::{AsOf, Near, pick, rarely, span},
};
use crate::memory::{MemoryCache, MemoryClock};

/// A shelf in Redis and one in memory, with a listener at each.
pub struct CacheTwins {
    adapter: Arc<dyn Cache>,
    memory: MemoryCache,
    clock: MemoryClock,
    server: Backstage,
    accounts: [Account; 4],
    ears: Mutex<Ears>,
    /// The server's time after the last operation.
    last: StoreTime,
}

/// What is heard at each. (A listener may not be shared among threads, which the twins have to be.)
struct Ears {
    adapter: Box<dyn Listen>,
    memory: Box<dyn Listen>,
}

impl Ears {
    async fn at(adapter: &dyn Cache, memory: &MemoryCache) -> Mutex<Self> {
        Mutex::new(Self { adapter: adapter.listen().await, memory: memory.listen().await })
    }
}

/// An operation on shelves; numbers stand for accounts, and generations are near the newest that is known.
#[derive(Clone, Debug)]
pub enum CacheOperation {
    /// Puts something.
    Publish {
        /// Which account.
        account: usize,
        /// What.
        wish: Wish,
    },
    /// Marks a token.
    Reject {
        /// Which account.
        account: usize,
        /// The token's generation.
        generation: Near,
    },
    /// Takes a mark back.
    Absolve {
        /// Which account.
        account: usize,
        /// The mark's generation, near the one that is marked.
        generation: Near,
    },
    /// Looks.
    Read {
        /// Which account.
        account: usize,
    },
    /// The account's keys are lost.
    Lose {
        /// Which account.
        account: usize,
        /// Only the entry of the fast path, which changes nothing.
        fast_only: bool,
    },
    /// All data are lost.
    LoseEverything,
    /// The server forgets the scripts.
    LoseScripts,
}

/// A publication before it is known what is there.
#[derive(Clone, Debug)]
pub struct Wish {
    generation: Near,
    /// The token's generation, near that of the publication; how long it is valid, and good.
    token: Option<(Near, u8, Duration, Duration)>,
    /// The verdict's generation, near that of the publication.
    verdict: Option<(Near, Ruling<Duration>, u8)>,
    gone: bool,
    replaces: bool,
    as_of: AsOf,
}

impl Wish {
    fn draw(rng: &mut Rng) -> Self {
        let gone = rarely(rng, 8);
        // Only a living account has a token to show.
        let token = !gone && rng.u8(..5) > 0;
        let of = |rng: &mut Rng| if rarely(rng, 3) { Near::draw(rng) } else { Near::This };
        Self {
            generation: Near::draw(rng),
            token: token.then(|| (of(rng), rng.u8(..4), span(rng), span(rng))),
            verdict: rarely(rng, 3).then(|| (of(rng), ruling(rng), rng.u8(..))),
            gone,
            replaces: rarely(rng, 4),
            as_of: AsOf::draw(rng),
        }
    }

    fn at(&self, known: u64, now: StoreTime) -> Publication {
        let Self { generation, token, verdict, gone, replaces, as_of } = self;
        let number = generation.of(known);
        let near = |near: &Near| Generation::new(near.of(number));
        Publication {
            generation: Generation::new(number),
            token: token.as_ref().map(|(generation, payload, valid, good)| Shelved {
                generation: near(generation),
                payload: payload_of(*payload),
                valid: *valid,
                good: *good,
            }),
            verdict: verdict.as_ref().map(|(generation, ruling, strikes)| Verdict {
                generation: near(generation),
                ruling: *ruling,
                strikes: *strikes,
            }),
            gone: *gone,
            replaces: *replaces,
            as_of: as_of.at(now),
        }
    }
}

fn ruling(rng: &mut Rng) -> Ruling<Duration> {
    if rarely(rng, 3) {
        return Ruling::LogIn { why: pick(rng, &[Revocation::Reused, Revocation::Expired]) };
    }
    Ruling::NotBefore {
        at: span(rng),
        why: pick(rng, &[Delay::InFlight, Delay::RateLimited, Delay::InDoubt]),
    }
}

/// Bytes that a format of lines and words could trip over; none at all, too.
fn payload_of(number: u8) -> Sealed {
    Sealed::new(match number {
        0 => Vec::new(),
        1 => b"1 - - -\n\n \xff\x00".to_vec(),
        2 => vec![b'-'; 700],
        other => vec![other],
    })
}

impl CacheTwins {
    /// `adapter` keeps its shelf on `server`, under its prefix.
    pub async fn new(adapter: Arc<dyn Cache>, server: Backstage) -> Self {
        let clock = MemoryClock::standing(StoreTime::default());
        let memory = MemoryCache::with_clock(clock.clone());
        let account = |id| Account::new("acme", id).expect("a valid name");
        Self {
            ears: Ears::at(&*adapter, &memory).await,
            adapter,
            memory,
            clock,
            server,
            accounts: ["a", "b", "c", "d"].map(account),
            last: StoreTime::default(),
        }
    }

    async fn publish(&mut self, account: &Account, wish: &Wish) -> Result<Outcome, Divergence> {
        let before = self.last;
        let publication = wish.at(self.known(account).await, before);
        let said = self.adapter.publish(account, &publication).await;
        let after = self.now().await;
        // What was put carries the time of its putting.
        let put = said.as_ref().is_ok_and(|put| *put);
        let instant = if put { self.field(account, "put").await } else { None };
        let at = instant.map_or(before, StoreTime::from_micros);
        if put && !(before..=after).contains(&at) {
            return Err(Divergence::of(&("put", instant), &(before, after)));
        }
        self.clock.set(at);
        let meant = self.memory.publish(account, &publication).await;
        match (said, meant) {
            (Ok(said), Ok(meant)) if said == meant => self.news().await?,
            (said, meant) => return Err(Divergence::of(&said, &meant)),
        }
        self.compare(account).await?;
        Ok(if put { "put" } else { "not put" })
    }

    async fn mark(&mut self, account: &Account, near: Near) -> Result<Outcome, Divergence> {
        let generation = Generation::new(near.of(self.known(account).await));
        let was = self.rejected(account).await;
        let said = self.adapter.reject(account, generation).await;
        let meant = self.memory.reject(account, generation).await;
        if said.is_err() || meant.is_err() {
            return Err(Divergence::of(&said, &meant));
        }
        self.news().await?;
        self.compare(account).await?;
        Ok(if self.rejected(account).await == was { "nothing to mark" } else { "marked" })
    }

    async fn unmark(&mut self, account: &Account, near: Near) -> Result<Outcome, Divergence> {
        let was = self.rejected(account).await;
        let generation = Generation::new(near.of(was.map_or(0, Generation::get)));
        let said = self.adapter.absolve(account, generation).await;
        let meant = self.memory.absolve(account, generation).await;
        if said.is_err() || meant.is_err() {
            return Err(Divergence::of(&said, &meant));
        }
        self.news().await?;
        self.compare(account).await?;
        Ok(if self.rejected(account).await == was { "nothing to absolve" } else { "absolved" })
    }

    /// Both shelves show the same, at some instant between the times before and after the look at the adapter's.
    async fn compare(&mut self, account: &Account) -> Result<(), Divergence> {
        let before = self.last;
        let said = self.adapter.read(account).await;
        let after = self.now().await;
        let Ok(said) = said else { return Err(Divergence::of(&said, &"a read succeeds")) };
        let first = self.shelf(account, before).await;
        let mut meant = vec![first.clone(), self.shelf(account, after).await];
        for passed in passed(&first, &said) {
            meant.push(self.shelf(account, (before + passed).min(after)).await);
        }
        if meant.contains(&said) { Ok(()) } else { Err(Divergence::of(&(said, before, after), &meant)) }
    }

    async fn shelf(&self, account: &Account, at: StoreTime) -> Shelf {
        self.clock.set(at);
        self.memory.read(account).await.expect("the memory has no troubles")
    }

    async fn known(&self, account: &Account) -> u64 {
        let first = match account.id() {
            "a" => 99,
            "b" => (1 << 53) - 2,
            "c" => u64::MAX - 40,
            _ => self.last.as_micros(),
        };
        self.shelf(account, self.last).await.known.map_or(first, Generation::get)
    }

    async fn rejected(&self, account: &Account) -> Option<Generation> {
        self.shelf(account, self.last).await.rejected
    }

    /// Both listeners hear the same.
    async fn news(&mut self) -> Result<(), Divergence> {
        let ears = self.ears.get_mut().unwrap_or_else(PoisonError::into_inner);
        while let Some(meant) = soon(&mut ears.memory).await {
            let said = tokio::time::timeout(NEWS_LIMIT, ears.adapter.next()).await;
            if said != Ok(Some(meant)) {
                return Err(Divergence::of(&said, &meant));
            }
        }
        Ok(())
    }

    async fn field(&self, account: &Account, name: &str) -> Option<u64> {
        self.server.text(&["HGET", &self.server.key(account, "last"), name]).await?.parse().ok()
    }

    async fn now(&mut self) -> StoreTime {
        let now = self.server.now().await;
        assert!(now >= self.last, "the server's clock goes back");
        self.last = now;
        now
    }
}

/// How long after the first look the second was made, by each span that both have.
fn passed(first: &Shelf, second: &Shelf) -> Vec<Duration> {
    let valid = first.token.iter().zip(&second.token).map(|(first, second)| (first.valid, second.valid));
    let ends = |shelf: &Shelf| match shelf.verdict.map(|verdict| verdict.ruling) {
        Some(Ruling::NotBefore { at, .. }) => Some(at),
        Some(Ruling::LogIn { .. }) | None => None,
    };
    let verdict = ends(first).zip(ends(second));
    valid.chain(verdict).map(|(first, second)| first.saturating_sub(second)).collect()
}

/// What the memory has said already.
async fn soon(listener: &mut Box<dyn Listen>) -> Option<Heard> {
    tokio::select! {
        biased;
        heard = listener.next() => heard,
        () = std::future::ready(()) => None,
    }
}

#[async_trait]
impl Twins for CacheTwins {
    type Operation = CacheOperation;

    const PORT: &'static str = "cache";

    const OUTCOMES: &'static [Outcome] = &[
        "put",
        "not put",
        "marked",
        "nothing to mark",
        "absolved",
        "nothing to absolve",
        "read",
        "data lost",
        "scripts lost",
    ];

    fn draw(rng: &mut Rng) -> CacheOperation {
        let account = rng.usize(..4);
        match rng.u16(..1_000) {
            0..520 => CacheOperation::Publish { account, wish: Wish::draw(rng) },
            520..720 => CacheOperation::Reject { account, generation: Near::draw(rng) },
            720..820 => CacheOperation::Absolve { account, generation: Near::draw(rng) },
            820..920 => CacheOperation::Read { account },
            920..975 => CacheOperation::Lose { account, fast_only: rng.bool() },
            975..990 => CacheOperation::LoseScripts,
            _ => CacheOperation::LoseEverything,
        }
    }

    fn about(operation: &CacheOperation) -> Option<usize> {
        match operation {
            CacheOperation::Publish { account, .. }
            | CacheOperation::Reject { account, .. }
            | CacheOperation::Absolve { account, .. }
            | CacheOperation::Read { account }
            | CacheOperation::Lose { account, .. } => Some(*account),
            CacheOperation::LoseEverything | CacheOperation::LoseScripts => None,
        }
    }

    async fn carry_out(&mut self, operation: &CacheOperation) -> Result<Outcome, Divergence> {
        let account = Self::about(operation).map(|number| self.accounts[number].clone());
        match (operation, account) {
            (CacheOperation::Publish { wish, .. }, Some(account)) => self.publish(&account, wish).await,
            (CacheOperation::Reject { generation, .. }, Some(account)) => {
                self.mark(&account, *generation).await
            }
            (CacheOperation::Absolve { generation, .. }, Some(account)) => {
                self.unmark(&account, *generation).await
            }
            (CacheOperation::Lose { fast_only, .. }, Some(account)) => {
                let key = |noun| self.server.key(&account, noun);
                if *fast_only {
                    self.server.lose(&[key("tok")]).await;
                } else {
                    self.server.lose(&[key("last"), key("tok")]).await;
                    self.memory.forget(&account);
                }
                Ok("data lost")
            }
            (CacheOperation::LoseEverything, _) => {
                self.server.lose_everything().await;
                self.memory.wipe();
                Ok("data lost")
            }
            (CacheOperation::LoseScripts, _) => {
                self.server.lose_scripts().await;
                Ok("scripts lost")
            }
            (_, Some(account)) => self.compare(&account).await.map(|()| "read"),
            (_, None) => unreachable!("every other operation is about an account"),
        }
    }

    async fn look(&mut self) -> Result<(), Divergence> {
        for account in self.accounts.clone() {
            self.compare(&account).await?;
        }
        let (before, said) = (self.last, self.adapter.time().await);
        let after = self.now().await;
        match said {
            Ok(said) if (before..=after).contains(&said) => Ok(()),
            said => Err(Divergence::of(&said, &(before, after))),
        }
    }

    async fn start_over(&mut self) {
        self.server.lose_everything().await;
        self.memory.wipe();
        self.ears = Ears::at(&*self.adapter, &self.memory).await;
        self.now().await;
    }
}

impl fmt::Debug for CacheTwins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CacheTwins").finish_non_exhaustive()
    }
}

/// News that do not come at all are a divergence, too.
const NEWS_LIMIT: Duration = Duration::from_secs(20);

//! Comparison of a shared cache with the one in memory.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use fastrand::Rng;
use solekey_core::{
    Account, Decision, Delay, Generation, Revocation, Sealed, StoreTime, Verdict,
    ports::{Cache, CacheEntry, CachedToken, Heard, Listen, Publication},
};
use solekey_testkit::{
    memory::{MemoryCache, MemoryClock},
    wait::BOUND,
};

use super::{
    Backstage, Divergence, Outcome, Pairs,
    pick::{AsOf, Near, pick, rarely, span, step},
};

/// A shared cache in Redis and one in memory, with a listener on each.
pub struct CachePairs {
    adapter: Arc<dyn Cache>,
    memory: MemoryCache,
    clock: MemoryClock,
    server: Backstage,
    accounts: [Account; 4],
    ears: Mutex<Ears>,
    /// The server's time after the last operation.
    last: StoreTime,
}

/// The listeners of both. (In a mutex, because a listener is not `Sync` and the pairs have to be.)
struct Ears {
    adapter: Box<dyn Listen>,
    memory: Box<dyn Listen>,
}

impl Ears {
    async fn at(adapter: &dyn Cache, memory: &MemoryCache) -> Mutex<Self> {
        Mutex::new(Self { adapter: adapter.listen().await, memory: memory.listen().await })
    }
}

/// An operation on a shared cache; numbers stand for accounts, and generations are near the newest that is known.
#[derive(Clone, Debug)]
pub enum CacheOperation {
    /// Publishes.
    Publish {
        /// The number of the account.
        account: usize,
        /// The publication.
        request: Request,
    },
    /// Marks a token rejected.
    Reject {
        /// The number of the account.
        account: usize,
        /// The token's generation.
        generation: Near,
    },
    /// Clears a rejection.
    ClearRejection {
        /// The number of the account.
        account: usize,
        /// The generation of the rejection, near the one that is marked.
        generation: Near,
    },
    /// Reads the entry.
    Read {
        /// The number of the account.
        account: usize,
    },
    /// The server's clock is stepped back; forward where this is negative.
    Step(i64),
    /// The account's keys are lost.
    Lose {
        /// The number of the account.
        account: usize,
        /// Only the entry of the fast path, which changes nothing.
        fast_only: bool,
    },
    /// All data are lost.
    LoseEverything,
    /// The server forgets the scripts.
    LoseScripts,
}

/// A publication, relative to the entry as it will be when the operation is carried out.
#[derive(Clone, Debug)]
pub struct Request {
    generation: Near,
    /// The token's generation, near that of the publication; how long it is valid, and good.
    token: Option<(Near, u8, Duration, Duration)>,
    /// The verdict's generation, near that of the publication.
    verdict: Option<(Near, Decision<Duration>, u8)>,
    gone: bool,
    replaces: bool,
    as_of: AsOf,
    /// The number of the proof.
    proof: u8,
}

impl Request {
    fn draw(rng: &mut Rng) -> Self {
        let gone = rarely(rng, 8);
        // A deleted account has no token.
        let token = !gone && rng.u8(..5) > 0;
        let of = |rng: &mut Rng| if rarely(rng, 3) { Near::draw(rng) } else { Near::This };
        Self {
            generation: Near::draw(rng),
            token: token.then(|| (of(rng), rng.u8(..4), span(rng), span(rng))),
            verdict: rarely(rng, 3).then(|| (of(rng), decision(rng), rng.u8(..))),
            gone,
            replaces: rarely(rng, 4),
            as_of: AsOf::draw(rng),
            proof: rng.u8(..4),
        }
    }

    fn at(&self, known: u64, now: StoreTime) -> Publication {
        let Self { generation, token, verdict, gone, replaces, as_of, proof } = self;
        let number = generation.of(known);
        let near = |near: &Near| Generation::new(near.of(number));
        Publication {
            generation: Generation::new(number),
            token: token.as_ref().map(|(generation, payload, valid, good)| CachedToken {
                generation: near(generation),
                payload: payload_of(*payload),
                valid: *valid,
                good: *good,
            }),
            verdict: verdict.as_ref().map(|(generation, decision, strikes)| Verdict {
                generation: near(generation),
                decision: *decision,
                strikes: *strikes,
            }),
            gone: *gone,
            replaces: *replaces,
            as_of: as_of.at(now),
            proof: payload_of(*proof),
        }
    }
}

fn decision(rng: &mut Rng) -> Decision<Duration> {
    if rarely(rng, 3) {
        return Decision::LogIn { why: pick(rng, &[Revocation::Reused, Revocation::Expired]) };
    }
    Decision::NotBefore {
        at: span(rng),
        why: pick(rng, &[Delay::InFlight, Delay::RateLimited, Delay::InDoubt]),
    }
}

/// Returns bytes that could break a format of lines and words, or no bytes at all.
fn payload_of(number: u8) -> Sealed {
    Sealed::new(match number {
        0 => Vec::new(),
        1 => b"1 - - -\n\n \xff\x00".to_vec(),
        2 => vec![b'-'; 700],
        other => vec![other],
    })
}

impl CachePairs {
    /// Compares with `adapter`, whose data are on `server`, under its prefix.
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

    async fn publish(&mut self, account: &Account, request: &Request) -> Result<Outcome, Divergence> {
        let before = self.last;
        let publication = request.at(self.known(account).await, before);
        let actual = self.adapter.publish(account, &publication).await;
        let after = self.now().await;
        // An accepted publication carries the time of its writing.
        let put = actual.as_ref().is_ok_and(|put| *put);
        let instant = if put { self.field(account, "put").await } else { None };
        let at = instant.map_or(before, StoreTime::from_micros);
        // Time that a script reads may be microseconds behind what was answered before.
        if put && !(before - Duration::from_millis(1)..=after).contains(&at) {
            return Err(Divergence::of(&("put", instant), &(before, after)));
        }
        self.clock.set(at);
        let expected = self.memory.publish(account, &publication).await;
        match (actual, expected) {
            (Ok(actual), Ok(expected)) if actual == expected => self.change_feed().await?,
            (actual, expected) => return Err(Divergence::of(&actual, &expected)),
        }
        self.compare(account).await?;
        Ok(if put { "put" } else { "not put" })
    }

    async fn mark(&mut self, account: &Account, near: Near) -> Result<Outcome, Divergence> {
        let generation = Generation::new(near.of(self.known(account).await));
        let was = self.rejected(account).await;
        let proof = payload_of((generation.get() % 4) as u8);
        let actual = self.adapter.reject(account, generation, &proof).await;
        let expected = self.memory.reject(account, generation, &proof).await;
        if actual.is_err() || expected.is_err() {
            return Err(Divergence::of(&actual, &expected));
        }
        self.change_feed().await?;
        self.compare(account).await?;
        Ok(if self.rejected(account).await == was { "nothing to mark" } else { "marked" })
    }

    async fn unmark(&mut self, account: &Account, near: Near) -> Result<Outcome, Divergence> {
        let was = self.rejected(account).await;
        let generation = Generation::new(near.of(was.map_or(0, Generation::get)));
        let actual = self.adapter.clear_rejection(account, generation).await;
        let expected = self.memory.clear_rejection(account, generation).await;
        if actual.is_err() || expected.is_err() {
            return Err(Divergence::of(&actual, &expected));
        }
        self.change_feed().await?;
        self.compare(account).await?;
        Ok(if self.rejected(account).await == was { "nothing to clear" } else { "cleared" })
    }

    /// Checks that both caches return the same entry, at some instant between the times before and after the read of
    /// the adapter's.
    async fn compare(&mut self, account: &Account) -> Result<(), Divergence> {
        let before = self.last;
        let actual = self.adapter.read(account).await;
        let after = self.now().await;
        let Ok(actual) = actual else { return Err(Divergence::of(&actual, &"a read succeeds")) };
        let first = self.shared_cache(account, before).await;
        let mut expected = vec![first.clone(), self.shared_cache(account, after).await];
        for passed in passed(&first, &actual) {
            expected.push(self.shared_cache(account, (before + passed).min(after)).await);
        }
        if expected.contains(&actual) {
            Ok(())
        } else {
            Err(Divergence::of(&(actual, before, after), &expected))
        }
    }

    async fn shared_cache(&self, account: &Account, at: StoreTime) -> CacheEntry {
        self.clock.set(at);
        self.memory.read(account).await.expect("the memory has no troubles")
    }

    /// Steps the clock, and lets both see each entry at the same instant.
    async fn step_back(&mut self, micros: i64) -> Result<Outcome, Divergence> {
        self.server.step_back(micros).await;
        self.memory.step_back(micros);
        for account in self.accounts.clone() {
            let read = self.adapter.read(&account).await;
            if let Some(put) = self.field(&account, "put").await {
                self.shared_cache(&account, StoreTime::from_micros(put)).await;
            }
            if read.is_err() {
                return Err(Divergence::of(&read, &"a read succeeds"));
            }
            self.now().await;
            self.compare(&account).await?;
        }
        Ok("clock stepped")
    }

    async fn known(&self, account: &Account) -> u64 {
        let first = match account.id() {
            "a" => 99,
            "b" => (1 << 53) - 2,
            "c" => u64::MAX - 40,
            _ => self.last.as_micros(),
        };
        self.shared_cache(account, self.last).await.known.map_or(first, Generation::get)
    }

    async fn rejected(&self, account: &Account) -> Option<Generation> {
        self.shared_cache(account, self.last).await.rejected
    }

    /// Checks that both listeners receive the same notifications.
    async fn change_feed(&mut self) -> Result<(), Divergence> {
        let ears = self.ears.get_mut().unwrap_or_else(PoisonError::into_inner);
        while let Some(expected) = soon(&mut ears.memory).await {
            // A notification that never arrives is a divergence, too.
            let actual = tokio::time::timeout(BOUND, ears.adapter.next()).await;
            if actual != Ok(Some(expected)) {
                return Err(Divergence::of(&actual, &expected));
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

/// Returns the time between the first read and the second, by each span that both entries have.
fn passed(first: &CacheEntry, second: &CacheEntry) -> Vec<Duration> {
    let valid = first.token.iter().zip(&second.token).map(|(first, second)| (first.valid, second.valid));
    let ends = |shared_cache: &CacheEntry| match shared_cache.verdict.map(|verdict| verdict.decision) {
        Some(Decision::NotBefore { at, .. }) => Some(at),
        Some(Decision::LogIn { .. }) | None => None,
    };
    let verdict = ends(first).zip(ends(second));
    valid.chain(verdict).map(|(first, second)| first.saturating_sub(second)).collect()
}

/// Returns the notification that the listener has already received, if there is one.
async fn soon(listener: &mut Box<dyn Listen>) -> Option<Heard> {
    tokio::select! {
        biased;
        heard = listener.next() => heard,
        () = std::future::ready(()) => None,
    }
}

#[async_trait]
impl Pairs for CachePairs {
    type Operation = CacheOperation;

    const PORT: &'static str = "cache";

    const OUTCOMES: &'static [Outcome] = &[
        "put",
        "not put",
        "marked",
        "nothing to mark",
        "cleared",
        "nothing to clear",
        "read",
        "clock stepped",
        "data lost",
        "scripts lost",
    ];

    fn draw(rng: &mut Rng) -> CacheOperation {
        let account = rng.usize(..4);
        match rng.u16(..1_000) {
            0..520 => CacheOperation::Publish { account, request: Request::draw(rng) },
            520..720 => CacheOperation::Reject { account, generation: Near::draw(rng) },
            720..820 => CacheOperation::ClearRejection { account, generation: Near::draw(rng) },
            820..900 => CacheOperation::Read { account },
            900..920 => CacheOperation::Step(step(rng)),
            920..975 => CacheOperation::Lose { account, fast_only: rng.bool() },
            975..990 => CacheOperation::LoseScripts,
            _ => CacheOperation::LoseEverything,
        }
    }

    fn about(operation: &CacheOperation) -> Option<usize> {
        match operation {
            CacheOperation::Publish { account, .. }
            | CacheOperation::Reject { account, .. }
            | CacheOperation::ClearRejection { account, .. }
            | CacheOperation::Read { account }
            | CacheOperation::Lose { account, .. } => Some(*account),
            CacheOperation::Step(_) | CacheOperation::LoseEverything | CacheOperation::LoseScripts => None,
        }
    }

    async fn carry_out(&mut self, operation: &CacheOperation) -> Result<Outcome, Divergence> {
        let account = Self::about(operation).map(|number| self.accounts[number].clone());
        match (operation, account) {
            (CacheOperation::Publish { request, .. }, Some(account)) => self.publish(&account, request).await,
            (CacheOperation::Reject { generation, .. }, Some(account)) => {
                self.mark(&account, *generation).await
            }
            (CacheOperation::ClearRejection { generation, .. }, Some(account)) => {
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
            (CacheOperation::Step(micros), _) => self.step_back(*micros).await,
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

    async fn read(&mut self) -> Result<(), Divergence> {
        for account in self.accounts.clone() {
            self.compare(&account).await?;
        }
        let (before, actual) = (self.last, self.adapter.time().await);
        let after = self.now().await;
        match actual {
            Ok(actual) if (before..=after).contains(&actual) => Ok(()),
            actual => Err(Divergence::of(&actual, &(before, after))),
        }
    }

    async fn start_over(&mut self) {
        self.server.lose_everything().await;
        self.memory.wipe();
        self.ears = Ears::at(&*self.adapter, &self.memory).await;
        self.now().await;
    }
}

impl fmt::Debug for CachePairs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CachePairs").finish_non_exhaustive()
    }
}

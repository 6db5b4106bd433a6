//! Comparison of an answers adapter with the answers in memory.

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use fastrand::Rng;
use solekey_core::{
    Account, Answer, AnswerNote, ClaimId, Content, Fingerprint, Found, Generation, NewFacts, Sealed,
    StoreTime,
    ports::{Answers, Registration, Trouble},
};
use solekey_testkit::memory::{MemoryAnswers, MemoryClock};
use uuid::Uuid;

use super::{
    Backstage, Divergence, Outcome, Pairs,
    pick::{maybe_span, pick, rarely},
};

/// Answers in Redis and answers in memory.
pub struct AnswersPairs {
    adapter: Arc<dyn Answers>,
    memory: MemoryAnswers,
    clock: MemoryClock,
    server: Backstage,
    accounts: [Account; 3],
    /// The server's time after the last operation.
    last: StoreTime,
}

/// An operation on answers; numbers stand for accounts.
#[derive(Clone, Debug)]
pub enum AnswersOperation {
    /// Writes an answer.
    Write {
        /// The number of the account.
        account: usize,
        /// The answer; its attempt is one of a few.
        answer: Answer,
    },
    /// Reads the newest answer.
    Newest {
        /// The number of the account.
        account: usize,
    },
    /// Erases older answers.
    Erase {
        /// The number of the account.
        account: usize,
        /// Answers of earlier attempts are erased.
        before: Generation,
    },
    /// Replaces the payload of an answer by one under another seal.
    Reseal {
        /// The number of the account.
        account: usize,
        /// The attempt and claim identify the stored answer; the payload is the new one.
        answer: Answer,
    },
    /// Writes the registration, unless there is one.
    Register {
        /// The registration to write.
        registration: Registration,
    },
    /// The account's answers are lost.
    Lose {
        /// The number of the account.
        account: usize,
    },
    /// All data are lost.
    LoseEverything,
    /// The server forgets the scripts.
    LoseScripts,
}

impl AnswersPairs {
    /// `adapter` keeps its answers on `server`, under its prefix.
    pub fn new(adapter: Arc<dyn Answers>, server: Backstage) -> Self {
        let clock = MemoryClock::standing(StoreTime::default());
        let account = |id| Account::new("acme", id).expect("a valid name");
        Self {
            adapter,
            memory: MemoryAnswers::with_clock(clock.clone()),
            clock,
            server,
            accounts: ["a", "b", "c"].map(account),
            last: StoreTime::default(),
        }
    }

    async fn write(&mut self, account: &Account, answer: &Answer) -> Result<Outcome, Divergence> {
        let before = self.last;
        let was = self.memory.all(account).len();
        let is_there = |kept: &Answer| name(kept) == name(answer);
        let repeated = self.memory.all(account).iter().any(is_there);
        let actual = self.adapter.write(account, answer).await;
        let after = self.now().await;
        // A stored answer carries the time of its writing; nothing ages one that was not kept.
        let written = self.written_at(account, answer).await.filter(|_| !repeated).unwrap_or(before);
        if !(before..=after).contains(&written) {
            return Err(Divergence::of(&("written", written), &(before, after)));
        }
        self.clock.set(written);
        let expected = self.memory.write(account, answer).await;
        if actual.is_err() || expected.is_err() {
            return Err(Divergence::of(&actual, &expected));
        }
        let kept = self.memory.all(account);
        Ok(match (repeated, kept.iter().any(is_there)) {
            (true, _) => "written before",
            (false, false) => "too old to keep",
            (false, true) if kept.len() > was => "written",
            (false, true) => "written for another",
        })
    }

    async fn newest(&mut self, account: &Account) -> Result<Outcome, Divergence> {
        let before = self.last;
        let actual = self.adapter.newest(account).await;
        let after = self.now().await;
        let first = self.found(account, before).await;
        let expected =
            [self.found(account, after).await, self.later(account, &first, &actual, before, after).await];
        let agrees = |expected: &Result<Found, Trouble>| match (&actual, expected) {
            (Ok(actual), Ok(expected)) => actual == expected,
            (Err(actual), Err(expected)) => same_trouble(actual, expected),
            _ => false,
        };
        if !agrees(&first) && !expected.iter().any(agrees) {
            return Err(Divergence::of(&(actual, before, after), &(first, expected)));
        }
        Ok(match actual {
            Err(_) => "not registered",
            Ok(Found { newest: None, .. }) => "nothing found",
            Ok(Found { newest: Some(_), .. }) => "found",
        })
    }

    /// Returns what the memory finds at the instant of the adapter's read, as far as the age of the adapter's answer
    /// shows that instant.
    async fn later(
        &self,
        account: &Account,
        first: &Result<Found, Trouble>,
        actual: &Result<Found, Trouble>,
        before: StoreTime,
        after: StoreTime,
    ) -> Result<Found, Trouble> {
        let spans = |found: &Result<Found, Trouble>| {
            let newest = found.as_ref().ok().and_then(|found| found.newest.as_ref());
            let facts = newest.and_then(|answer| answer.note.content.facts());
            facts.map_or([None; 2], |facts| [facts.expires_in, facts.refresh_expires_in])
        };
        let pairs = spans(first).into_iter().zip(spans(actual));
        let passed = pairs.filter_map(|(first, actual)| Some(first?.saturating_sub(actual?))).max();
        self.found(account, (before + passed.unwrap_or_default()).min(after)).await
    }

    async fn found(&self, account: &Account, at: StoreTime) -> Result<Found, Trouble> {
        self.clock.set(at);
        self.memory.newest(account).await
    }

    async fn written_at(&self, account: &Account, answer: &Answer) -> Option<StoreTime> {
        let AnswerNote { attempt, claim, .. } = answer.note;
        let name = format!("{:020}-{claim}", attempt.get());
        let value = self.server.text(&["HGET", &self.server.key(account, "ans"), &name]).await?;
        value.split(' ').nth(1)?.parse().ok().map(StoreTime::from_micros)
    }

    /// Returns the names of the answers that the server stores for the account.
    async fn kept(&self, account: &Account) -> Vec<String> {
        let key = self.server.key(account, "ans");
        let mut names = self.server.texts(&["HKEYS", &key]).await;
        names.sort();
        names
    }

    async fn now(&mut self) -> StoreTime {
        let now = self.server.now().await;
        assert!(now >= self.last, "the server's clock goes back");
        self.last = now;
        now
    }
}

fn name(answer: &Answer) -> (Generation, ClaimId) {
    (answer.note.attempt, answer.note.claim)
}

pub(super) fn same_trouble(one: &Trouble, other: &Trouble) -> bool {
    std::mem::discriminant(one) == std::mem::discriminant(other)
}

fn answer(rng: &mut Rng) -> Answer {
    let facts = |rng: &mut Rng| NewFacts {
        access: Fingerprint::new([rng.u8(..4); 16]),
        refresh: rng.bool().then(|| Fingerprint::new([rng.u8(..4); 16])),
        expires_in: maybe_span(rng),
        refresh_expires_in: maybe_span(rng),
    };
    let content = match rng.u8(..8) {
        0..4 => Content::Rotated(facts(rng)),
        4 => Content::LoggedIn(facts(rng)),
        5 => Content::Deleted,
        _ => Content::Unread,
    };
    let note = AnswerNote {
        attempt: attempt(rng),
        claim: ClaimId::new(Uuid::from_u128(rng.u128(1..4) << (rng.u8(..2) * 120))),
        made_from: attempt(rng),
        content,
        access_ends: rng.bool().then(|| StoreTime::from_micros(rng.u64(..))),
    };
    let payload = pick(rng, &[&b""[..], b"one", b"u 12 3\n\n\x00\xff", b"{}"]);
    Answer { note, payload: Sealed::new(payload.to_vec()) }
}

/// Draws from attempts whose order is neither that of texts without leading zeros nor that of a script's numbers.
fn attempt(rng: &mut Rng) -> Generation {
    const ATTEMPTS: [u64; 9] =
        [0, 9, 10, 1_795_000_000_000_000, (1 << 53) - 1, 1 << 53, (1 << 53) + 1, u64::MAX - 1, u64::MAX];
    Generation::new(pick(rng, &ATTEMPTS))
}

#[async_trait]
impl Pairs for AnswersPairs {
    type Operation = AnswersOperation;

    const PORT: &'static str = "answers";

    const OUTCOMES: &'static [Outcome] = &[
        "written",
        "written for another",
        "written before",
        "too old to keep",
        "found",
        "nothing found",
        "not registered",
        "erased",
        "resealed",
        "registered",
        "data lost",
        "scripts lost",
    ];

    fn draw(rng: &mut Rng) -> AnswersOperation {
        let account = rng.usize(..3);
        match rng.u16(..1_000) {
            0..420 => AnswersOperation::Write { account, answer: answer(rng) },
            420..700 => AnswersOperation::Newest { account },
            700..730 => AnswersOperation::Reseal { account, answer: answer(rng) },
            730..800 => AnswersOperation::Erase { account, before: attempt(rng) },
            800..860 => AnswersOperation::Register {
                registration: Registration {
                    store: Uuid::from_u128(rng.u128(..3)),
                    seal_check: pick(rng, &["", "x", "\u{1f511}\"\n"]).to_owned(),
                    since: StoreTime::from_micros(rng.u64(..)),
                    proof: pick(rng, &["", "proof"]).to_owned(),
                },
            },
            860..950 => AnswersOperation::Lose { account },
            950..970 => AnswersOperation::LoseScripts,
            _ if rarely(rng, 2) => AnswersOperation::LoseEverything,
            _ => AnswersOperation::Newest { account },
        }
    }

    fn about(operation: &AnswersOperation) -> Option<usize> {
        match operation {
            AnswersOperation::Write { account, .. }
            | AnswersOperation::Newest { account }
            | AnswersOperation::Reseal { account, .. }
            | AnswersOperation::Erase { account, .. }
            | AnswersOperation::Lose { account } => Some(*account),
            AnswersOperation::Register { .. }
            | AnswersOperation::LoseEverything
            | AnswersOperation::LoseScripts => None,
        }
    }

    async fn carry_out(&mut self, operation: &AnswersOperation) -> Result<Outcome, Divergence> {
        match operation {
            AnswersOperation::Write { account, answer } => {
                let account = self.accounts[*account].clone();
                self.write(&account, answer).await
            }
            AnswersOperation::Newest { account } => {
                let account = self.accounts[*account].clone();
                self.newest(&account).await
            }
            AnswersOperation::Erase { account, before } => {
                let account = &self.accounts[*account];
                let actual = self.adapter.erase(account, *before).await;
                let expected = self.memory.erase(account, *before).await;
                if actual.is_err() || expected.is_err() {
                    Err(Divergence::of(&actual, &expected))
                } else {
                    Ok("erased")
                }
            }
            AnswersOperation::Reseal { account, answer } => {
                let (account, (attempt, claim)) = (&self.accounts[*account], name(answer));
                let actual = self.adapter.reseal(account, attempt, claim, &answer.payload).await;
                let expected = self.memory.reseal(account, attempt, claim, &answer.payload).await;
                if actual.is_err() || expected.is_err() {
                    Err(Divergence::of(&actual, &expected))
                } else {
                    Ok("resealed")
                }
            }
            AnswersOperation::Register { registration } => {
                let actual = self.adapter.register(registration).await;
                let expected = self.memory.register(registration).await;
                match (actual, expected) {
                    (Ok(actual), Ok(expected)) if actual == expected => Ok("registered"),
                    (actual, expected) => Err(Divergence::of(&actual, &expected)),
                }
            }
            AnswersOperation::Lose { account } => {
                let account = &self.accounts[*account];
                self.server.lose(&[self.server.key(account, "ans")]).await;
                self.memory.forget(account);
                Ok("data lost")
            }
            AnswersOperation::LoseEverything => {
                self.server.lose_everything().await;
                self.memory.wipe();
                Ok("data lost")
            }
            AnswersOperation::LoseScripts => {
                self.server.lose_scripts().await;
                Ok("scripts lost")
            }
        }
    }

    async fn read(&mut self) -> Result<(), Divergence> {
        for account in self.accounts.clone() {
            let actual = self.kept(&account).await;
            let name = |answer: &Answer| format!("{:020}-{}", answer.note.attempt.get(), answer.note.claim);
            let expected: Vec<String> = self.memory.all(&account).iter().map(name).collect();
            if actual != expected {
                return Err(Divergence::of(&actual, &expected));
            }
            self.newest(&account).await?;
        }
        Ok(())
    }

    async fn start_over(&mut self) {
        self.server.lose_everything().await;
        self.memory.wipe();
        self.now().await;
    }
}

impl fmt::Debug for AnswersPairs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnswersPairs").finish_non_exhaustive()
    }
}

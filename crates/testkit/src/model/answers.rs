//! Places of answers.

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use fastrand::Rng;
use solekey_core::{
    Account, Answer, AnswerNote, ClaimId, Content, Fingerprint, Found, Generation, NewFacts, Sealed,
    StoreTime,
    ports::{Answers, Enrolment, Trouble},
};
use uuid::Uuid;

use super::{
    Backstage, Divergence, Outcome, Twins,
    pick::{maybe_span, pick, rarely},
};
use crate::memory::{MemoryAnswers, MemoryClock};

/// A place of answers in Redis and one in memory.
pub struct AnswersTwins {
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
    /// Writes.
    Write {
        /// Which account.
        account: usize,
        /// What; its attempt is one of a few.
        answer: Answer,
    },
    /// Looks.
    Newest {
        /// Which account.
        account: usize,
    },
    /// Erases.
    Erase {
        /// Which account.
        account: usize,
        /// What is before.
        before: Generation,
    },
    /// Puts an answer under another seal.
    Reseal {
        /// Which account.
        account: usize,
        /// Whose attempt and claim; its payload is the new one.
        answer: Answer,
    },
    /// Enrols, unless somebody has.
    Enrol {
        /// With what.
        enrolment: Enrolment,
    },
    /// The account's answers are lost.
    Lose {
        /// Which account.
        account: usize,
    },
    /// All data are lost.
    LoseEverything,
    /// The server forgets the scripts.
    LoseScripts,
}

impl AnswersTwins {
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
        let said = self.adapter.write(account, answer).await;
        let after = self.now().await;
        // An answer carries the time of its writing; one that was not kept is aged by nobody.
        let written = self.written_at(account, answer).await.filter(|_| !repeated).unwrap_or(before);
        if !(before..=after).contains(&written) {
            return Err(Divergence::of(&("written", written), &(before, after)));
        }
        self.clock.set(written);
        let meant = self.memory.write(account, answer).await;
        if said.is_err() || meant.is_err() {
            return Err(Divergence::of(&said, &meant));
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
        let said = self.adapter.newest(account).await;
        let after = self.now().await;
        let first = self.found(account, before).await;
        let meant =
            [self.found(account, after).await, self.later(account, &first, &said, before, after).await];
        let agrees = |meant: &Result<Found, Trouble>| match (&said, meant) {
            (Ok(said), Ok(meant)) => said == meant,
            (Err(said), Err(meant)) => same_trouble(said, meant),
            _ => false,
        };
        if !agrees(&first) && !meant.iter().any(agrees) {
            return Err(Divergence::of(&(said, before, after), &(first, meant)));
        }
        Ok(match said {
            Err(_) => "not enrolled",
            Ok(Found { newest: None, .. }) => "nothing found",
            Ok(Found { newest: Some(_), .. }) => "found",
        })
    }

    /// What the memory finds at the instant at which the adapter looked, as far as its answer's age tells that.
    async fn later(
        &self,
        account: &Account,
        first: &Result<Found, Trouble>,
        said: &Result<Found, Trouble>,
        before: StoreTime,
        after: StoreTime,
    ) -> Result<Found, Trouble> {
        let spans = |found: &Result<Found, Trouble>| {
            let newest = found.as_ref().ok().and_then(|found| found.newest.as_ref());
            let facts = newest.and_then(|answer| answer.note.content.facts());
            facts.map_or([None; 2], |facts| [facts.expires_in, facts.refresh_expires_in])
        };
        let pairs = spans(first).into_iter().zip(spans(said));
        let passed = pairs.filter_map(|(first, said)| Some(first?.saturating_sub(said?))).max();
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

    /// The names of all that is kept of the account.
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
        _ => Content::Unusable,
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

/// Such that neither texts without leading zeros nor a script's numbers have their order.
fn attempt(rng: &mut Rng) -> Generation {
    const ATTEMPTS: [u64; 9] =
        [0, 9, 10, 1_795_000_000_000_000, (1 << 53) - 1, 1 << 53, (1 << 53) + 1, u64::MAX - 1, u64::MAX];
    Generation::new(pick(rng, &ATTEMPTS))
}

#[async_trait]
impl Twins for AnswersTwins {
    type Operation = AnswersOperation;

    const PORT: &'static str = "answers";

    const OUTCOMES: &'static [Outcome] = &[
        "written",
        "written for another",
        "written before",
        "too old to keep",
        "found",
        "nothing found",
        "not enrolled",
        "erased",
        "resealed",
        "enrolled",
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
            800..860 => AnswersOperation::Enrol {
                enrolment: Enrolment {
                    store: Uuid::from_u128(rng.u128(..3)),
                    seal_check: pick(rng, &["", "x", "\u{1f511}\"\n"]).to_owned(),
                    since: StoreTime::from_micros(rng.u64(..)),
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
            AnswersOperation::Enrol { .. }
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
                let said = self.adapter.erase(account, *before).await;
                let meant = self.memory.erase(account, *before).await;
                if said.is_err() || meant.is_err() {
                    Err(Divergence::of(&said, &meant))
                } else {
                    Ok("erased")
                }
            }
            AnswersOperation::Reseal { account, answer } => {
                let (account, (attempt, claim)) = (&self.accounts[*account], name(answer));
                let said = self.adapter.reseal(account, attempt, claim, &answer.payload).await;
                let meant = self.memory.reseal(account, attempt, claim, &answer.payload).await;
                if said.is_err() || meant.is_err() {
                    Err(Divergence::of(&said, &meant))
                } else {
                    Ok("resealed")
                }
            }
            AnswersOperation::Enrol { enrolment } => {
                let said = self.adapter.enrol(enrolment).await;
                let meant = self.memory.enrol(enrolment).await;
                match (said, meant) {
                    (Ok(said), Ok(meant)) if said == meant => Ok("enrolled"),
                    (said, meant) => Err(Divergence::of(&said, &meant)),
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

    async fn look(&mut self) -> Result<(), Divergence> {
        for account in self.accounts.clone() {
            let said = self.kept(&account).await;
            let name = |answer: &Answer| format!("{:020}-{}", answer.note.attempt.get(), answer.note.claim);
            let meant: Vec<String> = self.memory.all(&account).iter().map(name).collect();
            if said != meant {
                return Err(Divergence::of(&said, &meant));
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

impl fmt::Debug for AnswersTwins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnswersTwins").finish_non_exhaustive()
    }
}

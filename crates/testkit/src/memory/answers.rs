//! Answers in memory.

use std::{collections::BTreeMap, sync::Mutex};

use async_trait::async_trait;
use solekey_core::{
    Account, Answer, AnswerNote, ClaimId, Found, Generation, Sealed, StoreTime,
    ports::{Answers, Registration, Trouble},
};

use super::{Faults, MemoryClock, lock};

/// Answers in memory.
#[derive(Default, Debug)]
pub struct MemoryAnswers {
    clock: MemoryClock,
    faults: Faults,
    location: Mutex<Location>,
}

#[derive(Default, Debug)]
struct Location {
    registration: Option<Registration>,
    accounts: BTreeMap<Account, BTreeMap<(Generation, ClaimId), Written>>,
}

#[derive(Clone, Debug)]
struct Written {
    answer: Answer,
    at: StoreTime,
}

/// The number of answers of each kind, usable and not, that an account keeps.
const KEPT: usize = 2;

impl MemoryAnswers {
    /// Creates an empty location, not registered, on the wall clock.
    pub fn new() -> Self {
        Self::default()
    }

    /// Creates an empty location, not registered, on this clock.
    pub fn with_clock(clock: MemoryClock) -> Self {
        Self { clock, ..Self::default() }
    }

    /// Returns the switches for faults.
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// Deletes everything, the registration included.
    pub fn wipe(&self) {
        *lock(&self.location) = Location::default();
    }

    /// Deletes one account's answers.
    pub fn forget(&self, account: &Account) {
        lock(&self.location).accounts.remove(account);
    }

    /// Returns the account's answers, oldest first, as they were written, for tests to inspect.
    #[doc(hidden)] // For the comparison with other adapters, and for tests of the coordinator.
    pub fn all(&self, account: &Account) -> Vec<Answer> {
        let location = lock(&self.location);
        location
            .accounts
            .get(account)
            .into_iter()
            .flatten()
            .map(|(_, written)| written.answer.clone())
            .collect()
    }
}

#[async_trait]
impl Answers for MemoryAnswers {
    async fn write(&self, account: &Account, answer: &Answer) -> Result<(), Trouble> {
        let write = || lock(&self.location).write(account, answer, self.clock.now());
        self.faults.meet("write", write).await
    }

    async fn newest(&self, account: &Account) -> Result<Found, Trouble> {
        let newest = || lock(&self.location).newest(account, self.clock.now());
        self.faults.meet("newest", newest).await?
    }

    async fn reseal(
        &self,
        account: &Account,
        attempt: Generation,
        claim: ClaimId,
        payload: &Sealed,
    ) -> Result<(), Trouble> {
        let reseal = || {
            let mut location = lock(&self.location);
            let answers = location.accounts.get_mut(account);
            if let Some(written) = answers.and_then(|answers| answers.get_mut(&(attempt, claim))) {
                written.answer.payload = payload.clone();
            }
        };
        self.faults.meet("reseal", reseal).await
    }

    async fn erase(&self, account: &Account, before: Generation) -> Result<(), Trouble> {
        self.faults.meet("erase", || lock(&self.location).erase(account, before)).await
    }

    async fn register(&self, registration: &Registration) -> Result<Registration, Trouble> {
        let register =
            || lock(&self.location).registration.get_or_insert_with(|| registration.clone()).clone();
        self.faults.meet("register", register).await
    }

    async fn register_anew(&self, registration: &Registration) -> Result<(), Trouble> {
        let register = || lock(&self.location).registration = Some(registration.clone());
        self.faults.meet("register_anew", register).await
    }
}

impl Location {
    fn write(&mut self, account: &Account, answer: &Answer, at: StoreTime) {
        let answers = self.accounts.entry(account.clone()).or_default();
        let AnswerNote { attempt, claim, .. } = answer.note;
        answers.entry((attempt, claim)).or_insert_with(|| Written { answer: answer.clone(), at });
        let (mut usable, mut unusable) = (0, 0);
        let kept: Vec<_> = answers
            .iter()
            .rev()
            .filter(|(_, written)| {
                let count = if is_usable(&written.answer) { &mut usable } else { &mut unusable };
                *count += 1;
                *count <= KEPT
            })
            .map(|(name, _)| *name)
            .collect();
        answers.retain(|name, _| kept.contains(name));
    }

    fn newest(&self, account: &Account, now: StoreTime) -> Result<Found, Trouble> {
        let Some(registration) = &self.registration else {
            return Err(Trouble::not_applied("this location of answers is not registered"));
        };
        let mut answers =
            self.accounts.get(account).into_iter().flat_map(|answers| answers.values().rev()).peekable();
        let unread = answers.peek().filter(|written| !is_usable(&written.answer)).copied();
        let newest = answers.find(|written| is_usable(&written.answer));
        let aged = |written: &Written| written.aged(now);
        Ok(Found { newest: newest.map(aged), unread: unread.map(aged), kept_since: registration.since })
    }

    fn erase(&mut self, account: &Account, before: Generation) {
        if let Some(answers) = self.accounts.get_mut(account) {
            answers.retain(|(attempt, _), _| *attempt >= before);
        }
    }
}

impl Written {
    fn aged(&self, now: StoreTime) -> Answer {
        let note = self.answer.note;
        let content = note.content.aged(now.since(self.at));
        Answer { note: AnswerNote { content, ..note }, ..self.answer.clone() }
    }
}

fn is_usable(answer: &Answer) -> bool {
    answer.note.content.is_usable()
}

//! Answers in memory.

use std::{collections::BTreeMap, sync::Mutex};

use async_trait::async_trait;
use solekey_core::{
    Account, Answer, AnswerNote, ClaimId, Content, Found, Generation, Sealed, StoreTime,
    ports::{Answers, Enrolment, Trouble},
};

use super::{Faults, MemoryClock, lock};

/// A place of answers in memory.
#[derive(Default, Debug)]
pub struct MemoryAnswers {
    clock: MemoryClock,
    faults: Faults,
    place: Mutex<Place>,
}

#[derive(Default, Debug)]
struct Place {
    enrolment: Option<Enrolment>,
    accounts: BTreeMap<Account, BTreeMap<(Generation, ClaimId), Written>>,
}

#[derive(Clone, Debug)]
struct Written {
    answer: Answer,
    at: StoreTime,
}

/// How many answers of each kind, usable and not, an account keeps.
const KEPT: usize = 2;

impl MemoryAnswers {
    /// An empty place, not enrolled, on the wall clock.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty place, not enrolled, on this clock.
    pub fn with_clock(clock: MemoryClock) -> Self {
        Self { clock, ..Self::default() }
    }

    /// What goes wrong.
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// The place loses everything, its enrolment included.
    pub fn wipe(&self) {
        *lock(&self.place) = Place::default();
    }

    /// The place loses one account's answers.
    pub fn forget(&self, account: &Account) {
        lock(&self.place).accounts.remove(account);
    }

    /// The account's answers, oldest first, as they were written: for looking at in tests.
    pub fn all(&self, account: &Account) -> Vec<Answer> {
        let place = lock(&self.place);
        place.accounts.get(account).into_iter().flatten().map(|(_, written)| written.answer.clone()).collect()
    }
}

#[async_trait]
impl Answers for MemoryAnswers {
    async fn write(&self, account: &Account, answer: &Answer) -> Result<(), Trouble> {
        let write = || lock(&self.place).write(account, answer, self.clock.now());
        self.faults.meet("write", write).await
    }

    async fn newest(&self, account: &Account) -> Result<Found, Trouble> {
        let newest = || lock(&self.place).newest(account, self.clock.now());
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
            let mut place = lock(&self.place);
            let answers = place.accounts.get_mut(account);
            if let Some(written) = answers.and_then(|answers| answers.get_mut(&(attempt, claim))) {
                written.answer.payload = payload.clone();
            }
        };
        self.faults.meet("reseal", reseal).await
    }

    async fn erase(&self, account: &Account, before: Generation) -> Result<(), Trouble> {
        self.faults.meet("erase", || lock(&self.place).erase(account, before)).await
    }

    async fn enrol(&self, enrolment: &Enrolment) -> Result<Enrolment, Trouble> {
        let enrol = || lock(&self.place).enrolment.get_or_insert_with(|| enrolment.clone()).clone();
        self.faults.meet("enrol", enrol).await
    }
}

impl Place {
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
        let Some(enrolment) = &self.enrolment else {
            return Err(Trouble::not_applied("this place of answers is not enrolled"));
        };
        let answers = self.accounts.get(account).into_iter().flat_map(|answers| answers.values().rev());
        let newest = answers.into_iter().find(|written| is_usable(&written.answer));
        Ok(Found { newest: newest.map(|written| written.aged(now)), kept_since: enrolment.since })
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
    !matches!(answer.note.content, Content::Unusable)
}

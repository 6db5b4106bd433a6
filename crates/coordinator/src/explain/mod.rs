//! The explanation of an account's state, and of what happens next.

mod story;

use std::time::Duration;

use serde::Serialize;
use solekey_core::{
    Account, Cause, Decision, Generation, Open, Row, StoreTime, Verdict,
    flight::{AnswersView, NextStep, RowView},
    ports::{Loaded, Record},
};

use crate::{accounts::AccountState, error::AccountError, seal::Witness, solekey::Solekey};

/// The explanation of an account's state, and of what happens next: never a token. Spans are in whole seconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Explanation {
    /// Its state in short.
    pub state: AccountState,
    /// The attempt that is neither settled nor committed.
    pub attempt: Option<OpenAttempt>,
    /// The verdict on its generation.
    pub verdict: Option<VerdictView>,
    /// The origin of its credential.
    pub history: History,
    /// The answers stored next to the row.
    pub answers: StoredAnswers,
    /// The view of the process that was asked.
    pub here: LocalView,
    /// The next step.
    pub next: Next,
    /// All of that in sentences.
    pub story: Vec<String>,
}

/// A refresh token that was presented, or is about to be, without a known outcome.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct OpenAttempt {
    /// The generation it would make.
    pub generation: Generation,
    /// Names its claim in the logs.
    pub claim: String,
    /// The reason why the token is presented.
    pub cause: Cause,
    /// True if an earlier attempt of the same generation stayed without an outcome.
    pub further: bool,
    /// The time since the first attempt of the generation was claimed.
    pub first_claimed_ago: u64,
    /// The time until it counts as in doubt; absent when it does.
    pub in_flight_for: Option<u64>,
}

/// A verdict on a generation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct VerdictView {
    /// True if only a login helps.
    pub log_in: bool,
    /// The reason.
    pub why: String,
    /// The time until a refresh may be tried; absent when it may, or when only a login helps.
    pub ends_in: Option<u64>,
    /// Failures in a row that led here.
    pub failures: u8,
}

/// The origin of a credential.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct History {
    /// True if a login made it, and not a refresh.
    pub by_login: bool,
    /// The time since it was made.
    pub made_ago: u64,
    /// The generation it was refreshed from.
    pub made_from: Option<Generation>,
    /// The number of refreshes of the account.
    pub rotations: u64,
    /// The number of its refresh tokens that are known to be spent; the newest 64 are remembered.
    pub spent_tokens: usize,
    /// The time since a resource last caused a rotation by refusing a token.
    pub rejected_ago: Option<u64>,
}

/// The answers stored next to the row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct StoredAnswers {
    /// True if the answers can be read. While they cannot, no decision is made that a lost answer would contradict.
    pub readable: bool,
    /// The newest answer.
    pub newest: Option<Generation>,
    /// The newest answer that was not understood: kept as it came.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unread: Option<Generation>,
}

/// The view of the process that was asked.
/// The next step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct LocalView {
    /// The generation it serves from memory.
    pub serves: Option<Generation>,
    /// The newest generation whose access token a resource refused, and which is withheld until a rotation was tried.
    pub withheld: Option<Generation>,
    /// The newest generation it has heard of.
    pub known: Generation,
    /// True if it rechecks the account's doubt until that is resolved.
    pub watches: bool,
    /// What the provider last answered it about the account instead of tokens; absent after a success.
    pub answered: Option<ProviderAnswer>,
}

/// An answer of a provider that was no success.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ProviderAnswer {
    /// Status and error code, where a redirect leads, or the trouble of the connection; never text of the answer.
    pub reason: String,
    /// The time since then.
    pub ago: u64,
}

/// The next step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Next {
    /// The step.
    pub step: Step,
    /// The time until then; absent where nothing has to be waited for.
    pub in_seconds: Option<u64>,
    /// The reason of the wait, or of the end of the grant.
    pub why: Option<String>,
    /// The time until the account is due for a background refresh.
    pub due_in: Option<u64>,
}

/// A step of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Step {
    /// Nothing: the token is good enough.
    Serve,
    /// An answer is put into the row.
    Adopt,
    /// The refresh token is presented.
    Present,
    /// It is presented again, after an attempt in doubt.
    PresentAgain,
    /// Another read.
    Wait,
    /// A login, by a person.
    LogIn,
}

impl Solekey {
    /// Explains an account's state, and what happens next, from the store, the answers and this process' memory.
    /// Nothing is presented and nothing changes. Two round trips, 3 s at most.
    ///
    /// # Errors
    /// There is no such account, or the store cannot be asked.
    ///
    /// # Cancel safety
    /// Dropping the future changes nothing.
    pub async fn explain(&self, account: &Account) -> Result<Explanation, AccountError> {
        let provider = self.account_provider(account)?;
        let asked = self.engine.process.now();
        let Loaded { record, now } =
            self.engine.process.store().load(account).await.map_err(AccountError::Store)?;
        let Record { row, payload } = record.ok_or(AccountError::UnknownAccount)?;
        let state = self.state_of(account, &row, now).ok_or(AccountError::UnknownAccount)?;
        let witness = Witness::of(&row, payload, now);
        let answers = self.engine.read_answers(account, provider, witness.as_ref()).await;
        let view = RowView { row: Some(row.clone()), now, asked };
        let next_step = self.engine.next_step(account, provider, &view, answers);
        let mut explanation = Explanation {
            state,
            attempt: row.open.map(|open| OpenAttempt::new(&open, now)),
            verdict: row.current_verdict().map(|verdict| VerdictView::new(&verdict, now)),
            history: History::new(&row, now),
            answers: StoredAnswers::new(answers),
            here: self.local_view(account),
            next: Next::new(next_step, &row, now, self.engine.process.now()),
            story: Vec::new(),
        };
        explanation.story = story::of(&explanation);
        Ok(explanation)
    }
}

impl Solekey {
    fn local_view(&self, account: &Account) -> LocalView {
        let (process, key) = (&self.engine.process, account.key());
        let knowledge = process.memories.of(key).lock().knowledge.clone();
        LocalView {
            serves: process.entries().get(key).map(|entry| entry.generation),
            withheld: knowledge.withheld(),
            known: knowledge.known,
            watches: self.background.rechecks.has(key),
            answered: process
                .memories
                .answered(key)
                .map(|(reason, at)| ProviderAnswer { reason, ago: process.now().since(at).as_secs() }),
        }
    }
}

impl OpenAttempt {
    fn new(open: &Open, now: StoreTime) -> Self {
        Self {
            generation: open.attempt,
            claim: open.id.to_string(),
            cause: open.cause,
            further: !open.is_first() && open.cause != Cause::Forgotten,
            first_claimed_ago: now.since(open.first.at).as_secs(),
            in_flight_for: left(open.until, now),
        }
    }
}

impl VerdictView {
    fn new(verdict: &Verdict<StoreTime>, now: StoreTime) -> Self {
        let failures = verdict.strikes;
        match verdict.decision {
            Decision::LogIn { why } => Self { log_in: true, why: why.to_string(), ends_in: None, failures },
            Decision::NotBefore { at, why } => {
                Self { log_in: false, why: why.to_string(), ends_in: left(at, now), failures }
            }
        }
    }
}

impl History {
    fn new(row: &Row, now: StoreTime) -> Self {
        let by_login = row.is_by_login();
        Self {
            by_login,
            made_ago: row.facts.map_or(0, |facts| now.since(facts.made_at).as_secs()),
            made_from: (!by_login).then_some(row.made_from),
            rotations: row.rotations,
            spent_tokens: row.presented.len(),
            rejected_ago: row.evidence.map(|evidence| now.since(evidence.at).as_secs()),
        }
    }
}

impl StoredAnswers {
    fn new(view: AnswersView) -> Self {
        match view {
            AnswersView::Unreadable => Self { readable: false, newest: None, unread: None },
            AnswersView::Read { newest, unread, .. } => {
                let (newest, unread) = (newest.map(|note| note.attempt), unread.map(|note| note.attempt));
                Self { readable: true, newest, unread }
            }
        }
    }
}

impl Next {
    fn new(next_step: NextStep, row: &Row, now: StoreTime, here: solekey_core::Moment) -> Self {
        let due_in = row.due_at.map(|at| at.since(now).as_secs());
        let (step, in_seconds, why) = match next_step {
            NextStep::Adopt(_) => (Step::Adopt, None, None),
            NextStep::Present { again: true, .. } => (Step::PresentAgain, None, None),
            NextStep::Present { again: false, .. } => (Step::Present, None, None),
            NextStep::Wait { at, why } => (Step::Wait, seconds(at.since(here)), Some(why.to_string())),
            NextStep::LogIn { why } => (Step::LogIn, None, Some(why.to_string())),
            _ => (Step::Serve, None, None),
        };
        Self { step, in_seconds, why, due_in }
    }
}

/// Whole seconds until then, at least one; nothing once it has come.
fn left(at: StoreTime, now: StoreTime) -> Option<u64> {
    seconds(at.since(now))
}

fn seconds(left: Duration) -> Option<u64> {
    (!left.is_zero()).then(|| left.as_secs().max(1))
}

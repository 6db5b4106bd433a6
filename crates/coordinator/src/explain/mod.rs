//! Why an account is in its state, and what happens next.

mod story;

use std::time::Duration;

use serde::Serialize;
use solekey_core::{
    Account, Cause, Found, Generation, Need, Open, Row, Ruling, StoreTime, Verdict,
    flight::{AnswersView, Prospect, RowView, rehearse},
    ports::Loaded,
};

use crate::{
    error::AccountError, instance::Instance, provider::Provider, solekey::Solekey, states::AccountState,
};

/// Why an account is in its state, and what happens next: never a token. Spans are in whole seconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Explanation {
    /// Its state in short.
    pub state: AccountState,
    /// The attempt that is neither settled nor committed.
    pub attempt: Option<OpenAttempt>,
    /// What was ruled about its generation.
    pub verdict: Option<Ruled>,
    /// Where its credential comes from.
    pub history: History,
    /// What lies beside the row.
    pub answers: Beside,
    /// What the process that was asked knows by itself.
    pub here: Here,
    /// What the next look at the account comes to.
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
    /// Why the token is presented.
    pub cause: Cause,
    /// Whether an earlier attempt of the same generation stayed without an outcome.
    pub further: bool,
    /// Since the first attempt of the generation was claimed.
    pub first_claimed_ago: u64,
    /// Until it counts as in doubt; absent when it does.
    pub in_flight_for: Option<u64>,
}

/// What was ruled about the generation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Ruled {
    /// Whether only a login helps.
    pub log_in: bool,
    /// Why.
    pub why: String,
    /// Until a refresh may be tried; absent when it may, or when only a login helps.
    pub ends_in: Option<u64>,
    /// Failures in a row that led here.
    pub failures: u8,
}

/// Where the credential comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct History {
    /// Whether a login made it, and not a refresh.
    pub by_login: bool,
    /// Since it was made.
    pub made_ago: u64,
    /// The generation it was refreshed from.
    pub made_from: Option<Generation>,
    /// How often the account was refreshed.
    pub rotations: u64,
    /// How many refresh tokens of it are known to be spent; the newest 64 are remembered.
    pub spent_tokens: usize,
    /// Since a resource last caused a rotation by refusing a token.
    pub rejected_ago: Option<u64>,
}

/// What lies beside the row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Beside {
    /// Whether the answers can be read. Where they cannot, nothing is ruled that a lost answer would contradict.
    pub readable: bool,
    /// The newest answer.
    pub newest: Option<Generation>,
}

/// What the process that was asked knows by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Here {
    /// The generation it serves from memory.
    pub serves: Option<Generation>,
    /// The newest generation whose access token a resource refused, and which is withheld until a rotation was tried.
    pub withheld: Option<Generation>,
    /// The newest generation it has heard of.
    pub known: Generation,
    /// Whether it looks at the account's doubt until that is resolved.
    pub watches: bool,
}

/// What the next look at the account comes to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Next {
    /// What.
    pub step: Step,
    /// When; absent where nothing has to be waited for.
    pub in_seconds: Option<u64>,
    /// What is waited for, or what ended the grant.
    pub why: Option<String>,
    /// Until the account is due to be looked at.
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
    /// Another look.
    Wait,
    /// A login, by a person.
    LogIn,
}

impl Solekey {
    /// Why an account is in its state, and what happens next, from the store, the answers and this process' memory.
    /// Nothing is presented and nothing changes. Two round trips, 3 s at most.
    ///
    /// # Errors
    /// There is no such account, or the store cannot be asked.
    ///
    /// # Cancel safety
    /// Dropping the future changes nothing.
    pub async fn explain(&self, account: &Account) -> Result<Explanation, AccountError> {
        let provider = self.account_provider(account)?;
        let asked = self.instance.now();
        let Loaded { record, now } =
            self.instance.store().load(account).await.map_err(AccountError::Store)?;
        let row = record.map(|record| record.row).ok_or(AccountError::UnknownAccount)?;
        let state = self.state_of(account, &row, now).ok_or(AccountError::UnknownAccount)?;
        let answers = self.instance.look_at_answers(account).await;
        let view = RowView { row: Some(row.clone()), now, asked };
        let prospect = self.instance.prospect(account, provider, &view, answers);
        let mut explanation = Explanation {
            state,
            attempt: row.open.map(|open| OpenAttempt::new(&open, now)),
            verdict: row.current_verdict().map(|verdict| Ruled::new(&verdict, now)),
            history: History::new(&row, now),
            answers: Beside::new(answers),
            here: self.instance.what_is_known(account),
            next: Next::new(prospect, &row, now, self.instance.now()),
            story: Vec::new(),
        };
        explanation.story = story::of(&explanation);
        Ok(explanation)
    }
}

impl Instance {
    pub(crate) async fn look_at_answers(&self, account: &Account) -> AnswersView {
        match tokio::time::timeout(PATIENCE, self.answers().newest(account)).await {
            Ok(Ok(Found { newest, kept_since })) => {
                AnswersView::Read { newest: newest.map(|answer| answer.note), kept_since }
            }
            Ok(Err(_)) | Err(_) => AnswersView::Unreadable,
        }
    }

    /// What a flight would come to that looks after the account.
    pub(crate) fn prospect(
        &self,
        account: &Account,
        provider: &Provider,
        view: &RowView,
        answers: AnswersView,
    ) -> Prospect {
        // What is in doubt is looked at although the token is good.
        let need = Need::Resolved;
        let knowledge = self.knowledge_for(account.key(), provider, need);
        let policy = *provider.policy();
        rehearse(&self.context(&policy), need, knowledge, account.key().spread(), view, answers)
    }

    fn what_is_known(&self, account: &Account) -> Here {
        let key = account.key();
        let knowledge = self.memories.of(key).lock().knowledge.clone();
        Here {
            serves: self.entries().get(key).map(|entry| entry.generation),
            withheld: knowledge.withheld(),
            known: knowledge.known,
            watches: self.vigils.keep(key),
        }
    }
}

impl OpenAttempt {
    fn new(open: &Open, now: StoreTime) -> Self {
        Self {
            generation: open.attempt,
            claim: open.id.to_string(),
            cause: open.cause,
            further: !open.is_first(),
            first_claimed_ago: now.since(open.first.at).as_secs(),
            in_flight_for: left(open.until, now),
        }
    }
}

impl Ruled {
    fn new(verdict: &Verdict<StoreTime>, now: StoreTime) -> Self {
        let failures = verdict.strikes;
        match verdict.ruling {
            Ruling::LogIn { why } => Self { log_in: true, why: why.to_string(), ends_in: None, failures },
            Ruling::NotBefore { at, why } => {
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

impl Beside {
    fn new(view: AnswersView) -> Self {
        match view {
            AnswersView::Unreadable => Self { readable: false, newest: None },
            AnswersView::Read { newest, .. } => {
                Self { readable: true, newest: newest.map(|note| note.attempt) }
            }
        }
    }
}

impl Next {
    fn new(prospect: Prospect, row: &Row, now: StoreTime, here: solekey_core::Moment) -> Self {
        let due_in = row.due_at.map(|at| at.since(now).as_secs());
        let (step, in_seconds, why) = match prospect {
            Prospect::Adopt(_) => (Step::Adopt, None, None),
            Prospect::Present { again: true, .. } => (Step::PresentAgain, None, None),
            Prospect::Present { again: false, .. } => (Step::Present, None, None),
            Prospect::Wait { at, why } => (Step::Wait, seconds(at.since(here)), Some(why.to_string())),
            Prospect::LogIn { why } => (Step::LogIn, None, Some(why.to_string())),
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

/// What a look at the answers may take.
const PATIENCE: Duration = Duration::from_secs(1);

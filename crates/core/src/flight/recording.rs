//! A success on its way into answers and row: either copy is enough.

use std::time::Duration;

use super::{Context, attempt::Attempt, command::Command};
use crate::{
    AnswerNote, ClaimId, Commit, Content, Moment, Need, NewFacts, Row,
    backoff::{MAX_STEPS, backoff},
    mutant,
};

/// A success on its way into answers and row.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Recording {
    pub(super) attempt: Attempt,
    /// As of the moment before the request was sent.
    facts: NewFacts,
    /// The open attempt last seen in the row.
    seen: Option<ClaimId>,
    pub(super) answer: Leg,
    pub(super) commit: Leg,
    pub(super) published: bool,
    tries: u8,
}

/// One of the two copies.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Leg {
    /// Under way.
    Asked,
    /// To be tried again.
    Failed,
    /// Acknowledged.
    Done,
    /// Refused for good: the row went past this answer (a login, a delete).
    Void,
}

impl Recording {
    pub(super) fn new(attempt: Attempt, facts: NewFacts) -> Self {
        Self {
            attempt,
            facts,
            seen: Some(attempt.id()),
            answer: Leg::Asked,
            commit: Leg::Asked,
            published: false,
            tries: 0,
        }
    }

    /// Takes in that the row is not as it was seen. Returns false where it went past this answer.
    pub(super) fn moved(&mut self, row: Option<&Row>) -> bool {
        let is_past = row.is_some_and(|row| row.generation >= self.attempt.generation());
        if is_past || mutant("moved_commit_given_up") {
            self.commit = Leg::Void;
            return false;
        }
        // Another attempt was committed first, or the store forgot ours: our answer is still the row's future, next to
        // whatever is open now.
        self.seen = row.and_then(|row| row.open).map(|open| open.id);
        true
    }

    /// Returns true if a copy of the pair is acknowledged somewhere.
    pub(super) fn is_safe(&self) -> bool {
        self.answer == Leg::Done && self.commit == Leg::Failed
            || self.commit == Leg::Done
            || self.commit == Leg::Void && mutant("history_is_published")
            || self.commit == Leg::Failed && mutant("unacknowledged_is_published")
    }

    /// Without an access token in the answer the row keeps the old one, ended.
    pub(super) fn has_token(&self) -> bool {
        let old = Some(self.facts.access) == self.attempt.access();
        !(old && self.facts.expires_in.is_some_and(|left| left.is_zero()))
    }

    /// A success is handed to whoever waits for it, whatever its expiry; but a rejected string never to its reporter.
    pub(super) fn answers(&self, need: Need) -> bool {
        let reported = need.rejection().map(|(_, access)| access);
        self.has_token() && reported != Some(self.facts.access)
    }

    /// With both copies unreachable the token is served from this process' memory, except where using it would use up
    /// the only way back.
    pub(super) fn may_be_served(&self, cx: &Context<'_>) -> bool {
        let both_failed = self.answer == Leg::Failed && self.commit == Leg::Failed;
        self.is_safe()
            || (both_failed
                && (!cx.policy.replay().needs_acknowledged_copy() || mutant("last_way_back_is_served")))
    }

    /// Returns the instant at which what failed is tried again.
    pub(super) fn next_try(&mut self, cx: &Context<'_>) -> Moment {
        let cap = (cx.policy.span() / 4).min(RECORD_RETRY_CAP);
        let until = cx.now + backoff(self.tries, RECORD_RETRY, cap, cx.jitter);
        self.tries = (self.tries + 1).min(MAX_STEPS);
        until
    }

    fn note(&self, cx: &Context<'_>) -> AnswerNote {
        let budget = self.attempt.budget();
        let counts_anew = mutant("lifetime_counts_from_the_answer");
        let age = if counts_anew { Duration::ZERO } else { budget.age(cx.now) };
        let facts = self.facts.aged(age);
        AnswerNote {
            attempt: self.attempt.generation(),
            claim: self.attempt.id(),
            made_from: self.attempt.from(),
            content: Content::Rotated(facts),
            access_ends: facts.expires_in.map(|left| budget.store_time(cx.now) + left),
        }
    }

    pub(super) fn write(&self, cx: &Context<'_>) -> Command {
        Command::WriteAnswer(self.note(cx))
    }

    pub(super) fn commit(&self, cx: &Context<'_>, spread: u64) -> Command {
        let note = self.note(cx);
        let due_in = note.content.facts().and_then(|facts| cx.due_in(&facts, spread));
        let as_of = Some(self.attempt.budget().store_time(cx.now))
            .filter(|_| !mutant("lifetime_counts_from_the_commit"));
        // Once a copy may have been there, another process may have presented it.
        let forgotten = (self.tries > 0).then(|| cx.forgotten());
        let (seen, evidence) = (self.seen, self.attempt.evidence());
        Command::CommitOwn(Commit { note, seen, evidence, due_in, as_of, forgotten })
    }
}

const RECORD_RETRY: Duration = Duration::from_millis(50);
const RECORD_RETRY_CAP: Duration = Duration::from_secs(15);

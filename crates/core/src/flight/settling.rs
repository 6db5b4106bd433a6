//! The end of an attempt without an answer, on its way into the row.

use std::time::Duration;

use super::{Context, attempt::Ending};
use crate::{
    Decision, Delay, Moment, NewVerdict, Settle, Verdict,
    backoff::{MAX_STEPS, backoff},
};

/// A settling on its way: repeated by its id until it is acknowledged, so that no attempt is left open that was
/// never sent.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Settling {
    pub(super) settle: Settle,
    pub(super) ending: Ending,
    pub(super) after: After,
    tries: u8,
}

/// The step that follows once an attempt is settled.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum After {
    /// Only this process is concerned.
    RetryAt { at: Moment, why: Delay },
    /// Everyone is notified.
    Verdict(Verdict<Moment>),
    /// The refusal was definite and the next attempt can avoid it: the account is checked again at once.
    CheckAgain,
}

impl Settling {
    pub(super) fn new(
        cx: &Context<'_>,
        ending: Ending,
        verdict: Option<Verdict<Duration>>,
        after: After,
    ) -> Self {
        let verdict =
            verdict.map(|verdict| NewVerdict { decision: verdict.decision, strikes: verdict.strikes });
        let settle = Settle { id: ending.id(), from: ending.from(), verdict, due_in: after.due_in(cx.now) };
        Self { settle, ending, after, tries: 0 }
    }

    /// Returns the instant at which the settling is sent once more.
    pub(super) fn next_try(&mut self, cx: &Context<'_>) -> Moment {
        let until = cx.now + backoff(self.tries, SETTLE_RETRY, SETTLE_RETRY_CAP, cx.jitter);
        self.tries = (self.tries + 1).min(MAX_STEPS);
        until
    }
}

impl After {
    fn due_in(self, now: Moment) -> Option<Duration> {
        match self {
            Self::RetryAt { at, .. }
            | Self::Verdict(Verdict { decision: Decision::NotBefore { at, .. }, .. }) => Some(at.since(now)),
            Self::Verdict(_) => None,
            Self::CheckAgain => Some(Duration::ZERO),
        }
    }
}

const SETTLE_RETRY: Duration = Duration::from_millis(50);
const SETTLE_RETRY_CAP: Duration = Duration::from_secs(5);

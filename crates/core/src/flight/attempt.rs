//! An attempt of this flight, from its claim to its end. Its fields are private to this file: an attempt comes from a
//! claim that the store has acknowledged, and from nothing else.

use std::time::Duration;

use super::{
    Context,
    command::{Delivery, Presentation, Source},
    event::RowView,
};
use crate::{
    Cause, Claim, ClaimId, Evidence, Fence, Fingerprint, Generation, Moment, Open, Row, StoreTime,
    backoff::{MAX_STEPS, backoff},
    mutant,
    verdict::Past,
};

/// A claim on its way to the store.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Claiming {
    claim: Claim,
    /// The process' time before the claim was first sent: its attempt's span counts from here.
    sent_at: Moment,
    /// The end of a window of grace, by which the exchange must have ended although the attempt's span goes on.
    by: Option<Moment>,
    strikes: u8,
    evidence: Option<Evidence>,
    access: Option<Fingerprint>,
    past: Past,
    store_now: StoreTime,
    tries: u8,
}

impl Claiming {
    /// A claim on a row that was read as `view`.
    pub(super) fn new(
        cx: &Context<'_>,
        view: &RowView,
        row: &Row,
        claim: Claim,
        past: Past,
        by: Option<Moment>,
    ) -> Self {
        Self {
            claim,
            sent_at: cx.now,
            by,
            strikes: row.current_verdict().map_or(0, |verdict| verdict.strikes),
            evidence: row.evidence,
            access: row.facts.map(|facts| facts.access),
            past,
            store_now: view.now,
            tries: 0,
        }
    }

    pub(super) fn claim(&self) -> Claim {
        self.claim
    }

    /// Returns true if the claim was sent more than once: an earlier copy may still be on its way.
    pub(super) fn is_repeated(&self) -> bool {
        self.tries > 0
    }

    /// Returns the instant at which the claim is sent once more, while there is time for that.
    pub(super) fn next_try(&mut self, cx: &Context<'_>) -> Option<Moment> {
        let wake = cx.now + backoff(self.tries, CLAIM_RETRY, CLAIM_RETRY * 10, cx.jitter);
        self.tries = (self.tries + 1).min(MAX_STEPS);
        (wake < self.sent_at + cx.time_for_claim()).then_some(wake)
    }

    /// The attempt, where the acknowledgement shows that this claim opened it.
    pub(super) fn acknowledged(&self, cx: &Context<'_>, view: &RowView) -> Option<Attempt> {
        let open = view.row.as_ref()?.open.filter(|open| open.id == self.claim.id)?;
        Some(self.attempt(open, cx, view))
    }

    /// The bug of an attempt that no store knows of.
    #[cfg(solekey_mutant)]
    pub(super) fn unclaimed(&self, cx: &Context<'_>, view: &RowView, row: &Row) -> Attempt {
        let open = Open {
            id: self.claim.id,
            attempt: Generation::mint(row.minted, self.claim.fence, view.now),
            first: crate::First { attempt: Generation::ZERO, at: view.now },
            until: view.now + self.claim.span,
            cause: self.claim.cause,
        };
        self.attempt(open, cx, view)
    }

    fn attempt(&self, open: Open, cx: &Context<'_>, view: &RowView) -> Attempt {
        let began = if mutant("attempt_counts_from_the_reply") { cx.now } else { self.sent_at };
        Attempt {
            open,
            from: self.claim.from,
            access: self.access,
            past: self.past,
            strikes: self.strikes,
            evidence: (self.claim.cause == Cause::Rejected).then(|| self.next_interval()),
            budget: SendBudget { sent_at: cx.now, store_now: view.now, deadline: began + self.claim.span },
        }
    }

    /// Returns true if an exchange still fits into the attempt, and into the window of grace that the claim relies on.
    pub(super) fn fits(&self, cx: &Context<'_>, attempt: &Attempt) -> bool {
        let deadline = attempt.budget.deadline;
        cx.fits(self.by.map_or(deadline, |by| by.min(deadline)))
    }

    /// The end of an attempt of which nobody knows if the claim has opened it.
    pub(super) fn ending(&self) -> Ending {
        let Claim { id, from, not_after, cause, .. } = self.claim;
        Ending {
            id,
            from,
            strikes: self.strikes,
            claim: ClaimState::Unconfirmed { not_after },
            clears_rejection: clears_rejection(false, cause, from),
        }
    }

    /// The interval doubles while successors keep being rejected soon after it ended.
    fn next_interval(&self) -> Duration {
        match self.evidence {
            Some(last)
                if self.store_now < last.at + last.interval * 2
                    && !mutant("evidence_interval_never_grows") =>
            {
                (last.interval * 2).min(MAX_EVIDENCE_INTERVAL)
            }
            _ => MIN_EVIDENCE_INTERVAL,
        }
    }
}

/// An attempt of this flight: the store has acknowledged its claim.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Attempt {
    open: Open,
    /// The generation it was made from.
    from: Generation,
    /// The access token of that generation.
    access: Option<Fingerprint>,
    /// The use of the refresh token before this attempt.
    past: Past,
    /// The step of the cooldown ladder reached before.
    strikes: u8,
    /// The interval to write should a success follow a rejection.
    evidence: Option<Duration>,
    budget: SendBudget,
}

impl Attempt {
    pub(super) fn id(&self) -> ClaimId {
        self.open.id
    }

    /// The generation it would make.
    pub(super) fn generation(&self) -> Generation {
        self.open.attempt
    }

    pub(super) fn from(&self) -> Generation {
        self.from
    }

    pub(super) fn access(&self) -> Option<Fingerprint> {
        self.access
    }

    pub(super) fn past(&self) -> Past {
        self.past
    }

    pub(super) fn evidence(&self) -> Option<Duration> {
        self.evidence
    }

    pub(super) fn budget(&self) -> SendBudget {
        self.budget
    }

    /// The store's time of the first claim on the refresh token that this attempt presents.
    pub(super) fn first_claimed_at(&self) -> StoreTime {
        self.open.first.at
    }

    /// The handle under which the driver presents the token.
    pub(super) fn presentation(&self, fence: Option<Fence>) -> Presentation {
        Presentation { from: self.from, attempt: self.open.attempt, claim: self.open.id, fence }
    }

    pub(super) fn delivery(&self) -> Delivery {
        Delivery::Token { generation: self.open.attempt, source: Source::Own }
    }

    /// Its end without an answer. `tried`: the provider has answered, and would not say more if it were asked again.
    pub(super) fn ending(&self, tried: bool) -> Ending {
        Ending {
            id: self.open.id,
            from: self.from,
            strikes: self.strikes,
            claim: ClaimState::Confirmed,
            clears_rejection: clears_rejection(tried, self.open.cause, self.from),
        }
    }
}

/// The time that an attempt has for its one request, on both clocks.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct SendBudget {
    /// The process' time after the claim's acknowledgement and before the request was sent.
    sent_at: Moment,
    /// The store's time in that acknowledgement.
    store_now: StoreTime,
    /// The end of the attempt's span on the own, pessimistic clock.
    deadline: Moment,
}

impl SendBudget {
    pub(super) fn sent_at(self) -> Moment {
        self.sent_at
    }

    pub(super) fn deadline(self) -> Moment {
        self.deadline
    }

    /// The time since just before the request was sent: the lifetimes of its answer count from there.
    pub(super) fn age(self, now: Moment) -> Duration {
        now.since(self.sent_at)
    }

    /// The store's time just before the request was sent.
    pub(super) fn store_sent_at(self) -> StoreTime {
        self.store_now
    }

    /// The store's time at `now`, or somewhat before it: the claim's acknowledgement took time to arrive.
    pub(super) fn store_time(self, now: Moment) -> StoreTime {
        self.store_now + now.since(self.sent_at)
    }
}

/// An attempt that is being ended without an answer.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Ending {
    id: ClaimId,
    from: Generation,
    strikes: u8,
    claim: ClaimState,
    clears_rejection: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum ClaimState {
    /// The store has the attempt.
    Confirmed,
    /// The claim may still be on its way; executed later than this it is refused by the store.
    Unconfirmed { not_after: StoreTime },
}

impl Ending {
    /// The end of somebody's attempt that is in doubt and will not be resolved by presenting its token again.
    pub(super) fn of_doubt(open: &Open, from: Generation) -> Self {
        let clears_rejection = clears_rejection(false, open.cause, from);
        Self { id: open.id, from, strikes: 0, claim: ClaimState::Confirmed, clears_rejection }
    }

    pub(super) fn id(&self) -> ClaimId {
        self.id
    }

    pub(super) fn from(&self) -> Generation {
        self.from
    }

    /// The step of the cooldown ladder reached before.
    pub(super) fn strikes(&self) -> u8 {
        self.strikes
    }

    /// Returns true if the store has confirmed the claim.
    pub(super) fn is_confirmed(&self) -> bool {
        self.claim == ClaimState::Confirmed
    }

    /// Returns true if the claim cannot open the attempt any more: it has done so, or the store refuses it from now on.
    pub(super) fn is_claim_over(&self, view: &RowView) -> bool {
        match self.claim {
            ClaimState::Confirmed => true,
            ClaimState::Unconfirmed { not_after } => {
                let moved = view.row.as_ref().is_none_or(|row| row.generation != self.from);
                moved || view.now > not_after
            }
        }
    }

    /// The generation whose access token was rejected, and which may be served again because one rotation was tried for
    /// it.
    pub(super) fn cleared_rejection(&self) -> Option<Generation> {
        self.clears_rejection.then_some(self.from)
    }
}

/// One rotation is tried for a rejected token. An attempt for which the provider was never asked does not count.
fn clears_rejection(tried: bool, cause: Cause, from: Generation) -> bool {
    (tried || mutant("unsent_attempt_counts_as_tried")) && cause == Cause::Rejected && from > Generation::ZERO
}

const CLAIM_RETRY: Duration = Duration::from_millis(20);
const MIN_EVIDENCE_INTERVAL: Duration = Duration::from_secs(300);
const MAX_EVIDENCE_INTERVAL: Duration = Duration::from_secs(3600);

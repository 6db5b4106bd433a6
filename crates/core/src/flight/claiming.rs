//! Opening an attempt.

use std::time::Duration;

use super::{
    Context, Flight, Phase,
    attempt::Claiming,
    command::Command,
    event::{RowView, StoreReply},
    settling::After,
};
use crate::{
    Cause, Claim, Delay, Fence, Fingerprint, Moment, Row, StoreTime, backoff::MIN_COOLDOWN, mutant,
    verdict::Past,
};

impl Flight {
    pub(super) fn claim(
        &mut self,
        cx: &Context<'_>,
        view: &RowView,
        row: &Row,
        by: Option<Moment>,
    ) -> Vec<Command> {
        if self.draining && !mutant("claim_while_draining") {
            return self.wait_or_leave(cx, cx.now, Delay::ShuttingDown);
        }
        let Some(presents) = row.facts.and_then(|facts| facts.refresh) else {
            return self.wait_or_leave(cx, cx.now, Delay::InDoubt);
        };
        let claim = Claim {
            id: cx.id,
            from: row.generation,
            seen: row.open.map(|open| open.id),
            // A store that went back, or whose clock did, must not mint below what is known.
            fence: plausible(self.fence(), view.now).max(
                plausible(Some(Fence::new(self.knowledge.known.get().saturating_add(1))), view.now)
                    .filter(|_| !mutant("claim_without_what_is_known")),
            ),
            span: cx.policy.span(),
            not_after: view.now + cx.now.since(view.asked) + cx.time_for_claim(),
            cause: self.cause(row),
            presents,
        };
        let claiming = Claiming::new(cx, view, row, claim, self.past(row, presents), by);
        #[cfg(solekey_mutant)]
        if mutant("claim_after_exchange") {
            return self.exchange(claiming.unclaimed(cx, view, row));
        }
        self.phase = Phase::Claiming(Box::new(claiming));
        vec![Command::Claim(claim)]
    }

    /// A presentation that only lacked a nonce counts for nothing; a store that went back has forgotten some.
    fn past(&self, row: &Row, presents: Fingerprint) -> Past {
        if row.open.is_some() || self.knowledge.known > row.generation {
            return Past::InDoubt;
        }
        let lacked_nonce = self.lacked_nonce == Some(row.generation);
        let presented = row.presented.contains(&presents) && !mutant("presented_token_counts_as_new");
        if presented && !lacked_nonce { Past::Presented } else { Past::Untouched }
    }

    fn cause(&self, row: &Row) -> Cause {
        if self.is_operator() {
            Cause::Operator
        } else if self.is_refused(row) {
            Cause::Rejected
        } else {
            Cause::Due
        }
    }

    pub(super) fn on_claimed(
        &mut self,
        cx: &Context<'_>,
        claiming: Claiming,
        reply: StoreReply,
    ) -> Vec<Command> {
        let repeated = claiming.is_repeated();
        match reply {
            StoreReply::Done(view) => self.claimed(cx, &claiming, &view),
            // An earlier copy of the claim may still be on its way, and would be executed once the row is at rest.
            StoreReply::Moved(_) if repeated && !mutant("copy_of_refused_claim_forgotten") => {
                self.settle(cx, claiming.ending(), None, After::CheckAgain)
            }
            StoreReply::Moved(_) => self.check_again(cx),
            StoreReply::Late if !repeated => self.check_again(cx),
            StoreReply::NotApplied if !repeated => self.store_away(cx, &StoreReply::NotApplied),
            StoreReply::UnreadableFormat => self.store_away(cx, &StoreReply::UnreadableFormat),
            StoreReply::Unknown | StoreReply::Late | StoreReply::NotApplied => {
                self.doubtful_claim(cx, claiming)
            }
        }
    }

    /// The claim may have been made. It is repeated under its id while there is time, then given up by its id.
    fn doubtful_claim(&mut self, cx: &Context<'_>, mut claiming: Claiming) -> Vec<Command> {
        if let Some(until) = claiming.next_try(cx) {
            self.phase = Phase::Claiming(Box::new(claiming));
            return vec![Command::Sleep { until, or_change: false }];
        }
        let (at, why) = (cx.now + MIN_COOLDOWN, Delay::StoreDown);
        if mutant("given_up_claim_left_behind") {
            return self.wait_or_leave(cx, at, why);
        }
        self.settle(cx, claiming.ending(), None, After::RetryAt { at, why })
    }

    pub(super) fn claim_again(&mut self, cx: &Context<'_>, claiming: Claiming) -> Vec<Command> {
        if self.draining {
            let after = After::RetryAt { at: cx.now, why: Delay::ShuttingDown };
            return self.settle(cx, claiming.ending(), None, after);
        }
        let claim = claiming.claim();
        self.phase = Phase::Claiming(Box::new(claiming));
        vec![Command::Claim(claim)]
    }

    fn claimed(&mut self, cx: &Context<'_>, claiming: &Claiming, view: &RowView) -> Vec<Command> {
        let Some(attempt) = claiming.acknowledged(cx, view) else { return self.check_again(cx) };
        let unsent = if self.draining {
            Some(After::RetryAt { at: cx.now, why: Delay::ShuttingDown })
        } else if !claiming.fits(cx, &attempt) {
            Some(After::RetryAt { at: cx.now + MIN_COOLDOWN, why: Delay::StoreDown })
        } else {
            None
        };
        match unsent {
            Some(after) => self.settle(cx, attempt.ending(false), None, after),
            None => self.exchange(attempt),
        }
    }
}

/// The bound for a number to mint, unless it is so far beyond the store's time that no store can have minted what it is
/// above: somebody wrote it there, and after it there would be no numbers left for this account.
fn plausible(fence: Option<Fence>, now: StoreTime) -> Option<Fence> {
    let latest = (now + FURTHEST).as_micros();
    fence.filter(|fence| fence.get() <= latest || mutant("fence_is_believed_whatever_it_is"))
}

/// Longer than any clock was wrong; still far from where scripts stop counting exactly.
const FURTHEST: Duration = Duration::from_secs(20 * 365 * 24 * 60 * 60);

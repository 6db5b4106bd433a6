//! Opening an attempt, and the one request it is for.

use std::time::Duration;

use super::{
    Command, Context, Delivery, Flight, Phase, RowView, StoreReply, settling::After, waiting::backoff,
};
use crate::{
    Cause, Claim, Delay, Evidence, Fingerprint, Generation, Moment, NewFacts, Open, Outcome, Row, Ruling,
    StoreTime, Verdict, mutant, verdict::Past,
};

/// A claim on its way.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Claiming {
    pub(super) claim: Claim,
    /// The process' time before the claim was first sent: its attempt's span counts from here.
    pub(super) sent_at: Moment,
    /// When the exchange must have ended although the attempt's span goes on: the end of a window of grace.
    by: Option<Moment>,
    strikes: u8,
    evidence: Option<Evidence>,
    held: Option<Fingerprint>,
    past: Past,
    store_now: StoreTime,
    tries: u8,
}

/// An attempt that is ours.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Own {
    pub(super) open: Open,
    /// The generation it was made from.
    pub(super) from: Generation,
    /// That generation's access token.
    pub(super) held: Option<Fingerprint>,
    /// When its span ends on the own, pessimistic clock.
    pub(super) deadline: Moment,
    /// A claim executed later than this is refused by the store.
    pub(super) not_after: StoreTime,
    /// Whether the store has confirmed the claim.
    pub(super) confirmed: bool,
    /// What was done with the refresh token before this attempt.
    pub(super) past: Past,
    /// The step of the cooldown ladder reached before.
    pub(super) strikes: u8,
    /// The provider has answered, and would not say more if it were asked again.
    pub(super) tried: bool,
    /// The interval to write should a success come of evidence.
    pub(super) evidence: Option<Duration>,
    /// Before the request was sent.
    pub(super) sent_at: Moment,
    /// The store's time when the claim was acknowledged, and the process' time after that.
    pub(super) store_clock: (StoreTime, Moment),
}

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
            fence: self.fence().max(
                Some(crate::Fence::new(self.knowledge.known.get() + 1))
                    .filter(|_| !mutant("claim_without_what_is_known")),
            ),
            span: cx.policy.span(),
            not_after: view.now + cx.now.since(view.asked) + cx.room_for_claim(),
            cause: self.cause(row),
            presents,
        };
        let claiming = Claiming {
            claim,
            sent_at: cx.now,
            by,
            strikes: row.current_verdict().map_or(0, |verdict| verdict.strikes),
            evidence: row.evidence,
            held: row.facts.map(|facts| facts.access),
            past: self.past(row, presents),
            store_now: view.now,
            tries: 0,
        };
        if mutant("claim_after_exchange") {
            let open = Open {
                id: claim.id,
                attempt: Generation::mint(row.minted, claim.fence, view.now),
                first: crate::First { attempt: Generation::ZERO, at: view.now },
                until: view.now + claim.span,
                cause: claim.cause,
            };
            self.phase = Phase::Exchanging(claiming.own(open, cx.now, view.now));
            return vec![Command::Exchange];
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
        match reply {
            StoreReply::Done(view) => self.claimed(cx, &claiming, &view),
            // An earlier copy of the claim may still be on its way, and would find its place once the row is at rest.
            StoreReply::Moved(_) if claiming.tries > 0 && !mutant("copy_of_refused_claim_forgotten") => {
                self.settle(cx, claiming.unconfirmed(), None, After::LookAgain)
            }
            StoreReply::Moved(_) => self.look_again(cx),
            StoreReply::Late if claiming.tries == 0 => self.look_again(cx),
            StoreReply::NotApplied if claiming.tries == 0 => self.store_away(cx, &StoreReply::NotApplied),
            StoreReply::UnreadableFormat => self.store_away(cx, &StoreReply::UnreadableFormat),
            StoreReply::Unknown | StoreReply::Late | StoreReply::NotApplied => {
                self.doubtful_claim(cx, claiming)
            }
        }
    }

    /// The claim may have been made. It is repeated under its id while there is room, then given up by its id.
    fn doubtful_claim(&mut self, cx: &Context<'_>, mut claiming: Claiming) -> Vec<Command> {
        let wake = cx.now + backoff(claiming.tries, CLAIM_RETRY, CLAIM_RETRY * 10, cx.jitter);
        claiming.tries = (claiming.tries + 1).min(super::waiting::MAX_STEPS);
        if wake < claiming.sent_at + cx.room_for_claim() {
            self.phase = Phase::Claiming(Box::new(claiming));
            return vec![Command::Sleep { until: wake, or_news: false }];
        }
        if mutant("given_up_claim_left_behind") {
            return self.wait_or_leave(cx, cx.now + MIN_COOLDOWN, Delay::StoreDown);
        }
        let own = claiming.unconfirmed();
        self.settle(cx, own, None, After::RetryAt { at: cx.now + MIN_COOLDOWN, why: Delay::StoreDown })
    }

    pub(super) fn claim_again(&mut self, cx: &Context<'_>, claiming: Claiming) -> Vec<Command> {
        if self.draining {
            let own = claiming.unconfirmed();
            return self.settle(cx, own, None, After::RetryAt { at: cx.now, why: Delay::ShuttingDown });
        }
        let claim = claiming.claim;
        self.phase = Phase::Claiming(Box::new(claiming));
        vec![Command::Claim(claim)]
    }

    fn claimed(&mut self, cx: &Context<'_>, claiming: &Claiming, view: &RowView) -> Vec<Command> {
        let open = view.row.as_ref().and_then(|row| row.open).filter(|open| open.id == claiming.claim.id);
        let Some(open) = open else { return self.look_again(cx) };
        let own = claiming.own(open, cx.now, view.now);
        if self.draining {
            return self.settle(cx, own, None, After::RetryAt { at: cx.now, why: Delay::ShuttingDown });
        }
        let by = claiming.by.map_or(own.deadline, |by| by.min(own.deadline));
        if !cx.fits(by) {
            return self.settle(
                cx,
                own,
                None,
                After::RetryAt { at: cx.now + MIN_COOLDOWN, why: Delay::StoreDown },
            );
        }
        self.phase = Phase::Exchanging(own);
        vec![Command::Exchange]
    }

    pub(super) fn on_exchanged(
        &mut self,
        cx: &Context<'_>,
        own: Own,
        outcome: Outcome<NewFacts>,
    ) -> Vec<Command> {
        let better_known = matches!(outcome, Outcome::NonceWanted | Outcome::OtherClient);
        let once_more = better_known && !self.nonce_tried;
        let own = Own { tried: outcome.is_answer() && !once_more, ..own };
        match outcome {
            Outcome::Success(facts) => self.record(cx, own, facts),
            Outcome::NotSent if mutant("unsent_attempt_left_open") => self.leave_in_doubt(cx, &own),
            Outcome::NotSent if mutant("unsent_attempt_told_to_all") => {
                self.refused(cx, own, None, Delay::Unreachable)
            }
            Outcome::NotSent => self.cool_down_alone(cx, own, Delay::Unreachable),
            Outcome::NonceWanted | Outcome::OtherClient if once_more => {
                self.nonce_tried = !mutant("nonce_for_ever");
                self.lacked_nonce = Some(own.from).filter(|_| own.past == Past::Untouched);
                self.settle(cx, own, None, After::LookAgain)
            }
            Outcome::NonceWanted => self.refused(cx, own, None, Delay::ProviderDown),
            Outcome::Withheld | Outcome::OurFault | Outcome::OtherClient => {
                self.cool_down_alone(cx, own, Delay::OurFault)
            }
            Outcome::Refused { retry_after, why } => self.refused(cx, own, retry_after, why),
            Outcome::Permanent(why) if mutant("refusal_is_final") => self.settle_log_in(cx, own, why),
            Outcome::Ambiguous if mutant("ambiguous_is_refused") => {
                self.refused(cx, own, None, Delay::ProviderDown)
            }
            Outcome::Ambiguous if mutant("request_sent_again") && !self.nonce_tried => {
                self.nonce_tried = true;
                self.phase = Phase::Exchanging(own);
                vec![Command::Exchange]
            }
            Outcome::Permanent(why) => self.load(cx, super::Then::Convict(own, why)),
            Outcome::Ambiguous => self.leave_in_doubt(cx, &own),
        }
    }

    /// Only this process is concerned: the attempt is settled, the door left so that others can try.
    fn cool_down_alone(&mut self, cx: &Context<'_>, own: Own, why: Delay) -> Vec<Command> {
        let until = self.cool_down(cx, own.from, why);
        self.settle(cx, own, None, After::RetryAt { at: until, why })
    }

    /// The next step of this process' own ladder; returns its end.
    pub(super) fn cool_down(
        &mut self,
        cx: &Context<'_>,
        generation: crate::Generation,
        why: Delay,
    ) -> Moment {
        let before = self.knowledge.local.filter(|hold| hold.generation == generation);
        let strikes = before.map_or(0, |hold| hold.strikes);
        let until = cx.now + cooldown(strikes, cx.jitter);
        let strikes = strikes.saturating_add(1);
        self.knowledge.local = Some(super::LocalHold { generation, until, why, strikes });
        until
    }

    fn refused(
        &mut self,
        cx: &Context<'_>,
        own: Own,
        retry_after: Option<Duration>,
        why: Delay,
    ) -> Vec<Command> {
        let span = retry_after.unwrap_or_else(|| cooldown(own.strikes, cx.jitter)).min(longest_pause());
        let verdict = Verdict {
            generation: own.from,
            ruling: Ruling::NotBefore { at: span, why },
            strikes: own.strikes.saturating_add(1),
        };
        let at = cx.now + span;
        self.settle(cx, own, Some(verdict), After::Verdict(verdict.map(|_| at)))
    }

    /// The attempt stays open: whoever comes after its `until` resolves it.
    pub(super) fn leave_in_doubt(&mut self, cx: &Context<'_>, own: &Own) -> Vec<Command> {
        self.leave_in_doubt_until(cx, own, cx.now)
    }

    /// As [`leave_in_doubt`](Self::leave_in_doubt), at least until `hold`.
    pub(super) fn leave_in_doubt_until(&mut self, cx: &Context<'_>, own: &Own, hold: Moment) -> Vec<Command> {
        let at = own.deadline.max(hold);
        let commands = self.leave_with(cx, super::judge::not_before(own.from, at, Delay::InDoubt));
        self.begin_vigil(cx.now + cx.pace());
        commands
    }
}

impl Claiming {
    pub(super) fn own(&self, open: Open, now: Moment, store_now: StoreTime) -> Own {
        Own {
            open,
            from: self.claim.from,
            held: self.held,
            deadline: if mutant("attempt_counts_from_the_reply") { now } else { self.sent_at }
                + self.claim.span,
            not_after: self.claim.not_after,
            confirmed: true,
            past: self.past,
            strikes: self.strikes,
            tried: false,
            evidence: (self.claim.cause == Cause::Rejected).then(|| self.next_interval()),
            sent_at: now,
            store_clock: (store_now, now),
        }
    }

    fn unconfirmed(&self) -> Own {
        let Claim { id, span, not_after, cause, .. } = self.claim;
        let attempt = Generation::ZERO;
        let first = crate::First { attempt, at: self.store_now };
        let until = self.store_now + span;
        let open = Open { id, attempt, first, until, cause };
        Own { confirmed: false, not_after, ..self.own(open, self.sent_at, self.store_now) }
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

impl Context<'_> {
    /// How much of an attempt's span the claim itself may use up.
    fn room_for_claim(&self) -> Duration {
        self.policy.span().saturating_sub(self.policy.exchange_timeout() + self.policy.answer_budget())
    }

    /// Whether an exchange and the writing of its answer still fit before `deadline`.
    pub(super) fn fits(&self, deadline: Moment) -> bool {
        mutant("deadline_ignores_attempt") || self.fits_at(self.now, deadline)
    }

    /// Whether they fit between `start` and `deadline`.
    pub(super) fn fits_at(&self, start: Moment, deadline: Moment) -> bool {
        start + self.policy.exchange_timeout() + self.policy.answer_budget() <= deadline
    }
}

fn longest_pause() -> Duration {
    if mutant("retry_after_is_believed") { Duration::MAX } else { crate::MAX_RETRY_AFTER }
}

/// 1 s doubling to 5 min, jittered.
pub(crate) fn cooldown(strikes: u8, jitter: u16) -> Duration {
    backoff(strikes, MIN_COOLDOWN, MAX_COOLDOWN, jitter).max(MIN_COOLDOWN)
}

const MIN_COOLDOWN: Duration = Duration::from_secs(1);
const MAX_COOLDOWN: Duration = Duration::from_secs(300);
const CLAIM_RETRY: Duration = Duration::from_millis(20);
const MIN_EVIDENCE_INTERVAL: Duration = Duration::from_secs(300);
const MAX_EVIDENCE_INTERVAL: Duration = Duration::from_secs(3600);

impl Own {
    /// The store's time at `now`, or somewhat before it: the claim's acknowledgement took time to arrive.
    pub(super) fn store_time(&self, now: Moment) -> StoreTime {
        let (store, then) = self.store_clock;
        store + now.since(then)
    }

    pub(super) fn delivery(&self) -> Delivery {
        Delivery::Token { generation: self.open.attempt, source: super::Source::Own }
    }
}

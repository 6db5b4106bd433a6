//! Doubt: an attempt past its `until`, without an answer.

use std::time::Duration;

use super::{AnswersView, Command, Context, Flight, RowView, knowledge::Subject};
use crate::{
    ASSUMED_LIFETIME, Cause, Facts, InDoubt, KEEP_ANSWERS, Moment, Open, Row, Spent, StoreTime, Window,
};

/// What to do about a doubt.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Resolution {
    /// Present the refresh token again, claimed; the exchange must have ended by then, where that matters.
    Present { by: Option<Moment> },
    /// Not before then.
    Wait(Moment),
    /// Present nothing; ask for a login.
    AskLogin,
}

const PRESENT: Resolution = Resolution::Present { by: None };

/// What a resolver can see.
struct Doubt<'a> {
    view: &'a RowView,
    facts: &'a Facts,
    replay: crate::Replay,
    /// When the first presentation may have happened; a store that went back cannot tell.
    first: Option<StoreTime>,
    /// The access token was rejected after the refresh token was claimed.
    rejected: bool,
    /// Somebody vouches that no answer is kept anywhere.
    definitely_none: bool,
}

impl Flight {
    pub(super) fn resolve_attempt(
        &mut self,
        cx: &Context<'_>,
        view: &RowView,
        row: &Row,
        facts: &Facts,
        open: &Open,
        answers: AnswersView,
    ) -> Resolution {
        let definitely_none = vouched_since(answers).is_some_and(|since| since <= open.first.at);
        self.keep_watch(cx, Subject::Attempt(open.id), definitely_none);
        let rejected = open.cause == Cause::Rejected || self.knowledge.is_rejected(row.generation);
        let first = Some(open.first.at);
        let doubt = Doubt { view, facts, replay: cx.policy.replay(), first, rejected, definitely_none };
        self.resolve(cx, &doubt)
    }

    /// The shelf or this process knows a newer generation than the store, and no answer is there to bring it back.
    pub(super) fn resolve_went_back(
        &mut self,
        cx: &Context<'_>,
        view: &RowView,
        row: &Row,
        facts: &Facts,
        answers: AnswersView,
    ) -> Vec<Command> {
        let in_flight = row.open.filter(|open| open.in_flight(view.now));
        if let Some(open) = in_flight {
            let at = view.moment_of(open.until);
            return self.act_on(cx, view, row, Resolution::Wait(at));
        }
        let definitely_none = vouched_since(answers).is_some();
        self.keep_watch(cx, Subject::WentBack(row.generation), definitely_none);
        let doubt = Doubt {
            view,
            facts,
            replay: cx.policy.replay().without_window(),
            first: None,
            rejected: self.knowledge.is_rejected(row.generation),
            definitely_none,
        };
        let resolution =
            if facts.refresh.is_some() { self.resolve(cx, &doubt) } else { Resolution::AskLogin };
        self.act_on(cx, view, row, resolution)
    }

    fn keep_watch(&mut self, cx: &Context<'_>, subject: Subject, readable: bool) {
        if readable {
            self.knowledge.observe(subject, cx.now, cx.policy.span());
        } else {
            self.knowledge.lose_sight();
        }
    }

    fn resolve(&self, cx: &Context<'_>, doubt: &Doubt<'_>) -> Resolution {
        match doubt.replay.window() {
            Window::Always => return PRESENT,
            Window::UntilUsed => return self.watched(cx, doubt).map_or(PRESENT, Resolution::Wait),
            Window::For(window) => {
                if let Some(resolution) = self.resolve_inside(cx, doubt, window) {
                    return resolution;
                }
            }
            Window::Closed => {}
        }
        if doubt.replay.spent() == Spent::RevokesFamily && !self.is_operator() {
            if cx.policy.in_doubt() == InDoubt::AskLogin {
                return self.before_asking(cx, doubt).map_or(Resolution::AskLogin, Resolution::Wait);
            }
            let nothing_left = doubt.nothing_left_to_lose(cx, self.spread);
            if let Some(at) = latest(nothing_left, self.watched(cx, doubt)) {
                return Resolution::Wait(at);
            }
            return PRESENT;
        }
        self.watched(cx, doubt).map_or(PRESENT, Resolution::Wait)
    }

    /// Until when nobody is asked to log in: the owner may still write its pair down, as it may before a presentation. A
    /// store that went back has no attempt to end; what is told then is judged anew with every look.
    fn before_asking(&self, cx: &Context<'_>, doubt: &Doubt<'_>) -> Option<Moment> {
        let nothing_to_watch = doubt.first.is_none() && doubt.definitely_none;
        self.watched(cx, doubt).filter(|_| !nothing_to_watch)
    }

    /// Inside a window of grace the retry must end inside it too; the watch is kept where it fits.
    fn resolve_inside(&self, cx: &Context<'_>, doubt: &Doubt<'_>, window: Duration) -> Option<Resolution> {
        let by = doubt.view.moment_of(doubt.first? + window);
        if !cx.fits(by) {
            return None;
        }
        match self.watched(cx, doubt) {
            Some(at) if cx.fits_at(at, by) => Some(Resolution::Wait(at)),
            Some(_) | None => Some(Resolution::Present { by: Some(by) }),
        }
    }

    /// Until when the watch has to go on; `None` when it is over. Without a definite "none" there is no watch: it is
    /// asked again later, at most until no answer could be kept any more.
    fn watched(&self, cx: &Context<'_>, doubt: &Doubt<'_>) -> Option<Moment> {
        if !doubt.definitely_none && !taken_for_none() {
            let kept_until = doubt.first.map(|first| first + KEEP_ANSWERS);
            let expired = kept_until.is_some_and(|until| doubt.view.now >= until);
            return (!expired).then(|| cx.now + cx.policy.span());
        }
        let until = self.knowledge.watched_until(cx.policy.span()).unwrap_or(cx.now);
        (until > cx.now).then_some(until)
    }
}

impl Doubt<'_> {
    /// When the grant's loss would cost nothing any more: the access token has expired or was rejected after the
    /// claim, or half of the refresh token's remaining life is gone, plus one skew. `None` when that is over.
    fn nothing_left_to_lose(&self, cx: &Context<'_>, spread: u64) -> Option<Moment> {
        let Self { view, facts, first, rejected, .. } = self;
        if *rejected {
            return None;
        }
        let expiry = facts.expires_at.unwrap_or(facts.made_at + ASSUMED_LIFETIME);
        let since = first.unwrap_or(facts.made_at);
        let half_life = facts.refresh_expires_at.map(|end| since + end.since(since) / 2);
        let skew = cx.policy.windows_spread(facts.lifetime(), spread).skew;
        let at = half_life.map_or(expiry, |half| half.min(expiry)) + skew;
        (at > view.now).then(|| view.moment_of(at))
    }
}

fn latest(one: Option<Moment>, other: Option<Moment>) -> Option<Moment> {
    one.max(other)
}

/// Since when the place of answers vouches for what is missing; `None`: it cannot be read.
fn vouched_since(answers: AnswersView) -> Option<StoreTime> {
    match answers {
        AnswersView::Read { kept_since, .. } => Some(kept_since),
        AnswersView::Unreadable => None,
    }
}

const fn taken_for_none() -> bool {
    cfg!(solekey_mutant = "unreadable_as_empty")
}

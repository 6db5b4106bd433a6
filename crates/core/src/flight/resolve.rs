//! Doubt: an attempt past its `until`, without an answer.

use std::time::Duration;

use super::{
    Context, Flight,
    command::Command,
    decide::unread_of,
    event::{AnswersView, RowView},
    knowledge::Subject,
};
use crate::{
    Cause, Facts, InDoubt, KEEP_ANSWERS, Moment, Open, Revocation, Row, Spent, StoreTime, Window, mutant,
};

/// The way to resolve a doubt.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Resolution {
    /// Present the refresh token again, claimed; the exchange must have ended by then, where that matters.
    Present { by: Option<Moment> },
    /// Not before then.
    Wait(Moment),
    /// Present nothing; ask for a login.
    AskLogin(Revocation),
}

const PRESENT: Resolution = Resolution::Present { by: None };

/// A doubt as a resolver sees it.
struct Doubt<'a> {
    view: &'a RowView,
    facts: &'a Facts,
    replay: crate::Replay,
    /// The time from which on the first presentation may have happened; a store that went back does not know it.
    first: Option<StoreTime>,
    /// The access token was rejected after the refresh token was claimed.
    rejected: bool,
    /// The location of the answers vouches that no answer is kept anywhere.
    definitely_none: bool,
    /// An answer is kept that nobody has understood.
    unread: bool,
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
        let definitely_none = vouched_since(answers)
            .is_some_and(|since| since <= open.first.at || mutant("empty_location_is_believed"));
        // The clock may have stepped forward, and the owner be alive: the watch is by this process' own.
        let none_kept = none_kept(open.first.at, view.now) && !mutant("week_is_taken_from_the_stores_clock");
        self.continue_watch(cx, Subject::Attempt(open.id), definitely_none || none_kept);
        let rejected = open.cause == Cause::Rejected || self.knowledge.is_rejected(row.generation);
        let last = open.until - cx.policy.span();
        let first = Some(if mutant("grace_runs_from_the_last_attempt") { last } else { open.first.at });
        // Nobody knows when the first presentation was that the store has forgotten.
        let keeps = !open.first.is_forgotten() || mutant("forgotten_attempt_has_a_window");
        let replay = if keeps { cx.policy.replay() } else { cx.policy.replay().without_window() };
        let unread = unread_of(cx, row, answers);
        // Its request is over: there is nothing to watch.
        if self.is_operator() && unread.is_some_and(|note| note.claim == open.id) {
            return PRESENT;
        }
        let unread = unread.is_some();
        let doubt = Doubt { view, facts, replay, first, rejected, definitely_none, unread };
        self.resolve(cx, &doubt)
    }

    /// The shared cache or this process knows a newer generation than the store, and no answer is there to bring it
    /// back.
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
        self.continue_watch(cx, Subject::WentBack(row.generation), definitely_none);
        let replay = cx.policy.replay();
        let keeps = mutant("store_that_went_back_keeps_its_window");
        let replay = if keeps { replay } else { replay.without_window() };
        let doubt = Doubt {
            view,
            facts,
            replay,
            first: None,
            rejected: self.knowledge.is_rejected(row.generation),
            definitely_none,
            unread: unread_of(cx, row, answers).is_some(),
        };
        let resolution = if facts.refresh.is_some() {
            self.resolve(cx, &doubt)
        } else {
            Resolution::AskLogin(Revocation::InDoubt)
        };
        self.act_on(cx, view, row, resolution)
    }

    fn continue_watch(&mut self, cx: &Context<'_>, subject: Subject, readable: bool) {
        if readable || mutant("watch_goes_on_unseeing") {
            self.knowledge.observe(subject, cx.now, cx.policy.span());
        } else {
            self.knowledge.lose_sight();
        }
    }

    fn resolve(&self, cx: &Context<'_>, doubt: &Doubt<'_>) -> Resolution {
        if doubt.unread && !self.is_operator() {
            let ask = Resolution::AskLogin(Revocation::AnswerUnread);
            return self.before_asking(cx, doubt).map_or(ask, Resolution::Wait);
        }
        let watched = latest(self.watched(cx, doubt), self.reading(cx));
        match doubt.replay.window() {
            Window::Always => return PRESENT,
            Window::For(_) if mutant("grace_never_ends") => return PRESENT,
            Window::UntilUsed => return watched.map_or(PRESENT, Resolution::Wait),
            Window::For(window) => {
                if let Some(resolution) = self.resolve_inside(cx, doubt, window) {
                    return resolution;
                }
            }
            Window::Closed => {}
        }
        if doubt.replay.spent() == Spent::RevokesFamily && !self.is_operator() {
            if cx.policy.in_doubt() == InDoubt::AskLogin || mutant("login_is_always_requested") {
                let ask = Resolution::AskLogin(Revocation::InDoubt);
                return self.before_asking(cx, doubt).map_or(ask, Resolution::Wait);
            }
            let nothing_left = doubt.nothing_left_to_lose(cx, self.spread);
            let nothing_left = nothing_left.filter(|_| !mutant("family_is_risked_at_once"));
            return latest(nothing_left, watched).map_or(PRESENT, Resolution::Wait);
        }
        watched.map_or(PRESENT, Resolution::Wait)
    }

    /// Returns the instant at which to see if a reading of this process has ended: the pair may arrive here, and is not put
    /// at risk by a presentation from here. It may end long before its time is over.
    fn reading(&self, cx: &Context<'_>) -> Option<Moment> {
        let end = self.reading_ends(cx)?;
        Some(end.min(cx.now + cx.check_interval()))
    }

    fn reading_ends(&self, cx: &Context<'_>) -> Option<Moment> {
        let end = self.knowledge.reading.filter(|end| *end > cx.now);
        end.filter(|_| !mutant("recheck_presents_during_its_own_reading"))
    }

    /// Returns the end of the time in which nobody is asked to log in: the owner may still write its pair down, as it
    /// may before a presentation. A store that went back has no attempt to end; there the decision is made anew with
    /// every check.
    fn before_asking(&self, cx: &Context<'_>, doubt: &Doubt<'_>) -> Option<Moment> {
        let nothing_to_watch = doubt.first.is_none() && doubt.definitely_none;
        latest(self.watched(cx, doubt).filter(|_| !nothing_to_watch), self.reading(cx))
    }

    /// Inside a window of grace the retry must end inside it too; the watch is kept where it fits, and where it does the end
    /// of the own reading, too.
    fn resolve_inside(&self, cx: &Context<'_>, doubt: &Doubt<'_>, window: Duration) -> Option<Resolution> {
        let by = doubt.view.moment_of(doubt.first? + window);
        let fits = cx.fits(by) || mutant("grace_retry_ends_outside") && cx.now < by;
        if !fits {
            return None;
        }
        let reading = self.reading_ends(cx).filter(|end| cx.fits_at(*end, by)).and(self.reading(cx));
        match latest(self.watched(cx, doubt), reading) {
            Some(at) if cx.fits_at(at, by) => Some(Resolution::Wait(at)),
            Some(_) | None if mutant("grace_retry_ends_outside") => Some(PRESENT),
            Some(_) | None => Some(Resolution::Present { by: Some(by) }),
        }
    }

    /// Returns the end of the watch; `None` when it is over. Without a definite "none" there is no watch: the answers
    /// are read again later, at most until none could be kept any more.
    fn watched(&self, cx: &Context<'_>, doubt: &Doubt<'_>) -> Option<Moment> {
        let none_kept = doubt.first.is_some_and(|first| none_kept(first, doubt.view.now));
        if !doubt.definitely_none && !none_kept && !mutant("unreadable_as_empty") {
            return Some(cx.now + cx.policy.span());
        }
        if none_kept && !doubt.definitely_none && mutant("week_is_taken_from_the_stores_clock") {
            return None;
        }
        if mutant("doubt_is_not_watched") {
            return None;
        }
        let until = self.knowledge.watched_until(cx.policy.span()).unwrap_or(cx.now);
        (until > cx.now).then_some(until)
    }
}

impl Doubt<'_> {
    /// Returns the instant at which the grant's loss would cost nothing any more: the access token has expired or was
    /// rejected after the claim, or half of the refresh token's remaining life is gone, plus one skew. `None` when
    /// that is over.
    fn nothing_left_to_lose(&self, cx: &Context<'_>, spread: u64) -> Option<Moment> {
        let Self { view, facts, first, rejected, .. } = self;
        if *rejected && !mutant("rejected_token_counts_as_life") {
            return None;
        }
        let expiry = facts.expires_at.unwrap_or(facts.made_at + cx.policy.assumed_lifetime());
        let since = first.unwrap_or(facts.made_at);
        let refresh_end =
            cx.policy.refresh_ends(facts).filter(|_| !mutant("refresh_token_outlived_by_waiting"));
        let half_life = refresh_end.map(|end| since + end.since(since) / 2);
        let skew = cx.policy.windows_spread(facts.lifetime(), spread).skew;
        let at = half_life.map_or(expiry, |half| half.min(expiry)) + skew;
        (at > view.now).then(|| view.moment_of(at))
    }
}

fn latest(one: Option<Moment>, other: Option<Moment>) -> Option<Moment> {
    one.max(other)
}

/// Returns true once no answer of an attempt could be kept any more, by the store's clock.
fn none_kept(first: StoreTime, now: StoreTime) -> bool {
    now >= first + KEEP_ANSWERS
}

/// Returns the instant since which the location of the answers vouches for what is missing; `None`: it cannot be read.
fn vouched_since(answers: AnswersView) -> Option<StoreTime> {
    match answers {
        AnswersView::Read { kept_since, .. } => Some(kept_since),
        AnswersView::Unreadable => None,
    }
}

//! The events that must never happen, checked at every step.

use std::fmt::Write;

use solekey_core::{
    Cause, Claim, Decision, Delay, Facts, InDoubt, Open, Refusal, Remaining, Revocation, Row, StoreTime,
    Verdict,
    flight::{Command, Event},
};

use super::{
    provider::{Reply, Rule, Token},
    scene::{Scene, token_of},
    worker::{How, Request},
    world::{Server, World},
};

/// The violation, if there was one, and the story of the execution, if somebody reads it.
pub(crate) struct Log {
    pub(crate) violation: Option<&'static str>,
    /// The story so far; `None` while nobody reads.
    pub(crate) story: Option<String>,
    /// The rule of the provider, which the checks have to know.
    rule: Rule,
    /// And of the policy.
    in_doubt: InDoubt,
}

impl Log {
    pub(crate) fn new(scene: &Scene) -> Self {
        Self { violation: None, story: None, rule: scene.rule, in_doubt: scene.policy.in_doubt() }
    }

    pub(crate) fn with_story(scene: &Scene) -> Self {
        Self { story: Some(String::new()), ..Self::new(scene) }
    }

    pub(crate) fn violated(&mut self, what: &'static str) {
        self.violation.get_or_insert(what);
        self.line(|| format!("        !!! {what}"));
    }

    pub(crate) fn line(&mut self, line: impl FnOnce() -> String) {
        if let Some(story) = &mut self.story {
            writeln!(story, "{}", line()).expect("strings take writes");
        }
    }

    pub(crate) fn event(&mut self, w: usize, event: &Event) {
        // Rows were shown when they changed.
        let shown = |event: String| {
            event.split_once("RowView").map_or(event.clone(), |(what, _)| format!("{what}row"))
        };
        self.line(|| format!("        {} hears {}", name(w), shown(format!("{event:?}"))));
    }

    pub(crate) fn commands(&mut self, w: usize, commands: &[Command]) {
        self.line(|| format!("        {} wants {commands:?}", name(w)));
    }

    pub(crate) fn performs(&mut self, w: usize, command: &Command, how: How) {
        self.line(|| format!("        {} performs {command:?}: {how:?}", name(w)));
    }

    pub(crate) fn row(&mut self, row: &Row, result: Result<(), Refusal>) {
        self.line(|| {
            let token = row.facts.and_then(|facts| facts.refresh).map(token_of);
            let open = row.open.map(|open| (open.id, open.until));
            format!(
                "        row: {result:?} {:?} token {token:?} open {open:?} {:?}",
                row.generation, row.verdict
            )
        });
    }
}

pub(crate) fn name(w: usize) -> char {
    char::from(b'A' + u8::try_from(w).unwrap_or(25))
}

/// Returns the time at which a family has nothing left to lose: its access token has ended, or half of what was left to
/// its refresh token when it was first presented.
pub(crate) fn nothing_left(facts: &Facts, open: Option<Open>) -> Option<StoreTime> {
    let first = open.map(|open| open.first.at);
    let half = facts.refresh_expires_at.zip(first).map(|(end, first)| first + end.since(first) / 2);
    facts.expires_at.map(|end| half.map_or(end, |half| half.min(end)))
}

impl World {
    /// A request is about to leave.
    pub(crate) fn check_sent(&self, request: Request, log: &mut Log) {
        if self.requests().any(|other| other.token == request.token) {
            log.violated("two requests with one refresh token are in flight at once");
        }
    }

    /// A request of `w` is about to leave, while an answer to an earlier one may still arrive in the same process.
    pub(crate) fn check_reading(&self, w: usize, log: &mut Log) {
        let harmful = matches!(log.rule, Rule::Strict | Rule::StrictFamily);
        if harmful && self.workers[w].late.is_some() {
            log.violated("a process presented a token during its own reading");
        }
    }

    /// The endpoint has processed a request; `before` is the world just before that.
    pub(crate) fn check_presented(before: &Self, request: Request, reply: Reply, log: &mut Log) {
        let rule = log.rule;
        let Request { token, is_plain, cause, .. } = request;
        let spent = before.provider.is_spent(token);
        if spent && is_plain && !before.went_back {
            log.violated("a plain claim presented a spent token");
        }
        let family = before.provider.family(token);
        if before.family != Some(family) {
            return;
        }
        let harmful = reply == Reply::Revoked || (rule == Rule::Strict && spent);
        // An answer that nobody could write down before its attempt's `until` is not covered.
        if harmful
            && !before.came_late
            && let Some(place) = before.living_pair(rule)
        {
            log.violated(place);
        }
        let clock_kept_its_word = before.step == 0 && !before.went_back;
        if reply == Reply::Revoked && spent && cause == Cause::Due && clock_kept_its_word {
            let valid = before
                .row
                .facts
                .and_then(|facts| nothing_left(&facts, before.row.open))
                .is_some_and(|end| end > before.store_now());
            if valid && before.row_token() == Some(token) {
                log.violated("a family was revoked while its access token was valid");
            }
        }
    }

    /// Returns the violation if a usable pair of the family is still in the row, in the answers or in a process.
    fn living_pair(&self, rule: Rule) -> Option<&'static str> {
        if self.row_token().is_some_and(|token| self.counts(rule, token)) {
            return Some("a spent token was presented while a pair lived in the row");
        }
        if self.answers_hold(rule) {
            return Some("a spent token was presented while a pair lived in the answers");
        }
        if self.held().any(|token| self.counts(rule, token)) {
            return Some("a spent token was presented while a process held a living pair");
        }
        None
    }

    /// Returns whether a healed world must end up with a usable account.
    pub(crate) fn has_living_pair(&self, rule: Rule) -> bool {
        self.living_pair(rule).is_some()
    }

    /// A claim was executed by a process that saw this verdict. One written since then is not seen: a claim does not
    /// name it.
    pub(crate) fn check_claimed(
        &self,
        before: &Row,
        claim: &Claim,
        saw: Option<Verdict<StoreTime>>,
        log: &mut Log,
    ) {
        let open = |row: &Row| row.open.map(|open| open.id);
        if open(&self.row) != Some(claim.id) || open(before) == Some(claim.id) || self.step != 0 {
            return;
        }
        let now = self.store_now();
        let person = claim.cause == Cause::Operator;
        let stands = before.current_verdict().filter(|verdict| saw == Some(*verdict));
        let forbids = stands.is_some_and(|verdict| match verdict.decision {
            Decision::NotBefore { at, why } => at > now && (why == Delay::InFlight || !person),
            Decision::LogIn { .. } => !person,
        });
        if forbids {
            log.violated("a refresh token was claimed although a verdict forbids it");
        }
        let about_the_resource = before.evidence.is_some_and(|last| now < last.at + last.interval);
        let valid = before
            .facts
            .is_some_and(|facts| !Remaining::of(&facts, now, solekey_core::ASSUMED_LIFETIME).valid.is_zero());
        if claim.cause == Cause::Rejected && about_the_resource && valid {
            log.violated("a resource that refuses also the token made for it was given another one");
        }
    }

    fn is_claimed(&self, before: &Row, claim: &Claim) -> bool {
        let open = |row: &Row| row.open.map(|open| open.id);
        open(&self.row) == Some(claim.id) && open(before) != Some(claim.id)
    }

    /// A claim was executed by a process that saw an answer nobody has understood, or not.
    pub(crate) fn check_unread(&self, before: &Row, claim: &Claim, saw: bool, log: &mut Log) {
        let forgives = matches!(log.rule, Rule::NonRotating | Rule::UntilUsed);
        if saw && !forgives && claim.cause != Cause::Operator && self.is_claimed(before, claim) {
            log.violated("a refresh token was claimed over an answer that nobody has understood");
        }
    }

    /// A commit was executed.
    pub(crate) fn check_replaced(&self, before: &Row, log: &mut Log) {
        if self.row.generation == before.generation {
            return;
        }
        if self.row.generation < before.generation {
            log.violated("the row's generation went down");
        }
        let family = self.row_token().map(|token| self.provider.family(token));
        if family != self.family && !self.went_back {
            log.violated("a foreign family, or a deleted account, came into the row");
        }
        let rule = log.rule;
        let lives = |token| self.counts(rule, token);
        let lived = before.facts.and_then(|facts| facts.refresh).map(token_of).is_some_and(lives);
        if lived && !self.row_token().is_some_and(lives) {
            log.violated("a dead token replaced a living one in the row");
        }
    }

    /// A verdict was written by a settling of `w`.
    pub(crate) fn check_verdict(&self, w: usize, log: &mut Log) {
        let Some(Decision::LogIn { why }) = self.row.current_verdict().map(|verdict| verdict.decision) else {
            return;
        };
        let rule = log.rule;
        if why == Revocation::InDoubt && log.in_doubt != InDoubt::AskLogin {
            log.violated("LogIn was decided for a doubt although no policy asks for it");
        }
        if why == Revocation::RotatedElsewhere && !self.went_back {
            log.violated("LogIn was blamed on somebody else, and there is nobody else");
        }
        if self.row_token().is_some_and(|token| self.counts(rule, token)) {
            log.violated("LogIn was decided over a living pair in the row");
        }
        // An answer written between the read that confirmed the revocation and the verdict is not seen: no store can
        // make the two one.
        if self.workers[w].saw_pair && self.answers_held(rule) {
            log.violated("LogIn was decided over a living pair in the answers");
        }
        let could_write = self
            .workers
            .iter()
            .filter(|worker| self.store_of(worker) == Server::Up || self.place_of(worker) == Server::Up);
        let mut held = could_write.filter_map(|worker| worker.holds);
        if !self.came_late && held.any(|token| self.counts(rule, token)) {
            log.violated("LogIn was decided over a living pair in a process");
        }
    }

    pub(crate) fn answers_hold(&self, rule: Rule) -> bool {
        self.answers
            .iter()
            .filter_map(|written| written.note.content.facts()?.refresh)
            .any(|refresh| self.counts(rule, token_of(refresh)))
    }

    /// Returns whether a pair that lives is in the answers, or was there before their location lost it and will come
    /// back from the process that holds it.
    pub(crate) fn answers_held(&self, rule: Rule) -> bool {
        let mut forgotten = self.held().filter(|token| self.forgotten.contains(token));
        self.answers_hold(rule) || forgotten.any(|token| self.counts(rule, token))
    }

    fn held(&self) -> impl Iterator<Item = Token> {
        self.workers.iter().filter_map(|worker| worker.holds)
    }

    fn counts(&self, rule: Rule, token: Token) -> bool {
        Some(self.provider.family(token)) == self.family && self.provider.lives(rule, token)
    }
}

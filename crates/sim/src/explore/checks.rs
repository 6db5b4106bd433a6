//! What must never happen, looked at with every step.

use std::fmt::Write;

use solekey_core::{
    Cause, Refusal, Row, Ruling,
    flight::{Command, Event},
};

use super::{
    provider::{Reply, Rule, Token},
    scene::{Scene, token_of},
    worker::{How, Request},
    world::{Place, World},
};

/// What went wrong, and, when somebody reads along, what happened.
pub(crate) struct Log {
    pub(crate) violation: Option<&'static str>,
    /// The story so far; `None` while nobody reads.
    pub(crate) story: Option<String>,
    /// What the checks have to know of the provider.
    rule: Rule,
}

impl Log {
    pub(crate) fn new(scene: &Scene) -> Self {
        Self { violation: None, story: None, rule: scene.rule }
    }

    pub(crate) fn told(scene: &Scene) -> Self {
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
        let told = |event: String| {
            event.split_once("RowView").map_or(event.clone(), |(what, _)| format!("{what}row"))
        };
        self.line(|| format!("        {} hears {}", name(w), told(format!("{event:?}"))));
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

impl World {
    /// A request is about to leave.
    pub(crate) fn check_sent(&self, request: Request, log: &mut Log) {
        if self.requests().any(|other| other.token == request.token) {
            log.violated("two requests with one refresh token are in flight at once");
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
        if harmful && let Some(place) = before.living_pair(rule) {
            log.violated(place);
        }
        let clock_kept_its_word = before.step == 0 && !before.went_back;
        if reply == Reply::Revoked && spent && cause == Cause::Due && clock_kept_its_word {
            let valid = before
                .row
                .facts
                .and_then(|facts| facts.expires_at)
                .is_some_and(|end| end > before.store_now());
            if valid && before.row_token() == Some(token) {
                log.violated("a family was revoked while its access token was valid");
            }
        }
    }

    /// Where a pair of the family lives that we could still use.
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

    /// Whether a healed world must end up with a usable account.
    pub(crate) fn has_living_pair(&self, rule: Rule) -> bool {
        self.living_pair(rule).is_some()
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
        let Some(Ruling::LogIn { .. }) = self.row.current_verdict().map(|verdict| verdict.ruling) else {
            return;
        };
        let rule = log.rule;
        if self.row_token().is_some_and(|token| self.counts(rule, token)) {
            log.violated("LogIn was ruled over a living pair in the row");
        }
        // An answer written between the convicting look and the verdict is not seen: no store can make the two one.
        if self.workers[w].saw_pair && self.answers_hold(rule) {
            log.violated("LogIn was ruled over a living pair in the answers");
        }
        let can_write = self.store == Place::Up || self.place == Place::Up;
        if can_write && self.held().any(|token| self.counts(rule, token)) {
            log.violated("LogIn was ruled over a living pair in a process");
        }
    }

    pub(crate) fn answers_hold(&self, rule: Rule) -> bool {
        self.answers
            .iter()
            .filter_map(|written| written.note.content.facts()?.refresh)
            .any(|refresh| self.counts(rule, token_of(refresh)))
    }

    fn held(&self) -> impl Iterator<Item = Token> {
        self.workers.iter().filter_map(|worker| worker.holds)
    }

    fn counts(&self, rule: Rule, token: Token) -> bool {
        Some(self.provider.family(token)) == self.family && self.provider.lives(rule, token)
    }
}

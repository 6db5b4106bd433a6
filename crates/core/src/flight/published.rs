//! The verdicts that everyone has been notified of, as far as a flight knows.

use std::hash::{Hash, Hasher};

use crate::{Decision, Moment, Verdict};

/// The verdicts that everyone has been notified of, as far as a flight knows.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct LastPublished {
    /// The one in the shared cache.
    pub(super) shared_cache: Option<Verdict<Moment>>,
    /// The delay that this flight published last.
    own: Option<Verdict<Moment>>,
}

impl LastPublished {
    /// Records that this verdict is in the shared cache from now on. Returns true if it has to be published for that: an
    /// equal one that still holds is there already, or this flight published it before.
    pub(super) fn replace(&mut self, verdict: Verdict<Moment>, now: Moment) -> bool {
        let known = self.has(&verdict, now);
        self.shared_cache = Some(verdict);
        if !known {
            self.own = Some(verdict).filter(|verdict| matches!(verdict.decision, Decision::NotBefore { .. }));
        }
        !known
    }

    fn has(&self, verdict: &Verdict<Moment>, now: Moment) -> bool {
        let known = [self.shared_cache, self.own];
        known.into_iter().flatten().any(|published| is_repeated(&published, verdict, now))
    }
}

/// Only notifications depend on it, which are hints: worlds that differ in nothing else are explored as one.
impl Hash for LastPublished {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}

/// Returns true if `verdict` repeats what was published, and that has not ended.
fn is_repeated(published: &Verdict<Moment>, verdict: &Verdict<Moment>, now: Moment) -> bool {
    let same = published.generation == verdict.generation;
    match (published.decision, verdict.decision) {
        (Decision::LogIn { why: before }, Decision::LogIn { why }) => same && before == why,
        (Decision::NotBefore { at, why: before }, Decision::NotBefore { why, .. }) => {
            same && before == why && at > now
        }
        _ => false,
    }
}

//! 30. Whatever a provider asks for, an account is tried again after an hour at most.

use std::time::Duration;

use solekey_core::{Decision, MAX_RETRY_AFTER};

use crate::{
    fleet::{Event, History, Setup, Shown, What},
    invariants::{Finder, Violation},
};

pub(crate) fn check(_: &Setup, history: &History) -> Vec<Violation> {
    let mut finder = Finder::new(30);
    for Event { at, what, .. } in &history.events {
        let What::Changed(changed) = what else { continue };
        let verdict = changed.after.as_ref().and_then(|row| row.verdict);
        // A commit leaves the `until` of another's attempt.
        let settled = matches!(changed.shown, Shown::Settle(_)) && changed.before != changed.after;
        if let Some(Decision::NotBefore { at: end, .. }) = verdict.map(|verdict| verdict.decision)
            && settled
            && end.since(changed.now) > MAX_RETRY_AFTER + BREATH
        {
            let wait = end.since(changed.now);
            finder.found(*at, format!("{}: is not tried again for {wait:?}", changed.account.id()));
        }
    }
    finder.all()
}

const BREATH: Duration = Duration::from_millis(50);

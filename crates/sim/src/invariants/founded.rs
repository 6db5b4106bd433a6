//! 40. A verdict says that the grant is refused only where the provider refused a token of this login.

use std::collections::{BTreeMap, BTreeSet};

use solekey_core::{Decision, Revocation, Row};

use crate::{
    fleet::{Event, History, Setup, Shown, What},
    invariants::{Finder, Violation},
};

pub(crate) fn check(_: &Setup, history: &History) -> Vec<Violation> {
    let mut finder = Finder::new(40);
    let mut sent = BTreeMap::new();
    let mut refused = BTreeSet::new();
    for Event { at, what, .. } in &history.events {
        match what {
            What::Sent(request) => drop(sent.insert(request.number, request.account.clone())),
            What::Processed { request, seen, .. } if !seen.is_pair() => {
                refused.extend(sent.get(request).cloned());
            }
            What::Changed(changed) => {
                let decided = !is_refused(changed.before.as_ref()) && is_refused(changed.after.as_ref());
                if decided && !refused.contains(&changed.account) {
                    finder.found(*at, format!("{}: nobody refused its grant", changed.account.id()));
                }
                if matches!(changed.shown, Shown::Login(_)) && changed.before != changed.after {
                    refused.remove(&changed.account);
                }
            }
            _ => {}
        }
    }
    finder.all()
}

fn is_refused(row: Option<&Row>) -> bool {
    let verdict = row.and_then(Row::current_verdict);
    let response = |why| matches!(why, Revocation::Refused | Revocation::Reused | Revocation::AnswerLost);
    verdict.is_some_and(|verdict| matches!(verdict.decision, Decision::LogIn { why } if response(why)))
}

//! 40. That the grant is refused is ruled only where the provider refused a token of this login.

use std::collections::{BTreeMap, BTreeSet};

use solekey_core::{Revocation, Row, Ruling};

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
                let ruled = !is_refused(changed.before.as_ref()) && is_refused(changed.after.as_ref());
                if ruled && !refused.contains(&changed.account) {
                    finder.found(*at, format!("{}: nobody refused its grant", changed.account.id()));
                }
                if matches!(changed.shown, Shown::Login(_)) {
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
    let said = |why| matches!(why, Revocation::Refused | Revocation::Reused | Revocation::AnswerLost);
    verdict.is_some_and(|verdict| matches!(verdict.ruling, Ruling::LogIn { why } if said(why)))
}

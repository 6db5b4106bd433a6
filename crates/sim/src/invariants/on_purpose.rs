//! 20. A spent token is presented on purpose only, by a claim over a doubt; and no grant is called ended, because of
//!     what a provider answered, whose refresh token works.

use std::collections::{BTreeMap, BTreeSet};

use solekey_core::{Cause, Decision, Revocation};

use crate::{
    fleet::{Changed, Event, History, Request, Seen, Setup, Shown, What},
    invariants::{Finder, Violation, exceptions::Exceptions},
};

pub(crate) fn check(_: &Setup, history: &History) -> Vec<Violation> {
    let mut finder = Finder::new(20);
    let mut exceptions = Exceptions::default();
    let mut plain = BTreeSet::new();
    // A person may present what a policy would rather have replaced; what they meet replaces the verdict.
    let mut operated = BTreeSet::new();
    let mut sent: BTreeMap<usize, &Request> = BTreeMap::new();
    for event in &history.events {
        exceptions.see(event);
        let Event { at, what, .. } = event;
        match what {
            What::Changed(changed) => {
                let open = changed.after.as_ref().and_then(|row| row.open);
                if matches!(changed.shown, Shown::Claim(claim) if claim.cause == Cause::Operator) {
                    operated.insert(changed.account.clone());
                }
                if let (Shown::Claim(claim), Some(open)) = (changed.shown, open)
                    && claim.seen.is_none()
                    && !operated.contains(&changed.account)
                    && open.id == claim.id
                {
                    plain.insert((changed.account.clone(), open.attempt));
                }
                if ended_by_mistake(changed) {
                    finder.found(*at, format!("{}: called ended, and works", changed.account.id()));
                }
            }
            What::Sent(request) => drop(sent.insert(request.number, request)),
            What::Processed { request, seen: Seen::Spent | Seen::Burned | Seen::Replayed, .. } => {
                let Some(Request { account, attempt: Some(attempt), number, .. }) = sent.get(request) else {
                    continue;
                };
                let excepted = exceptions.went_back || exceptions.accepted_spent(account);
                if plain.contains(&(account.clone(), *attempt)) && !excepted {
                    let what = format!("{}: request {number} spent a token again unawares", account.id());
                    finder.found(*at, what);
                }
            }
            _ => {}
        }
    }
    finder.all()
}

fn ended_by_mistake(changed: &Changed) -> bool {
    let Changed { shown: Shown::Settle(settle), before, after, works, .. } = changed else { return false };
    let excepted = [Revocation::InDoubt, Revocation::AnswerUnread];
    let response = settle.verdict.is_some_and(
        |verdict| matches!(verdict.decision, Decision::LogIn { why } if !excepted.contains(&why)),
    );
    response && before != after && *works == Some(true)
}

//! 3. No request leaves unless the whole exchange and the writing of its answer fit before the attempt's `until`.

use std::collections::BTreeMap;

use crate::{
    fleet::{Event, History, Request, Setup, Shown, What},
    invariants::{Finder, Violation},
};

pub(crate) fn check(setup: &Setup, history: &History) -> Vec<Violation> {
    let mut finder = Finder::new(3);
    let policy = setup.policy();
    let mut untils = BTreeMap::new();
    for Event { at, what, .. } in &history.events {
        match what {
            What::Changed(changed) => {
                let open = changed.after.as_ref().and_then(|row| row.open);
                if let (Shown::Claim(_), Some(open)) = (changed.shown, open)
                    && changed.before != changed.after
                {
                    untils.insert((changed.account.clone(), open.attempt), *at + policy.span());
                }
            }
            What::Sent(Request { number, account, attempt: Some(attempt), timeout, .. }) => {
                let needs = *timeout + policy.answer_budget();
                let until = untils.get(&(account.clone(), *attempt));
                if until.is_some_and(|until| *at + needs > *until) {
                    finder.found(*at, format!("request {number} left too late: its until is {until:?}"));
                }
            }
            _ => {}
        }
    }
    finder.all()
}

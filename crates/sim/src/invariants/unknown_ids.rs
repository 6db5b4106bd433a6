//! 28. An account that was never logged in costs no lease, no attempt and no entry in the shared cache, and its callers
//!     never get a token.

use std::collections::BTreeSet;

use crate::{
    fleet::{Delivered, Event, History, Setup, What},
    invariants::{Finder, Violation},
};

pub(crate) fn check(_: &Setup, history: &History) -> Vec<Violation> {
    let mut finder = Finder::new(28);
    let mut born = BTreeSet::new();
    for Event { at, what, .. } in &history.events {
        let (account, what) = match what {
            What::Changed(changed) if changed.before == changed.after => continue,
            What::Changed(changed) => {
                if changed.after.is_some() {
                    born.insert(changed.account.clone());
                }
                (&changed.account, "changed")
            }
            What::Granted { account, .. } => (account, "leased"),
            What::Published { account, .. } => (account, "published"),
            What::Answered { account, answer: Delivered::Token(_), .. } => (account, "got a token"),
            _ => continue,
        };
        if !born.contains(account) {
            finder.found(*at, format!("{} was never logged in, and is {what}", account.id()));
        }
    }
    finder.all()
}

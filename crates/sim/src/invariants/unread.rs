//! 41. Nothing is claimed but by a person once the row says that its last answer was not understood.

use std::collections::BTreeMap;

use solekey_core::{Cause, Row};

use crate::{
    fleet::{Event, History, Setup, Shown, What},
    invariants::{Finder, Violation},
};

pub(crate) fn check(setup: &Setup, history: &History) -> Vec<Violation> {
    let mut finder = Finder::new(41);
    // A claim does not name the verdict: one that was on its way is not refused for it.
    let on_its_way = setup.policy().span();
    let mut unread = BTreeMap::new();
    for Event { at, what, .. } in &history.events {
        match what {
            What::WentBack => unread.clear(),
            What::Changed(changed) => {
                let account = changed.account.clone();
                let claims = matches!(changed.shown, Shown::Claim(claim) if claim.cause != Cause::Operator);
                let opened = claims && changed.refused.is_none() && changed.before != changed.after;
                let since = unread.get(&account).filter(|since| *at > **since + on_its_way);
                if opened && since.is_some() {
                    finder.found(*at, format!("{}: claimed over an answer not understood", account.id()));
                }
                if changed.after.as_ref().is_some_and(Row::is_unread) {
                    unread.entry(account).or_insert(*at);
                } else {
                    unread.remove(&account);
                }
            }
            _ => {}
        }
    }
    finder.all()
}

//! 26. Within 5 s of a rotation an account is not rotated again, unless somebody reports the token or names the
//!     generation they saw: however many ask, click, or find an answer that says "expires at once".

use std::{collections::BTreeMap, time::Duration};

use solekey_core::{Account, Cause, Generation};

use crate::{
    fleet::{CallerRequest, Changed, Event, History, Setup, Shown, What, Who},
    invariants::{Finder, Violation, exceptions::Exceptions},
};

pub(crate) fn check(setup: &Setup, history: &History) -> Vec<Violation> {
    let mut finder = Finder::new(26);
    let mut exceptions = Exceptions::default();
    // A call goes on for as long as its flight does, whoever has gone.
    let asks_for = setup.policy().max_wait() * 2 + Duration::from_secs(60);
    let mut named: BTreeMap<(Who, Account), Duration> = BTreeMap::new();
    for event in &history.events {
        exceptions.see(event);
        let Event { at, who, what } = event;
        match what {
            What::Asked { account, ask: CallerRequest::Refresh, named: Some(_), .. } => {
                named.insert((*who, account.clone()), *at);
            }
            What::Changed(changed) if !exceptions.store_clock && !exceptions.went_back => {
                let asked = named.get(&(*who, changed.account.clone()));
                let by_name = asked.is_some_and(|asked| *at < *asked + asks_for);
                if let Some(since) = too_soon(changed).filter(|_| !by_name) {
                    finder.found(*at, format!("{}: rotated again after {since:?}", changed.account.id()));
                }
            }
            _ => {}
        }
    }
    finder.all()
}

/// The time since the row that is rotated again was rotated.
fn too_soon(changed: &Changed) -> Option<Duration> {
    let Changed { shown: Shown::Claim(claim), before: Some(before), after: Some(after), now, .. } = changed
    else {
        return None;
    };
    let opened = before.open.is_none() && after.open.is_some_and(|open| open.id == claim.id);
    let rotated = before.made_from > Generation::ZERO;
    let made_at = before.facts?.made_at;
    let since = now.since(made_at);
    (opened && rotated && claim.cause != Cause::Rejected && since < REST).then_some(since)
}

const REST: Duration = Duration::from_secs(5);

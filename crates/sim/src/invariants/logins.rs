//! 19. A login takes in no refresh token that was presented before or that another account holds, unless its person
//!     insists; and the token that an account holds already is no new login.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use solekey_core::Account;

use crate::{
    fleet::{Changed, History, Setup, Shown, What},
    invariants::{Finder, Violation, exceptions::Exceptions},
};

pub(crate) fn check(_: &Setup, history: &History) -> Vec<Violation> {
    let mut finder = Finder::new(19);
    let mut exceptions = Exceptions::default();
    let mut presented: BTreeSet<Arc<str>> = BTreeSet::new();
    let mut held: BTreeMap<Account, Arc<str>> = BTreeMap::new();
    for event in &history.events {
        exceptions.see(event);
        match &event.what {
            What::Sent(request) => drop(presented.insert(Arc::clone(&request.token))),
            What::Changed(changed) => {
                // A store that forgets may forget what was presented, too.
                if let Some(what) = wrong(changed, &presented, &held).filter(|_| !exceptions.went_back) {
                    finder.found(event.at, format!("{}: {what}", changed.account.id()));
                }
                match &changed.has {
                    Some(token) => drop(held.insert(changed.account.clone(), Arc::clone(token))),
                    None => drop(held.remove(&changed.account)),
                }
            }
            _ => {}
        }
    }
    finder.all()
}

fn wrong(
    changed: &Changed,
    presented: &BTreeSet<Arc<str>>,
    held: &BTreeMap<Account, Arc<str>>,
) -> Option<&'static str> {
    let Changed { account, shown: Shown::Login(login), before, after, had, has: Some(token), .. } = changed
    else {
        return None;
    };
    if login.accept_spent || before == after {
        return None;
    }
    if login.amends.is_some() {
        let was_open = before.as_ref().is_some_and(|row| row.open.is_some());
        let same = had.as_ref() == Some(token);
        return (was_open || !same).then_some("an amendment voided an attempt or brought another token");
    }
    if had.as_ref() == Some(token) {
        return Some("the token it held became a new login");
    }
    if presented.contains(token) {
        return Some("a token that was presented before was taken in");
    }
    let elsewhere = held.iter().any(|(other, theirs)| other != account && theirs == token);
    elsewhere.then_some("a token of another account was taken in")
}

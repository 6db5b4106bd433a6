//! 1. An attempt is presented at most once, no two requests with one refresh token are under way at a time, and a
//!    further attempt is opened only after the `until` of the earlier one, also where an answer was committed over that.

use std::collections::{BTreeMap, BTreeSet};

use solekey_core::{Account, Open};

use crate::{
    fleet::{Changed, Event, History, Request, Setup, Shown, What},
    invariants::{Finder, Violation, exceptions::Exceptions},
};

pub(crate) fn check(setup: &Setup, history: &History) -> Vec<Violation> {
    let mut finder = Finder::new(1);
    let mut exceptions = Exceptions::default();
    let mut presented = BTreeSet::new();
    let mut under_way: BTreeMap<usize, &Request> = BTreeMap::new();
    let mut overtaken = BTreeMap::new();
    for event in &history.events {
        exceptions.see(event);
        let Event { at, what, .. } = event;
        match what {
            What::Sent(request) => {
                let Request { number, account, attempt, token, .. } = request;
                match attempt {
                    None => finder.found(*at, format!("request {number} belongs to no attempt")),
                    // What was minted and forgotten may be minted again.
                    Some(attempt)
                        if !presented.insert((account.clone(), *attempt)) && !exceptions.went_back =>
                    {
                        finder.found(*at, format!("request {number}: its attempt was presented before"));
                    }
                    Some(_) => {}
                }
                let excepted = exceptions.went_back
                    || exceptions.accepted_spent(account)
                    || (exceptions.store_clock && setup.trusts_store_clock());
                let other = under_way.values().find(|other| other.token == *token);
                if let Some(other) = other.filter(|_| !excepted) {
                    finder.found(*at, format!("requests {} and {number} present one token", other.number));
                }
                under_way.insert(*number, request);
            }
            What::Processed { request, .. } | What::Dropped { request } => {
                under_way.remove(request);
            }
            What::Changed(changed) => {
                reopened(*at, changed, &mut finder);
                overtook(*at, changed, &mut overtaken, &mut finder);
            }
            // Their ends were by an earlier clock.
            What::WentBack | What::Nemesis("store clock back", _) => overtaken.clear(),
            _ => {}
        }
    }
    finder.all()
}

fn reopened(at: std::time::Duration, changed: &Changed, finder: &mut Finder) {
    let Changed { account, shown: Shown::Claim(claim), before, after, now, .. } = changed else { return };
    let open = |row: &Option<solekey_core::Row>| row.as_ref().and_then(|row| row.open);
    let (Some(was), Some(is)) = (open(before), open(after)) else { return };
    if was.id != is.id && is.id == claim.id && *now < was.until {
        finder.found(at, format!("{}: an attempt was opened while another was in flight", account.id()));
    }
}

/// An attempt that another's answer was committed over is alone until its end all the same: its request may still be
/// under way.
fn overtook(
    at: std::time::Duration,
    changed: &Changed,
    overtaken: &mut BTreeMap<Account, Open>,
    finder: &mut Finder,
) {
    let Changed { account, shown, before, after, now, .. } = changed;
    if before == after {
        return;
    }
    match shown {
        Shown::Claim(_) => {
            if overtaken.remove(account).is_some_and(|open| *now < open.until) {
                let what = format!("{}: an attempt was opened next to one that was overtaken", account.id());
                finder.found(at, what);
            }
        }
        Shown::Commit(commit) => {
            let open = before.as_ref().and_then(|row| row.open);
            match open.filter(|open| open.id != commit.note.claim) {
                Some(open) => drop(overtaken.insert(account.clone(), open)),
                None => drop(overtaken.remove(account)),
            }
        }
        Shown::Login(_) | Shown::Delete(_) => drop(overtaken.remove(account)),
        Shown::Settle(_) => {}
    }
}

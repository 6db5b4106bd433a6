//! 21. A provider that requests a nonce is given one at once only once: whatever it requests after that, nobody
//!     presents for the account again before a second has passed.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use solekey_core::Cause;

use crate::{
    fleet::{Event, History, Setup, Shown, What},
    invariants::{Finder, Violation, exceptions::Exceptions},
};

pub(crate) fn check(_: &Setup, history: &History) -> Vec<Violation> {
    let mut finder = Finder::new(21);
    let mut exceptions = Exceptions::default();
    // The number of requests that came one upon the other, and the time of the last.
    let mut requests: BTreeMap<_, (usize, Duration)> = BTreeMap::new();
    let mut by_person = BTreeSet::new();
    for event in &history.events {
        exceptions.see(event);
        let Event { at, who, what } = event;
        match what {
            What::Changed(changed) => {
                let open = changed.after.as_ref().and_then(|row| row.open);
                if let (Shown::Claim(claim), Some(open)) = (changed.shown, open)
                    && claim.cause == Cause::Operator
                {
                    by_person.insert((changed.account.clone(), open.attempt));
                }
                if matches!(changed.shown, Shown::Login(_)) {
                    requests.retain(|(_, account), _| *account != changed.account);
                }
            }
            What::Heard { account, response, .. } if response.contains("use_dpop_nonce") => {
                let (count, last) = requests.entry((*who, account.clone())).or_insert((0, *at));
                *count = if *at < *last + PAUSE + EXCHANGE { *count + 1 } else { 1 };
                *last = *at;
            }
            What::Sent(request) => {
                let Some(attempt) = request.attempt else { continue };
                let account = request.account.clone();
                if by_person.contains(&(account.clone(), attempt)) || exceptions.store_clock {
                    continue;
                }
                let wished = requests.get(&(*who, account.clone()));
                if wished.is_some_and(|(count, last)| *count >= REQUESTS && *at < *last + PAUSE) {
                    finder.found(*at, format!("{}: asked again and again for a nonce", account.id()));
                }
            }
            _ => {}
        }
    }
    finder.all()
}

/// Two flights of one process may meet: each gives way once.
const REQUESTS: usize = 4;
const PAUSE: Duration = Duration::from_millis(900);
const EXCHANGE: Duration = Duration::from_millis(200);

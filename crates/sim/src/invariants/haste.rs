//! 21. A provider that wishes for a nonce is given one at once only once: whatever it wishes for after that, nobody
//!     asks it about the account again before a second has passed.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use solekey_core::Cause;

use crate::{
    fleet::{Event, History, Setup, Shown, What},
    invariants::{Finder, Violation, excuses::Excuses},
};

pub(crate) fn check(_: &Setup, history: &History) -> Vec<Violation> {
    let mut finder = Finder::new(21);
    let mut excuses = Excuses::default();
    // How many wishes came one upon the other, and when the last did.
    let mut wishes: BTreeMap<_, (usize, Duration)> = BTreeMap::new();
    let mut by_person = BTreeSet::new();
    for event in &history.events {
        excuses.see(event);
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
                    wishes.retain(|(_, account), _| *account != changed.account);
                }
            }
            What::Heard { account, said, .. } if said.contains("use_dpop_nonce") => {
                let (count, last) = wishes.entry((*who, account.clone())).or_insert((0, *at));
                *count = if *at < *last + PAUSE + EXCHANGE { *count + 1 } else { 1 };
                *last = *at;
            }
            What::Sent(request) => {
                let Some(attempt) = request.attempt else { continue };
                let account = request.account.clone();
                if by_person.contains(&(account.clone(), attempt)) || excuses.store_clock {
                    continue;
                }
                let wished = wishes.get(&(*who, account.clone()));
                if wished.is_some_and(|(count, last)| *count >= WISHES && *at < *last + PAUSE) {
                    finder.found(*at, format!("{}: asked again and again for a nonce", account.id()));
                }
            }
            _ => {}
        }
    }
    finder.all()
}

/// Two flights of one process may meet: each gives way once.
const WISHES: usize = 4;
const PAUSE: Duration = Duration::from_millis(900);
const EXCHANGE: Duration = Duration::from_millis(200);

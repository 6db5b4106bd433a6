//! 17. A row never gives an access token a later end than its answer did, however long the exchange, the answer's way
//!     and the commit took.

use std::{collections::BTreeMap, time::Duration};

use crate::{
    fleet::{Event, History, Request, Setup, Shown, What},
    invariants::{Finder, Violation, exceptions::Exceptions},
};

pub(crate) fn check(_: &Setup, history: &History) -> Vec<Violation> {
    let mut finder = Finder::new(17);
    let mut exceptions = Exceptions::default();
    let mut sent: BTreeMap<usize, &Request> = BTreeMap::new();
    let mut ends = BTreeMap::new();
    for event in &history.events {
        exceptions.see(event);
        let Event { at, what, .. } = event;
        match what {
            What::Sent(request) => drop(sent.insert(request.number, request)),
            What::Processed { request, ends: Some(end), .. } => {
                let Some(Request { account, attempt: Some(attempt), .. }) = sent.get(request) else {
                    continue;
                };
                ends.insert((account.clone(), *attempt), *end);
            }
            What::Changed(changed) if matches!(changed.shown, Shown::Commit(_)) => {
                let Some(row) = changed.after.as_ref().filter(|_| changed.before != changed.after) else {
                    continue;
                };
                let Some(end) = ends.get(&(changed.account.clone(), row.generation)) else { continue };
                let says = row.facts.and_then(|facts| facts.expires_at).map(|end| end.since(changed.now));
                let Some(left) = says.filter(|left| !left.is_zero()) else { continue };
                // Ends are kept in the store's time.
                let excepted = exceptions.store_clock_back || exceptions.redis_clock_back;
                if *at + left > *end + GRAIN && !excepted {
                    let by = (*at + left).saturating_sub(*end);
                    finder.found(
                        *at,
                        format!("{}: a token is given {by:?} more to live", changed.account.id()),
                    );
                }
            }
            _ => {}
        }
    }
    finder.all()
}

/// The grain of timers.
const GRAIN: Duration = Duration::from_millis(3);

//! 31. A resource that refuses whatever it gets does not rotate an account for ever: after a rotation on evidence the
//!     next one on evidence comes after five minutes at the earliest, and twice as late each time, up to an hour.

use std::{collections::BTreeMap, time::Duration};

use solekey_core::{Account, Cause, ClaimId, Content, Row, StoreTime};

use crate::{
    fleet::{Changed, Event, History, Setup, Shown, What, Who},
    invariants::{Finder, Violation, exceptions::Exceptions},
};

#[derive(Clone, Copy)]
struct Rotation {
    at: StoreTime,
    interval: Duration,
}

pub(crate) fn check(setup: &Setup, history: &History) -> Vec<Violation> {
    let mut finder = Finder::new(31);
    let mut exceptions = Exceptions::default();
    let mut last: BTreeMap<Account, Rotation> = BTreeMap::new();
    let mut claims: BTreeMap<ClaimId, (Who, Duration, Duration)> = BTreeMap::new();
    for event in &history.events {
        exceptions.see(event);
        let Event { at, who, what } = event;
        let What::Changed(changed) = what else { continue };
        let Changed { account, shown, before, after, now, .. } = &**changed;
        if before == after {
            continue;
        }
        match shown {
            Shown::Login(_) | Shown::Delete(_) => drop(last.remove(account)),
            Shown::Claim(claim) if claim.cause == Cause::Rejected => {
                let before_this = last.get(account).copied();
                let serves = before.as_ref().is_some_and(|row| lives(row, *now));
                if let Some(Rotation { at: then, interval }) = before_this
                    && *now < then + interval
                    && serves
                    && !exceptions.went_back
                    && !exceptions.store_clock
                    // The interval is counted by whoever remembers the rotation.
                    && !exceptions.process_clock
                {
                    let since = now.since(then);
                    let what = format!("{}: again on evidence after {since:?} of {interval:?}", account.id());
                    finder.found(*at, what);
                }
                let soon = before_this.filter(|rotation| *now < rotation.at + rotation.interval * 2);
                let interval = soon.map_or(SHORTEST, |rotation| (rotation.interval * 2).min(LONGEST));
                claims.insert(claim.id, (*who, interval, *at));
            }
            Shown::Commit(commit) if matches!(commit.note.content, Content::Rotated(_)) => {
                // Whoever finds an answer next to the row does not know why it was requested; that may be another flight of
                // the same process where the answer came late.
                if let Some((owner, interval, claimed)) = claims.get(&commit.note.claim)
                    && owner == who
                    && *at <= *claimed + setup.policy().exchange_timeout()
                {
                    last.insert(account.clone(), Rotation { at: *now, interval: *interval });
                }
            }
            _ => {}
        }
    }
    finder.all()
}

fn lives(row: &Row, now: StoreTime) -> bool {
    row.facts.is_some_and(|facts| facts.expires_at.is_none_or(|end| end > now))
}

const SHORTEST: Duration = Duration::from_secs(300);
const LONGEST: Duration = Duration::from_secs(3600);

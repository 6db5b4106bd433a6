//! 22. What a process hands out never goes back, whatever its store forgets: nobody is given an older generation than
//!     another caller of this process was given before, and nothing is claimed below that. Whoever waited for a refresh
//!     of the process' own gets what that brought, though others may have gone on meanwhile. Nor does it present what it
//!     knows to be older before it has watched the store that went back for as long as an attempt lasts, and, where that
//!     may end the grant, while the older access token lives.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use solekey_core::{Account, Cause, Generation, Spent};

use crate::{
    fleet::{Delivered, Event, History, Setup, Shown, What, Who},
    invariants::{Finder, Violation, exceptions::Exceptions},
};

pub(crate) fn check(setup: &Setup, history: &History) -> Vec<Violation> {
    let mut finder = Finder::new(22);
    let mut went_back = None;
    // What a flight knows, and whoever joins it, is what was known when it began.
    let flight = setup.policy().max_wait() + FIRST_READS;
    let mut given: BTreeMap<(Who, Account), Vec<(Duration, Generation)>> = BTreeMap::new();
    let mut asked = BTreeMap::new();
    let mut own = BTreeSet::new();
    let mut exceptions = Exceptions::default();
    for event in &history.events {
        exceptions.see(event);
        let Event { at, who, what } = event;
        let known = |account: &Account| {
            let given = given.get(&(*who, account.clone()))?;
            let before = given.iter().filter(|(since, _)| *since + flight < *at);
            before.map(|(_, generation)| *generation).max()
        };
        match what {
            What::Asked { call, account, .. } => drop(asked.insert(*call, known(account))),
            What::Answered { call, account, answer: Delivered::Token(truth) } => {
                let before = asked.remove(call).flatten();
                let made = own.contains(&(*who, account.clone(), truth.generation));
                if before.is_some_and(|before| truth.generation < before) && !made {
                    finder.found(*at, format!("{}, call {call}: got an older generation", account.id()));
                }
                let given = given.entry((*who, account.clone())).or_default();
                if given.iter().all(|(_, older)| *older < truth.generation) {
                    given.push((*at, truth.generation));
                }
            }
            What::Heard { account, attempt: Some(attempt), pair: true, .. } => {
                own.insert((*who, account.clone(), *attempt));
            }
            What::Changed(changed) => {
                let (Shown::Claim(claim), Some(open)) =
                    (changed.shown, changed.after.as_ref().and_then(|row| row.open))
                else {
                    continue;
                };
                let Some(known) = known(&changed.account) else { continue };
                if changed.before == changed.after || open.id != claim.id {
                    continue;
                }
                let mut found = |what| finder.found(*at, format!("{}: {what}", changed.account.id()));
                // A copy of a claim that the store has forgotten comes in time again once its clock has stepped back.
                let copied = exceptions.went_back && exceptions.store_clock_back;
                if open.attempt <= known && !copied {
                    found("claimed below what is known");
                }
                let person = claim.cause == Cause::Operator;
                // What is known to be newer is of the very attempt that the row shows: its pair is lost, and it is a doubt.
                let before = changed.before.as_ref().and_then(|row| row.open);
                let doubt = before.is_some_and(|open| Some(open.id) == claim.seen && open.attempt >= known);
                if claim.from >= known || person || copied || doubt || setup.class.is_harmless() {
                    continue;
                }
                if went_back.is_none_or(|since| *at < since + setup.policy().span()) {
                    found("claimed from what is known to be older, and did not watch");
                }
                let facts = changed.after.as_ref().and_then(|row| row.facts);
                let lives = facts.and_then(|facts| facts.expires_at).is_some_and(|end| end > changed.now);
                if lives && claim.cause == Cause::Due && setup.class.replay().spent() == Spent::RevokesFamily
                {
                    found("risked a grant that lives, though it knows of a newer generation");
                }
            }
            // It may go back again to what is watched already.
            What::WentBack => drop(went_back.get_or_insert(*at)),
            _ => {}
        }
    }
    finder.all()
}

/// A flight's own reads, and those before it.
const FIRST_READS: Duration = Duration::from_secs(5);

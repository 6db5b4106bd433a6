//! 14. What is published has a copy that outlives its process: in the row, or among the answers. What was overtaken is
//!     published no more, and where using a token uses up the way back it is not handed out before it has a copy.

use std::collections::{BTreeMap, BTreeSet};

use solekey_core::{Account, Generation};

use crate::{
    fleet::{Class, Delivered, Event, History, Setup, What},
    invariants::{Finder, Violation, exceptions::Exceptions},
};

pub(crate) fn check(setup: &Setup, history: &History) -> Vec<Violation> {
    let mut finder = Finder::new(14);
    let mut exceptions = Exceptions::default();
    let mut copies: BTreeMap<Account, BTreeSet<Generation>> = BTreeMap::new();
    let mut overtaken = BTreeSet::new();
    // What was offered before is pending until the shared cache has received it, and is refused there.
    let mut offered = BTreeSet::new();
    for event in &history.events {
        exceptions.see(event);
        let Event { at, who, what } = event;
        let copied = |account, generation| {
            copies.get(account).is_some_and(|copies: &BTreeSet<_>| copies.contains(generation))
        };
        match what {
            What::Changed(changed) => {
                let generation = changed.after.as_ref().map(|row| row.generation);
                copies.entry(changed.account.clone()).or_default().extend(generation);
            }
            What::Written { account, note } => {
                copies.entry(account.clone()).or_default().insert(note.attempt);
            }
            What::Overtaken { account, attempt } => {
                overtaken.insert((*who, account.clone(), *attempt));
            }
            What::Offered { account, generation } => {
                if !copied(account, generation) {
                    finder.found(*at, format!("{}: published what lies nowhere", account.id()));
                }
                // Its future is what was overtaken, once the store forgot the rest.
                let offer = (*who, account.clone(), *generation);
                let pending =
                    !overtaken.contains(&offer) && offered.insert(offer.clone()) || offered.contains(&offer);
                if !pending && !exceptions.went_back && !exceptions.redis_away {
                    finder.found(*at, format!("{}: published what was overtaken", account.id()));
                }
            }
            What::Answered { account, answer: Delivered::Token(truth), .. }
                if setup.class == Class::UntilUsed && !copied(account, &truth.generation) =>
            {
                finder.found(*at, format!("{}: handed out the only way back", account.id()));
            }
            _ => {}
        }
    }
    finder.all()
}

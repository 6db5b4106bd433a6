//! 8. The generation that the shared cache knows never goes back until the cache is emptied, and it was always minted.

use std::collections::BTreeMap;

use solekey_core::Generation;

use crate::{
    fleet::{Event, History, Setup, What},
    invariants::{Finder, Violation},
};

pub(crate) fn check(_: &Setup, history: &History) -> Vec<Violation> {
    let mut finder = Finder::new(8);
    let mut minted = BTreeMap::new();
    for Event { at, what, .. } in &history.events {
        match what {
            What::Changed(changed) => {
                let row = changed.after.as_ref().map_or(Generation::ZERO, |row| row.minted);
                let highest = minted.entry(changed.account.clone()).or_insert(Generation::ZERO);
                *highest = (*highest).max(row);
            }
            What::Published { account, generation, before, after, .. } => {
                if after < before {
                    finder.found(*at, format!("{}: the shared cache went back", account.id()));
                }
                if minted.get(account).is_none_or(|highest| generation > highest) {
                    finder.found(*at, format!("{}: published what was never minted", account.id()));
                }
            }
            _ => {}
        }
    }
    finder.all()
}

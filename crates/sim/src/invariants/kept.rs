//! 24. In a world at rest a deleted account has left nothing among the answers, and the shared cache has no older token than
//!     the row has, if whoever moved the row lived to publish.

use std::collections::{BTreeMap, BTreeSet};

use solekey_core::{Account, Generation, Row};

use crate::{
    fleet::{Event, History, Setup, What, Who},
    invariants::{Finder, Violation},
};

pub(crate) fn check(setup: &Setup, history: &History) -> Vec<Violation> {
    let mut finder = Finder::new(24);
    let mut dead = BTreeSet::new();
    // The process that moved the row last, and whether the shared cache lost what was published since.
    let mut mover: BTreeMap<Account, (Who, Generation)> = BTreeMap::new();
    let mut excepted = BTreeSet::new();
    for Event { at, who, what } in &history.events {
        match what {
            What::Crashed | What::ShutDown { .. } => drop(dead.insert(*who)),
            What::SharedCacheLost | What::WentBack => excepted.extend(mover.keys().cloned()),
            What::Changed(changed) => {
                let Some(row) = &changed.after else { continue };
                // An answer may bring no other access token: then there is nothing to publish.
                let access = |row: &Row| row.facts.map(|facts| facts.access);
                let new = changed.before.as_ref().is_none_or(|before| access(before) != access(row));
                if new {
                    excepted.remove(&changed.account);
                    mover.insert(changed.account.clone(), (*who, row.generation));
                }
            }
            What::Kept { account, row, gone, shared_cache, token, answers } => {
                if *gone && answers.iter().any(|answer| answer < row) {
                    finder.found(*at, format!("{}: deleted, and answers are left", account.id()));
                }
                let Some((mover, made)) = mover.get(account) else { continue };
                if !setup.cache || dead.contains(mover) || excepted.contains(account) {
                    continue;
                }
                if shared_cache.is_some_and(|shared_cache| shared_cache < *made) {
                    finder.found(*at, format!("{}: the shared cache does not know the row", account.id()));
                }
                if token.is_some_and(|token| token < *made) {
                    finder.found(
                        *at,
                        format!("{}: the shared cache has an older token than the row", account.id()),
                    );
                }
            }
            _ => {}
        }
    }
    finder.all()
}

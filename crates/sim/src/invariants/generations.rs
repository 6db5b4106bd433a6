//! 4. Generations only grow: of a row, of what is minted for an account, and never below the fence that came along.

use std::collections::BTreeMap;

use solekey_core::{Fence, Generation, Row};

use crate::{
    fleet::{Changed, History, Setup, Shown, What},
    invariants::{Finder, Violation, exceptions::Exceptions},
};

pub(crate) fn check(_: &Setup, history: &History) -> Vec<Violation> {
    let mut finder = Finder::new(4);
    let mut exceptions = Exceptions::default();
    let mut highest = BTreeMap::new();
    for event in &history.events {
        exceptions.see(event);
        let What::Changed(changed) = &event.what else { continue };
        let Changed { account, shown, before, after, .. } = &**changed;
        let Some(after) = after else { continue };
        let empty = Row::empty();
        let before = before.as_ref().unwrap_or(&empty);
        let mut found = |what: &str| finder.found(event.at, format!("{}: {what}", account.id()));
        if after.generation < before.generation || after.minted < before.minted {
            found("the row went back");
        }
        let highest = highest.entry(account.clone()).or_insert(Generation::ZERO);
        let minted = after.minted > before.minted;
        // A store whose contents and clock both went back may mint what nobody can distinguish from its own.
        let forgot = exceptions.went_back && exceptions.store_clock_back;
        let by_commit = matches!(shown, Shown::Commit(_));
        if minted && after.minted <= *highest && !by_commit && !forgot && !exceptions.went_back {
            found("a generation was minted twice");
        }
        *highest = (*highest).max(after.minted);
        let opened = after.open.filter(|open| before.open.is_none_or(|was| was.id != open.id));
        if let (Shown::Claim(claim), Some(open)) = (shown, opened) {
            if open.attempt <= before.minted || open.attempt != after.minted {
                found("an attempt did not get a number of its own");
            }
            if claim.fence.map_or(0, Fence::get) > open.attempt.get() {
                found("an attempt lies below its fence");
            }
        }
    }
    finder.all()
}

//! 5. An answer goes into the row only if it is newer than the row, and was made from the row's generation or found
//!    beside the attempt that is open; a settle ends only the attempt it names; a tombstone stays until a login or
//!    something newer.

use solekey_core::{Content, Row};

use crate::{
    fleet::{Changed, Event, History, Setup, Shown, What},
    invariants::{Finder, Violation},
};

pub(crate) fn check(_: &Setup, history: &History) -> Vec<Violation> {
    let mut finder = Finder::new(5);
    for Event { at, what, .. } in &history.events {
        let What::Changed(changed) = what else { continue };
        let Changed { account, shown, before, after, .. } = &**changed;
        if before == after {
            continue;
        }
        let unborn = Row::unborn();
        let (before, after) = (before.as_ref().unwrap_or(&unborn), after.as_ref().unwrap_or(&unborn));
        if let Some(what) = wrong(shown, before, after) {
            finder.found(*at, format!("{}: {what}", account.id()));
        }
    }
    finder.all()
}

fn wrong(shown: &Shown, before: &Row, after: &Row) -> Option<&'static str> {
    let open = before.open.map(|open| open.id);
    match shown {
        Shown::Claim(claim) => {
            if before.generation != claim.from || after.generation != before.generation {
                return Some("a claim met another generation");
            }
            (open != claim.seen).then_some("a claim met another attempt than it saw")
        }
        Shown::Commit(commit) => {
            let note = commit.note;
            if note.attempt <= before.generation {
                return Some("an older answer replaced a newer one");
            }
            if note.made_from != before.generation && open != commit.seen {
                return Some("an answer went into a row that was not seen");
            }
            if after.generation != note.attempt || after.open.is_some() {
                return Some("a commit left something else than its answer");
            }
            let rotated = u64::from(matches!(note.content, Content::Rotated(_)));
            (after.rotations != before.rotations + rotated).then_some("rotations were miscounted")
        }
        Shown::Settle(settle) => {
            if open != Some(settle.id) || before.generation != settle.from {
                return Some("a settle ended what it did not name");
            }
            let first = before.open.is_some_and(|open| open.is_first());
            let closed = after.open.is_none();
            (closed != first).then_some("a settle closed what may have been processed, or left what was not")
        }
        Shown::Login(_) => (after.generation <= before.generation || after.open.is_some())
            .then_some("a login left an attempt"),
        Shown::Delete(_) => {
            (!after.is_gone() || after.generation <= before.generation).then_some("a delete left something")
        }
    }
}

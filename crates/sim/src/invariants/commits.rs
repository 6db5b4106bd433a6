//! 5. An answer goes into the row only if it is newer than the row, and was made from the row's generation or found
//!    next to the attempt that is open; a settle ends only the attempt it names; a tombstone stays until a login or
//!    something newer, and a rotation never loses the refresh token. A claim is made once, while its owner wants it, and
//!    its attempt is due at its end.

use solekey_core::{Content, Row};

use crate::{
    fleet::{Changed, Event, History, Setup, Shown, What},
    invariants::{Finder, Violation},
};

pub(crate) fn check(_: &Setup, history: &History) -> Vec<Violation> {
    let mut finder = Finder::new(5);
    for Event { at, what, .. } in &history.events {
        let What::Changed(changed) = what else { continue };
        let Changed { account, shown, before, after, now, had, has, .. } = &**changed;
        if is_forgotten(changed) {
            finder.found(*at, format!("{}: a claim that was made was refused to its owner", account.id()));
        }
        if before == after {
            continue;
        }
        if let Shown::Claim(claim) = shown
            && *now > claim.not_after
        {
            finder.found(*at, format!("{}: a claim was made that nobody wants any more", account.id()));
        }
        let empty = Row::empty();
        let (before, after) = (before.as_ref().unwrap_or(&empty), after.as_ref().unwrap_or(&empty));
        // What an answer does not say of, stays (RFC 6749, section 6).
        let lost = had.is_some() && has.as_deref().is_none_or(str::is_empty);
        if lost
            && matches!(shown, Shown::Commit(commit) if matches!(commit.note.content, Content::Rotated(_)))
        {
            finder.found(*at, format!("{}: a commit lost the refresh token", account.id()));
        }
        if let Some(what) = wrong(shown, before, after) {
            finder.found(*at, format!("{}: {what}", account.id()));
        }
    }
    finder.all()
}

fn is_forgotten(changed: &Changed) -> bool {
    let Changed { shown: Shown::Claim(claim), before: Some(row), refused: Some(_), .. } = changed else {
        return false;
    };
    row.open.is_some_and(|open| open.id == claim.id)
}

fn wrong(shown: &Shown, before: &Row, after: &Row) -> Option<&'static str> {
    let open = before.open.map(|open| open.id);
    match shown {
        Shown::Claim(claim) => {
            if before.generation != claim.from || after.generation != before.generation {
                return Some("a claim met another generation");
            }
            if open != claim.seen {
                return Some("a claim met another attempt than it saw");
            }
            let due = |at| after.open.is_some_and(|open| at <= open.until);
            (!after.due_at.is_some_and(due)).then_some("nobody is to recheck an attempt at its end")
        }
        Shown::Commit(commit) => {
            let note = commit.note;
            if note.attempt <= before.generation {
                return Some("an older answer replaced a newer one");
            }
            if note.made_from != before.generation && open != commit.seen {
                return Some("an answer went into a row that was not seen");
            }
            let lost = commit.forgotten.map(|forgotten| forgotten.id);
            if after.generation != note.attempt || after.open.is_some_and(|open| Some(open.id) != lost) {
                return Some("a commit left something else than its answer");
            }
            let rotated = u64::from(matches!(note.content, Content::Rotated(_)));
            (after.rotations != before.rotations + rotated).then_some("rotations were miscounted")
        }
        Shown::Settle(settle) => {
            if open != Some(settle.id) || before.generation != settle.from {
                return Some("a settle ended what it did not name");
            }
            // One whose answer was not understood stays open.
            let first = before.open.is_some_and(|open| open.is_first()) && !after.is_unread();
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

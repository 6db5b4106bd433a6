//! 36. A login or a delete happens entirely or not at all: what the store took is written down as an answer and
//!     published, although its caller hung up.

use std::{collections::BTreeMap, time::Duration};

use solekey_core::{Account, ClaimId, Generation};

use crate::{
    fleet::{Event, History, Setup, Shown, What},
    invariants::{Finder, Violation},
};

struct Made {
    at: Duration,
    account: Account,
    generation: Generation,
    written: bool,
    answer: bool,
}

pub(crate) fn check(setup: &Setup, history: &History) -> Vec<Violation> {
    let mut finder = Finder::new(36);
    let mut calm = false;
    let mut made: BTreeMap<ClaimId, Made> = BTreeMap::new();
    for Event { at, what, .. } in &history.events {
        match what {
            What::Calm => calm = true,
            What::Changed(changed) if calm && changed.before != changed.after => {
                let id = match changed.shown {
                    Shown::Login(login) => login.id,
                    Shown::Delete(id) => id,
                    _ => continue,
                };
                let Some(row) = &changed.after else { continue };
                let (account, generation) = (changed.account.clone(), row.generation);
                let one = Made { at: *at, account, generation, written: false, answer: !setup.cache };
                made.insert(id, one);
            }
            What::Written { note, .. } => {
                if let Some(made) = made.get_mut(&note.claim) {
                    made.written = true;
                }
            }
            What::Published { account, after, .. } => {
                for made in made.values_mut().filter(|made| made.account == *account) {
                    made.answer |= *after >= Some(made.generation) && *at <= made.at + SOON;
                }
            }
            _ => {}
        }
    }
    for Made { at, account, written, answer, .. } in made.into_values() {
        if !(written && answer) {
            finder.found(
                at,
                format!("{}: half a change (written {written}, published {answer})", account.id()),
            );
        }
    }
    finder.all()
}

const SOON: Duration = Duration::from_secs(2);

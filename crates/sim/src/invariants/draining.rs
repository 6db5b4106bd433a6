//! 27. A process that was asked to end claims nothing more, and leaves a refresh in doubt only when all the
//!     time it was given is over.

use std::{collections::BTreeMap, time::Duration};

use crate::{
    fleet::{Event, History, Setup, Shown, What},
    invariants::{Finder, Violation},
};

pub(crate) fn check(_: &Setup, history: &History) -> Vec<Violation> {
    let mut finder = Finder::new(27);
    let mut draining = BTreeMap::new();
    let mut claims = BTreeMap::new();
    for Event { at, who, what } in &history.events {
        match what {
            What::Draining => drop(draining.insert(*who, *at)),
            // One that was begun before is repeated until its outcome is known.
            What::Claiming { id, .. } => drop(claims.entry(*id).or_insert(*at)),
            What::Changed(changed) if changed.before != changed.after => {
                let Shown::Claim(claim) = changed.shown else { continue };
                let began = claims.get(&claim.id).copied().unwrap_or(*at);
                if draining.get(who).is_some_and(|since| began > *since + GRAIN) {
                    finder.found(*at, format!("{}: claimed by a process that ends", changed.account.id()));
                }
            }
            What::ShutDown { bound, took, in_doubt } if *in_doubt > 0 && *took < *bound => {
                finder.found(*at, format!("left {in_doubt} in doubt after {took:?} of {bound:?}"));
            }
            _ => {}
        }
    }
    finder.all()
}

/// Events of one instant happen in any order.
const GRAIN: Duration = Duration::from_millis(1);

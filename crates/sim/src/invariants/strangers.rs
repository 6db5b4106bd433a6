//! 25. A replica with another seal key presents nothing, and changes nothing once it could ask who the others are.

use std::time::Duration;

use crate::{
    fleet::{Event, History, Setup, What, Who},
    invariants::{Finder, Violation, exceptions::Exceptions},
};

pub(crate) fn check(setup: &Setup, history: &History) -> Vec<Violation> {
    let mut finder = Finder::new(25);
    let mut exceptions = Exceptions::default();
    let mut healed = None;
    for event in &history.events {
        exceptions.see(event);
        let Event { at, who, what } = event;
        let Who::Process(replica, _) = who else {
            if matches!(what, What::Healed) {
                healed = Some(*at);
            }
            continue;
        };
        if !setup.is_stranger(*replica) {
            continue;
        }
        match what {
            What::Sent(request) => finder.found(*at, format!("a stranger sent request {}", request.number)),
            What::Changed(changed) if changed.before != changed.after && !exceptions.went_back => {
                let could_ask = healed.is_some_and(|healed| *at > healed + INTRODUCTION);
                if could_ask {
                    finder.found(*at, format!("{}: changed by a stranger", changed.account.id()));
                }
            }
            _ => {}
        }
    }
    finder.all()
}

/// The longest time that a stranger may take to find out, in a world at peace.
const INTRODUCTION: Duration = Duration::from_secs(5);

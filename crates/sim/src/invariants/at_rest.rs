//! 10. Once the faults are over every account comes to rest within its bound: a token that works and no attempt open,
//!     or a reason that the provider agrees with; nothing is left running or held, and shutdowns end in time.

use std::time::Duration;

use crate::{
    fleet::{Event, History, Settled, Setup, What},
    invariants::{Finder, Violation, exceptions::Exceptions},
};

pub(crate) fn check(_: &Setup, history: &History) -> Vec<Violation> {
    let mut finder = Finder::new(10);
    let mut exceptions = Exceptions::default();
    let mut healed = None;
    for event in &history.events {
        exceptions.see(event);
        let Event { at, what, .. } = event;
        match what {
            What::Healed => healed = Some(*at),
            What::AtRest { account, settled, after, .. } => {
                let excepted = exceptions.went_back || exceptions.accepted_spent(account);
                if let Some(what) = unrest(settled, excepted) {
                    finder.found(*at, format!("{} after {after:?}: {what}", account.id()));
                }
            }
            What::ShutDown { bound, took, in_doubt } => {
                if *took > *bound + BREATH {
                    finder.found(*at, format!("a shutdown took {took:?} of {bound:?}"));
                }
                // Who gave a claim up waits until the store's clock has passed its time, however far that went back.
                let excepted = exceptions.store_clock_back;
                if *in_doubt > 0
                    && !excepted
                    && healed.is_some_and(|healed| at.saturating_sub(*took) >= healed)
                {
                    finder.found(*at, format!("{in_doubt} refreshes were under way in a world at rest"));
                }
            }
            What::LeftOver(what) => finder.found(*at, what.clone()),
            _ => {}
        }
    }
    finder.all()
}

fn unrest(settled: &Settled, excepted: bool) -> Option<String> {
    match settled {
        Settled::Fresh
        | Settled::LogIn(_)
        | Settled::LogInExpected(_)
        | Settled::Gone
        | Settled::AnswersUnvouched => None,
        Settled::LogInUnfounded(why) => {
            (!excepted).then(|| format!("asks for a login although its refresh token works ({why})"))
        }
        Settled::Stuck(why) => Some(format!("does not come to rest: {why}")),
        Settled::ByOperator(_) => Some("came to rest only when a person asked for a refresh".to_owned()),
    }
}

/// The grain of timers.
const BREATH: Duration = Duration::from_millis(50);

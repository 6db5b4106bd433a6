//! 9. Every caller is answered within its bound, whatever is away, lost or slow; only its own process' being stopped
//!    or dead delays it.

use std::{collections::BTreeMap, time::Duration};

use crate::{
    fleet::{CALLS, CallerRequest, Event, History, Setup, What, Who},
    invariants::{Finder, Violation},
};

struct Waiting {
    who: Who,
    since: Duration,
    bound: Duration,
    ask: CallerRequest,
}

pub(crate) fn check(setup: &Setup, history: &History) -> Vec<Violation> {
    let mut finder = Finder::new(9);
    let mut waiting: BTreeMap<usize, Waiting> = BTreeMap::new();
    for Event { at, who, what } in &history.events {
        match what {
            What::Asked { call, ask, bound, .. } => {
                let bound = (*bound).max(least(setup, *ask));
                waiting.insert(*call, Waiting { who: *who, since: *at, bound, ask: *ask });
            }
            What::Answered { call, .. } => {
                if let Some(Waiting { since, bound, ask, .. }) = waiting.remove(call)
                    && *at > since + bound + BREATH
                {
                    finder.found(
                        *at,
                        format!("call {call} ({ask:?}) took {:?} of {bound:?}", at.saturating_sub(since)),
                    );
                }
            }
            // Its bound begins anew when the process goes on.
            What::Paused(span) => {
                for one in waiting.values_mut().filter(|one| one.who == *who) {
                    one.bound += *span;
                }
            }
            What::Crashed | What::ShutDown { .. } => waiting.retain(|_, one| one.who != *who),
            What::Left { call } => waiting.retain(|other, _| other / CALLS != call / CALLS),
            _ => {}
        }
    }
    let end = history.events.last().map_or(Duration::ZERO, |event| event.at);
    for (call, Waiting { since, bound, ask, .. }) in waiting {
        if end > since + bound + BREATH {
            finder.found(since, format!("call {call} ({ask:?}) was never answered"));
        }
    }
    finder.all()
}

/// A caller is answered within this even where its own bound is shorter: whoever asks for a refresh waits for its exchange.
fn least(setup: &Setup, ask: CallerRequest) -> Duration {
    let policy = setup.policy();
    match ask {
        CallerRequest::Refresh => policy.exchange_timeout() + policy.answer_budget() + FIRST_READS,
        _ => FIRST_READS,
    }
}

/// A caller that does not wait for others gets what a flight finds, which takes this long at most.
const FIRST_READS: Duration = Duration::from_secs(1);

/// The grain of timers.
const BREATH: Duration = Duration::from_millis(50);

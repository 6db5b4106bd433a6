//! 39. No caller gets "the provider does not accept our client" for an account for which the provider did not answer that,
//!     unless it answered so for three in a row; and then one in turn tries.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use solekey_core::{Account, Delay};

use crate::{
    fleet::{Delivered, Event, History, Setup, What, Who},
    invariants::{Finder, Violation},
};

#[derive(Default)]
struct Breaker {
    accused: BTreeSet<Account>,
    in_a_row: BTreeSet<Account>,
    /// Nobody tries before then.
    closed: Option<Duration>,
    /// Its clock does not go with true time.
    jumped: bool,
}

pub(crate) fn check(_: &Setup, history: &History) -> Vec<Violation> {
    let mut finder = Finder::new(39);
    let mut breakers: BTreeMap<Who, Breaker> = BTreeMap::new();
    for Event { at, who, what } in &history.events {
        let breaker = breakers.entry(*who).or_default();
        match what {
            What::Nemesis(..) => breaker.jumped = true,
            What::Heard { account, response, .. } if response.starts_with("401") => {
                breaker.accused.insert(account.clone());
                breaker.in_a_row.insert(account.clone());
                if breaker.in_a_row.len() >= ACCUSERS {
                    breaker.closed = Some(*at + SHORTEST);
                }
            }
            // The provider spoke about something else.
            What::Heard { response, .. } if response.starts_with(['2', '3', '4', '5']) => {
                breaker.in_a_row.clear();
                breaker.closed = None;
            }
            What::Sent(request) => {
                if let Some(until) = &mut breaker.closed {
                    if *at < *until && !breaker.jumped {
                        let what = "was tried although another one is trying";
                        finder.found(*at, format!("{} {what}", request.account.id()));
                    }
                    *until = *at + SHORTEST;
                }
            }
            What::Answered { account, answer: Delivered::RetryAt(Delay::OurFault, _), .. }
                if !breaker.accused.contains(account) && breaker.accused.len() < ACCUSERS =>
            {
                finder.found(*at, format!("{} is held up for another account", account.id()));
            }
            _ => {}
        }
    }
    finder.all()
}

const ACCUSERS: usize = 3;
/// The shortest pause between two who try.
const SHORTEST: Duration = Duration::from_millis(990);

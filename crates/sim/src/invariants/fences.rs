//! 33. A lease is asked for with what is known: its fence lies above every generation that its process has handed out.

use std::{collections::BTreeMap, time::Duration};

use solekey_core::{Account, Generation};

use crate::{
    fleet::{Delivered, Event, History, Setup, What, Who},
    invariants::{Finder, Violation, exceptions::Exceptions},
};

pub(crate) fn check(setup: &Setup, history: &History) -> Vec<Violation> {
    let mut finder = Finder::new(33);
    // A flight goes by what was known when it took off.
    let flight = setup.policy().max_wait() + Duration::from_secs(10);
    let mut exceptions = Exceptions::default();
    let mut handed: BTreeMap<(Who, Account), (Generation, Duration)> = BTreeMap::new();
    for event in &history.events {
        exceptions.see(event);
        let Event { at, who, what } = event;
        match what {
            What::Answered { account, answer: Delivered::Token(token), .. } => {
                let known = handed.entry((*who, account.clone())).or_insert((token.generation, *at));
                if token.generation > known.0 {
                    *known = (token.generation, *at);
                }
            }
            What::Granted { account, fence, .. } => {
                let known = handed.get(&(*who, account.clone()));
                if let Some((generation, since)) = known
                    && *at > *since + flight
                    && fence.get() <= generation.get()
                    && !exceptions.went_back
                {
                    finder.found(*at, format!("{}: a fence below what is served", account.id()));
                }
            }
            _ => {}
        }
    }
    finder.all()
}

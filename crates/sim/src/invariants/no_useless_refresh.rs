//! 13. In a world in which nothing goes wrong a refresh token is presented only when its access token nears its end,
//!     once, however many wait for it.

use std::{collections::BTreeMap, time::Duration};

use crate::{
    fleet::{Event, History, Request, Setup, Shown, What},
    invariants::{Finder, Violation},
};

pub(crate) fn check(setup: &Setup, history: &History) -> Vec<Violation> {
    let mut finder = Finder::new(13);
    if !setup.calm {
        return finder.all();
    }
    let policy = setup.policy();
    // The name only decides the jitter, which makes the window smaller.
    let ahead = setup
        .settings
        .refresh_ahead
        .min(setup.lifetime / 4)
        .max(setup.settings.skew.min(setup.lifetime / 10));
    let rest = setup.lifetime.saturating_sub(ahead);
    debug_assert!(policy.exchange_timeout() > Duration::ZERO);
    let mut fresh_since = BTreeMap::new();
    for Event { at, what, .. } in &history.events {
        match what {
            // What comes then is asked for.
            What::Calm => break,
            What::Changed(changed) if matches!(changed.shown, Shown::Login(_)) => {
                fresh_since.insert(changed.account.clone(), *at);
            }
            What::Sent(Request { number, account, .. }) => {
                let since = fresh_since.insert(account.clone(), *at);
                // A login's life counts from when its row was asked for.
                if since.is_some_and(|since| *at + Duration::from_millis(20) < since + rest) {
                    finder.found(*at, format!("request {number} was not needed yet"));
                }
            }
            _ => {}
        }
    }
    finder.all()
}

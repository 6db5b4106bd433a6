//! 11. Nobody receives a token past its end, of another account, the very token it reported, or
//!     one older than that.

use crate::{
    fleet::{Delivered, History, Setup, TokenTruth, What},
    invariants::{Finder, Violation, exceptions::Exceptions},
};

pub(crate) fn check(setup: &Setup, history: &History) -> Vec<Violation> {
    let mut finder = Finder::new(11);
    let mut exceptions = Exceptions::default();
    for event in &history.events {
        exceptions.see(event);
        let What::Answered { call, account, answer } = &event.what else { continue };
        let mut found =
            |what: String| finder.found(event.at, format!("{}, call {call}: {what}", account.id()));
        match answer {
            Delivered::Failed(why) => found(format!("failed: {why}")),
            Delivered::Token(TokenTruth { token, own, overdue, reported, older, .. }) => {
                if !own && !exceptions.moved_in(account) {
                    found(format!("got {token}, which is not its own"));
                }
                // A process that has not heard of its store yet knows its strings under other fingerprints than later,
                // and does not recognise one that a person brought back.
                if *reported && !exceptions.accepted_spent(account) {
                    found(format!("got {token} back, which it had reported"));
                }
                if *older && !exceptions.went_back {
                    found(format!("got {token}, which is older than what it had reported"));
                }
                // Ends are kept in the store's time, and in that of the shared cache.
                let stepped = exceptions.store_clock_back || exceptions.redis_clock_back;
                // The end of a string that is handed out again is reported twice.
                let is_reported_once = !stepped && !setup.same_access;
                if let Some(by) = overdue.filter(|by| *by > ON_THE_WAY && is_reported_once) {
                    found(format!("got {token}, which ended {by:?} ago"));
                }
            }
            _ => {}
        }
    }
    finder.all()
}

/// The time after its end for which a token is let through. A publication's spans count from when the cache executes it,
/// which is after they were taken: 0.5 s. And what a row showed is handed out after the answers were read, without
/// another read of the clock: 5.5 s more, until that is mended.
const ON_THE_WAY: std::time::Duration = std::time::Duration::from_secs(6);

//! 11. Nobody receives a token past its end, of another account, the very token it reported, or
//!     one older than that.

use crate::{
    fleet::{Delivered, History, Setup, TokenTruth, What},
    invariants::{Finder, Violation, excuses::Excuses},
};

pub(crate) fn check(setup: &Setup, history: &History) -> Vec<Violation> {
    let mut finder = Finder::new(11);
    let mut excuses = Excuses::default();
    for event in &history.events {
        excuses.see(event);
        let What::Answered { call, account, told } = &event.what else { continue };
        let mut found =
            |what: String| finder.found(event.at, format!("{}, call {call}: {what}", account.id()));
        match told {
            Delivered::Failed(why) => found(format!("failed: {why}")),
            Delivered::Token(TokenTruth { token, own, overdue, reported, older, .. }) => {
                if !own {
                    found(format!("got {token}, which is not its own"));
                }
                // A process that has not heard of its store yet knows its strings under other fingerprints than later,
                // and does not recognise one that a person brought back.
                if *reported && !excuses.accepted_spent(account) {
                    found(format!("got {token} back, which it had reported"));
                }
                if *older && !excuses.went_back {
                    found(format!("got {token}, which is older than what it had reported"));
                }
                // Ends are kept in the store's time.
                // Of a string that is handed out again the end is told twice.
                let is_told_once = !excuses.store_clock_back && !setup.same_access;
                if let Some(by) = overdue.filter(|by| *by > ON_THE_WAY && is_told_once) {
                    found(format!("got {token}, which ended {by:?} ago"));
                }
            }
            _ => {}
        }
    }
    finder.all()
}

/// How much later than its end a token is let through. A publication's spans count from when the shelf executes it,
/// which is after they were taken: 0.5 s. And what a row showed is handed out after the answers were read, without
/// another look at the clock: 5.5 s more, until that is mended.
const ON_THE_WAY: std::time::Duration = std::time::Duration::from_secs(6);

//! 12. With a key configured no byte that is shared shows a token.
//!
//! Seen here: every payload on its way into rows, answers and shared cache, in the worlds that seal. Not seen here: keys of
//! Redis, logs and messages on the wire; the end to end tests scan those of real servers.

use crate::{
    fleet::{Event, History, Setup, What},
    invariants::{Finder, Violation},
};

pub(crate) fn check(_: &Setup, history: &History) -> Vec<Violation> {
    let mut finder = Finder::new(12);
    for Event { at, what, .. } in &history.events {
        if let What::SecretSeen(place) = what {
            finder.found(*at, format!("a token in clear: {place}"));
        }
    }
    finder.all()
}

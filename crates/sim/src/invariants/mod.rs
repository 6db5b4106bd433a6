//! What must never happen, one file per sentence: functions over a history.

#![expect(clippy::mutable_key_type, reason = "the cell in an account only remembers the hash of its name")]

mod at_rest;
mod claimed_first;
mod commits;
mod deadline;
mod deliveries;
mod excuses;
mod generations;
mod leases;
mod no_loss;
mod no_useless_refresh;
mod one_presentation;
mod secrets;
mod shelf;
mod waiters;

use std::{fmt, time::Duration};

use crate::fleet::{History, Setup};

/// Something that must not happen, and did.
#[derive(Clone, Debug)]
pub struct Violation {
    /// The number of the invariant.
    pub invariant: u8,
    /// When.
    pub at: Duration,
    /// What.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "invariant {} at {:.3}: {}", self.invariant, self.at.as_secs_f64(), self.what)
    }
}

/// Collects the violations of one invariant.
pub(crate) struct Finder {
    invariant: u8,
    found: Vec<Violation>,
}

impl Finder {
    pub(crate) fn new(invariant: u8) -> Self {
        Self { invariant, found: Vec::new() }
    }

    pub(crate) fn found(&mut self, at: Duration, what: impl Into<String>) {
        self.found.push(Violation { invariant: self.invariant, at, what: what.into() });
    }

    pub(crate) fn all(self) -> Vec<Violation> {
        self.found
    }
}

type Check = fn(&Setup, &History) -> Vec<Violation>;

const CHECKS: [Check; 13] = [
    one_presentation::check,
    claimed_first::check,
    deadline::check,
    generations::check,
    commits::check,
    no_loss::check,
    leases::check,
    shelf::check,
    waiters::check,
    at_rest::check,
    deliveries::check,
    secrets::check,
    no_useless_refresh::check,
];

/// All thirteen.
pub fn check(setup: &Setup, history: &History) -> Vec<Violation> {
    let mut found: Vec<_> = CHECKS.iter().flat_map(|check| check(setup, history)).collect();
    found.sort_by_key(|violation| violation.at);
    found
}

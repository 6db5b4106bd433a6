//! Faults on the way to a server and back.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex},
};

use solekey_core::ports::Trouble;

use super::lock;

/// The way in which a call fails.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Fault {
    /// The request never arrived, and the caller knows.
    NotApplied,
    /// The request never arrived, and the caller does not know.
    UnknownBefore,
    /// The request was carried out and its reply was lost.
    UnknownAfter,
}

/// The switches of one adapter. Clones are the same switches.
///
/// Operations go by the names of the port's methods.
#[derive(Clone, Default, Debug)]
pub struct Faults(Arc<Mutex<Switches>>);

#[derive(Default, Debug)]
struct Switches {
    away: bool,
    planned: VecDeque<Planned>,
    calls: BTreeMap<&'static str, u64>,
}

#[derive(Clone, Copy, Debug)]
struct Planned {
    operation: Option<&'static str>,
    fault: Fault,
}

#[derive(Debug, thiserror::Error)]
#[error("a fault planned by the test struck {0}")]
struct Struck(&'static str);

impl Faults {
    /// The next calls go wrong, whichever they are.
    pub fn fail_next(&self, calls: usize, fault: Fault) {
        self.plan(calls, Planned { operation: None, fault });
    }

    /// The next calls of one operation go wrong.
    pub fn fail_next_of(&self, operation: &'static str, calls: usize, fault: Fault) {
        self.plan(calls, Planned { operation: Some(operation), fault });
    }

    /// The server is away: nothing is applied.
    pub fn leave(&self) {
        lock(&self.0).away = true;
    }

    /// The server is back.
    pub fn come_back(&self) {
        lock(&self.0).away = false;
    }

    /// Nothing goes wrong any more.
    pub fn heal(&self) {
        let mut switches = lock(&self.0);
        switches.away = false;
        switches.planned.clear();
    }

    /// Returns the number of calls of an operation, failed calls included.
    pub fn calls(&self, operation: &'static str) -> u64 {
        lock(&self.0).calls.get(operation).copied().unwrap_or(0)
    }

    /// Does the work, unless something goes wrong. Suspends before and after it, as a network would, so that a future
    /// can be dropped on either side.
    pub(super) async fn meet<T>(
        &self,
        operation: &'static str,
        work: impl FnOnce() -> T + Send,
    ) -> Result<T, Trouble> {
        tokio::task::yield_now().await;
        let met = self.strike(operation, work);
        tokio::task::yield_now().await;
        met
    }

    fn strike<T>(&self, operation: &'static str, work: impl FnOnce() -> T) -> Result<T, Trouble> {
        match self.draw(operation) {
            None => Ok(work()),
            Some(Fault::NotApplied) => Err(Trouble::not_applied(Struck(operation))),
            Some(Fault::UnknownBefore) => Err(Trouble::unknown(Struck(operation))),
            Some(Fault::UnknownAfter) => {
                work();
                Err(Trouble::unknown(Struck(operation)))
            }
        }
    }

    fn draw(&self, operation: &'static str) -> Option<Fault> {
        let mut switches = lock(&self.0);
        *switches.calls.entry(operation).or_default() += 1;
        if switches.away {
            return Some(Fault::NotApplied);
        }
        let fits = |planned: &Planned| planned.operation.is_none_or(|name| name == operation);
        let at = switches.planned.iter().position(fits)?;
        switches.planned.remove(at).map(|planned| planned.fault)
    }

    fn plan(&self, calls: usize, planned: Planned) {
        lock(&self.0).planned.extend(std::iter::repeat_n(planned, calls));
    }
}

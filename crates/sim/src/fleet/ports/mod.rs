//! The ports as one process sees them: those in memory, behind a barrier and a network.

mod answers;
mod cache;
mod lease;
mod store;

pub(crate) use answers::SimAnswers;
pub(crate) use cache::SimCache;
pub(crate) use lease::SimLease;
pub(crate) use store::SimStore;

//! The files of the single flight.

#[allow(dead_code)]
#[path = "../../crates/coordinator/src/flight/outcome.rs"]
pub(crate) mod outcome;
#[allow(dead_code)]
#[path = "../../crates/coordinator/src/flight/progress.rs"]
pub(crate) mod progress;
#[allow(dead_code)]
#[path = "../../crates/coordinator/src/flight/table.rs"]
pub(crate) mod table;

//! Single flight: one refresh per account and process, in a task that no caller owns.

mod driver;
mod dry_run;
mod engine;
mod listener;
mod outcome;
mod progress;
mod readings;
mod start;
mod table;
mod unread;

pub(crate) use engine::Engine;
pub(crate) use listener::FlightListener;
pub(crate) use outcome::FlightOutcome;
pub(crate) use table::{CROWDED, FlightHandle};

//! The parts that every flight uses.

use std::sync::Arc;

use solekey_core::{ClaimId, Policy, flight::Context, mutant};
use uuid::Uuid;

use super::{listener::FlightListener, readings::Readings, table::Flights};
use crate::{
    fleet::Fleet,
    process::Process,
    seal::{BackendCheck, Sealer},
};

/// The parts below a flight, and the flights under way.
pub(crate) struct Engine {
    pub(crate) process: Arc<Process>,
    pub(crate) sealer: Arc<Sealer>,
    pub(crate) check: Arc<BackendCheck>,
    pub(crate) fleet: Arc<Fleet>,
    pub(crate) flights: Arc<Flights>,
    pub(crate) readings: Arc<Readings>,
    /// Whoever works in the background of flights.
    pub(super) listener: Arc<dyn FlightListener>,
}

impl Engine {
    pub(crate) fn new(
        process: Arc<Process>,
        sealer: Arc<Sealer>,
        check: Arc<BackendCheck>,
        fleet: Arc<Fleet>,
        listener: Arc<dyn FlightListener>,
    ) -> Arc<Self> {
        Arc::new(Self {
            process,
            sealer,
            check,
            fleet,
            flights: Arc::default(),
            readings: Arc::default(),
            listener,
        })
    }

    /// The context of one step of the machine.
    pub(super) fn context<'a>(&self, policy: &'a Policy) -> Context<'a> {
        Context {
            now: self.process.now(),
            policy,
            id: ClaimId::new(Uuid::new_v4()),
            jitter: if mutant("cooldowns_are_all_alike") { 0 } else { fastrand::u16(0..1000) },
        }
    }
}

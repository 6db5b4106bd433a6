//! The starts that replicas share, in memory.

use std::{collections::BTreeMap, sync::Mutex, time::Duration};

use async_trait::async_trait;
use solekey_core::{
    ClaimId, Gate, Limits, Moment,
    ports::{Ask, Pace, Paced, Start, Trouble},
};

use super::{Faults, MemoryClock, lock};

/// The starts that replicas share, in memory.
#[derive(Default, Debug)]
pub struct MemoryPace {
    clock: MemoryClock,
    faults: Faults,
    state: Mutex<State>,
}

#[derive(Default, Debug)]
struct State {
    gates: BTreeMap<String, Gate>,
    granted: BTreeMap<String, Vec<Moment>>,
}

impl MemoryPace {
    /// Nothing was started; time is the wall clock.
    pub fn new() -> Self {
        Self::default()
    }

    /// Nothing was started; time is this clock.
    pub fn with_clock(clock: MemoryClock) -> Self {
        Self { clock, ..Self::default() }
    }

    /// What goes wrong.
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// When starts were granted at this provider, by this clock.
    pub fn granted(&self, provider: &str) -> Vec<Moment> {
        lock(&self.state).granted.get(provider).cloned().unwrap_or_default()
    }

    fn now(&self) -> Moment {
        Moment::from_micros(self.clock.now().as_micros())
    }

    fn at_gate<T>(&self, provider: &str, work: impl FnOnce(&mut Gate, Moment) -> T) -> T {
        let now = self.now();
        work(lock(&self.state).gates.entry(provider.to_owned()).or_default(), now)
    }

    fn grant(&self, provider: &str, ask: &Ask) -> Paced {
        let paced = self.at_gate(provider, |gate, now| gate.ask(now, ask));
        if paced.start == Start::Granted {
            let now = self.now();
            lock(&self.state).granted.entry(provider.to_owned()).or_default().push(now);
        }
        paced
    }
}

#[async_trait]
impl Pace for MemoryPace {
    async fn ask(&self, provider: &str, ask: &Ask) -> Result<Paced, Trouble> {
        self.faults.meet("ask", || self.grant(provider, ask)).await
    }

    async fn leave(&self, provider: &str, place: ClaimId) -> Result<(), Trouble> {
        self.faults.meet("leave", || self.at_gate(provider, |gate, _| gate.leave(place))).await
    }

    async fn spend(&self, provider: &str, starts: u32, limits: Limits) -> Result<(), Trouble> {
        let spend = || self.at_gate(provider, |gate, now| gate.spend(now, starts, limits));
        self.faults.meet("spend", spend).await
    }

    async fn pause(&self, provider: &str, span: Duration) -> Result<(), Trouble> {
        self.faults.meet("pause", || self.at_gate(provider, |gate, now| gate.pause(now + span))).await
    }
}

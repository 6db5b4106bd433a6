//! The background refresh of one account.

use std::{sync::Arc, time::Duration};

use solekey_core::{
    Account, Delay, Limits, Need, Policy, Row, StoreTime,
    flight::{NextStep, RowView},
    mutant, next_check,
    ports::Loaded,
};

use super::{starts::GaveUp, state::Refresher};
use crate::{
    flight::{Engine, FlightOutcome},
    observer::{Event, Level, RefreshResult},
    provider::Provider,
    seal::Witness,
};

/// One account that was taken.
pub(super) struct RefreshJob {
    pub(super) engine: Arc<Engine>,
    pub(super) refresher: Arc<Refresher>,
    pub(super) provider: Arc<Provider>,
    pub(super) limits: Limits,
    pub(super) account: Account,
}

/// The work that an account needs, and how late it is.
struct Task {
    next_step: NextStep,
    /// An attempt is past its time without an outcome.
    in_doubt: bool,
    late: Duration,
}

impl RefreshJob {
    pub(super) async fn run(self) {
        let began = self.engine.process.now();
        let Some(task) = self.read().await else {
            self.report(RefreshResult::PutOff(Delay::StoreDown), Duration::ZERO, Duration::ZERO);
            return;
        };
        let (end, waited) = match task.next_step {
            NextStep::Present { .. } => {
                match self.refresher.wait_for_start(&self.provider, self.limits).await {
                    Ok(permit) => {
                        let waited = self.engine.process.now().since(began);
                        let end = self.refresh().await;
                        self.refresher.release_permit(&self.provider, permit).await;
                        (end, waited)
                    }
                    Err(gave_up) => (gave_up.into(), self.engine.process.now().since(began)),
                }
            }
            NextStep::Adopt(_) => (self.fly().await.recovered(), Duration::ZERO),
            // A doubt needs a read: the recheck goes on with it.
            NextStep::Wait { .. } if task.in_doubt => (self.fly().await, Duration::ZERO),
            next_step => (next_step.into(), Duration::ZERO),
        };
        self.report(end, waited, task.late);
    }

    /// Reads before a start is requested: what needs none, because somebody else was first, takes none.
    async fn read(&self) -> Option<Task> {
        let engine = &self.engine;
        let asked = engine.process.now();
        let loaded = tokio::time::timeout(READ_TIMEOUT, engine.process.store().load(&self.account)).await;
        let Ok(Ok(Loaded { record, now })) = loaded else { return None };
        let witness = record.as_ref().and_then(|found| Witness::of(&found.row, found.payload.clone(), now));
        let answers = engine.read_answers(&self.account, &self.provider, witness.as_ref()).await;
        let row = record.map(|record| record.row);
        let in_doubt = row.as_ref().is_some_and(|row| row.overdue_attempt(now).is_some());
        let late =
            row.as_ref().map_or(Duration::ZERO, |row| late(self.provider.policy(), &self.account, row, now));
        let view = RowView { row, now, asked };
        let next_step = if mutant("starts_are_taken_before_the_dry_run") {
            NextStep::Present { cause: solekey_core::Cause::Due, again: false }
        } else {
            engine.next_step(&self.account, &self.provider, &view, answers)
        };
        Some(Task { next_step, in_doubt, late })
    }

    async fn refresh(&self) -> RefreshResult {
        let (starts, key) = (&self.refresher.starts, self.account.key());
        starts.grant(key);
        let end = self.fly().await;
        starts.take_grant(key);
        end
    }

    /// The ordinary owner path. A flight that is under way already is as good.
    async fn fly(&self) -> RefreshResult {
        let flight = self.engine.join(&self.account, &self.provider, Need::Resolved, Duration::ZERO);
        let Some(flight) = flight else { return RefreshResult::PutOff(Delay::InFlight) };
        let outcome = flight.delivery().await;
        // What was delivered is still being written down.
        flight.finished().await;
        outcome.into()
    }

    fn report(&self, end: RefreshResult, waited: Duration, late: Duration) {
        tracing::debug!(account = %self.account.key(), end = end.name(), "background refresh ended");
        self.engine.process.observe(&Event::RefreshResult { account: &self.account, end, waited, late });
    }
}

/// Returns how long ago the account became due.
fn late(policy: &Policy, account: &Account, row: &Row, now: StoreTime) -> Duration {
    if let Some(open) = row.open {
        return now.since(open.until);
    }
    let due = row.facts.and_then(|facts| {
        let span = next_check(policy, &facts.as_of(facts.made_at), account.key().spread())?;
        Some(facts.made_at + span)
    });
    due.map_or(Duration::ZERO, |due| now.since(due))
}

impl From<NextStep> for RefreshResult {
    fn from(next_step: NextStep) -> Self {
        match next_step {
            NextStep::Serve { .. } => Self::Fresh,
            NextStep::Wait { why, .. } => Self::PutOff(why),
            NextStep::LogIn { .. } => Self::LoginNeeded,
            NextStep::Unknown => Self::Gone,
            _ => Self::PutOff(Delay::InFlight),
        }
    }
}

impl From<GaveUp> for RefreshResult {
    fn from(gave_up: GaveUp) -> Self {
        match gave_up {
            GaveUp::Crowded => Self::StartTimeout,
            GaveUp::HeldUp => Self::ProviderPaused,
            GaveUp::Draining => Self::PutOff(Delay::ShuttingDown),
        }
    }
}

impl From<FlightOutcome> for RefreshResult {
    fn from(outcome: FlightOutcome) -> Self {
        match outcome {
            FlightOutcome::Token(held) if held.level == Level::Refresh => Self::Refreshed,
            FlightOutcome::Token(_) => Self::Fresh,
            FlightOutcome::Unknown => Self::Gone,
            FlightOutcome::LogIn { .. } => Self::LoginNeeded,
            FlightOutcome::RetryAt { why, .. } => Self::PutOff(why),
            FlightOutcome::RejectedAgain { .. } => Self::PutOff(Delay::RejectedAgain),
            FlightOutcome::Misconfigured { .. } => Self::Misconfigured,
            FlightOutcome::Lost => Self::Panicked,
        }
    }
}

/// The longest time that a read of the store may take.
const READ_TIMEOUT: Duration = Duration::from_secs(5);

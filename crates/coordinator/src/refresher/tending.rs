//! Looking after one account that was taken.

use std::{sync::Arc, time::Duration};

use solekey_core::{
    Account, Delay, Limits, Need, Policy, Row, StoreTime,
    flight::{Prospect, RowView},
    mutant, next_look,
    ports::Loaded,
};

use super::starts::GaveUp;
use crate::{
    instance::Instance,
    observer::{Event, Level},
    provider::Provider,
    told::Told,
};

/// How looking after an account that nobody asked for has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Tended {
    /// Its refresh token was presented, and the new pair is in the row.
    Refreshed,
    /// Its token is good: somebody else has refreshed it.
    Fresh,
    /// An answer that another owner left was put into the row.
    Recovered,
    /// It has to wait.
    PutOff(Delay),
    /// Only a login helps.
    LoginNeeded,
    /// It is gone.
    Gone,
    /// Others were before it for too long: it is due again after the hold.
    Crowded,
    /// Nothing is started at its provider for a while.
    HeldUp,
    /// This process is set up wrong.
    Misconfigured,
    /// Its refresh ended in a panic.
    Panicked,
}

impl Tended {
    /// Its name in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Refreshed => "refreshed",
            Self::Fresh => "fresh",
            Self::Recovered => "recovered",
            Self::PutOff(why) => why.name(),
            Self::LoginNeeded => "login_needed",
            Self::Gone => "gone",
            Self::Crowded => "crowded",
            Self::HeldUp => "held_up",
            Self::Misconfigured => "configuration",
            Self::Panicked => "panicked",
        }
    }

    fn recovered(self) -> Self {
        if self == Self::Fresh { Self::Recovered } else { self }
    }
}

/// One account that was taken.
pub(super) struct Tending {
    pub(super) instance: Arc<Instance>,
    pub(super) provider: Arc<Provider>,
    pub(super) limits: Limits,
    pub(super) account: Account,
}

/// What there is to do, and since when.
struct Task {
    prospect: Prospect,
    /// An attempt is past its time without an outcome.
    in_doubt: bool,
    late: Duration,
}

impl Tending {
    pub(super) async fn run(self) {
        let began = self.instance.now();
        let Some(task) = self.look().await else {
            self.tell(Tended::PutOff(Delay::StoreDown), Duration::ZERO, Duration::ZERO);
            return;
        };
        let (end, waited) = match task.prospect {
            Prospect::Present { .. } => match self.instance.wait_for_start(&self.provider, self.limits).await
            {
                Ok(place) => {
                    let waited = self.instance.now().since(began);
                    let end = self.refresh().await;
                    self.instance.leave_place(&self.provider, place).await;
                    (end, waited)
                }
                Err(gave_up) => (gave_up.into(), self.instance.now().since(began)),
            },
            Prospect::Adopt(_) => (self.fly().await.recovered(), Duration::ZERO),
            // A look is what a doubt needs: it goes on in a vigil.
            Prospect::Wait { .. } if task.in_doubt => (self.fly().await, Duration::ZERO),
            prospect => (prospect.into(), Duration::ZERO),
        };
        self.tell(end, waited, task.late);
    }

    /// Looks before a start is asked for: what needs none, because somebody else was first, spends none.
    async fn look(&self) -> Option<Task> {
        let instance = &self.instance;
        let asked = instance.now();
        let loaded = tokio::time::timeout(LOOK, instance.store().load(&self.account)).await;
        let Ok(Ok(Loaded { record, now })) = loaded else { return None };
        let answers = instance.look_at_answers(&self.account).await;
        let row = record.map(|record| record.row);
        let in_doubt = row.as_ref().is_some_and(|row| row.overdue_attempt(now).is_some());
        let late =
            row.as_ref().map_or(Duration::ZERO, |row| late(self.provider.policy(), &self.account, row, now));
        let view = RowView { row, now, asked };
        let prospect = if mutant("starts_are_spent_before_the_look") {
            Prospect::Present { cause: solekey_core::Cause::Due, again: false }
        } else {
            instance.prospect(&self.account, &self.provider, &view, answers)
        };
        Some(Task { prospect, in_doubt, late })
    }

    async fn refresh(&self) -> Tended {
        let (starts, key) = (&self.instance.refresher.starts, self.account.key());
        starts.grant(key);
        let end = self.fly().await;
        starts.take_grant(key);
        end
    }

    /// The ordinary owner path. A flight that is under way already is as good.
    async fn fly(&self) -> Tended {
        let flight = self.instance.board(&self.account, &self.provider, Need::Resolved, Duration::ZERO);
        let Some(flight) = flight else { return Tended::PutOff(Delay::InFlight) };
        let told = flight.delivery().await;
        // What was delivered is still being written down.
        flight.landing().await;
        told.into()
    }

    fn tell(&self, end: Tended, waited: Duration, late: Duration) {
        tracing::debug!(account = %self.account.key(), end = end.name(), "looked after");
        self.instance.observe(&Event::Tended { account: &self.account, end, waited, late });
    }
}

/// How long ago the account's time came.
fn late(policy: &Policy, account: &Account, row: &Row, now: StoreTime) -> Duration {
    if let Some(open) = row.open {
        return now.since(open.until);
    }
    let due = row.facts.and_then(|facts| {
        let span = next_look(policy, &facts.as_of(facts.made_at), account.key().spread())?;
        Some(facts.made_at + span)
    });
    due.map_or(Duration::ZERO, |due| now.since(due))
}

impl From<Prospect> for Tended {
    fn from(prospect: Prospect) -> Self {
        match prospect {
            Prospect::Serve { .. } => Self::Fresh,
            Prospect::Wait { why, .. } => Self::PutOff(why),
            Prospect::LogIn { .. } => Self::LoginNeeded,
            Prospect::Unknown => Self::Gone,
            _ => Self::PutOff(Delay::InFlight),
        }
    }
}

impl From<GaveUp> for Tended {
    fn from(gave_up: GaveUp) -> Self {
        match gave_up {
            GaveUp::Crowded => Self::Crowded,
            GaveUp::HeldUp => Self::HeldUp,
            GaveUp::Draining => Self::PutOff(Delay::ShuttingDown),
        }
    }
}

impl From<Told> for Tended {
    fn from(told: Told) -> Self {
        match told {
            Told::Token(held) if held.level == Level::Refresh => Self::Refreshed,
            Told::Token(_) => Self::Fresh,
            Told::Unknown => Self::Gone,
            Told::LogIn { .. } => Self::LoginNeeded,
            Told::RetryAt { why, .. } => Self::PutOff(why),
            Told::RejectedAgain { .. } => Self::PutOff(Delay::RejectedAgain),
            Told::Misconfigured { .. } => Self::Misconfigured,
            Told::Lost => Self::Panicked,
        }
    }
}

/// What a look at the store may take.
const LOOK: Duration = Duration::from_secs(5);

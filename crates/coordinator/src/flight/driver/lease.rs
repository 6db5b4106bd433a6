//! The commands about the lease.

use solekey_core::{
    ClaimId, Fence,
    flight::{Event, LeaseView},
    ports::LeaseReply,
};
use uuid::Uuid;

use super::perform::{Performed, Performer, Work};
use crate::observer::{self, LeaseOutcome};

impl Performer {
    pub(super) fn take_lease(&mut self, floor: Option<Fence>) -> Work {
        self.lease = ClaimId::new(Uuid::new_v4());
        let (engine, account) = self.both();
        let (name, ttl) = (self.lease, self.provider.policy().lease_ttl());
        Box::pin(async move {
            let Some(lease) = engine.process.lease() else { return Event::Lease(LeaseView::Away).into() };
            let (view, outcome) = match lease.acquire(&account, name, ttl, floor).await {
                Ok(LeaseReply::Granted { fence }) => (LeaseView::Granted(fence), LeaseOutcome::Granted),
                Ok(LeaseReply::Busy { .. }) => (LeaseView::Busy, LeaseOutcome::Busy),
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::debug!(account = %account.key(), error, "the lease is away");
                    (LeaseView::Away, LeaseOutcome::Unreachable)
                }
            };
            engine.process.observe(&observer::Event::Leased { account: &account, outcome });
            Event::Lease(view).into()
        })
    }

    pub(super) async fn release_lease(&self) -> Performed {
        if let Some(lease) = self.engine.process.lease()
            && let Err(error) = lease.release(&self.account, self.lease).await
        {
            let error = &error as &dyn std::error::Error;
            tracing::debug!(account = %self.account.key(), error, "the lease was not released: it ends by itself");
        }
        Performed::Done
    }
}

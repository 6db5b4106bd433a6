//! The lease.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use solekey_core::{
    Account, ClaimId, Fence,
    ports::{Lease, LeaseReply, Trouble},
};

use crate::fleet::{
    history::What,
    network::{Behaviour, Line, at_once, carry},
    process::Process,
};

/// The lease, as one process sees it. An acquire that its caller gave up on is never executed: the port says so.
pub(crate) struct SimLease(pub(crate) Arc<Process>);

#[async_trait]
impl Lease for SimLease {
    async fn acquire(
        &self,
        account: &Account,
        token: ClaimId,
        ttl: Duration,
        floor: Option<Fence>,
    ) -> Result<LeaseReply, Trouble> {
        let (process, account) = (Arc::clone(&self.0), account.clone());
        carry(&self.0, Line::Lease, "acquire", Behaviour::Prompt, move || {
            let world = &process.world;
            let reply = at_once(world.lease.acquire(&account, token, ttl, floor))?;
            if let LeaseReply::Granted { fence } = reply {
                world.log(process.who(), What::Granted { account: account.clone(), fence, token });
            }
            Ok(reply)
        })
        .await
    }

    async fn release(&self, account: &Account, token: ClaimId) -> Result<(), Trouble> {
        let (process, account) = (Arc::clone(&self.0), account.clone());
        carry(&self.0, Line::Lease, "release", Behaviour::Any, move || {
            let world = &process.world;
            world.log(process.who(), What::Released { account: account.clone(), token });
            at_once(world.lease.release(&account, token))
        })
        .await
    }
}

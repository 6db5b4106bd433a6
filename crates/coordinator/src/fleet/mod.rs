//! What replicas of a fleet exchange: publications, notifications, and confirmations of what is served.

mod changes;
mod confirm;
mod pending;
mod publish;
mod subscribe;

use std::sync::Arc;

use crate::{
    process::Process,
    seal::{BackendCheck, Sealer},
};
use changes::ChangeSender;
pub use changes::{Change, Changes};
use pending::PendingPublications;
pub(crate) use publish::LocalPublication;

/// This process' part in its fleet: what it publishes, and what it hears.
pub(crate) struct Fleet {
    process: Arc<Process>,
    sealer: Arc<Sealer>,
    check: Arc<BackendCheck>,
    pending: PendingPublications,
    changes: ChangeSender,
}

impl Fleet {
    pub(crate) fn new(process: Arc<Process>, sealer: Arc<Sealer>, check: Arc<BackendCheck>) -> Self {
        Self {
            process,
            sealer,
            check,
            pending: PendingPublications::default(),
            changes: ChangeSender::default(),
        }
    }

    /// A subscription to changes from now on.
    pub(crate) fn subscribe(&self) -> Changes {
        self.changes.subscribe()
    }
}

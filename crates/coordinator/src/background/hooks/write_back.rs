//! Putting what hooks found into the row.

use std::time::Duration;

use solekey_core::{
    Account, Additions, Credential, Generation, Row,
    ports::{Loaded, Record},
};

use super::run::HookTask;

/// The additions that hooks found for a generation.
pub(crate) struct Found {
    pub(super) account: Account,
    pub(super) generation: Generation,
    pub(super) additions: Additions,
    /// For a bug: the credential as it was when the hooks began.
    pub(super) stale: Option<Credential>,
}

/// The progress of a write.
enum Wrote {
    Done,
    /// Not yet, or perhaps not for good.
    Again,
}

impl HookTask {
    /// Adds the fields to whatever the account holds by then, as long as that descends from the generation they are about.
    pub(super) async fn write_back(self, found: Found) {
        for _ in 0..MAX_WRITES {
            let wrote = tokio::time::timeout(PATIENCE, self.write_once(&found)).await;
            if let Ok(Wrote::Done) = wrote {
                return;
            }
            self.process.sleep_until(self.process.now() + PAUSE).await;
        }
        tracing::debug!(account = %found.account.key(), "what hooks found could not be kept");
    }

    /// The row's payload is replaced by the same credential with the fields in it, for the change that made the row and no
    /// other: where a newer one has come, nothing happens. Its tokens are read anew each time.
    async fn write_once(&self, found: &Found) -> Wrote {
        let Found { account, generation, additions, stale } = found;
        let Ok(Loaded { record, now }) = self.process.store().load(account).await else {
            return Wrote::Again;
        };
        let Some(Record { row, payload }) = record else { return Wrote::Done };
        if row.is_gone() || !descends(&row, *generation) {
            return Wrote::Done;
        }
        let held = self.sealer.open_credential(account, row.made_by, &payload);
        let Ok(held) = held else { return Wrote::Done };
        let with = stale.as_ref().unwrap_or(&held).with(additions);
        let mut under_way = row.open.is_some_and(|open| open.in_flight(now));
        if with != held {
            let sealed = self.sealer.seal_credential(account, row.made_by, &with);
            let Ok(after) = self.process.store().reseal(account, row.made_by, &sealed).await else {
                return Wrote::Again;
            };
            let open = after.record.and_then(|record| record.row.open);
            under_way |= open.is_some_and(|open| open.in_flight(after.now));
        }
        // Its result is made of what was there before: read again when it has ended.
        if under_way { Wrote::Again } else { Wrote::Done }
    }
}

/// Returns whether the row holds that generation, or one refreshed from it. A login is somebody else's.
fn descends(row: &Row, generation: Generation) -> bool {
    row.generation == generation || row.made_from == generation
}

/// Covers an exchange under way: longer than the usual attempt.
const MAX_WRITES: usize = 120;
const PAUSE: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(5);

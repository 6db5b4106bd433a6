//! The timeline of the server: another one is that of a standby that was promoted, or of a backup that was restored.

use std::{
    future::Future,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use solekey_core::{mutant, ports::StoreError};
use sqlx::{PgConnection, Row as _};
use tokio::{
    sync::{self, watch},
    time::{Instant, sleep, timeout},
};

use super::{Db, change::one};

/// What is known here of the server's timeline.
///
/// A server that restarts goes on with its timeline, and has what it acknowledged. One that was promoted begins another
/// one; without a synchronous standby it may lack the last changes.
#[derive(Default)]
pub(super) struct Timelines {
    /// The server shows it to our role.
    shown: AtomicBool,
    state: Mutex<State>,
    failovers: watch::Sender<u64>,
    /// Whoever has it asks, for all who wait.
    turn: sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    last: Option<Box<str>>,
    /// When another one was first seen.
    replaced: Option<Instant>,
}

impl Timelines {
    /// Asks once whether the server shows its timeline. Services that replace how PostgreSQL writes its log may not.
    pub(super) async fn probe(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        let shown = match sqlx::query(TIMELINE).fetch_one(connection).await {
            Ok(found) => found.try_get::<Option<&str>, _>("timeline")?.is_some(),
            Err(error @ sqlx::Error::Database(_)) => {
                tracing::debug!(error = &error as &dyn std::error::Error, "PostgreSQL shows no timeline");
                false
            }
            Err(error) => return Err(error),
        };
        self.shown.store(shown, Relaxed);
        Ok(())
    }

    pub(super) fn are_shown(&self) -> bool {
        self.shown.load(Relaxed)
    }

    /// Notes the timeline that came with a reply.
    pub(super) fn note(&self, found: Option<&str>) {
        let Some(found) = found else { return };
        let mut state = self.lock();
        if state.last.as_deref() == Some(found) {
            return;
        }
        let is_first = state.last.replace(found.into()).is_none();
        if is_first || mutant("failover_of_postgres_is_overlooked") {
            return;
        }
        state.replaced = Some(Instant::now());
        drop(state);
        tracing::info!(
            timeline = found,
            "a standby was promoted, or a backup restored: claims wait for owners to repeat theirs"
        );
        self.failovers.send_modify(|failovers| *failovers += 1);
    }

    /// How many there were.
    pub(super) fn failovers(&self) -> u64 {
        *self.failovers.borrow()
    }

    /// The time for which the server's memory of claims is not relied on yet.
    pub(super) fn settle_in(&self) -> Duration {
        let replaced = self.lock().replaced;
        let waits = replaced.map_or(Duration::ZERO, |replaced| SETTLED.saturating_sub(replaced.elapsed()));
        if mutant("claims_do_not_wait_after_a_failover_of_postgres") { Duration::ZERO } else { waits }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Db {
    /// Returns once there were more failovers than `since`, or the time has come to ask again. A process with a request
    /// under way may have nothing else to ask the server.
    pub(super) async fn failed_over_or(&self, since: u64, ask: impl Future<Output = ()>) {
        let mut failovers = self.timelines.failovers.subscribe();
        let asking = async {
            let _turn = self.timelines.turn.lock().await;
            sleep(ASKED).await;
            ask.await;
        };
        tokio::select! {
            _ = failovers.wait_for(|failovers| *failovers > since) => {}
            () = asking => {}
        }
    }

    /// Reads the timeline and notes it.
    pub(super) async fn read_timeline(&self) -> Result<(), StoreError> {
        let late = |_| StoreError::not_applied("the server did not answer in time");
        let mut session = timeout(ASKED, self.session()).await.map_err(late)??;
        let Ok(found) = timeout(ASKED, session.fetch(sqlx::query(TIMELINE))).await else {
            session.give_up();
            return Ok(());
        };
        let found = found?;
        let found = one(&mut session, &found)?;
        self.timelines.note(found.try_get("timeline").map_err(StoreError::not_applied)?);
        Ok(())
    }
}

/// The time for which claims are refused after a failover: longer than owners take to see it and to repeat theirs.
const SETTLED: Duration = Duration::from_secs(3);
/// While a request is under way the server is asked this often, and each time waited for this long.
const ASKED: Duration = Duration::from_millis(750);

/// As in the statement that reads a row.
const TIMELINE: &str = "
    SELECT pg_is_in_recovery() AS standby, CASE WHEN NOT pg_is_in_recovery()
           THEN left(pg_walfile_name(pg_current_wal_insert_lsn()), 8) END AS timeline";

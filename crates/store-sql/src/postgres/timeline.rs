//! The timeline of the server: another one is that of a standby that was promoted, or of a log that was replayed to a
//! point in time.

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
    time::{Instant, sleep_until, timeout},
};

use super::{Db, change::one, session::code};

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
    /// Whoever has it asks, for all who wait; when it was last asked.
    turn: sync::Mutex<Option<Instant>>,
}

#[derive(Default)]
struct State {
    last: Option<Box<str>>,
    /// When another one was first seen.
    replaced: Option<Instant>,
}

impl Timelines {
    /// Reads it for the first time, and finds out whether the server shows it: services that replace how PostgreSQL
    /// writes its log may not.
    pub(super) async fn probe(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        let found = match sqlx::query(TIMELINE).fetch_one(connection).await {
            Ok(found) => found.try_get::<Option<String>, _>("timeline")?,
            Err(error) if is_hidden(&error) => {
                tracing::debug!(error = &error as &dyn std::error::Error, "PostgreSQL shows no timeline");
                None
            }
            Err(error) => return Err(error),
        };
        self.shown.store(found.is_some(), Relaxed);
        self.note(found.as_deref());
        Ok(())
    }

    pub(super) fn are_shown(&self) -> bool {
        self.shown.load(Relaxed)
    }

    /// Returns whether an error means that the role may not see the timeline any more.
    pub(super) fn hide_after(&self, error: &StoreError) -> bool {
        let StoreError::Unavailable(trouble) = error else { return false };
        let source =
            std::error::Error::source(trouble).and_then(|source| source.downcast_ref::<sqlx::Error>());
        source.is_some_and(is_hidden) && self.shown.swap(false, Relaxed)
    }

    /// Notes the timeline that came with a reply; returns whether it is another one than before.
    pub(super) fn note(&self, found: Option<&str>) -> bool {
        let Some(found) = found else { return false };
        let mut state = self.lock();
        if state.last.as_deref() == Some(found) {
            return false;
        }
        let is_first = state.last.replace(found.into()).is_none();
        if is_first || mutant("failover_of_postgres_is_overlooked") {
            return false;
        }
        let settled = state.replaced.replace(Instant::now()).is_none_or(|before| before.elapsed() > SETTLED);
        drop(state);
        if settled {
            tracing::info!(
                timeline = found,
                "a standby of PostgreSQL was promoted: claims wait until owners have repeated theirs"
            );
        }
        self.failovers.send_modify(|failovers| *failovers += 1);
        true
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

    /// Returns once there were more than `since`. A process with a request under way may have nothing else to ask the server,
    /// so `ask` is polled meanwhile: by one of those who wait, and not before each has waited for a while.
    pub(super) async fn more_than<F: Future<Output = ()>>(&self, since: u64, ask: impl Fn() -> F) {
        let mut failovers = self.failovers.subscribe();
        let mut next = Instant::now() + ASKED;
        let asking = async {
            loop {
                let mut turn = self.turn.lock().await;
                sleep_until(turn.map_or(next, |last| next.max(last + ASKED))).await;
                ask().await;
                next = Instant::now() + ASKED;
                *turn = Some(Instant::now());
            }
        };
        tokio::select! {
            _ = failovers.wait_for(|failovers| *failovers > since) => {}
            () = asking => {}
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Db {
    /// Reads the timeline on a connection of its own and notes it: those of the pool may lead to a host that is gone.
    pub(super) async fn read_timeline(&self) -> Result<(), StoreError> {
        let mut session =
            timeout(ASKED, self.separate_session()).await.map_err(StoreError::not_applied)??;
        let found =
            timeout(ASKED, session.fetch(sqlx::query(TIMELINE))).await.map_err(StoreError::not_applied)??;
        let found = one(&mut session, &found)?;
        self.note_timeline(found.try_get("timeline").map_err(StoreError::not_applied)?);
        Ok(())
    }

    /// Notes the timeline that came with a reply. After a failover, connections that are not in use are given up unasked:
    /// whoever took one would first wait for a host that may be gone.
    pub(super) fn note_timeline(&self, found: Option<&str>) {
        if self.timelines.note(found) {
            while let Some(idle) = self.pool.try_acquire() {
                drop(idle.detach());
            }
        }
    }
}

/// The role may not call the function, there is none, or it has no meaning here.
fn is_hidden(error: &sqlx::Error) -> bool {
    code(error).is_some_and(|code| ["42501", "42883", "0A000", "55000"].contains(&code.as_str()))
}

/// The time for which claims are refused after a failover: longer than owners take to see it and to repeat theirs.
const SETTLED: Duration = Duration::from_secs(3);
/// While a request is under way the server is asked this often, and each time waited for this long.
const ASKED: Duration = Duration::from_millis(750);

/// As in the statement that reads a row.
const TIMELINE: &str = "
    SELECT pg_is_in_recovery() AS standby, CASE WHEN NOT pg_is_in_recovery()
           THEN left(pg_walfile_name(pg_current_wal_insert_lsn()), 8) END AS timeline";

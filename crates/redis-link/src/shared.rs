//! The state that the handles of a link, its watchdog and its subscriber have in common.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use redis::RedisError;
use redis::aio::MultiplexedConnection;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::breaker::Breaker;
use crate::error::{Failure, LinkError, Sign};
use crate::eviction::Eviction;
use crate::mutant;
use crate::options::LinkOptions;
use crate::source::{Dialed, Source};
use crate::state::{DownReason, LinkPhase, LinkState};

/// One connection and what is known about it. A late answer of an old connection only touches the old record.
pub(crate) struct Connection {
    pub(crate) pipe: MultiplexedConnection,
    gone: Arc<AtomicBool>,
    demoted: AtomicBool,
    breaker: Mutex<Breaker>,
    /// Since when this run of a server has been the one behind the link, where there was another one before.
    replaced: Option<Instant>,
}

impl Connection {
    pub(crate) fn is_gone(&self) -> bool {
        self.gone.load(Ordering::Acquire)
    }

    /// The time for which the server's memory is not relied on yet.
    pub(crate) fn settles_in(&self) -> Duration {
        let since = self.replaced.map_or(SETTLED, |replaced| replaced.elapsed());
        SETTLED.saturating_sub(since)
    }

    pub(crate) fn is_demoted(&self) -> bool {
        self.demoted.load(Ordering::Acquire)
    }

    fn breaker(&self) -> MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The runs of servers behind the link.
#[derive(Debug, Default)]
struct Runs {
    /// There has been a connection.
    connected: bool,
    /// The last one, by the server's name for it; `None` where it does not show it.
    last: Option<String>,
    replaced: Option<Instant>,
}

impl Runs {
    /// Takes note of a connection. Returns when the run before it was replaced by this one, if one was, and whether that is
    /// now. A run without a name is another one.
    fn follow(&mut self, run: Option<String>) -> (Option<Instant>, bool) {
        let is_new = self.connected && (run.is_none() || self.last != run);
        (self.connected, self.last) = (true, run);
        if is_new && !mutant("restart_of_the_server_is_overlooked") {
            self.replaced = Some(Instant::now());
        }
        (self.replaced, is_new)
    }
}

/// After another run of a server has come, what it may have forgotten is repeated first: as long as the longest wait
/// between two attempts to connect, twice, and a call.
pub(crate) const SETTLED: Duration = Duration::from_secs(3);

pub(crate) struct Shared {
    pub(crate) options: LinkOptions,
    pub(crate) source: Source,
    pub(crate) stop: CancellationToken,
    /// Wakes the watchdog before its next heartbeat.
    pub(crate) kick: Arc<Notify>,
    connection: ArcSwapOption<Connection>,
    state: watch::Sender<LinkState>,
    runs: Mutex<Runs>,
    restarts: watch::Sender<u64>,
    eviction: Mutex<Option<Eviction>>,
}

impl Shared {
    pub(crate) fn new(source: Source, options: LinkOptions) -> Self {
        Self {
            options,
            source,
            stop: CancellationToken::new(),
            kick: Arc::new(Notify::new()),
            connection: ArcSwapOption::empty(),
            state: watch::Sender::new(LinkState { phase: LinkPhase::Reconnecting, epoch: 0 }),
            runs: Mutex::default(),
            restarts: watch::Sender::new(0),
            eviction: Mutex::default(),
        }
    }

    pub(crate) fn state(&self) -> LinkState {
        *self.state.borrow()
    }

    pub(crate) fn watch(&self) -> watch::Receiver<LinkState> {
        self.state.subscribe()
    }

    pub(crate) fn connection(&self) -> Option<Arc<Connection>> {
        self.connection.load_full()
    }

    /// The connection to send on, waiting for one that is being made.
    pub(crate) async fn ready(&self, deadline: Instant) -> Result<Arc<Connection>, LinkError> {
        let mut state = None;
        loop {
            match (self.state().phase, self.connection()) {
                (LinkPhase::Up, Some(connection)) if !connection.is_gone() => return Ok(connection),
                (LinkPhase::Down(why), _) => return Err(LinkError::Down { why }),
                _ => {}
            }
            // The receiver is made before the state is read once more, so that no change falls between the two.
            match &mut state {
                None => state = Some(self.watch()),
                Some(changes) => {
                    let change = timeout_at(deadline, changes.changed()).await;
                    change.map_err(|_| LinkError::no_connection_in_time())?.ok();
                }
            }
        }
    }

    /// Makes `dialed` the connection of this link.
    pub(crate) fn install(&self, dialed: Dialed) {
        self.set_eviction(dialed.eviction);
        let (replaced, is_new) = self.runs.lock().unwrap_or_else(PoisonError::into_inner).follow(dialed.run);
        let connection = Connection {
            replaced,
            pipe: dialed.connection,
            gone: dialed.gone,
            demoted: AtomicBool::new(false),
            breaker: Mutex::new(Breaker::new(self.options.slow)),
        };
        self.connection.store(Some(Arc::new(connection)));
        if is_new {
            self.restarts.send_modify(|restarts| *restarts += 1);
        }
        self.came_up();
    }

    pub(crate) fn restarts(&self) -> watch::Receiver<u64> {
        self.restarts.subscribe()
    }

    pub(crate) fn eviction(&self) -> Eviction {
        self.eviction.lock().unwrap_or_else(PoisonError::into_inner).unwrap_or(Eviction::Unknown)
    }

    pub(crate) fn set_eviction(&self, eviction: Eviction) {
        let mut last = self.eviction.lock().unwrap_or_else(PoisonError::into_inner);
        if last.replace(eviction) == Some(eviction) {
            return;
        }
        match eviction {
            Eviction::Never => {}
            Eviction::Possible => tracing::warn!(
                "Redis removes keys when its memory is full; answers that are missing there are doubt: set maxmemory-policy noeviction"
            ),
            Eviction::Unknown => tracing::warn!(
                "Redis allows neither INFO nor CONFIG GET, so it may remove keys when its memory is full: check that maxmemory-policy is noeviction"
            ),
        }
    }

    fn came_up(&self) {
        self.state.send_modify(|state| *state = LinkState { phase: LinkPhase::Up, epoch: state.epoch + 1 });
        tracing::info!(epoch = self.state().epoch, "redis link is up");
    }

    /// Lets go of the connection; calls wait for the next one unless the link was down already.
    pub(crate) fn let_go(&self) {
        self.connection.store(None);
        self.state.send_if_modified(|state| {
            let was_up = state.phase == LinkPhase::Up;
            if was_up {
                state.phase = LinkPhase::Reconnecting;
            }
            was_up
        });
    }

    /// Makes calls fail at once from now on.
    pub(crate) fn go_down(&self, why: DownReason) {
        let went = self.state.send_if_modified(|state| {
            let before = state.phase;
            let closed = before == LinkPhase::Down(DownReason::Closed);
            if !closed {
                state.phase = LinkPhase::Down(why);
            }
            !matches!(before, LinkPhase::Down(_))
        });
        if went && why != DownReason::Closed {
            tracing::warn!(%why, "the link to Redis is down; calls fail at once while it is probed");
        }
    }

    pub(crate) fn close(&self) {
        self.go_down(DownReason::Closed);
        self.connection.store(None);
    }

    /// Takes an answer that took `latency` into account.
    pub(crate) fn answered(&self, connection: &Arc<Connection>, latency: Duration) {
        let verdict = connection.breaker().answered(latency);
        self.trip(connection, verdict);
    }

    /// Takes into account that no answer came within `waited`.
    pub(crate) fn silent(&self, connection: &Arc<Connection>, waited: Duration) {
        let verdict = connection.breaker().silent(waited);
        self.trip(connection, verdict);
    }

    /// Takes an answered probe into account: a fast one ends an outage.
    pub(crate) fn probed(&self, connection: &Arc<Connection>, latency: Duration) {
        if self.state().is_up() {
            return self.answered(connection, latency);
        }
        if connection.breaker().forgives(latency) {
            self.came_up();
        }
    }

    /// Takes into account what a failed call says about its connection, and classifies it.
    pub(crate) fn failed(
        &self,
        connection: &Arc<Connection>,
        error: RedisError,
        latency: Duration,
    ) -> LinkError {
        let failure = Failure::from(error);
        match failure.sign {
            Sign::Well => self.answered(connection, latency),
            Sign::Demoted => self.distrust(connection),
            Sign::Gone => {
                connection.gone.store(true, Ordering::Release);
                self.kick.notify_one();
            }
        }
        failure.error
    }

    fn distrust(&self, connection: &Connection) {
        if !connection.demoted.swap(true, Ordering::AcqRel) {
            self.kick.notify_one();
        }
    }

    fn trip(&self, connection: &Arc<Connection>, verdict: Option<DownReason>) {
        let current = self.connection.load();
        let is_current = current.as_ref().is_some_and(|current| Arc::ptr_eq(current, connection));
        if let (Some(why), true) = (verdict, is_current) {
            self.go_down(why);
        }
    }
}

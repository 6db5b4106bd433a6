//! The task that keeps a link alive.

use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};

use crate::backoff::{Backoff, jitter};
use crate::eviction::Eviction;
use crate::reply::send;
use crate::shared::{Connection, Shared};
use crate::state::{DownReason, LinkPhase};

/// Watches one link until it is closed.
pub(crate) struct Watchdog {
    shared: Arc<Shared>,
    misses: u32,
    /// Between attempts while nobody answers.
    away: Backoff,
    /// Between replacements of connections to a server that turned out to be a replica: a new connection may well lead
    /// to it again.
    demoted: Backoff,
    replaced: Option<Instant>,
    /// Heartbeats since the policy was read.
    beats: u32,
}

impl Watchdog {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        let longest = shared.options.heartbeat;
        Self {
            shared,
            misses: 0,
            away: Backoff::new(FIRST_WAIT, longest),
            demoted: Backoff::new(FIRST_WAIT, LONGEST_DEMOTED_WAIT),
            replaced: None,
            beats: 0,
        }
    }

    pub(crate) async fn run(mut self) {
        let stop = self.shared.stop.clone();
        stop.run_until_cancelled(self.watch()).await;
    }

    async fn watch(&mut self) {
        let mut heartbeat = interval(self.shared.options.heartbeat);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            match self.shared.connection() {
                None => self.reconnect().await,
                Some(connection) if connection.is_gone() => self.shared.let_go(),
                Some(connection) if connection.is_demoted() => self.replace().await,
                Some(connection) => {
                    let kick = Arc::clone(&self.shared.kick);
                    tokio::select! {
                        () = kick.notified() => {}
                        _ = heartbeat.tick() => self.probe(&connection).await,
                    }
                }
            }
        }
    }

    /// Asks the server whether it is there. A connection that stays silent is replaced: it may be half-open, which only
    /// a new one can show.
    async fn probe(&mut self, connection: &Arc<Connection>) {
        let started = Instant::now();
        let mut pipe = connection.pipe.clone();
        let ping = redis::cmd("PING");
        match timeout(self.shared.options.command_timeout, send(&mut pipe, &ping)).await {
            Ok(Ok(_)) => {
                self.misses = 0;
                self.shared.probed(connection, started.elapsed());
                self.read_eviction(&mut pipe).await;
            }
            Ok(Err(error)) => drop(self.shared.failed(connection, error, started.elapsed())),
            Err(_) => self.missed(connection, started.elapsed()),
        }
    }

    /// The policy can be changed while a connection stands.
    async fn read_eviction(&mut self, pipe: &mut MultiplexedConnection) {
        self.beats += 1;
        if self.beats < BEATS_TO_A_READ {
            return;
        }
        self.beats = 0;
        let reading = Eviction::read(pipe);
        if let Ok(Some(eviction)) = timeout(self.shared.options.command_timeout, reading).await {
            self.shared.set_eviction(eviction);
        }
    }

    fn missed(&mut self, connection: &Arc<Connection>, waited: Duration) {
        self.misses += 1;
        self.shared.silent(connection, waited);
        if self.misses >= MISSES {
            self.misses = 0;
            tracing::warn!("Redis did not reply to three heartbeats; the connection is replaced");
            self.shared.let_go();
        }
    }

    /// Makes a connection where there is none. The first attempt is jittered too: a server that went away took the
    /// connections of every replica at the same instant.
    async fn reconnect(&mut self) {
        let wait = match self.shared.state().phase {
            LinkPhase::Down(_) => self.away.step(),
            LinkPhase::Up | LinkPhase::Reconnecting => jitter(SPREAD),
        };
        sleep(wait).await;
        self.dial().await;
    }

    /// Swaps the connection for a new one. The old one serves reads until then.
    async fn replace(&mut self) {
        if self.replaced.is_none_or(|last| last.elapsed() > CALM) {
            self.demoted.reset();
        }
        sleep(self.demoted.step()).await;
        self.replaced = Some(Instant::now());
        self.shared.source.distrust();
        if !self.dial().await {
            self.shared.let_go();
        }
    }

    /// One attempt at a new connection.
    pub(crate) async fn dial(&mut self) -> bool {
        match self.shared.source.dial(&self.shared.options, &self.shared.kick).await {
            Ok(dialed) => {
                self.away.reset();
                self.misses = 0;
                self.shared.install(dialed);
                true
            }
            Err(why) => {
                self.down(why);
                false
            }
        }
    }

    fn down(&self, why: DownReason) {
        tracing::debug!(%why, "could not connect to redis");
        self.shared.go_down(why);
    }
}

/// Heartbeats without an answer in a row that make a connection worthless.
const MISSES: u32 = 3;
/// A minute of heartbeats, unless they are set otherwise: rarely enough to cost nothing.
const BEATS_TO_A_READ: u32 = 60;
/// A hundred replicas that lost the same server come back spread over this long.
const SPREAD: Duration = Duration::from_millis(100);
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_DEMOTED_WAIT: Duration = Duration::from_secs(2);
/// After this long without a demotion the next one is a new event.
const CALM: Duration = Duration::from_secs(10);

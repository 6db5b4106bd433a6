//! The handle of a link.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{Cmd, FromRedisValue, RedisResult, Value};
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};
use tokio_util::task::TaskTracker;

use crate::call::ScriptCall;
use crate::error::{Failure, LinkError};
use crate::eviction::Eviction;
use crate::notifications::{Hub, Subscription};
use crate::options::{InvalidOption, LinkOptions};
use crate::pipeline::{Pipeline, Replies};
use crate::reply::{decode, send};
use crate::script::{Script, ScriptArgs};
use crate::shared::Shared;
use crate::source::{Source, client};
use crate::state::LinkState;
use crate::subscriber::Subscriber;
use crate::trips::Trips;
use crate::watchdog::Watchdog;

/// A process' link to one Redis: a connection for commands that everybody shares, and one for subscriptions.
///
/// Clones are cheap and share both. A task replaces the connection when the server goes away, falls silent or turns
/// into a replica; it ends with the last clone, or with [`close`](Self::close).
#[derive(Clone)]
pub struct RedisLink {
    owner: Arc<Owner>,
    timeout: Duration,
    /// Calls are refused while the server's memory is not relied on.
    settled_only: bool,
}

/// Ends the tasks of a link when its last handle is gone.
struct Owner {
    shared: Arc<Shared>,
    hub: Arc<Hub>,
    tasks: TaskTracker,
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.shared.stop.cancel();
        self.hub.close();
    }
}

impl RedisLink {
    /// Links to the server at `url`, such as `redis://user:password@host:6379/0`.
    ///
    /// A server that is not there is not an error: the link starts [`Down`](crate::LinkPhase::Down), logs a warning and
    /// keeps trying. The first attempt is awaited, at most `options.connect_timeout`.
    ///
    /// # Errors
    ///
    /// [`InvalidOption`] names the part of the URL or the option that cannot be right.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the link.
    pub async fn connect(url: &str, options: LinkOptions) -> Result<Self, InvalidOption> {
        let options = options.validated()?;
        let server = client(url, &options)?;
        let push = Some(server.clone());
        Ok(Self::start(Source::Server(Box::new(server)), push, options).await)
    }

    /// Checks a URL as [`connect`](Self::connect) does, without connecting.
    ///
    /// # Errors
    ///
    /// [`InvalidOption`] names the part of the URL that cannot be right.
    pub fn check_url(url: &str) -> Result<(), InvalidOption> {
        client(url, &LinkOptions::default()).map(drop)
    }

    /// Links through `pool`: one connection is taken out of it and shared, and another one whenever that breaks.
    ///
    /// A pool does not give its URL and its connections cannot subscribe. With `push_url`, subscriptions get a
    /// connection of their own; without, they never become live and waiters poll.
    ///
    /// # Errors
    ///
    /// As [`connect`](Self::connect).
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the link.
    #[cfg(feature = "deadpool")]
    pub async fn from_pool(
        pool: deadpool_redis::Pool,
        push_url: Option<&str>,
        options: LinkOptions,
    ) -> Result<Self, InvalidOption> {
        let options = options.validated()?;
        let push = push_url.map(|url| client(url, &options)).transpose()?;
        Ok(Self::start(Source::Pool(pool), push, options).await)
    }

    async fn start(source: Source, push: Option<redis::Client>, options: LinkOptions) -> Self {
        let timeout = options.command_timeout;
        let shared = Arc::new(Shared::new(source, options));
        let hub = Arc::new(Hub::new(push.is_some()));
        let tasks = TaskTracker::new();
        let link = Self { owner: Arc::new(Owner { shared, hub, tasks }), timeout, settled_only: false };
        let Owner { shared, hub, tasks } = &*link.owner;
        let mut watchdog = Watchdog::new(Arc::clone(shared));
        watchdog.dial().await;
        tasks.spawn(watchdog.run());
        if let Some(client) = push {
            let subscriber =
                Subscriber::new(client, Arc::clone(hub), shared.options.clone(), shared.stop.clone());
            tasks.spawn(subscriber.run());
        }
        link
    }

    /// A handle to the same link whose calls take at most `timeout`.
    pub fn with_timeout(&self, timeout: Duration) -> Self {
        Self { owner: Arc::clone(&self.owner), timeout, settled_only: self.settled_only }
    }

    /// A handle to the same link whose calls are refused with [`Unsettled`](LinkError::Unsettled) for 3 s after another run
    /// of a server took the place of the one before (a restart, a failover): it may have forgotten what was acknowledged,
    /// and whoever knows of that repeats it first, over another handle.
    ///
    /// A server that does not show its run by `INFO` counts as another one with every connection.
    pub fn settled(&self) -> Self {
        Self { settled_only: true, ..self.clone() }
    }

    /// The time until calls over a [settled](Self::settled) handle are sent again; zero while they are.
    pub fn settles_in(&self) -> Duration {
        self.owner.shared.connection().map_or(Duration::ZERO, |connection| connection.settles_in())
    }

    /// Counts the times that another run of a server took the place of the one before.
    pub fn watch_restarts(&self) -> watch::Receiver<u64> {
        self.owner.shared.restarts()
    }

    /// The longest a call over this handle takes.
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Sends one command.
    ///
    /// Blocking commands do not belong here: everybody shares the connection.
    ///
    /// # Errors
    ///
    /// See [`LinkError`]. A call that got no answer in time is [`Unknown`](LinkError::Unknown) and was not repeated.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the connection in step for everybody else, but does not take the command back: the
    /// server may run it.
    pub async fn query<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, LinkError> {
        let value = self.call(|mut connection| async move { send(&mut connection, command).await }).await?;
        decode(value)
    }

    /// Prepares a call of `script`; see [`ScriptCall::run`].
    pub fn script<'a>(&'a self, script: &'a Script) -> ScriptCall<'a> {
        ScriptCall { link: self, script, args: ScriptArgs::new() }
    }

    /// Sends several commands in one round trip; each has its own outcome.
    ///
    /// # Errors
    ///
    /// The outer error is about the round trip and holds for every command; see [`query`](Self::query).
    ///
    /// # Cancel safety
    ///
    /// As [`query`](Self::query), for each command.
    pub async fn pipeline(&self, pipeline: &Pipeline) -> Result<Replies, LinkError> {
        if pipeline.is_empty() {
            return Ok(Vec::new());
        }
        let values = self
            .call(|mut connection| async move {
                connection.send_packed_commands(pipeline.commands(), 0, pipeline.len()).await
            })
            .await?;
        Ok(values.into_iter().map(|value| self.reply(value)).collect())
    }

    /// The error of a single command in a pipeline means as much for the server as that of a single call.
    fn reply(&self, value: Value) -> Result<Value, LinkError> {
        value.extract_error().map_err(|error| match self.owner.shared.connection() {
            Some(connection) => self.owner.shared.failed(&connection, error, Duration::ZERO),
            None => Failure::from(error).error,
        })
    }

    /// Calls that share round trips with those of others.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn trips(&self) -> Trips {
        let (trips, conductors) = Trips::new(self);
        for conductor in conductors {
            self.owner.tasks.spawn(conductor.run(self.owner.shared.stop.clone()));
        }
        trips
    }

    /// Subscribes to `channels` and waits until the server has confirmed, at most for the timeout of this handle.
    ///
    /// Never fails: without a server the subscription starts out of work ([`Subscription::is_live`]), becomes live by
    /// itself and reports it with a [`Gap`](crate::Event::Gap).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the subscription.
    pub async fn subscribe<I>(&self, channels: I) -> Subscription
    where
        I: IntoIterator,
        I::Item: Into<Arc<str>>,
    {
        let channels = channels.into_iter().map(Into::into).collect();
        let mut subscription = Subscription::new(Arc::clone(&self.owner.hub), channels);
        if self.has_push() {
            let confirmed = tokio::time::timeout(self.timeout, subscription.live()).await;
            if confirmed.is_ok() {
                // The caller checks what it waits for after this call, which covers everything published before.
                subscription.start_here();
            }
        }
        subscription
    }

    /// Returns whether subscriptions can ever become live: not over a pool without a URL for them.
    pub fn has_push(&self) -> bool {
        self.owner.hub.has_push()
    }

    /// The present state, which shows whether calls go through.
    pub fn state(&self) -> LinkState {
        self.owner.shared.state()
    }

    /// Returns whether the server removes keys by itself when its memory is full: read with every connection, and once a
    /// minute or so.
    pub fn eviction(&self) -> Eviction {
        self.owner.shared.eviction()
    }

    /// Follows the state: for a caller that re-publishes after an outage, or reports readiness.
    pub fn watch_state(&self) -> watch::Receiver<LinkState> {
        self.owner.shared.watch()
    }

    /// Ends the link: calls fail with [`Down`](LinkError::Down), subscriptions end, and its tasks are awaited.
    ///
    /// # Cancel safety
    ///
    /// The link is closed even if the future is dropped.
    pub async fn close(&self) {
        let Owner { shared, hub, tasks } = &*self.owner;
        shared.stop.cancel();
        shared.close();
        hub.close();
        tasks.close();
        tasks.wait().await;
        shared.close();
    }

    pub(crate) async fn call<T, F, Answer>(&self, operation: F) -> Result<T, LinkError>
    where
        F: FnOnce(MultiplexedConnection) -> Answer,
        Answer: Future<Output = RedisResult<T>>,
    {
        let shared = &self.owner.shared;
        let deadline = Instant::now() + self.timeout;
        let connection = shared.ready(deadline).await?;
        if self.settled_only && !connection.settles_in().is_zero() {
            return Err(LinkError::Unsettled);
        }
        let started = Instant::now();
        match timeout_at(deadline, operation(connection.pipe.clone())).await {
            Ok(Ok(value)) => {
                shared.answered(&connection, started.elapsed());
                Ok(value)
            }
            Ok(Err(error)) => Err(shared.failed(&connection, error, started.elapsed())),
            Err(_) => {
                shared.silent(&connection, started.elapsed());
                Err(LinkError::timed_out())
            }
        }
    }
}

impl fmt::Debug for RedisLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisLink")
            .field("state", &self.state())
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

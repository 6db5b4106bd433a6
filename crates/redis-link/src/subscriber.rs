//! The task that holds the subscriber connection.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use redis::Client;
use redis::aio::{PubSubSink, PubSubStream};
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::backoff::Backoff;
use crate::notifications::{Confirmed, Hub, Notification};
use crate::options::LinkOptions;

/// Keeps the wanted channels subscribed until the link is closed.
pub(crate) struct Subscriber {
    client: Client,
    hub: Arc<Hub>,
    options: LinkOptions,
    stop: CancellationToken,
    backoff: Backoff,
}

/// A connection with its confirmed channels.
struct Session {
    sink: PubSubSink,
    messages: PubSubStream,
    confirmed: Confirmed,
    misses: u32,
}

/// The end of a session; the only remedy is to make another one.
struct Ended;

impl Subscriber {
    pub(crate) fn new(client: Client, hub: Arc<Hub>, options: LinkOptions, stop: CancellationToken) -> Self {
        Self { client, hub, options, stop, backoff: Backoff::new(FIRST_WAIT, LONGEST_WAIT) }
    }

    pub(crate) async fn run(mut self) {
        let stop = self.stop.clone();
        stop.run_until_cancelled(self.serve()).await;
    }

    async fn serve(&mut self) {
        loop {
            while self.hub.wanted().is_empty() {
                self.hub.changed().await;
            }
            if let Ok(mut session) = self.open().await {
                let Err(Ended) = self.listen(&mut session).await;
                self.hub.confirm(Confirmed::new());
                tracing::debug!("redis subscriber lost its connection");
            }
            sleep(self.backoff.step()).await;
        }
    }

    async fn open(&self) -> Result<Session, Ended> {
        let opening = timeout(self.options.connect_timeout, self.client.get_async_pubsub()).await;
        let (sink, messages) = opening.map_err(|_| Ended)?.map_err(|_| Ended)?.split();
        Ok(Session { sink, messages, confirmed: Confirmed::new(), misses: 0 })
    }

    async fn listen(&mut self, session: &mut Session) -> Result<std::convert::Infallible, Ended> {
        self.follow(session).await?;
        self.backoff.reset();
        let mut heartbeat = interval(self.options.heartbeat);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                message = session.messages.next() => self.pass_on(&message.ok_or(Ended)?),
                () = self.hub.changed() => self.follow(session).await?,
                _ = heartbeat.tick() => self.probe(session).await?,
            }
        }
    }

    /// Subscribes to what is wanted and not yet confirmed, and leaves what nobody wants any more.
    async fn follow(&self, session: &mut Session) -> Result<(), Ended> {
        let wanted = self.hub.wanted();
        let missing: Vec<&str> = wanted.difference(&session.confirmed).map(AsRef::as_ref).collect();
        let unwanted: Vec<&str> = session.confirmed.difference(&wanted).map(AsRef::as_ref).collect();
        if missing.is_empty() && unwanted.is_empty() {
            return Ok(());
        }
        let change = async {
            if !missing.is_empty() {
                session.sink.subscribe(missing).await?;
            }
            if !unwanted.is_empty() {
                session.sink.unsubscribe(unwanted).await?;
            }
            Ok::<_, redis::RedisError>(())
        };
        timeout(self.options.command_timeout, change).await.map_err(|_| Ended)?.map_err(|_| Ended)?;
        session.confirmed.clone_from(&wanted);
        self.hub.confirm(wanted);
        Ok(())
    }

    fn pass_on(&self, message: &redis::Msg) {
        let payload = message.get_payload_bytes().into();
        self.hub.publish(Notification { channel: message.get_channel_name().into(), payload });
    }

    /// A half-open connection delivers nothing and appears as a quiet channel; only a request distinguishes them.
    async fn probe(&self, session: &mut Session) -> Result<(), Ended> {
        match timeout(self.options.command_timeout, session.sink.ping::<redis::Value>()).await {
            Ok(Ok(_)) => session.misses = 0,
            Ok(Err(_)) => return Err(Ended),
            Err(_) => session.misses += 1,
        }
        if session.misses >= MISSES { Err(Ended) } else { Ok(()) }
    }
}

const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(2);
/// Heartbeats without an answer in a row that make a connection worthless.
const MISSES: u32 = 3;

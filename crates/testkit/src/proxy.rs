//! A TCP proxy that misbehaves on command.
//!
//! Put it between a client and a server, and change its [`Mode`] while they talk:
//!
//! ```
//! # async fn example(upstream: std::net::SocketAddr) -> std::io::Result<()> {
//! use solekey_testkit::proxy::{FaultProxy, Mode};
//!
//! let proxy = FaultProxy::start(upstream).await?;
//! // Point the client at `proxy.address()`.
//! proxy.set(Mode::Swallow).await; // half-open: the client's bytes go nowhere
//! proxy.set(Mode::Pass).await; // new connections work; the swallowed ones stay dead
//! # Ok(())
//! # }
//! ```

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;

use crate::{ports::free_port, wait::BOUND};

mod pump;

/// The treatment of bytes and connections by a [`FaultProxy`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Passes everything on.
    Pass,
    /// Accepts everything and passes nothing on, either way. A connection of which bytes were swallowed stays dead in
    /// that direction for good, as one does behind a firewall that has forgotten it.
    Swallow,
    /// Swallows what goes in this direction only, and passes the other on.
    Lose(Direction),
    /// Keeps the bytes, in order, until the mode changes: a partition that heals.
    Hold,
    /// Passes everything on after this long.
    Delay(Duration),
    /// Closes all connections, and new ones as soon as they are accepted.
    Cut,
    /// Closes all connections and the port: new ones are refused.
    Refuse,
}

/// A direction through a [`FaultProxy`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From the client: requests.
    ToServer,
    /// From the server: replies.
    ToClient,
}

/// A TCP proxy on a port of its own. It stops, and closes its connections, when it is dropped.
#[derive(Debug)]
pub struct FaultProxy {
    address: SocketAddr,
    orders: mpsc::Sender<Order>,
    accepted: Arc<AtomicU64>,
    task: JoinHandle<()>,
}

impl FaultProxy {
    /// Starts in [`Mode::Pass`] before the server at `upstream`, which need not run yet.
    ///
    /// # Errors
    /// When no port can be bound.
    ///
    /// # Cancel safety
    /// Dropping the future leaves nothing behind.
    pub async fn start(upstream: SocketAddr) -> io::Result<Self> {
        let listener = bind().await?;
        let address = listener.local_addr()?;
        let accepted = Arc::new(AtomicU64::new(0));
        let (orders, inbox) = mpsc::channel(1);
        let mode = watch::Sender::new(Mode::Pass);
        let endpoint_state = EndpointState {
            address,
            upstream,
            mode,
            accepted: accepted.clone(),
            connections: JoinSet::new(),
        };
        let task = tokio::spawn(endpoint_state.run(listener, inbox));
        Ok(Self { address, orders, accepted, task })
    }

    /// Returns the address for clients; it stays the same in every mode.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Changes the mode. When this returns it is in force: what [`Mode::Cut`] and [`Mode::Refuse`] close is closed,
    /// and a port that was closed is open again.
    ///
    /// # Cancel safety
    /// Dropping the future leaves open whether the mode changes.
    pub async fn set(&self, mode: Mode) {
        let (done, in_force) = oneshot::channel();
        // Both fail only when the proxy's runtime has ended, and every connection with it.
        let _ = self.orders.send(Order { mode, done }).await;
        let _ = in_force.await;
    }

    /// Connections accepted so far, those that were cut at once included.
    pub fn accepted(&self) -> u64 {
        self.accepted.load(Ordering::Relaxed)
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Order {
    mode: Mode,
    done: oneshot::Sender<()>,
}

/// The task behind a proxy; its connections go when it goes.
struct EndpointState {
    address: SocketAddr,
    upstream: SocketAddr,
    mode: watch::Sender<Mode>,
    accepted: Arc<AtomicU64>,
    connections: JoinSet<()>,
}

impl EndpointState {
    async fn run(mut self, listener: TcpListener, mut inbox: mpsc::Receiver<Order>) {
        let mut listener = Some(listener);
        loop {
            tokio::select! {
                // An order comes first, so that no connection is accepted on the strength of an old mode.
                biased;
                order = inbox.recv() => match order {
                    Some(order) => self.obey(order, &mut listener).await,
                    None => return,
                },
                Some(_) = self.connections.join_next() => {}
                client = accept(listener.as_ref()), if self.connections.len() < MAX_CONNECTIONS => self.admit(client),
            }
        }
    }

    async fn obey(&mut self, Order { mode, done }: Order, listener: &mut Option<TcpListener>) {
        if mode == Mode::Refuse {
            *listener = None;
        } else if listener.is_none() {
            *listener = self.reopen().await;
        }
        self.mode.send_replace(mode);
        if matches!(mode, Mode::Cut | Mode::Refuse) {
            self.connections.shutdown().await;
        }
        // Whoever gave the order may have stopped waiting.
        let _ = done.send(());
    }

    fn admit(&mut self, client: TcpStream) {
        self.accepted.fetch_add(1, Ordering::Relaxed);
        if *self.mode.borrow() != Mode::Cut {
            self.connections.spawn(pump::connection(client, self.upstream, self.mode.subscribe()));
        }
    }

    /// Binds the port again. Somebody may sit on it for a moment, hardly for as long as this tries.
    async fn reopen(&self) -> Option<TcpListener> {
        let give_up = Instant::now() + BOUND;
        while Instant::now() < give_up {
            match TcpListener::bind(self.address).await {
                Ok(listener) => return Some(listener),
                Err(_) => tokio::time::sleep(REOPEN_PAUSE).await,
            }
        }
        tracing::error!(address = %self.address, "the port of a fault proxy was taken while it was closed");
        None
    }
}

/// Binds a port of its own: another process may take a free one first.
async fn bind() -> io::Result<TcpListener> {
    let mut bound = TcpListener::bind((Ipv4Addr::LOCALHOST, free_port())).await;
    for _ in 1..PORT_TRIES {
        if bound.is_ok() {
            break;
        }
        bound = TcpListener::bind((Ipv4Addr::LOCALHOST, free_port())).await;
    }
    bound
}

/// Accepts the next client; never returns without a listener.
async fn accept(listener: Option<&TcpListener>) -> TcpStream {
    let Some(listener) = listener else { return std::future::pending().await };
    loop {
        if let Ok((client, _)) = listener.accept().await {
            return client;
        }
        // Out of descriptors, most likely: leave the others time to give some back.
        tokio::time::sleep(REOPEN_PAUSE).await;
    }
}

/// More than any test opens, fewer than a usual limit of descriptors.
const MAX_CONNECTIONS: usize = 400;

/// Losing the race for a port is rare; five times in a row means something else.
const PORT_TRIES: u32 = 5;
const REOPEN_PAUSE: Duration = Duration::from_millis(10);

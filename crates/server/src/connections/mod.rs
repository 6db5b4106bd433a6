//! Accepting connections and serving them until the end.

mod activity;
mod bodies;
mod connection;
mod limits;
mod slots;
mod stream;
#[cfg(test)]
mod tests;

use std::{io::ErrorKind, pin::pin, sync::Arc, time::Duration};

use tokio::{task::JoinSet, time::Instant};
use tokio_util::sync::CancellationToken;

use crate::{
    api::HttpApi,
    listener::{Accepted, Connection, Listener},
};
use connection::Answering;
use slots::{Slot, Slots};

pub(crate) use limits::{GRACE, Limits};
pub(crate) use slots::Peer;

/// Serves until `closing`; then nothing new is accepted, and what is under way has a moment to end.
pub(crate) async fn serve(listener: Listener, api: HttpApi, limits: Limits, closing: CancellationToken) {
    let slots = Slots::new(limits);
    // Dropping the set ends what is left in it.
    let mut connections = JoinSet::new();
    while let Some(accepted) = next(&listener, &mut connections, &closing).await {
        let Some(slot) = slot(&slots, &accepted, &mut connections, &closing).await else { break };
        let answering = Answering { api: api.clone(), by: accepted.by, slot };
        let closing = closing.clone();
        match accepted.connection {
            Connection::Tcp(stream) => connections.spawn(answering.serve(stream, limits, closing)),
            Connection::Unix(stream) => connections.spawn(answering.serve(stream, limits, closing)),
        };
    }
    drop(listener);
    let ended = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(limits.grace, ended).await.is_err() {
        tracing::debug!(connections = connections.len(), "connections cut at the end");
    }
}

/// The next connection; nothing once we are closing.
async fn next(
    listener: &Listener,
    connections: &mut JoinSet<()>,
    closing: &CancellationToken,
) -> Option<Accepted> {
    let mut accepting = pin!(accept(listener));
    loop {
        tokio::select! {
            biased;
            () = closing.cancelled() => return None,
            Some(_) = connections.join_next() => {}
            accepted = &mut accepting => return Some(accepted),
        }
    }
}

async fn accept(listener: &Listener) -> Accepted {
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            // It had ended before.
            Err(error)
                if matches!(error.kind(), ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset) => {}
            Err(error) => {
                tracing::debug!(error = &error as &dyn std::error::Error, "a connection was not accepted");
                // Out of descriptors, most likely: some will be free in a moment, and the listener is ready until then.
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// A slot for a connection that was accepted; while there is none, nothing else is accepted. Nothing once we are closing.
async fn slot(
    slots: &Arc<Slots>,
    accepted: &Accepted,
    connections: &mut JoinSet<()>,
    closing: &CancellationToken,
) -> Option<Slot> {
    loop {
        if let Some(slot) = slots.take(accepted.peer, Instant::now()) {
            return Some(slot);
        }
        tokio::select! {
            biased;
            () = closing.cancelled() => return None,
            Some(_) = connections.join_next() => {}
            // Somebody has been quiet for long enough by then.
            () = tokio::time::sleep(SLOT_PAUSE) => {}
        }
    }
}

const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
const SLOT_PAUSE: Duration = Duration::from_millis(25);

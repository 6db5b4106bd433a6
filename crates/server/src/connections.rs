//! Accepting connections and serving them until the end.

use std::{io, pin::pin, time::Duration};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

use crate::listener::{Connection, Listener};

/// Serves until `closing`; then nothing new is accepted, and what is under way has [`GRACE`] to end.
pub(crate) async fn serve(listener: Listener, router: Router, closing: CancellationToken) {
    // Dropping the set ends what is left in it.
    let mut connections = JoinSet::new();
    while let Some(accepted) = next(&listener, &mut connections, &closing).await {
        match accepted {
            Ok(Connection::Tcp(stream)) => {
                connections.spawn(connection(stream, router.clone(), closing.clone()))
            }
            Ok(Connection::Unix(stream)) => {
                connections.spawn(connection(stream, router.clone(), closing.clone()))
            }
            Err(error) => {
                tracing::debug!(error = &error as &dyn std::error::Error, "a connection was not accepted");
                // Out of descriptors, most likely: some will be free in a moment.
                connections.spawn(tokio::time::sleep(ACCEPT_PAUSE))
            }
        };
    }
    drop(listener);
    let ended = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(GRACE, ended).await.is_err() {
        tracing::debug!(connections = connections.len(), "connections cut at the end");
    }
}

/// The next connection; nothing once we are closing. At the limit it waits for another connection's end.
async fn next(
    listener: &Listener,
    connections: &mut JoinSet<()>,
    closing: &CancellationToken,
) -> Option<io::Result<Connection>> {
    loop {
        tokio::select! {
            biased;
            () = closing.cancelled() => return None,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept(), if connections.len() < MAX_CONNECTIONS => return Some(accepted),
        }
    }
}

async fn connection<I>(stream: I, router: Router, closing: CancellationToken)
where
    I: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let service = TowerToHyperService::new(router);
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(IDLE)
        .serve_connection(TokioIo::new(stream), service);
    let mut serving = pin!(serving);
    let ended = tokio::select! {
        ended = serving.as_mut() => ended,
        () = closing.cancelled() => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(error = &error as &dyn std::error::Error, "a connection broke");
    }
}

/// How long answers under way have to leave, once nothing is refreshed any more.
pub(crate) const GRACE: Duration = Duration::from_secs(2);
/// Hyper counts idle time as time for the next request's head, so this also says how long idle connections are kept: longer
/// than gateways usually keep theirs, so that they are the ones who close.
const IDLE: Duration = Duration::from_secs(75);
/// Below the usual limit of 1024 descriptors, with room for Redis, SQLite and token endpoints.
const MAX_CONNECTIONS: usize = 900;
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

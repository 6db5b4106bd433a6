//! Signals that end the demo.

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Waits for SIGINT, SIGTERM or SIGHUP, so that the replicas are killed before the process ends.
///
/// # Cancel safety
/// Dropping the future changes nothing, except that these signals no longer end the process by themselves.
pub(super) async fn interrupted() {
    let (mut int, mut term, mut hup) =
        (of(SignalKind::interrupt()), of(SignalKind::terminate()), of(SignalKind::hangup()));
    tokio::select! {
        () = next(&mut int) => {}
        () = next(&mut term) => {}
        () = next(&mut hup) => {}
    }
}

/// `None` where it cannot be listened to: it then ends the process as ever.
fn of(kind: SignalKind) -> Option<Signal> {
    signal(kind).ok()
}

async fn next(signal: &mut Option<Signal>) {
    match signal {
        Some(signal) => drop(signal.recv().await),
        None => std::future::pending().await,
    }
}

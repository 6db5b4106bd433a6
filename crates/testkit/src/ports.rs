use std::net::TcpListener;

/// A port of 127.0.0.1 that nobody listens on at this moment.
///
/// It lies below the range from which systems take the ports of outgoing connections, so that a server which is
/// killed and restarted does not find its port taken by somebody's connection.
pub(crate) fn free_port() -> u16 {
    let mut candidates = std::iter::repeat_with(|| fastrand::u16(20_000..32_000)).take(CANDIDATES);
    candidates
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .or_else(ephemeral_port)
        .unwrap_or_default()
}

fn ephemeral_port() -> Option<u16> {
    Some(TcpListener::bind(("127.0.0.1", 0)).ok()?.local_addr().ok()?.port())
}

/// Twelve thousand ports, of which a test machine uses a few dozen: more than a handful of tries means that binding
/// as such does not work.
const CANDIDATES: usize = 64;

//! Token endpoints: whether somebody listens. Nothing is said to them.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::{net::TcpStream, time::timeout};

use super::{TokenHost, finding::Finding};

pub(super) async fn examine(hosts: &[TokenHost]) -> Vec<Finding> {
    join_all(hosts.iter().map(look)).await
}

async fn look(TokenHost { provider, host, port }: &TokenHost) -> Finding {
    let met = timeout(CONNECT, TcpStream::connect((host.as_str(), *port))).await;
    let why = match met {
        Ok(Ok(_)) => return Finding::ok(CHECK, format!("{provider}: {host}:{port} takes connections")),
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!("no answer in {CONNECT:?}"),
    };
    Finding::warning(
        CHECK,
        format!("{provider}: {host}:{port} cannot be reached: {why}"),
        "look at name resolution and firewalls of this machine; nothing is refreshed from here until it can",
    )
}

const CHECK: &str = "provider";
const CONNECT: Duration = Duration::from_secs(3);

//! Checks that token endpoints accept connections, in TLS with the certificates that this process believes. One request
//! without a body and without credentials is all that is sent to them.

use std::time::Duration;

use futures_util::future::join_all;
use solekey::core::mutant;
use solekey_providers::greet;
use tokio::{net::TcpStream, time::timeout};

use super::{TokenHost, finding::Finding};

pub(super) async fn examine(hosts: &[TokenHost]) -> Vec<Finding> {
    join_all(hosts.iter().map(check)).await
}

async fn check(token_host: &TokenHost) -> Finding {
    let TokenHost { provider, host, port, tls } = token_host;
    let met = timeout(CONNECT, TcpStream::connect((host.as_str(), *port))).await;
    let why = match met {
        Ok(Ok(_)) if *tls && !mutant("doctor_only_connects") => return handshake(token_host).await,
        Ok(Ok(_)) => return Finding::ok(CHECK, format!("{provider}: {host}:{port} takes connections")),
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!("no answer in {CONNECT:?}"),
    };
    Finding::warning(
        CHECK,
        format!("{provider}: {host}:{port} cannot be reached: {why}"),
        "check name resolution and firewalls of this machine; nothing is refreshed from here until it can",
    )
}

/// Speaks TLS as an exchange does: any answer shows that the certificate is believed.
async fn handshake(TokenHost { provider, host, port, .. }: &TokenHost) -> Finding {
    let Err(why) = greet(host, *port, CONNECT).await else {
        let believed = "answers in TLS, with a certificate that is believed";
        return Finding::ok(CHECK, format!("{provider}: {host}:{port} {believed}"));
    };
    Finding::error(
        CHECK,
        format!("{provider}: {host}:{port} takes connections, and TLS fails: {why}"),
        "check its certificate, the clock, and the certificates that this machine believes (SSL_CERT_FILE)",
    )
}

const CHECK: &str = "provider";
const CONNECT: Duration = Duration::from_secs(3);

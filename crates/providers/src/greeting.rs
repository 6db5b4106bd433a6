//! A request that shows whether a token endpoint's certificate is believed.

use std::time::Duration;

use reqwest::{ClientBuilder, redirect::Policy, retry};

/// Asks the server of a token endpoint for its first page, in TLS as an exchange speaks it and without any credential. Any
/// answer will do.
///
/// # Errors
/// What kept an answer from coming, for people.
pub async fn greet(host: &str, port: u16, patience: Duration) -> Result<(), String> {
    let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    let client = ClientBuilder::new()
        .user_agent(concat!("solekey/", env!("CARGO_PKG_VERSION")))
        .http1_only()
        .redirect(Policy::none())
        .retry(retry::never())
        .referer(false)
        .no_proxy()
        .timeout(patience)
        .build();
    let answered = match client {
        Ok(client) => client.head(format!("https://{host}:{port}/")).send().await.map(drop),
        Err(error) => Err(error),
    };
    answered.map_err(|error| {
        let all = std::iter::successors(Some(&error as &dyn std::error::Error), |error| error.source());
        all.last().map(ToString::to_string).unwrap_or_default()
    })
}

//! Logs of a server: on standard error, filtered by `SOLEKEY_LOG`.

use std::io;

use anyhow::Context as _;
use tracing_subscriber::{EnvFilter, fmt, prelude::*};

/// Starts logging: `SOLEKEY_LOG` is a filter such as `solekey=debug`, `SOLEKEY_LOG_FORMAT` is `text` or `json`.
pub(crate) fn start() -> anyhow::Result<()> {
    let filter = match std::env::var("SOLEKEY_LOG") {
        Ok(text) if !text.is_empty() => EnvFilter::try_new(text)
            .context("SOLEKEY_LOG: expected a filter such as info or solekey=debug")?,
        _ => EnvFilter::new("info"),
    };
    let format = std::env::var("SOLEKEY_LOG_FORMAT").unwrap_or_default();
    let subscriber = tracing_subscriber::registry().with(filter);
    match format.as_str() {
        "" | "text" => subscriber.with(fmt::layer().with_ansi(false).with_writer(io::stderr)).try_init()?,
        "json" => subscriber.with(fmt::layer().json().with_writer(io::stderr)).try_init()?,
        _ => anyhow::bail!("SOLEKEY_LOG_FORMAT: expected text or json"),
    }
    Ok(())
}

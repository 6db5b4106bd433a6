//! Logs of a server: on standard error, filtered by `SOLEKEY_LOG`.

use std::io;

use anyhow::Context as _;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt, prelude::*};

/// Starts logging: `SOLEKEY_LOG` is a filter such as `solekey=debug`, `SOLEKEY_LOG_FORMAT` is `text` or `json`. `traces`
/// receives spans in addition to the log, also those that its filter leaves out.
pub(crate) fn start(traces: Option<impl Layer<Registry> + Send + Sync>) -> anyhow::Result<()> {
    let filter = match std::env::var("SOLEKEY_LOG") {
        Ok(text) if !text.is_empty() => EnvFilter::try_new(text)
            .context("SOLEKEY_LOG: expected a filter such as info or solekey=debug")?,
        // Pools and statements are warned of by whoever waits for them.
        _ => EnvFilter::new("info,sqlx=error"),
    };
    let format = std::env::var("SOLEKEY_LOG_FORMAT").unwrap_or_default();
    let lines = match format.as_str() {
        "" | "text" => fmt::layer().with_ansi(false).with_writer(io::stderr).boxed(),
        "json" => fmt::layer().json().with_writer(io::stderr).boxed(),
        _ => anyhow::bail!("SOLEKEY_LOG_FORMAT: expected text or json"),
    };
    tracing_subscriber::registry().with(traces).with(lines.with_filter(filter)).try_init()?;
    Ok(())
}

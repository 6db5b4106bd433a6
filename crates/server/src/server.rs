//! The server as a whole.

use std::{io, sync::Arc, time::Duration};

use solekey::{BuildError, DEFAULT_DRAIN, Observer, Shutdown, Solekey, core::InputError};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::{
    api::{Api, HttpApi},
    config::{Config, Listen},
    connections::{self, GRACE, Limits},
    hosts::Hosts,
    listener::Listener,
    metrics::Metrics,
    mirror::Mirrors,
};

/// A sidecar that is bound to its address.
pub struct Server {
    listener: Listener,
    limits: Limits,
    hosts: Hosts,
    api: Arc<Api>,
    mirrors: Mirrors,
}

/// The reason why the server does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// A setting cannot work.
    #[error(transparent)]
    Key(#[from] InputError),
    /// The address is taken, or not ours to take.
    #[error("listen: cannot listen on {address}")]
    Listen {
        /// The address.
        address: Listen,
        /// The error of the bind.
        #[source]
        source: io::Error,
    },
    /// The instance cannot be built.
    #[error(transparent)]
    Build(BuildError),
}

impl Server {
    /// Binds the address and opens what the configuration names. A Redis or PostgreSQL that is away is no error: the
    /// server starts, warns, and waits for it. The soft limit of this process' descriptors is raised to the hard one, at most
    /// 65,536: half of them, at most 4,096, are for connections.
    ///
    /// # Errors
    /// The address cannot be bound, a URL cannot be read, or the SQLite file or state folder cannot be opened.
    ///
    /// # Cancel safety
    /// Dropped midway, nothing is bound.
    pub async fn bind(config: Config) -> Result<Self, ServerError> {
        let address = config.listen().clone();
        let listener = Listener::bind(&address).await;
        let listener = listener.map_err(|source| ServerError::Listen { address, source })?;
        let (providers, warnings) = (config.provider_names(), config.warnings());
        let (coordination, files) = (config.coordination(), config.mirrors().clone());
        let (limits, hosts) = (Limits::of_process(), config.hosts().clone());
        let metrics = Arc::new(Metrics::of(&providers));
        let builder = config.into_builder().observer(Arc::clone(&metrics) as Arc<dyn Observer>);
        let solekey = builder.build().await.map_err(ServerError::from_build)?;
        tracing::info!(address = %listener.address(), coordination, "bound");
        let mirrors = Mirrors::start(&solekey, files);
        let files = mirrors.troubles();
        let api = Arc::new(Api { solekey, metrics, providers, warnings, files });
        Ok(Self { listener, limits, hosts, api, mirrors })
    }

    /// Returns the address at which it listens, with the port that the system chose.
    pub fn address(&self) -> &Listen {
        self.listener.address()
    }

    /// The instance that it serves.
    pub fn solekey(&self) -> &Solekey {
        &self.api.solekey
    }

    /// Serves until `stop` is ready. Then nothing new is claimed, `/readyz` returns 503, tokens at hand go on being
    /// served, and refreshes whose request was sent are waited for; what they brought is in the mirrored files, too. At
    /// last connections end. All of that takes less than 25 s.
    ///
    /// # Cancel safety
    /// Dropped midway, connections are cut, mirrors end where they are, and refreshes go on until the runtime ends.
    pub async fn run(self, stop: impl Future<Output = ()>) -> Shutdown {
        let Self { listener, limits, hosts, api, mirrors } = self;
        let closing = CancellationToken::new();
        let http = HttpApi::new(Arc::clone(&api), hosts);
        let drained = async {
            stop.await;
            tracing::info!("draining");
            let shutdown = drain(&api.solekey, mirrors).await;
            closing.cancel();
            shutdown
        };
        let warned = async {
            tokio::select! {
                () = warn_at_start(&api) => {}
                () = closing.cancelled() => {}
            }
        };
        let (shutdown, (), ()) =
            tokio::join!(drained, warned, connections::serve(listener, http, limits, closing.clone()));
        tracing::info!(in_doubt = shutdown.in_doubt, "stopped");
        shutdown
    }
}

impl ServerError {
    fn from_build(error: BuildError) -> Self {
        match error {
            BuildError::Input(error) => Self::Key(error),
            error => Self::Build(error),
        }
    }
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").field("listener", &self.listener).finish_non_exhaustive()
    }
}

/// Ends an instance and the mirrors of its accounts within [`DRAIN`]. The mirrors first: what they write last is read
/// from a store that the instance closes.
async fn drain(solekey: &Solekey, mirrors: Mirrors) -> Shutdown {
    let deadline = Instant::now() + DRAIN;
    solekey.start_draining();
    if timeout_at(deadline, mirrors.stop()).await.is_err() {
        tracing::warn!("not all mirrored files were brought up to date in time; the next start does that");
    }
    solekey.shutdown(deadline.saturating_duration_since(Instant::now())).await
}

async fn warn_at_start(api: &Api) {
    for warning in &api.warnings {
        tracing::warn!(%warning, "the configuration has a risk; the sidecar starts nevertheless");
    }
    let health = api.solekey.health().await;
    if !health.store {
        tracing::warn!("the store does not respond; nothing is refreshed until it does");
    } else if health.cache == Some(false) {
        tracing::warn!("Redis does not respond; replicas coordinate through the store alone until it does");
    }
}

/// The longest time for refreshes and mirrors: the rest of the 25 s is left for connections.
const DRAIN: Duration = DEFAULT_DRAIN.saturating_sub(GRACE);

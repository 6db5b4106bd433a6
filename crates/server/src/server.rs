//! The server as a whole.

use std::{io, sync::Arc, time::Duration};

use solekey::{BuildError, DEFAULT_DRAIN, Observer, Shutdown, Solekey, core::InputError};
use tokio_util::sync::CancellationToken;

use crate::{
    api::{self, Api},
    config::{Config, Listen},
    connections::{self, GRACE},
    listener::Listener,
    metrics::Metrics,
};

/// A sidecar that is bound to its address.
pub struct Server {
    listener: Listener,
    api: Arc<Api>,
}

/// Why the server does not start.
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
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The instance cannot be built.
    #[error(transparent)]
    Build(BuildError),
}

impl Server {
    /// Binds the address and opens what the configuration names. A Redis or PostgreSQL that is away is no error: the
    /// server starts, warns, and waits for it.
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
        let coordination = config.coordination();
        let metrics = Arc::new(Metrics::of(&providers));
        let builder = config.into_builder().observer(Arc::clone(&metrics) as Arc<dyn Observer>);
        let solekey = builder.build().await.map_err(ServerError::from_build)?;
        tracing::info!(address = %listener.address(), coordination, "bound");
        Ok(Self { listener, api: Arc::new(Api { solekey, metrics, providers, warnings }) })
    }

    /// Where it listens: with the port that the system chose.
    pub fn address(&self) -> &Listen {
        self.listener.address()
    }

    /// The instance that it serves.
    pub fn solekey(&self) -> &Solekey {
        &self.api.solekey
    }

    /// Serves until `stop` is ready. Then nothing new is claimed, `/readyz` says 503, tokens at hand go on being
    /// served, and refreshes whose request was sent are waited for; at last connections end. All of that takes less than
    /// 25 s.
    ///
    /// # Cancel safety
    /// Dropped midway, connections are cut and refreshes go on until the runtime ends.
    pub async fn run(self, stop: impl Future<Output = ()>) -> Shutdown {
        let Self { listener, api } = self;
        let closing = CancellationToken::new();
        let router = api::router(Arc::clone(&api));
        let drained = async {
            stop.await;
            tracing::info!("draining");
            api.solekey.start_draining();
            let shutdown = api.solekey.shutdown(DRAIN).await;
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
            tokio::join!(drained, warned, connections::serve(listener, router, closing.clone()));
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

async fn warn_at_start(api: &Api) {
    for warning in &api.warnings {
        tracing::warn!("{warning}");
    }
    let health = api.solekey.health().await;
    if !health.store {
        tracing::warn!("the store does not answer; nothing is refreshed until it does");
    } else if health.cache == Some(false) {
        tracing::warn!("Redis does not answer; replicas coordinate through the store alone until it does");
    }
}

/// What is left for connections fits before the 25 s are over.
const DRAIN: Duration = DEFAULT_DRAIN.saturating_sub(GRACE);

//! `solekey serve`.

use std::{
    io::{self, Write as _},
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

use clap::Args;
use solekey_server::{Config, Environment, Server};
use tokio::{
    runtime::Runtime,
    signal::unix::{Signal, SignalKind, signal},
    sync::oneshot,
};

#[derive(Args)]
pub(crate) struct ServeArgs {
    /// The configuration. Without it ./solekey.toml, and where there is none the environment alone.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Sends traces to this collector: OTLP over HTTP, to /v1/traces below the URL.
    #[cfg(feature = "otlp")]
    #[arg(long, value_name = "URL", env = "OTEL_EXPORTER_OTLP_ENDPOINT", hide_env_values = true)]
    otlp_endpoint: Option<String>,
}

pub(crate) fn run(args: ServeArgs) -> ExitCode {
    let served = runtime().and_then(|runtime| {
        let telemetry = Telemetry::start(&args, &runtime)?;
        let served = runtime.block_on(serve(args));
        telemetry.flush();
        // Whatever still blocks a thread then is not worth waiting for.
        runtime.shutdown_timeout(Duration::from_millis(500));
        served
    });
    served.unwrap_or_else(|error| crate::fail(&error))
}

fn runtime() -> anyhow::Result<Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().enable_all().build()?)
}

/// The logs and traces of the server.
struct Telemetry {
    #[cfg(feature = "otlp")]
    traces: Option<crate::traces::Traces>,
}

#[cfg(feature = "otlp")]
impl Telemetry {
    fn start(args: &ServeArgs, runtime: &Runtime) -> anyhow::Result<Self> {
        let endpoint = args.otlp_endpoint.as_deref().filter(|endpoint| !endpoint.is_empty());
        let traces = endpoint.map(|endpoint| crate::traces::Traces::start(endpoint, runtime.handle()));
        let traces = traces.transpose()?;
        crate::logs::start(traces.as_ref().map(crate::traces::Traces::layer))?;
        Ok(Self { traces })
    }

    fn flush(self) {
        if let Some(traces) = self.traces {
            traces.flush();
        }
    }
}

#[cfg(not(feature = "otlp"))]
impl Telemetry {
    fn start(_args: &ServeArgs, _runtime: &Runtime) -> anyhow::Result<Self> {
        crate::logs::start(None::<tracing_subscriber::layer::Identity>)?;
        Ok(Self {})
    }

    fn flush(self) {
        let Self {} = self;
    }
}

async fn serve(args: ServeArgs) -> anyhow::Result<ExitCode> {
    let mut signals = Signals::listen()?;
    let file = config_file(args.config);
    let config = Config::load(file.as_deref(), &Environment::of_process())?;
    let server = Server::bind(config).await?;
    print_address(&server);
    let (stop, stopped) = oneshot::channel();
    let served = server.run(async {
        // The sender lives until the server has ended.
        let _ = stopped.await;
    });
    let interrupted = async {
        signals.next().await;
        let _ = stop.send(());
        signals.next().await;
    };
    tokio::select! {
        _ = served => Ok(ExitCode::SUCCESS),
        () = interrupted => Ok(ExitCode::FAILURE),
    }
}

/// The file that was named, else the usual one where it is there.
pub(crate) fn config_file(named: Option<PathBuf>) -> Option<PathBuf> {
    named.or_else(|| Some(PathBuf::from(USUAL_FILE)).filter(|path| path.exists()))
}

/// Prints the address: a parent that started us with port 0 reads the port from here.
fn print_address(server: &Server) {
    let mut out = io::stdout().lock();
    // Nobody has to listen.
    let _ = writeln!(out, "listening on {}", server.address()).and_then(|()| out.flush());
}

/// The signals that ask us to end.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn listen() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

const USUAL_FILE: &str = "solekey.toml";

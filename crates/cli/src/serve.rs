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
}

pub(crate) fn run(args: ServeArgs) -> ExitCode {
    let served = logs_and_runtime().and_then(|runtime| {
        let served = runtime.block_on(serve(args));
        // Whatever still blocks a thread then is not worth waiting for.
        runtime.shutdown_timeout(Duration::from_millis(500));
        served
    });
    served.unwrap_or_else(|error| crate::fail(&error))
}

fn logs_and_runtime() -> anyhow::Result<Runtime> {
    crate::logs::start()?;
    Ok(tokio::runtime::Builder::new_multi_thread().enable_all().build()?)
}

async fn serve(args: ServeArgs) -> anyhow::Result<ExitCode> {
    let mut signals = Signals::listen()?;
    let file = args.config.or_else(|| Some(PathBuf::from(USUAL_FILE)).filter(|path| path.exists()));
    let config = Config::load(file.as_deref(), &Environment::of_process())?;
    let server = Server::bind(config).await?;
    announce(&server);
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

/// Whoever started us with port 0 reads the port from here.
fn announce(server: &Server) {
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

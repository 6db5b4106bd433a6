use std::fs::{self, File};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use super::binary::find_server;
use super::error::FixtureError;
use super::resp::{self, Resp};
use crate::{ports::free_port, process::ServerProcess, wait::BOUND};

/// A Redis or Valkey server of your own, on a port and in a folder of its own.
///
/// It is killed when dropped, and when this process dies. When it is dropped by a panicking test its folder is kept
/// and the path of its log printed.
#[derive(Debug)]
pub struct RedisServer {
    settings: RedisServerBuilder,
    binary: PathBuf,
    port: u16,
    folder: Option<TempDir>,
    log: PathBuf,
    process: Option<ServerProcess>,
}

/// Settings of a [`RedisServer`].
#[derive(Debug, Clone, Default)]
pub struct RedisServerBuilder {
    binary: Option<PathBuf>,
    append_only: bool,
    args: Vec<String>,
}

/// The data that are left after a [restart](RedisServer::restart).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Data {
    /// Whatever was persisted: everything acknowledged with [`append_only`](RedisServerBuilder::append_only),
    /// otherwise nothing.
    Kept,
    /// Nothing.
    Lost,
}

/// Connections to cut with [`RedisServer::kill_clients`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientKind {
    /// Those that send commands.
    Normal,
    /// Those that have subscribed.
    PubSub,
}

impl RedisServerBuilder {
    /// Runs this binary. Default: what [`find_server`] finds.
    pub fn binary(mut self, binary: impl Into<PathBuf>) -> Self {
        self.binary = Some(binary.into());
        self
    }

    /// Persists every write before it is acknowledged (AOF, `appendfsync always`). Default: persists nothing.
    pub fn append_only(mut self) -> Self {
        self.append_only = true;
        self
    }

    /// Adds a setting, e.g. `("maxmemory", "1mb")`.
    pub fn setting(mut self, name: &str, value: &str) -> Self {
        self.args.extend([format!("--{name}"), value.to_owned()]);
        self
    }

    /// Starts the server and waits until it answers, three minutes at the most.
    ///
    /// # Errors
    /// No binary, or it does not come up; the error says where its log is.
    ///
    /// # Cancel safety
    /// Dropping the future kills the server.
    pub async fn start(self) -> Result<RedisServer, FixtureError> {
        let binary = self.binary.clone().map_or_else(find_server, Ok)?;
        let spawn_error = |source| FixtureError::Spawn { binary: binary.clone(), source };
        let folder = tempfile::Builder::new().prefix("solekey-redis-").tempdir().map_err(spawn_error)?;
        let log = folder.path().join(LOG);
        let mut server =
            RedisServer { settings: self, binary, port: 0, folder: Some(folder), log, process: None };
        server.start_anywhere().await?;
        Ok(server)
    }

    fn args(&self, port: u16, folder: &Path) -> Vec<String> {
        let append_only = if self.append_only { "yes" } else { "no" };
        let folder = folder.to_string_lossy();
        let port = port.to_string();
        let mut args = Vec::new();
        for (name, value) in [
            ("--port", port.as_str()),
            ("--bind", "127.0.0.1"),
            ("--dir", folder.as_ref()),
            ("--daemonize", "no"),
            ("--save", ""),
            ("--appendonly", append_only),
            ("--appendfsync", "always"),
        ] {
            args.extend([name.to_owned(), value.to_owned()]);
        }
        args.extend(self.args.iter().cloned());
        args
    }
}

impl RedisServer {
    /// Settings, to be ended with [`start`](RedisServerBuilder::start).
    pub fn builder() -> RedisServerBuilder {
        RedisServerBuilder::default()
    }

    /// Starts a server that persists nothing.
    ///
    /// # Errors
    /// As [`RedisServerBuilder::start`].
    ///
    /// # Cancel safety
    /// Dropping the future kills the server.
    pub async fn start() -> Result<Self, FixtureError> {
        Self::builder().start().await
    }

    /// `redis://127.0.0.1:PORT/`; stays the same over a restart.
    pub fn url(&self) -> String {
        format!("redis://{}/", self.address())
    }

    /// Returns the address of the server; it stays the same over a restart.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port))
    }

    /// The process, unless it was killed.
    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(ServerProcess::id)
    }

    /// The log of the server, over all its restarts.
    pub fn log_path(&self) -> &Path {
        &self.log
    }

    /// Stops the process with SIGSTOP: connections stay open, the kernel still accepts new ones, nobody answers.
    ///
    /// # Errors
    /// Not running, or not stopped within three minutes. It blocks for as long, usually well below a millisecond.
    pub fn pause(&self) -> Result<(), FixtureError> {
        self.running()?.pause().map_err(FixtureError::Signal)
    }

    /// Lets a paused process go on (SIGCONT).
    ///
    /// # Errors
    /// Not running.
    pub fn resume(&self) -> Result<(), FixtureError> {
        self.running()?.resume().map_err(FixtureError::Signal)
    }

    /// Kills the process with SIGKILL and waits for its end. Its port refuses connections from then on.
    pub fn kill9(&mut self) {
        self.process = None;
    }

    /// Starts the server again on its port, killing it first if it runs. Waits until it answers, three minutes at the
    /// most.
    ///
    /// # Errors
    /// It does not come up; it is not running then.
    ///
    /// # Cancel safety
    /// Dropping the future may leave the server killed or starting.
    pub async fn restart(&mut self, data: Data) -> Result<(), FixtureError> {
        self.kill9();
        if data == Data::Lost {
            self.erase().map_err(|source| self.spawn_error(source))?;
        }
        let deadline = Instant::now() + BOUND;
        loop {
            match self.start_here(deadline).await {
                // Somebody else may sit on the port for a moment.
                Err(FixtureError::Exited { .. }) if Instant::now() < deadline => {
                    sleep(READY_POLL).await;
                }
                other => return other,
            }
        }
    }

    /// Executes a command on a connection of its own, three minutes at the most.
    ///
    /// # Errors
    /// No answer, or an error reply.
    ///
    /// # Cancel safety
    /// Dropping the future leaves open whether the command was executed.
    pub async fn command(&self, words: &[&str]) -> Result<Resp, FixtureError> {
        let failed = |source| FixtureError::Command {
            command: words.first().copied().unwrap_or_default().to_owned(),
            source,
        };
        match resp::command(self.address(), words, BOUND).await.map_err(failed)? {
            Resp::Error(message) => Err(failed(io::Error::other(message))),
            reply => Ok(reply),
        }
    }

    /// Deletes everything.
    ///
    /// # Errors
    /// As [`command`](Self::command).
    ///
    /// # Cancel safety
    /// As [`command`](Self::command).
    pub async fn flush_all(&self) -> Result<(), FixtureError> {
        self.command(&["FLUSHALL"]).await.map(drop)
    }

    /// Cuts connections from the server's side; returns how many.
    ///
    /// # Errors
    /// As [`command`](Self::command).
    ///
    /// # Cancel safety
    /// As [`command`](Self::command).
    pub async fn kill_clients(&self, kind: ClientKind) -> Result<u64, FixtureError> {
        let kind = match kind {
            ClientKind::Normal => "normal",
            ClientKind::PubSub => "pubsub",
        };
        match self.command(&["CLIENT", "KILL", "TYPE", kind]).await? {
            Resp::Integer(count) => Ok(u64::try_from(count).unwrap_or_default()),
            _ => Ok(0),
        }
    }

    fn running(&self) -> Result<&ServerProcess, FixtureError> {
        self.process.as_ref().ok_or(FixtureError::NotRunning)
    }

    /// Tries ports until the server comes up on one: another process may take a free port before the server does.
    async fn start_anywhere(&mut self) -> Result<(), FixtureError> {
        let deadline = Instant::now() + BOUND;
        let mut tries = 0;
        loop {
            tries += 1;
            self.port = free_port();
            match self.start_here(deadline).await {
                Err(FixtureError::Exited { .. }) if tries < PORT_TRIES => {}
                other => return self.keep_log_of_failure(other),
            }
        }
    }

    async fn start_here(&mut self, deadline: Instant) -> Result<(), FixtureError> {
        let process = self.spawn().map_err(|source| self.spawn_error(source))?;
        self.process = Some(process);
        let ready = self.ready(deadline).await;
        if ready.is_err() {
            self.process = None;
        }
        ready
    }

    fn spawn(&self) -> io::Result<ServerProcess> {
        let folder = self.log.parent().unwrap_or(Path::new("."));
        let log = File::options().create(true).append(true).open(&self.log)?;
        ServerProcess::spawn(&self.binary, &self.settings.args(self.port, folder), &log)
    }

    async fn ready(&mut self, deadline: Instant) -> Result<(), FixtureError> {
        while Instant::now() < deadline {
            if self.process.as_mut().is_none_or(ServerProcess::has_exited) {
                let (log, tail) = self.log_tail();
                return Err(FixtureError::Exited { log, tail });
            }
            if self.answers().await {
                return Ok(());
            }
            sleep(READY_POLL).await;
        }
        let (log, tail) = self.log_tail();
        Err(FixtureError::Silent { log, tail })
    }

    /// Returns whether this very process, and not another that got the port, has finished loading.
    async fn answers(&self) -> bool {
        let Some(pid) = self.pid() else { return false };
        let ask = |words| async move { resp::command(self.address(), words, ASK_BOUND).await };
        let Ok(Resp::Bulk(Some(info))) = ask(&["INFO", "server"]).await else { return false };
        String::from_utf8_lossy(&info).lines().any(|line| line == format!("process_id:{pid}"))
            && ask(&["PING"]).await.is_ok_and(|reply| reply == Resp::Status("PONG".into()))
    }

    fn erase(&self) -> io::Result<()> {
        let Some(folder) = &self.folder else { return Ok(()) };
        for entry in fs::read_dir(folder.path())? {
            let path = entry?.path();
            if path == self.log {
                continue;
            }
            if path.is_dir() { fs::remove_dir_all(path)? } else { fs::remove_file(path)? }
        }
        Ok(())
    }

    fn spawn_error(&self, source: io::Error) -> FixtureError {
        FixtureError::Spawn { binary: self.binary.clone(), source }
    }

    fn log_tail(&self) -> (PathBuf, String) {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        let tail = lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n");
        (self.log.clone(), tail)
    }

    /// The error names the log, so the log has to outlive the server.
    fn keep_log_of_failure(&mut self, result: Result<(), FixtureError>) -> Result<(), FixtureError> {
        if let Err(FixtureError::Exited { .. } | FixtureError::Silent { .. }) = result {
            self.keep_folder();
        }
        result
    }

    fn keep_folder(&mut self) {
        self.folder.take().map(TempDir::keep);
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.kill9();
        if std::thread::panicking() && self.folder.is_some() {
            self.keep_folder();
            eprintln!("the log of the Redis server is kept: {}", self.log.display());
        }
    }
}

const LOG: &str = "server.log";
const TAIL_LINES: usize = 12;

const READY_POLL: Duration = Duration::from_millis(10);
/// Of one question, which is asked again: whoever else may sit on the port need not answer.
const ASK_BOUND: Duration = Duration::from_secs(10);

/// Losing the race for a port is rare; five times in a row means something else.
const PORT_TRIES: u32 = 5;

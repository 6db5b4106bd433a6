use std::{
    fs::{self, File, Permissions},
    io,
    net::{Ipv4Addr, SocketAddr},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use super::{binaries::find_binaries, error::PostgresFixtureError, startup::lets_in, user::User};
use crate::{ports::free_port, process::ServerProcess, wait::BOUND};

/// A PostgreSQL server of your own, on a port and in a folder of its own, with one role that may do anything.
///
/// What it acknowledges survives [`kill9`](Self::kill9): the kernel has it. Unless a setting says otherwise it does not
/// wait for the disk (`fsync` is off), because a test does not lose power.
///
/// It is killed when dropped, and when this process dies. When it is dropped by a panicking test its folder is kept
/// and the path of its log printed.
#[derive(Debug)]
pub struct PostgresServer {
    binaries: PathBuf,
    user: User,
    port: u16,
    folder: Option<TempDir>,
    log: PathBuf,
    /// `NAME=VALUE`, over those that every server has.
    settings: Vec<String>,
    process: Option<ServerProcess>,
}

impl PostgresServer {
    /// Makes a cluster and starts a server; waits until it lets people in, three minutes at the most.
    ///
    /// # Errors
    /// No binaries, or it does not come up; the error says where its log is.
    ///
    /// # Cancel safety
    /// Dropping the future kills the server.
    pub async fn start() -> Result<Self, PostgresFixtureError> {
        Self::start_as(None, Vec::new()).await
    }

    /// As [`start`](Self::start), with these settings of `postgresql.conf` over its own: `fsync`, say, `on`.
    ///
    /// # Errors
    /// As [`start`](Self::start); the server does not know a setting, or takes no such value.
    ///
    /// # Cancel safety
    /// Dropping the future kills the server.
    pub async fn start_with(settings: &[(&str, &str)]) -> Result<Self, PostgresFixtureError> {
        let settings = settings.iter().map(|(name, value)| format!("{name}={value}"));
        Self::start_as(None, settings.collect()).await
    }

    /// As [`start`](Self::start), with a server that offers TLS with this certificate and key, both as PEM.
    ///
    /// # Errors
    /// As [`start`](Self::start); certificate and key do not fit, or the server was built without TLS.
    ///
    /// # Cancel safety
    /// Dropping the future kills the server.
    pub async fn start_with_tls(certificate: &str, key: &str) -> Result<Self, PostgresFixtureError> {
        Self::start_as(Some((certificate, key)), vec!["ssl=on".to_owned()]).await
    }

    async fn start_as(
        tls: Option<(&str, &str)>,
        settings: Vec<String>,
    ) -> Result<Self, PostgresFixtureError> {
        let (binaries, user) = (find_binaries()?, User::find()?);
        let spawn_error = |source| PostgresFixtureError::Spawn { binary: binaries.join("initdb"), source };
        let folder = tempfile::Builder::new().prefix("solekey-postgres-").tempdir().map_err(spawn_error)?;
        user.own(folder.path()).map_err(spawn_error)?;
        let log = folder.path().join("postgres.log");
        let mut server = Self { binaries, user, port: 0, folder: Some(folder), log, settings, process: None };
        let started = match server.init().await.and_then(|()| server.keep(tls)) {
            Ok(()) => server.start_anywhere().await,
            failed => failed,
        };
        server.keep_log_of_failure(started)?;
        Ok(server)
    }

    /// `postgres://solekey@127.0.0.1:PORT/postgres`; stays the same over a restart. Any password will do.
    pub fn url(&self) -> String {
        self.url_of(MAINTENANCE)
    }

    /// The same for another database of the server.
    pub fn url_of(&self, database: &str) -> String {
        format!("postgres://{ROLE}@{}/{database}", self.address())
    }

    /// Returns the address of the server; it stays the same over a restart.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port))
    }

    /// The log of the server, over all its restarts.
    pub fn log_path(&self) -> &Path {
        &self.log
    }

    /// Kills the server with SIGKILL and waits for its end; its sessions end with it, a moment later. Its port refuses
    /// connections from then on.
    pub fn kill9(&mut self) {
        self.process = None;
    }

    /// Starts the server again on its port, killing it first if it runs. Waits until it lets people in, three minutes
    /// at the most.
    ///
    /// # Errors
    /// It does not come up; it is not running then.
    ///
    /// # Cancel safety
    /// Dropping the future may leave the server killed or starting.
    pub async fn restart(&mut self) -> Result<(), PostgresFixtureError> {
        self.kill9();
        let deadline = Instant::now() + BOUND;
        loop {
            match self.start_here(deadline).await {
                // Sessions of the killed server may hold its memory for a moment.
                Err(PostgresFixtureError::Exited { .. }) if Instant::now() < deadline => {
                    sleep(READY_POLL).await;
                }
                other => return other,
            }
        }
    }

    /// Keeps a copy of the data, as a standby has it that receives nothing any more. The server is killed for that, and
    /// started again.
    ///
    /// # Errors
    /// As [`restart`](Self::restart); or the data cannot be copied.
    ///
    /// # Cancel safety
    /// As [`restart`](Self::restart).
    pub async fn copy(&mut self) -> Result<(), PostgresFixtureError> {
        self.kill9();
        self.run(Path::new("cp"), &["-a", "data", "copy"]).await?;
        self.restart().await
    }

    /// Kills the server, and promotes its [copy](Self::copy) in its place: what was written since is lost.
    ///
    /// # Errors
    /// As [`restart`](Self::restart); or there is no copy.
    ///
    /// # Cancel safety
    /// As [`restart`](Self::restart).
    pub async fn fail_over_to_copy(&mut self) -> Result<(), PostgresFixtureError> {
        self.kill9();
        self.run(Path::new("rm"), &["-r", "data"]).await?;
        self.run(Path::new("mv"), &["copy", "data"]).await?;
        self.run(Path::new("touch"), &["data/standby.signal"]).await?;
        self.restart().await?;
        self.run(&self.binaries.join("pg_ctl"), &["promote", "-D", "data"]).await
    }

    async fn init(&self) -> Result<(), PostgresFixtureError> {
        let cluster = ["--pgdata", "data", "--username", ROLE, "--auth", "trust", "--encoding", "UTF8"];
        let all = [&cluster[..], &["--locale", "C", "--no-sync"]].concat();
        self.run(&self.binaries.join("initdb"), &all).await
    }

    /// Runs a program in the server's folder, as its user.
    async fn run(&self, binary: &Path, args: &[&str]) -> Result<(), PostgresFixtureError> {
        let binary = binary.to_owned();
        let spawn_error = |source| PostgresFixtureError::Spawn { binary: binary.clone(), source };
        let log = self.open_log().map_err(spawn_error)?;
        let mut command = self.user.command(&binary, self.folder());
        command.args(args).stdin(Stdio::null()).stdout(log.try_clone().map_err(spawn_error)?).stderr(log);
        // A second of another program's work, which nobody interrupts.
        let done = tokio::task::spawn_blocking(move || command.status()).await;
        let status = done.map_err(io::Error::other).and_then(|status| status).map_err(spawn_error)?;
        if status.success() { Ok(()) } else { Err(self.exited(binary)) }
    }

    /// Writes certificate and key to the files that the server reads, unreadable for other users.
    fn keep(&self, tls: Option<(&str, &str)>) -> Result<(), PostgresFixtureError> {
        let Some((certificate, key)) = tls else { return Ok(()) };
        let data = self.folder().join("data");
        [("server.crt", certificate), ("server.key", key)].iter().try_for_each(|(name, pem)| {
            let path = data.join(name);
            let kept = fs::write(&path, pem)
                .and_then(|()| fs::set_permissions(&path, Permissions::from_mode(0o600)))
                .and_then(|()| self.user.own(&path));
            kept.map_err(|source| PostgresFixtureError::Spawn { binary: path, source })
        })
    }

    /// Tries ports until the server comes up on one: another process may take a free port before the server does.
    async fn start_anywhere(&mut self) -> Result<(), PostgresFixtureError> {
        let deadline = Instant::now() + BOUND;
        let mut tries = 0;
        loop {
            tries += 1;
            self.port = free_port();
            match self.start_here(deadline).await {
                Err(PostgresFixtureError::Exited { .. }) if tries < PORT_TRIES => {}
                other => return other,
            }
        }
    }

    async fn start_here(&mut self, deadline: Instant) -> Result<(), PostgresFixtureError> {
        let process = self.spawn();
        self.process = Some(process.map_err(|source| PostgresFixtureError::Spawn {
            binary: self.binaries.join("postgres"),
            source,
        })?);
        let ready = self.ready(deadline).await;
        if ready.is_err() {
            self.process = None;
        }
        ready
    }

    fn spawn(&self) -> io::Result<ServerProcess> {
        let mut command = self.user.command(&self.binaries.join("postgres"), self.folder());
        command.args(["-D", "data", "-h", "127.0.0.1", "-p", &self.port.to_string(), "-k", "", "-F"]);
        // Sessions of many tests at once, and no more noise than what went wrong.
        command.args(["-c", "max_connections=300", "-c", "log_min_messages=warning"]);
        self.settings.iter().for_each(|setting| {
            command.args(["-c", setting]);
        });
        ServerProcess::of(&mut command, &self.open_log()?)
    }

    async fn ready(&mut self, deadline: Instant) -> Result<(), PostgresFixtureError> {
        while Instant::now() < deadline {
            if self.process.as_mut().is_none_or(ServerProcess::has_exited) {
                return Err(self.exited(self.binaries.join("postgres")));
            }
            if lets_in(self.address(), ROLE, MAINTENANCE).await {
                return Ok(());
            }
            sleep(READY_POLL).await;
        }
        Err(PostgresFixtureError::Silent { log: self.log.clone(), tail: self.log_tail() })
    }

    fn folder(&self) -> &Path {
        self.log.parent().unwrap_or(Path::new("."))
    }

    fn open_log(&self) -> io::Result<File> {
        File::options().create(true).append(true).open(&self.log)
    }

    fn exited(&self, binary: PathBuf) -> PostgresFixtureError {
        PostgresFixtureError::Exited { binary, log: self.log.clone(), tail: self.log_tail() }
    }

    fn log_tail(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
    }

    /// The error names the log, so the log has to outlive the server.
    fn keep_log_of_failure(
        &mut self,
        result: Result<(), PostgresFixtureError>,
    ) -> Result<(), PostgresFixtureError> {
        if result.is_err() {
            self.keep_folder();
        }
        result
    }

    fn keep_folder(&mut self) {
        self.folder.take().map(TempDir::keep);
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        self.process = None;
        if std::thread::panicking() && self.folder.is_some() {
            self.keep_folder();
            eprintln!("the log of the PostgreSQL server: {}", self.log.display());
        }
    }
}

/// The role, and the database that is there from the start.
const ROLE: &str = "solekey";
const MAINTENANCE: &str = "postgres";

const READY_POLL: Duration = Duration::from_millis(20);
const PORT_TRIES: usize = 5;
const TAIL_LINES: usize = 15;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[tokio::test]
    async fn a_server_lets_people_in_refuses_them_once_killed_and_comes_back_on_its_port() {
        if super::super::is_waived() {
            return;
        }
        let mut server = PostgresServer::start().await.unwrap();
        let address = server.address();
        assert!(lets_in(address, ROLE, MAINTENANCE).await);
        assert!(!lets_in(address, ROLE, "no such database").await);
        server.kill9();
        assert!(!lets_in(address, ROLE, MAINTENANCE).await);
        server.restart().await.unwrap();
        assert_eq!(server.address(), address);
        assert!(lets_in(address, ROLE, MAINTENANCE).await);
    }
}

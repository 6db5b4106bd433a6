//! One `solekey serve` process.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::config::Config;
use super::watchdog::Watchdog;

/// A running replica. Killed when dropped, and when this process dies without dropping anything.
#[derive(Debug)]
pub(super) struct Replica {
    name: String,
    pid: u32,
    address: SocketAddr,
    log: PathBuf,
    child: Child,
    /// Declared after the child: it must outlive it, and is gone before the number can be anybody else's.
    watchdog: Option<Watchdog>,
    stdout: JoinHandle<()>,
}

impl Replica {
    /// Starts one in `folder` and waits until it listens. It finds its secrets in environment variables.
    pub(super) async fn start(
        name: &str,
        config: &Config<'_>,
        secrets: &[(&'static str, String)],
        folder: &Path,
    ) -> anyhow::Result<Self> {
        fs::create_dir_all(folder)?;
        let file = folder.join(format!("{name}.toml"));
        let log = folder.join(format!("{name}.log"));
        fs::write(&file, toml::to_string(config)?)?;
        let mut child = spawn(&file, &log, secrets).with_context(|| format!("cannot start {name}"))?;
        let pid = child.id().context("the process ended before it began")?;
        let watchdog = Watchdog::over(pid);
        let stdout = child.stdout.take().context("its output is not connected")?;
        let mut lines = BufReader::new(stdout).lines();
        let Ok(Some(address)) = timeout(START_BOUND, address(&mut lines)).await else {
            bail!("{name} does not listen: {}; its log: {}", last_line(&log), log.display());
        };
        let stdout = tokio::spawn(drain(lines));
        Ok(Self { name: name.to_owned(), pid, address, log, child, watchdog, stdout })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits until it reports that it is ready.
    pub(super) async fn ready(&self, client: &reqwest::Client) -> anyhow::Result<()> {
        let url = format!("http://{}/readyz", self.address);
        let mut last = String::from("nothing");
        let asking = async {
            loop {
                match client.get(&url).send().await {
                    Ok(answer) if answer.status().is_success() => return,
                    Ok(answer) => last = answer.text().await.unwrap_or_default(),
                    Err(error) => last = error.to_string(),
                }
                tokio::time::sleep(READY_POLL).await;
            }
        };
        if timeout(START_BOUND, asking).await.is_err() {
            bail!(
                "{} does not become ready, its last response: {last}; its log: {}",
                self.name,
                self.log.display()
            );
        }
        Ok(())
    }

    /// Sends SIGKILL, and waits for the end: by then the kernel has closed its connections.
    pub(super) async fn kill(&mut self) -> anyhow::Result<()> {
        self.watchdog = None;
        self.child.kill().await.with_context(|| format!("cannot kill {}", self.name))
    }

    /// Sends SIGTERM, and waits until it has drained. A process that does not end in time is killed, which is an error.
    pub(super) async fn stop(mut self) -> Result<(), String> {
        if let Ok(Some(status)) = self.child.try_wait() {
            return Err(format!(
                "{} had ended by itself ({status}); its log: {}",
                self.name,
                self.log.display()
            ));
        }
        if let Some(pid) = i32::try_from(self.pid).ok().and_then(Pid::from_raw) {
            // It fails only for a process that has just ended.
            let _ = kill_process(pid, Signal::TERM);
        }
        match timeout(STOP_BOUND, self.child.wait()).await {
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(Ok(status)) => {
                Err(format!("{} ended with {status}; its log: {}", self.name, self.log.display()))
            }
            Ok(Err(error)) => Err(format!("{}: {error}", self.name)),
            Err(_) => Err(format!(
                "{} did not drain within {STOP_BOUND:?}; its log: {}",
                self.name,
                self.log.display()
            )),
        }
    }
}

impl Drop for Replica {
    /// Waits for the end, which a killed process reaches at once: its folder is removed next.
    fn drop(&mut self) {
        self.stdout.abort();
        // It fails only for a process that has ended.
        let _ = self.child.start_kill();
        let deadline = Instant::now() + END_BOUND;
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

fn spawn(config: &Path, log: &Path, secrets: &[(&'static str, String)]) -> anyhow::Result<Child> {
    let mut command = Command::new(std::env::current_exe()?);
    // What is set for other instances on this machine is not for these.
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("SOLEKEY_") && !text.starts_with("SOLEKEY_LOG") {
            command.env_remove(name);
        }
    }
    command
        .arg("serve")
        .arg("--config")
        .arg(config)
        .envs(secrets.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(File::create(log)?)
        // Not in the terminal's group: Ctrl-C is for the demo, which then takes care of its replicas.
        .process_group(0)
        .kill_on_drop(true);
    Ok(command.spawn()?)
}

/// The address in its `listening on ADDR`; none if it ends without.
async fn address(lines: &mut Lines<BufReader<ChildStdout>>) -> Option<SocketAddr> {
    while let Ok(Some(line)) = lines.next_line().await {
        let address = line.trim().strip_prefix("listening on ").and_then(|address| address.parse().ok());
        if address.is_some() {
            return address;
        }
    }
    None
}

/// A replica whose output nobody reads would stop once the pipe is full.
async fn drain(mut lines: Lines<BufReader<ChildStdout>>) {
    while let Ok(Some(_)) = lines.next_line().await {}
}

fn last_line(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    text.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("it logged nothing").to_owned()
}

/// A debug build takes a second or two, on a busy machine several times as long.
const START_BOUND: Duration = Duration::from_mins(1);
const READY_POLL: Duration = Duration::from_millis(25);

/// A drain waits for exchanges under way, which end within their timeout of two seconds and a margin of five; a machine
/// that is busy needs longer.
const STOP_BOUND: Duration = Duration::from_secs(30);

/// The kernel ends a killed process within microseconds, unless it sits in an uninterruptible call.
const END_BOUND: Duration = Duration::from_secs(10);

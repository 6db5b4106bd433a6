//! A server process that dies with this one.

use std::fs::File;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};

use crate::wait::BOUND;

/// A running server. Killed when dropped, and also when this process dies without dropping anything.
#[derive(Debug)]
pub(crate) struct ServerProcess {
    server: Child,
    watchdog: Child,
}

impl ServerProcess {
    pub(crate) fn spawn(binary: &Path, args: &[String], log: &File) -> io::Result<Self> {
        Self::of(Command::new(binary).args(args), log)
    }

    /// Starts a command that somebody else has made up: as which user it runs, and where.
    pub(crate) fn of(command: &mut Command, log: &File) -> io::Result<Self> {
        let mut server = command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log.try_clone()?)
            // Not in the terminal's group: Ctrl-C is for the tests, the watchdog takes care of the server.
            .process_group(0)
            .spawn()?;
        match watchdog(server.id()) {
            Ok(watchdog) => Ok(Self { server, watchdog }),
            Err(error) => {
                server.kill()?;
                server.wait()?;
                Err(error)
            }
        }
    }

    pub(crate) fn id(&self) -> u32 {
        self.server.id()
    }

    pub(crate) fn has_exited(&mut self) -> bool {
        !matches!(self.server.try_wait(), Ok(None))
    }

    /// SIGSTOP; returns once the process has stopped: within microseconds, unless it sits in an uninterruptible call.
    pub(crate) fn pause(&self) -> io::Result<()> {
        let pid = Pid::from_child(&self.server);
        kill_process(pid, Signal::STOP)?;
        let deadline = Instant::now() + BOUND;
        while waitid(WaitId::Pid(pid), WaitIdOptions::STOPPED | WaitIdOptions::NOHANG)?.is_none() {
            if Instant::now() > deadline {
                return Err(io::ErrorKind::TimedOut.into());
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }

    /// SIGCONT.
    pub(crate) fn resume(&self) -> io::Result<()> {
        Ok(kill_process(Pid::from_child(&self.server), Signal::CONT)?)
    }
}

impl Drop for ServerProcess {
    /// SIGKILL, and waits for the end, which a killed process reaches at once, stopped or not.
    fn drop(&mut self) {
        // The watchdog first: it must not kill a stranger who gets the server's number.
        for child in [&mut self.watchdog, &mut self.server] {
            // Both fail only for a process that has ended.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Kills `pid` once this process is gone, whatever ended it: the end of the pipe is closed by the kernel.
fn watchdog(pid: u32) -> io::Result<Child> {
    // By its path, which POSIX systems agree on: a demo may run where PATH is next to empty.
    Command::new("/bin/sh")
        .args(["-c", "read -r _; kill -9 \"$0\"", &pid.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::os::unix::process::ExitStatusExt;

    use super::*;

    #[test]
    fn the_watchdog_kills_the_server_when_its_pipe_closes() {
        let mut server = Command::new("sleep").arg("600").spawn().unwrap();
        let mut watchdog = watchdog(server.id()).unwrap();
        assert!(server.try_wait().unwrap().is_none());
        drop(watchdog.stdin.take());
        assert_eq!(server.wait().unwrap().signal(), Some(Signal::KILL.as_raw()));
        watchdog.wait().unwrap();
    }
}

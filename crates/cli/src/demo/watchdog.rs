//! Kills a process when this one is gone.

use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};

/// Kills a process once this one is gone, whatever ended it: the kernel closes the pipe on which it waits.
///
/// Dropping it calls it off.
#[derive(Debug)]
pub(super) struct Watchdog(Child);

impl Watchdog {
    /// `None` where there is no shell to run it: the replicas then outlive a demo that is killed with SIGKILL.
    pub(super) fn over(pid: u32) -> Option<Self> {
        let spawned = Command::new("/bin/sh")
            .args(["-c", "read -r _; kill -9 \"$0\"", &pid.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn();
        spawned.ok().map(Self)
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        // Both fail only for a process that has ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

//! Programs that a task runs.

use std::{
    env,
    ffi::OsStr,
    process::{Command, Output, Stdio},
};

use anyhow::{Context, Result, bail};

/// Cargo, as it started this process; without what it says of xtask, which would have build scripts run again that
/// ask for such variables.
pub(crate) fn cargo() -> Command {
    program(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// A program that inherits no variable that cargo has set for xtask.
pub(crate) fn program(name: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(name);
    for (variable, _) in env::vars_os() {
        if variable.to_str().is_some_and(is_about_xtask) {
            command.env_remove(variable);
        }
    }
    command
}

fn is_about_xtask(variable: &str) -> bool {
    let prefixes = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_"];
    let names = ["CARGO_CRATE_NAME", "CARGO_PRIMARY_PACKAGE"];
    prefixes.iter().any(|prefix| variable.starts_with(prefix)) || names.contains(&variable)
}

/// The ways in which a task runs a program.
pub(crate) trait Run {
    /// Runs it and fails unless it ends well; its output is the task's.
    fn run(&mut self) -> Result<()>;

    /// Runs it, fails unless it ends well, and returns what it printed.
    fn read(&mut self) -> Result<String>;

    /// Runs it silently and returns whether it ended well; a program that is missing does not.
    fn succeeds(&mut self) -> bool;
}

impl Run for Command {
    fn run(&mut self) -> Result<()> {
        let status = self.status().with_context(|| line(self))?;
        if !status.success() {
            bail!("{} ended with {status}", line(self));
        }
        Ok(())
    }

    fn read(&mut self) -> Result<String> {
        let Output { status, stdout, .. } =
            self.stderr(Stdio::inherit()).output().with_context(|| line(self))?;
        if !status.success() {
            bail!("{} ended with {status}", line(self));
        }
        String::from_utf8(stdout).with_context(|| line(self))
    }

    fn succeeds(&mut self) -> bool {
        let silent = self.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        silent.status().is_ok_and(|status| status.success())
    }
}

/// A command for an error message, without the folders of its program.
fn line(command: &Command) -> String {
    let program = command.get_program().to_string_lossy().into_owned();
    let name = program.rsplit('/').next().unwrap_or(&program).to_owned();
    let words = command.get_args().map(|word| word.to_string_lossy().into_owned());
    std::iter::once(name).chain(words).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn variables_about_xtask_are_recognised() {
        assert!(is_about_xtask("CARGO_PKG_NAME") && is_about_xtask("CARGO_MANIFEST_DIR"));
        assert!(!is_about_xtask("CARGO_TARGET_DIR") && !is_about_xtask("CARGO_HOME"));
    }

    #[test]
    fn a_program_that_ends_badly_is_an_error_that_names_it() {
        let error = program("/bin/sh").args(["-c", "exit 3"]).run().unwrap_err();
        assert!(error.to_string().starts_with("sh -c exit 3 ended with"), "{error}");
        assert!(!program("no-such-program").succeeds());
        assert_eq!(program("/bin/sh").args(["-c", "echo x"]).read().unwrap(), "x\n");
    }
}

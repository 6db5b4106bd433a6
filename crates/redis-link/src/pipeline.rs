//! Several commands in one round trip.

use redis::{Cmd, Value};

use crate::error::LinkError;
use crate::script::{Script, ScriptArgs};

/// Commands that travel together; each has its own outcome.
///
/// They run in order, but not as one: commands of others may run between them.
#[derive(Clone, Debug, Default)]
pub struct Pipeline {
    commands: redis::Pipeline,
}

impl Pipeline {
    /// A pipeline without commands.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a command.
    pub fn cmd(mut self, command: Cmd) -> Self {
        self.commands.add_command(command);
        self
    }

    pub(crate) fn push(&mut self, command: Cmd) {
        self.commands.add_command(command);
    }

    /// Adds a script call.
    ///
    /// The text travels along. Inside a pipeline an unknown hash would surface as an error after later commands have
    /// already run, and sending the script once more would then change the order.
    pub fn script(self, script: &Script, args: ScriptArgs) -> Self {
        self.cmd(args.command("EVAL", script.text()))
    }

    /// Returns the number of commands it holds.
    pub fn len(&self) -> usize {
        self.commands.len()
    }

    /// Returns whether it holds no command.
    pub fn is_empty(&self) -> bool {
        self.commands.is_empty()
    }

    pub(crate) fn commands(&self) -> &redis::Pipeline {
        &self.commands
    }
}

/// The outcome of each command of a pipeline, in order.
pub type Replies = Vec<Result<Value, LinkError>>;

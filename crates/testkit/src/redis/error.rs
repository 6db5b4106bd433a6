use std::io;
use std::path::PathBuf;

use super::make::Make;

/// Why a Redis fixture cannot do what it was asked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FixtureError {
    /// No server binary was found.
    #[error(
        "no Redis server to test with: put redis-server or valkey-server on PATH, or set SOLEKEY_REDIS_BIN, or run \
         ./scripts/test once, which fetches one into {}", .cache.display()
    )]
    NoBinary {
        /// Where a cached binary would have been found.
        cache: PathBuf,
    },
    /// No server of this make was found.
    #[error(
        "no {make} to test with: set {variable}, or run the test through ./scripts/with-servers, which fetches one, or \
         do without it by name: SOLEKEY_TEST_WITHOUT={name}"
    )]
    NoMake {
        /// Which.
        make: Make,
        /// The variable that names its binary.
        variable: &'static str,
        /// The name to do without it by.
        name: &'static str,
    },
    /// The binary is not of the make it is named for.
    #[error("{} is not {make}", .binary.display())]
    OtherMake {
        /// What it should be.
        make: Make,
        /// The binary.
        binary: PathBuf,
    },
    /// The binary, its folder or its log cannot be used.
    #[error("cannot start {}", .binary.display())]
    Spawn {
        /// What was to be run.
        binary: PathBuf,
        /// What went wrong.
        source: io::Error,
    },
    /// The server exited: its settings are wrong, or its port is taken.
    #[error("the Redis server exited; its log, {}, ends:\n{tail}", .log.display())]
    Exited {
        /// The log; the folder is left for a look at it.
        log: PathBuf,
        /// The last lines of the log.
        tail: String,
    },
    /// The server did not answer in time.
    #[error("the Redis server does not answer; its log, {}, ends:\n{tail}", .log.display())]
    Silent {
        /// The log; the folder is left for a look at it.
        log: PathBuf,
        /// The last lines of the log.
        tail: String,
    },
    /// The server was killed and not restarted.
    #[error("the Redis server is not running")]
    NotRunning,
    /// A signal could not be sent, or had no effect in time.
    #[error("cannot pause or resume the Redis server")]
    Signal(#[source] io::Error),
    /// An administrative command failed.
    #[error("the Redis server did not execute {command}")]
    Command {
        /// Its first word.
        command: String,
        /// What went wrong; an error reply of the server is of kind `Other`.
        source: io::Error,
    },
}

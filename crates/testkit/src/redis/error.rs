use std::io;
use std::path::PathBuf;

/// The reason why a Redis fixture cannot do what was requested.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FixtureError {
    /// No server binary was found.
    #[error(
        "no Redis server to test with: put redis-server or valkey-server on PATH, or set SOLEKEY_REDIS_BIN, or run \
         ./scripts/test once, which fetches one into {}", .cache.display()
    )]
    NoBinary {
        /// The folder that is searched for a cached binary.
        cache: PathBuf,
    },
    /// The binary, its folder or its log cannot be used.
    #[error("cannot start {}", .binary.display())]
    Spawn {
        /// The binary that could not be run.
        binary: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The server exited: its settings are wrong, or its port is taken.
    #[error("the Redis server exited; its log, {}, ends:\n{tail}", .log.display())]
    Exited {
        /// The log; its folder is not deleted.
        log: PathBuf,
        /// The last lines of the log.
        tail: String,
    },
    /// The server did not answer in time.
    #[error("the Redis server does not answer; its log, {}, ends:\n{tail}", .log.display())]
    Silent {
        /// The log; its folder is not deleted.
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
        /// The cause; an error reply of the server is of kind `Other`.
        source: io::Error,
    },
}

use std::{io, path::PathBuf};

/// The reason why a PostgreSQL fixture cannot do what was requested.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PostgresFixtureError {
    /// No server was found.
    #[error(
        "no PostgreSQL to test with: set DATABASE_URL to a server on which databases may be created, or install one \
         (apt-get install postgresql, brew install postgresql), or set SOLEKEY_POSTGRES_BIN to the folder of initdb and \
         postgres, or do without it by name: SOLEKEY_TEST_WITHOUT=postgres"
    )]
    NoBinaries,
    /// The test run is root's, and there is no other user to run a server as.
    #[error("PostgreSQL refuses to run as root, and there is no user postgres or nobody")]
    NoUser,
    /// A binary or its folder cannot be used.
    #[error("cannot start {}", .binary.display())]
    Spawn {
        /// The binary that could not be run.
        binary: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// It exited: its settings are wrong, or its port is taken.
    #[error("{} exited; its log, {}, ends:\n{tail}", .binary.display(), .log.display())]
    Exited {
        /// The binary that was run.
        binary: PathBuf,
        /// The log; its folder is not deleted.
        log: PathBuf,
        /// The last lines of the log.
        tail: String,
    },
    /// The server did not let anybody in in time.
    #[error("the PostgreSQL server does not answer; its log, {}, ends:\n{tail}", .log.display())]
    Silent {
        /// The log; its folder is not deleted.
        log: PathBuf,
        /// The last lines of the log.
        tail: String,
    },
}

//! The command line.

use clap::{Parser, ValueEnum};

use crate::effort::Effort;

/// Solekey compared with its peers, as one table.
///
/// Each row is measured together with a peer or the raw operation, in turn, in this very run. A row that misses its
/// bound or cannot run makes the exit status 1.
#[derive(Parser, Debug)]
#[command(version)]
pub(crate) struct Arguments {
    /// A million accounts and a whole idle minute, instead of fifty thousand and some seconds.
    #[arg(long, conflicts_with = "quick")]
    pub(crate) full: bool,
    /// Tiny counts, to see that every row runs; no bound is held against it.
    #[arg(long)]
    pub(crate) quick: bool,
    /// Runs these rows only.
    #[arg(long, value_name = "ROW", value_delimiter = ',')]
    pub(crate) only: Vec<Bench>,
    /// Does without these rows where they cannot run.
    #[arg(long, value_name = "ROW", value_delimiter = ',')]
    pub(crate) waive: Vec<Bench>,
}

/// A group of rows that are measured together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Bench {
    /// A token in memory.
    Hit,
    /// A token in Redis.
    SharedCache,
    /// Leases.
    Lease,
    /// A waiter's wake-up.
    Wake,
    /// Thousands of callers for one account.
    Herd,
    /// Memory and CPU of a replica with many accounts.
    Scale,
    /// A due scan in Redis.
    DueRedis,
    /// A due scan in SQLite.
    DueSqlite,
    /// A due scan in PostgreSQL.
    DuePostgres,
}

impl Arguments {
    pub(crate) fn effort(&self) -> Effort {
        match self {
            Self { quick: true, .. } => Effort::quick(),
            Self { full: true, .. } => Effort::full(),
            _ => Effort::ordinary(),
        }
    }

    /// The benchmarks to run, in order.
    pub(crate) fn benches(&self) -> Vec<Bench> {
        let wanted = |bench: &&Bench| self.only.is_empty() || self.only.contains(bench);
        Bench::value_variants().iter().filter(wanted).copied().collect()
    }
}

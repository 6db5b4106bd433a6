//! Solekey compared with its peers: one table, every row measured against another in the same run.
//!
//! `docs/benchmarks.md` explains each row.
#![expect(clippy::cast_precision_loss, reason = "counts that are divided are far below 2^53")]

mod args;
mod cpu;
mod due;
mod effort;
mod hand_over;
mod herd;
mod hit;
mod index;
mod lease;
mod load;
mod registered;
mod replica;
mod rounds;
mod server;
mod shared_cache;
mod table;
mod wake;

use std::{process::ExitCode, thread};

use anyhow::Result;
use args::{Arguments, Bench};
use clap::Parser as _;
use effort::Effort;
use table::Row;

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    let effort = arguments.effort();
    println!("{}\n", machine().await);
    let mut rows = Vec::new();
    for bench in arguments.benches() {
        eprintln!("measuring {bench:?}");
        match run(bench, &effort).await {
            Ok(measured) => rows.extend(measured),
            Err(why) if arguments.waive.contains(&bench) => {
                rows.push(Row::waived(name(bench), format!("{why:#}")));
            }
            Err(why) => rows.push(Row::not_run(name(bench), format!("{why:#}"))),
        }
    }
    print!("{}", table::render(&rows));
    let failed = rows.iter().any(|row| row.is_missing() || row.misses() && !arguments.quick);
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

async fn run(bench: Bench, effort: &Effort) -> Result<Vec<Row>> {
    match bench {
        Bench::Hit => hit::run(effort).await,
        Bench::SharedCache => shared_cache::run(effort).await,
        Bench::Lease => lease::run(effort).await,
        Bench::Wake => wake::run(effort).await,
        Bench::Herd => herd::run(effort).await,
        Bench::Scale => index::run(effort).await,
        Bench::DueRedis => due::redis(effort).await,
        Bench::DueSqlite => due::sqlite(effort).await,
        Bench::DuePostgres => due::postgres(effort).await,
    }
}

fn name(bench: Bench) -> &'static str {
    match bench {
        Bench::Hit => hit::NAME,
        Bench::SharedCache => shared_cache::NAME,
        Bench::Lease => lease::NAME,
        Bench::Wake => wake::NAME,
        Bench::Herd => herd::NAME,
        Bench::Scale => index::NAME,
        Bench::DueRedis => due::REDIS,
        Bench::DueSqlite => due::SQLITE,
        Bench::DuePostgres => due::POSTGRES,
    }
}

/// The machine and the servers that this was measured on.
async fn machine() -> String {
    let cores = thread::available_parallelism().map_or(0, usize::from);
    let redis = async { server::version(&server::redis().await?).await };
    let redis = redis.await.unwrap_or_else(|_: anyhow::Error| "no Redis".to_owned());
    format!("{cores} cores, {}, {redis} over loopback on the same machine", std::env::consts::ARCH)
}

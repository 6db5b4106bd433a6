//! Checks a set-up before it has to work.

mod answers;
mod clock;
mod condition;
mod finding;
mod info;
mod parts;
mod postgres;
mod providers;
mod redis;
mod seals;
mod spans;
mod store;

use crate::config::Config;

pub use finding::{Diagnosis, Finding, Level};
pub(crate) use parts::{Parts, RedisPart, TokenHost};

/// Checks everything that a configuration names: Redis, PostgreSQL, store, answers, seal keys, token endpoints. Nothing
/// is presented, and no account is touched; a store or a prefix that is used for the first time is set up as a start of
/// the sidecar would.
///
/// Every check is bounded: all of them end within a minute.
///
/// # Cancel safety
/// Dropping the future ends the checks.
pub async fn examine(config: Config) -> Diagnosis {
    let parts = config.parts();
    let mut findings = config.warnings().into_iter().map(Finding::careless).collect::<Vec<_>>();
    if let Some(part) = &parts.redis {
        findings.extend(redis::examine(part, parts.rows_in_redis).await);
    }
    if let Some(url) = &parts.postgres {
        findings.extend(postgres::examine(url).await);
    }
    findings.extend(answers::examine(&parts));
    findings.extend(store::examine(config).await);
    findings.extend(providers::examine(&parts.token_hosts).await);
    Diagnosis::of(findings)
}

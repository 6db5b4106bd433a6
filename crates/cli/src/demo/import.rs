//! Putting the accounts into the replicas.

use std::time::{Duration, SystemTime};

use anyhow::{Context as _, bail};
use serde_json::Value;
use solekey_testkit::provider::AuthorizationServer;
use tokio::time::{MissedTickBehavior, interval};

use super::balancer::Balancer;
use super::dialect::Dialect;
use super::load::chain;
use super::provider::{Cohort, PROVIDER, TOKEN_LIFETIME};

/// The replicas that are given the credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Recipients {
    /// One replica: the others share its store.
    First,
    /// Each replica, as each has a store of its own.
    Each,
}

/// Logs every account in at the provider and imports the pair over HTTP.
///
/// It takes its time: accounts that were imported at once would fall due at once, and a steady load has them spread.
pub(super) async fn import(
    client: &reqwest::Client,
    provider: &AuthorizationServer,
    dialect: &Dialect,
    balancer: &Balancer,
    cohort: &Cohort,
    recipients: Recipients,
) -> anyhow::Result<()> {
    let count = match recipients {
        Recipients::First => 1,
        Recipients::Each => balancer.backends().len(),
    };
    let mut turns = interval(SPREAD / u32::try_from(cohort.accounts().len()).unwrap_or(u32::MAX));
    turns.set_missed_tick_behavior(MissedTickBehavior::Burst);
    for account in cohort.accounts() {
        turns.tick().await;
        // From before the grant: the replica must not think that the token lives longer than it does.
        let expires_at = SystemTime::now() + TOKEN_LIFETIME;
        let document = dialect.document(&dialect.log_in(provider, account), expires_at);
        for backend in &balancer.backends()[..count] {
            let url = format!("http://{}/v1/accounts/{PROVIDER}/{account}", backend.address());
            put(client, &url, &document).await.with_context(|| format!("cannot import {account}"))?;
        }
    }
    Ok(())
}

async fn put(client: &reqwest::Client, url: &str, document: &Value) -> anyhow::Result<()> {
    let answer =
        client.put(url).json(document).send().await.map_err(|error| anyhow::anyhow!(chain(&error)))?;
    let status = answer.status();
    if !status.is_success() {
        bail!("{status}: {}", answer.text().await.unwrap_or_default());
    }
    Ok(())
}

/// Half a token's life: all accounts are in before the first one wants a refresh.
const SPREAD: Duration = Duration::from_secs(3);

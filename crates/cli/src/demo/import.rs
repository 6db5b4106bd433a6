//! Putting the accounts into the replicas.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, bail};
use serde_json::json;
use solekey_testkit::provider::{AuthorizationServer, Pair};
use tokio::time::{MissedTickBehavior, interval};

use super::balancer::Balancer;
use super::load::chain;
use super::provider::{Cohort, PROVIDER, TOKEN_LIFETIME};

/// Who is given the credentials.
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
        let expires_at = SystemTime::now() + TOKEN_LIFETIME;
        let pair = provider.grant(account);
        for backend in &balancer.backends()[..count] {
            let url = format!("http://{}/v1/accounts/{PROVIDER}/{account}", backend.address());
            put(client, &url, &pair, expires_at).await.with_context(|| format!("cannot import {account}"))?;
        }
    }
    Ok(())
}

async fn put(client: &reqwest::Client, url: &str, pair: &Pair, expires_at: SystemTime) -> anyhow::Result<()> {
    // From before the grant: the replica must not think that the token lives longer than it does.
    let expires_at = expires_at.duration_since(UNIX_EPOCH)?.as_secs_f64();
    let document = json!({
        "access_token": pair.access_token,
        "refresh_token": pair.refresh_token,
        "expires_at": expires_at,
    });
    let answer =
        client.put(url).json(&document).send().await.map_err(|error| anyhow::anyhow!(chain(&error)))?;
    let status = answer.status();
    if !status.is_success() {
        bail!("{status}: {}", answer.text().await.unwrap_or_default());
    }
    Ok(())
}

/// Half a token's life: all accounts are in before the first one wants a refresh.
const SPREAD: Duration = Duration::from_secs(3);

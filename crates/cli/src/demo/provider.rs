//! The strict provider, which is also the referee.

use std::time::Duration;

use anyhow::Context as _;
use solekey_testkit::provider::{AuthorizationServer, Presentation, Replay};

use super::dialect::Dialect;

/// The provider's name in the replicas' configuration.
pub(super) const PROVIDER: &str = "strict";

/// The lifetime of its access tokens.
pub(super) const TOKEN_LIFETIME: Duration = Duration::from_secs(6);

/// The time that it waits before it processes a refresh.
const EXCHANGE_TIME: Duration = Duration::from_millis(150);

/// Starts it: single-use refresh tokens, and a spent one that comes back revokes the grant.
pub(super) async fn start(dialect: &Dialect) -> anyhow::Result<AuthorizationServer> {
    let builder = dialect
        .provider()
        .replay(Replay::StrictFamily)
        .token_lifetime(TOKEN_LIFETIME)
        .exchange_time(EXCHANGE_TIME);
    builder.start().await.context("cannot start the provider on 127.0.0.1")
}

/// The accounts of one phase. Each phase has its own, so that the referee's counts do not mix.
#[derive(Debug, Clone)]
pub(super) struct Cohort(Vec<String>);

/// The counts of the referee over the accounts of one phase.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Refereed {
    /// Requests that named a refresh token.
    pub(super) presentations: u64,
    /// Successful exchanges.
    pub(super) rotations: u64,
    /// Presentations of a token that was spent, or of which another presentation was open.
    pub(super) double_presentations: u64,
    /// Accounts whose grant was revoked because a spent token came back.
    pub(super) burned_accounts: u64,
}

impl Cohort {
    pub(super) fn new(name: &str, size: usize) -> Self {
        Self((1..=size).map(|number| format!("{name}-{number:03}")).collect())
    }

    pub(super) fn accounts(&self) -> &[String] {
        &self.0
    }

    pub(super) fn refereed(&self, provider: &AuthorizationServer) -> Refereed {
        let mut sum = Refereed::default();
        for account in &self.0 {
            let tally = provider.tally_of(account);
            sum.presentations += tally.presentations;
            sum.rotations += tally.rotations;
            sum.double_presentations += tally.double_presentations;
            sum.burned_accounts += u64::from(tally.burned_families > 0);
        }
        sum
    }
}

/// The presentation with this number, if the log still has it.
pub(super) fn presentation(provider: &AuthorizationServer, seq: u64) -> Option<Presentation> {
    provider.log().into_iter().find(|presentation| presentation.seq == seq)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    async fn present(provider: &AuthorizationServer, token: &str) -> u16 {
        let form = [("grant_type", "refresh_token"), ("refresh_token", token)];
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        client.post(provider.token_url()).form(&form).send().await.unwrap().status().as_u16()
    }

    #[tokio::test]
    async fn each_phase_is_counted_over_its_own_accounts() {
        let provider = AuthorizationServer::start(Replay::StrictFamily).await.unwrap();
        let (one, two) = (Cohort::new("one", 2), Cohort::new("two", 1));
        let spent = provider.grant(&two.accounts()[0]).refresh_token;
        let fine = provider.grant(&one.accounts()[1]).refresh_token;
        assert_eq!(present(&provider, &spent).await, 200);
        assert_eq!(present(&provider, &spent).await, 400);
        assert_eq!(present(&provider, &fine).await, 200);
        let expected = Refereed { presentations: 1, rotations: 1, ..Refereed::default() };
        assert_eq!(one.refereed(&provider), expected);
        let expected =
            Refereed { presentations: 2, rotations: 1, double_presentations: 1, burned_accounts: 1 };
        assert_eq!(two.refereed(&provider), expected);
    }
}

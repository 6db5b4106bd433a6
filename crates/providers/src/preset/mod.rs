//! The presets: facts about providers.

mod antigravity;
mod atlassian;
mod atproto;
mod auth0;
mod better_auth;
mod box_com;
mod claude;
mod codex;
mod cognito;
mod curity;
mod dex;
mod entra;
mod exact;
mod fusionauth;
mod gemini;
mod github;
mod google;
mod grok;
mod hubspot;
mod hydra;
mod keycloak;
mod linear;
mod linkedin;
mod monzo;
mod notion;
mod oauth2;
mod okta;
mod outline;
mod quickbooks;
mod salesforce;
mod slack;
mod supabase;
mod tiktok;
mod wso2;
mod x;
mod xero;
mod zoho;

use std::time::Duration;

use solekey_core::{InputError, PolicySettings, Replay};

use crate::{ClientAuth, EndpointSettings, HttpEndpoint};

/// A preset: the facts about one provider, data with a date, each part of which settings may override.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Preset {
    /// Its name in settings.
    pub name: &'static str,
    /// The common name of the provider.
    pub title: &'static str,
    /// The date at which it was last compared with its sources.
    pub as_of: &'static str,
    /// The sources of its facts: pages, issues, source code.
    pub sources: &'static [&'static str],
    /// Notes for its users, in Markdown.
    pub notes: &'static str,
    /// The policy of its accounts: the provider's treatment of a spent refresh token, the life of tokens, and the times
    /// that gateways that served it gave to waiters.
    pub policy: PolicySettings,
    /// The settings of its token endpoint, dialect included. What belongs to a tenant or to a user is left empty:
    /// building it reports which field is missing.
    pub endpoint: EndpointSettings,
    /// The place where this provider expects the secret of a client that has one.
    pub client_secret: Option<SecretPlace>,
    /// True if it has no clients without a secret. Secrets are never part of a preset, not even published ones.
    pub needs_secret: bool,
}

/// The place where a client's secret travels.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SecretPlace {
    /// In the `Authorization` header: [`ClientAuth::Basic`](crate::ClientAuth::Basic).
    Header,
    /// In the body: [`ClientAuth::Post`](crate::ClientAuth::Post).
    Body,
}

impl Preset {
    /// Returns the preset of this name.
    ///
    /// # Errors
    /// There is none of that name; the error lists those that are.
    pub fn named(name: &str) -> Result<Self, InputError> {
        let known = Self::all();
        let names: Vec<_> = known.iter().map(|preset| preset.name).collect();
        let unknown = InputError::new("preset", format!("one of {}", names.join(", ")));
        known.into_iter().find(|preset| preset.name == name).ok_or(unknown)
    }

    /// Every preset there is.
    pub fn all() -> Vec<Self> {
        vec![
            oauth2::preset(),
            codex::preset(),
            claude::preset(),
            google::preset(),
            gemini::preset(),
            antigravity::preset(),
            grok::preset(),
            atproto::preset(),
            github::preset(),
            slack::preset(),
            atlassian::preset(),
            auth0::preset(),
            okta::preset(),
            keycloak::preset(),
            hydra::preset(),
            entra::preset(),
            salesforce::preset(),
            x::preset(),
            notion::preset(),
            quickbooks::preset(),
            xero::preset(),
            hubspot::preset(),
            cognito::preset(),
            curity::preset(),
            wso2::preset(),
            fusionauth::preset(),
            better_auth::preset(),
            supabase::preset(),
            box_com::preset(),
            linkedin::preset(),
            tiktok::preset(),
            zoho::preset(),
            linear::preset(),
            monzo::preset(),
            exact::preset(),
            outline::preset(),
            dex::preset(),
        ]
    }

    /// The provider's treatment of a spent refresh token.
    pub fn replay(&self) -> Replay {
        self.policy.replay
    }

    /// Validates the endpoint, and that the client has a secret where this provider demands one.
    ///
    /// # Errors
    /// As [`EndpointSettings::build`]; `client_secret` where the demanded secret is missing.
    pub fn build_endpoint(&self) -> Result<HttpEndpoint, InputError> {
        let endpoint = self.endpoint.clone().build()?;
        if self.needs_secret && matches!(self.endpoint.client_auth, ClientAuth::None) {
            let expected = "the secret of the client in client_auth, which this provider demands";
            return Err(InputError::new("client_secret", expected));
        }
        Ok(endpoint)
    }

    fn new(name: &'static str, title: &'static str, as_of: &'static str) -> Self {
        Self {
            name,
            title,
            as_of,
            sources: &[],
            notes: "",
            policy: PolicySettings::default(),
            endpoint: EndpointSettings::default(),
            client_secret: None,
            needs_secret: false,
        }
    }
}

fn policy(replay: Replay) -> PolicySettings {
    PolicySettings { replay, ..PolicySettings::default() }
}

const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

const fn minutes(count: u64) -> Duration {
    seconds(60 * count)
}

const fn hours(count: u64) -> Duration {
    minutes(60 * count)
}

const fn days(count: u64) -> Duration {
    hours(24 * count)
}

#[cfg(test)]
mod tests;

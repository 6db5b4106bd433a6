//! What is known about providers.

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

use crate::EndpointSettings;

/// What we know about one provider: data with a date, each part of which settings may override.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Preset {
    /// Its name in settings.
    pub name: &'static str,
    /// What people call the provider.
    pub title: &'static str,
    /// When it was last compared with its sources.
    pub as_of: &'static str,
    /// Where its facts are from: pages, issues, source code.
    pub sources: &'static [&'static str],
    /// What one has to know who uses it, in Markdown.
    pub notes: &'static str,
    /// How its accounts are refreshed: what the provider does with a spent refresh token, how long tokens last, and what
    /// gateways that served it gave to those who wait.
    pub policy: PolicySettings,
    /// How its token endpoint is spoken to, dialect included. What belongs to a tenant or to a user is left empty: building it
    /// says which field is missing.
    pub endpoint: EndpointSettings,
    /// Where this provider expects the secret of a client that has one.
    pub client_secret: Option<SecretPlace>,
    /// Whether it has no clients without a secret. Secrets are never part of a preset, not even published ones.
    pub needs_secret: bool,
}

/// Where a client's secret travels.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SecretPlace {
    /// In the `Authorization` header: [`ClientAuth::Basic`](crate::ClientAuth::Basic).
    Header,
    /// In the body: [`ClientAuth::Post`](crate::ClientAuth::Post).
    Body,
}

impl Preset {
    /// Looks a preset up.
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

    /// What the provider does with a spent refresh token.
    pub fn replay(&self) -> Replay {
        self.policy.replay
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

//! One provider: what its settings come to.

use std::sync::Arc;

use solekey::{
    Provider,
    core::{InputError, Policy, PolicySettings},
};
use solekey_providers::{CodeAssist, EndpointSettings, HttpEndpoint, Preset};
use url::Url;

use super::{environment::Environment, settings::ProviderSettings, spelled::Values};
use crate::{code_assist::CodeAssistProject, doctor::TokenHost};

/// A provider, and whether its owner accepts that a weak store may lose a rotation.
#[derive(Debug)]
pub(super) struct Configured {
    pub(super) provider: Provider,
    pub(super) accepts_loss: bool,
    /// The hook that finds the project of accounts that lack one, if it is configured.
    pub(super) project: Option<CodeAssistProject>,
    /// The values that its keys have in the end.
    pub(super) values: Values,
    /// Its token URL, or the issuer whose metadata has it.
    host_url: String,
}

impl Configured {
    /// Returns the host and port of its token endpoint.
    pub(super) fn token_host(&self) -> Option<TokenHost> {
        let url = Url::parse(&self.host_url).ok()?;
        let host = url.host_str()?.trim_matches(['[', ']']).to_owned();
        Some(TokenHost {
            provider: self.provider.name().to_owned(),
            host,
            port: url.port_or_known_default()?,
            tls: url.scheme() == "https",
        })
    }
}

impl ProviderSettings {
    /// Validates the settings of one provider. Project, policy and endpoint are checked apart: each may have a mistake.
    pub(super) fn build(self, environment: &Environment) -> Result<Configured, Vec<InputError>> {
        let preset = self.known_preset().map_err(|error| vec![locate(&self.name, &error)])?;
        let (project, of_preset) = (self.project(), preset.name);
        let policy = self.checked_policy(preset.policy);
        let endpoint = self.endpoint(preset, environment).and_then(Endpoint::build);
        let (project, (settings, policy), endpoint) = match (project, policy, endpoint) {
            (Ok(project), Ok(policy), Ok(endpoint)) => (project, policy, endpoint),
            (project, policy, endpoint) => {
                let errors = [project.err(), policy.err(), endpoint.err()];
                return Err(errors.into_iter().flatten().map(|error| locate(&self.name, &error)).collect());
            }
        };
        let Endpoint { settings: endpoint, built, host_url } = endpoint;
        let mut values = Values::of(of_preset, &settings, &endpoint, self.limits());
        // Of several names for one rule, the one that was given.
        values.put("replay", self.replay);
        let provider = Provider::new(&self.name, policy, Arc::new(built))
            .map_err(|error| vec![locate(&self.name, &error)])?
            .background(self.limits());
        let accepts_loss = self.accept_loss.unwrap_or_default();
        Ok(Configured { provider, accepts_loss, project, values, host_url })
    }

    /// The preset that is named.
    pub(super) fn known_preset(&self) -> Result<Preset, InputError> {
        Preset::named(self.preset.as_deref().unwrap_or(DEFAULT_PRESET))
    }

    /// The policy, and the settings that would lead to it with nothing derived.
    fn checked_policy(&self, preset: PolicySettings) -> Result<(PolicySettings, Policy), InputError> {
        let settings = self.policy(preset)?;
        let policy = settings.build()?;
        let (quarantine, lease_ttl) = (Some(policy.span()), Some(policy.lease_ttl()));
        Ok((PolicySettings { quarantine, lease_ttl, ..settings }, policy))
    }

    fn project(&self) -> Result<Option<CodeAssistProject>, InputError> {
        let wanted = self.code_assist_project.unwrap_or_default();
        wanted.then(|| project_lookup(&self.name, self.preset.as_deref())).transpose()
    }
}

/// A token endpoint and the settings that it was built from.
struct Endpoint {
    settings: EndpointSettings,
    built: HttpEndpoint,
    host_url: String,
}

impl Endpoint {
    fn build(settings: EndpointSettings) -> Result<Self, InputError> {
        let EndpointSettings { token_url, issuer, .. } = &settings;
        let host_url =
            if token_url.is_empty() { issuer.clone().unwrap_or_default() } else { token_url.clone() };
        Ok(Self { built: settings.clone().build()?, settings, host_url })
    }
}

/// Puts the path to the key in front of its name.
pub(super) fn locate(provider: &str, error: &InputError) -> InputError {
    let printable = !provider.is_empty() && !provider.contains(char::is_control);
    let shown = if provider.len() <= MAX_SHOWN && printable { provider } else { "?" };
    InputError::new(format!("provider.{shown}.{}", error.field()), error.expected())
}

/// Returns the hook that finds the project of accounts that were imported without one.
fn project_lookup(provider: &str, preset: Option<&str>) -> Result<CodeAssistProject, InputError> {
    let code_assist = match preset {
        Some("gemini") => CodeAssist::gemini(),
        Some("antigravity") => CodeAssist::antigravity(),
        _ => {
            let expected = "to go with preset = \"gemini\" or \"antigravity\"";
            return Err(InputError::new("code_assist_project", expected));
        }
    };
    Ok(CodeAssistProject::new(provider, code_assist?))
}

/// The preset of a provider that names none.
pub(super) const DEFAULT_PRESET: &str = "oauth2";
/// As long as provider names usually are; errors should not repeat a novel.
const MAX_SHOWN: usize = 64;

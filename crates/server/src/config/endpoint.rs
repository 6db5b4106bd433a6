//! The token endpoint of a provider: its keys, and what its preset brings where they are not set.

use http::StatusCode;
use solekey::core::{Dialect, InputError, secret};
use solekey_providers::{BodyFormat, ClientAuth, EndpointSettings, FallbackClient, Preset};

use super::{environment::Environment, settings::ProviderSettings};

impl ProviderSettings {
    /// The settings of the endpoint. Secrets and keys are read from the variables that are named.
    pub(super) fn endpoint(
        &self,
        preset: Preset,
        environment: &Environment,
    ) -> Result<EndpointSettings, InputError> {
        let way = self.way(&preset)?;
        let preset = preset.endpoint;
        let dialect = self.dialect(preset.dialect)?;
        let client_auth = self.authentication(way, preset.client_auth, environment)?;
        let fallback_client = self.fallback(&client_auth, environment)?.or(preset.fallback_client);
        Ok(EndpointSettings {
            token_url: self.token_url.clone().unwrap_or(preset.token_url),
            issuer: self.issuer.clone().or(preset.issuer),
            issuer_of_account: self.issuer_of_account.unwrap_or(preset.issuer_of_account),
            client_of_account: self.client_of_account.unwrap_or(preset.client_of_account),
            dpop: self.dpop(preset.dpop, environment)?,
            client_id: self.client_id.clone().unwrap_or(preset.client_id),
            client_auth,
            fallback_client,
            body: self.body.map_or(preset.body, BodyFormat::from),
            scope: self.scope.clone().or(preset.scope),
            dialect,
            ..preset
        })
    }

    fn dialect(&self, preset: Dialect) -> Result<Dialect, InputError> {
        let dialect = self.answers.added_to(preset)?;
        let dialect = match &self.answers.at {
            Some(at) => dialect.at(path(at)?),
            None => dialect,
        };
        match &self.not_processed {
            Some(statuses) => Ok(dialect.not_processed(checked(statuses)?)),
            None => Ok(dialect),
        }
    }

    /// The second client, which authenticates itself as the first one does.
    fn fallback(
        &self,
        first: &ClientAuth,
        environment: &Environment,
    ) -> Result<Option<FallbackClient>, InputError> {
        let refuse = |field: &'static str, expected: &str| Err(InputError::new(field, expected));
        let variable = self.fallback_client_secret_env.as_deref();
        let Some(client_id) = self.fallback_client_id.clone() else {
            return match variable {
                None => Ok(None),
                Some(_) => refuse("fallback_client_id", "to be given with fallback_client_secret_env"),
            };
        };
        let found = variable.and_then(|variable| environment.value(variable)).map(secret);
        let client_auth = match (first, found) {
            (ClientAuth::None, None) => ClientAuth::None,
            (ClientAuth::Basic(_), Some(secret)) => ClientAuth::Basic(secret),
            (ClientAuth::Post(_), Some(secret)) => ClientAuth::Post(secret),
            _ => {
                let expected =
                    "the name of an environment variable that holds a secret, where client_secret_env is one";
                return refuse("fallback_client_secret_env", expected);
            }
        };
        Ok(Some(FallbackClient { client_id, client_auth }))
    }
}

/// The names of nested objects, joined by dots.
fn path(at: &str) -> Result<&str, InputError> {
    let good = at.len() <= MAX_PATH && at.split('.').all(|name| !name.trim().is_empty());
    let expected = || InputError::new("answers.at", "names of nested objects, joined by dots: authed_user");
    good.then_some(at).ok_or_else(expected)
}

/// Longer than any path into an answer.
const MAX_PATH: usize = 256;

fn checked(statuses: &[u16]) -> Result<Vec<StatusCode>, InputError> {
    let error =
        |status: &u16| (400..600).contains(status).then(|| StatusCode::from_u16(*status).ok()).flatten();
    statuses
        .iter()
        .map(|status| {
            error(status).ok_or_else(|| InputError::new("not_processed", "statuses from 400 to 599"))
        })
        .collect()
}

//! The authentication of the client, and its signing keys.

use solekey::core::{InputError, Secret, secret};
use solekey_providers::{ClientAuth, ClientKey, Dpop, Preset, SecretPlace, SigningKey};

use super::{choices::ClientAuthName, environment::Environment, settings::ProviderSettings};

impl ProviderSettings {
    /// The way in which the client authenticates itself: the preset's, where a secret is all that is set. Refused where the
    /// provider demands a secret and there is none.
    pub(super) fn way(&self, preset: &Preset) -> Result<Option<ClientAuthName>, InputError> {
        if self.client_auth.is_some() {
            return Ok(self.client_auth);
        }
        let has_secret = self.client_secret_env.is_some();
        if preset.needs_secret && !has_secret {
            let expected =
                "the name of an environment variable that holds the secret, which this provider demands";
            return Err(InputError::new("client_secret_env", expected));
        }
        Ok(preset.client_secret.filter(|_| has_secret).map(|place| match place {
            SecretPlace::Header => ClientAuthName::Basic,
            SecretPlace::Body => ClientAuthName::Post,
        }))
    }

    /// Reads secrets and keys from the variables that are named.
    pub(super) fn authentication(
        &self,
        way: Option<ClientAuthName>,
        preset: ClientAuth,
        environment: &Environment,
    ) -> Result<ClientAuth, InputError> {
        let secret = self.client_secret_env.as_deref();
        let secret = secret.map(|variable| client_secret(variable, environment)).transpose()?;
        let key = named_key(
            ("client_key_env", self.client_key_env.as_deref()),
            ("client_key_id", self.client_key_id.as_deref()),
            environment,
        )?;
        let older = named_key(
            ("client_older_key_env", self.client_older_key_env.as_deref()),
            ("client_older_key_id", self.client_older_key_id.as_deref()),
            environment,
        )?;
        if key.is_none() && older.is_some() {
            return Err(InputError::new("client_key_env", "to be given with client_older_key_env"));
        }
        let keys = key.into_iter().chain(older).collect();
        authentication(way, secret, keys, preset)
    }

    /// The key that access tokens are bound to.
    pub(super) fn dpop(&self, preset: Dpop, environment: &Environment) -> Result<Dpop, InputError> {
        match &self.dpop_key_env {
            Some(variable) => Ok(Dpop::Key(private_key("dpop_key_env", variable, environment)?)),
            None if matches!(preset, Dpop::KeyNeeded) => {
                Err(InputError::new("dpop_key_env", "to be given: this provider binds tokens to a key"))
            }
            None => Ok(preset),
        }
    }
}

fn authentication(
    way: Option<ClientAuthName>,
    secret: Option<Secret>,
    keys: Vec<ClientKey>,
    preset: ClientAuth,
) -> Result<ClientAuth, InputError> {
    let refused = |field, expected: &str| Err(InputError::new(field, expected));
    match (way, secret, keys.is_empty()) {
        (None, None, true) => Ok(preset),
        (Some(ClientAuthName::None), None, true) => Ok(ClientAuth::None),
        (Some(ClientAuthName::Basic), Some(secret), true) => Ok(ClientAuth::Basic(secret)),
        (Some(ClientAuthName::Post), Some(secret), true) => Ok(ClientAuth::Post(secret)),
        (Some(ClientAuthName::PrivateKeyJwt), None, false) => Ok(ClientAuth::PrivateKeyJwt(keys)),
        (Some(ClientAuthName::PrivateKeyJwt), _, true) => {
            refused("client_key_env", "to be given with client_auth = \"private_key_jwt\"")
        }
        (Some(ClientAuthName::PrivateKeyJwt), Some(_), _) => {
            refused("client_secret_env", "not to be given with client_auth = \"private_key_jwt\"")
        }
        (_, _, false) => refused("client_auth", "private_key_jwt, with client_key_env"),
        (Some(ClientAuthName::Basic | ClientAuthName::Post), None, _) => {
            refused("client_secret_env", "to be given with client_auth = \"basic\" or \"post\"")
        }
        (None | Some(ClientAuthName::None), Some(_), _) => {
            refused("client_auth", "basic or post, with client_secret_env")
        }
    }
}

fn client_secret(variable: &str, environment: &Environment) -> Result<Secret, InputError> {
    let value = environment.value(variable).ok_or_else(|| {
        InputError::new("client_secret_env", "the name of an environment variable that holds the secret")
    })?;
    Ok(secret(value))
}

/// A key and the name it goes by: both, or neither.
fn named_key(
    (key_field, variable): (&str, Option<&str>),
    (id_field, id): (&str, Option<&str>),
    environment: &Environment,
) -> Result<Option<ClientKey>, InputError> {
    match (variable, id) {
        (None, None) => Ok(None),
        (Some(variable), Some(id)) => {
            let key = private_key(key_field, variable, environment)?;
            Ok(Some(ClientKey { id: id.to_owned(), key }))
        }
        (Some(_), None) => Err(InputError::new(id_field, format!("to be given with {key_field}"))),
        (None, Some(_)) => Err(InputError::new(key_field, format!("to be given with {id_field}"))),
    }
}

fn private_key(field: &str, variable: &str, environment: &Environment) -> Result<SigningKey, InputError> {
    let expected = "the name of an environment variable that holds a private key";
    let text = environment.value(variable).ok_or_else(|| InputError::new(field, expected))?;
    SigningKey::parse(&secret(text))
        .map_err(|error| InputError::new(field, format!("{expected}: {}", error.expected())))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use solekey_testkit::provider::KeyPair;

    use crate::config::{Config, ConfigError, Environment};

    const APP: &str = "[[provider]]\nname = \"app\"\nclient_id = \"https://app.example/client.json\"\n";

    fn parse(more: &str) -> Result<Config, ConfigError> {
        let pem = KeyPair::generate().pem();
        let variables =
            [("KEY", pem.clone()), ("LINE", pem.replace('\n', "\\n")), ("JUNK", "hush".to_owned())];
        Config::parse(&format!("{APP}{more}"), &Environment::from_iter(variables))
    }

    fn refused(more: &str) -> String {
        let error = parse(more).unwrap_err();
        assert!(!error.to_string().contains("hush"), "{error}");
        error.field().unwrap_or_else(|| panic!("{error}")).to_owned()
    }

    const SIGNS: &str =
        "client_auth = \"private_key_jwt\"\nclient_key_env = \"KEY\"\nclient_key_id = \"k2\"\n";

    #[test]
    fn accounts_of_at_protocol_need_a_client_and_its_keys_and_no_url() {
        let preset = "preset = \"atproto\"\ndpop_key_env = \"LINE\"\n";
        for more in [
            preset.to_owned(),
            format!("{preset}{SIGNS}"),
            format!("{preset}{SIGNS}client_older_key_env = \"LINE\"\nclient_older_key_id = \"k1\"\n"),
            format!("{preset}issuer = \"https://pds.example\"\n"),
            format!("{preset}issuer_of_account = false\nissuer = \"https://pds.example\"\n"),
        ] {
            let config = parse(&more).unwrap();
            assert!(!format!("{config:?}").contains("PRIVATE"));
        }
        assert_eq!(refused("preset = \"atproto\""), "provider.app.dpop_key_env");
        assert_eq!(refused(&format!("{preset}issuer_of_account = false")), "provider.app.token_url");
    }

    #[test]
    fn keys_that_cannot_work_are_refused_by_the_setting_that_names_them() {
        let at = "token_url = \"https://auth.example/token\"\n";
        for (more, field) in [
            ("dpop_key_env = \"ABSENT\"".to_owned(), "dpop_key_env"),
            ("dpop_key_env = \"JUNK\"".to_owned(), "dpop_key_env"),
            ("client_auth = \"private_key_jwt\"".to_owned(), "client_key_env"),
            (SIGNS.replace("KEY", "JUNK"), "client_key_env"),
            (SIGNS.replace("client_key_id = \"k2\"\n", ""), "client_key_id"),
            (SIGNS.replace("\"k2\"", "\"\""), "client_key_id"),
            (SIGNS.replace("private_key_jwt", "post"), "client_auth"),
            (SIGNS.replace("client_auth = \"private_key_jwt\"\n", ""), "client_auth"),
            (format!("{SIGNS}client_secret_env = \"JUNK\""), "client_secret_env"),
            (format!("{SIGNS}client_older_key_env = \"KEY\"\nclient_older_key_id = \"k2\""), "client_key_id"),
            (format!("{SIGNS}client_older_key_id = \"k1\""), "client_older_key_env"),
            ("client_older_key_env = \"KEY\"\nclient_older_key_id = \"k1\"".to_owned(), "client_key_env"),
            ("issuer = \"http://pds.example\"".to_owned(), "issuer"),
        ] {
            assert_eq!(refused(&format!("{at}{more}")), format!("provider.app.{field}"), "{more}");
        }
    }
}

//! The configuration: a TOML file, environment variables over it, defaults under it.

mod client;
mod environment;
mod listen;
mod mirror;
mod place;
mod provider;
mod read;
mod settings;
mod span;
#[cfg(test)]
mod tests;

use std::{path::Path, sync::Arc};

use solekey::{
    Builder, SealKeys, Solekey,
    core::{InputError, MAX_NAME_BYTES},
};

use crate::doctor::Parts;

pub use environment::Environment;
pub use listen::Listen;
pub use read::ConfigError;

use mirror::Mirror;
use place::Place;
use provider::{Configured, locate};
use settings::{ProviderSettings, SealSettings, Settings};

/// A checked configuration: everything in it is known to fit together.
#[derive(Debug)]
pub struct Config {
    listen: Listen,
    place: Place,
    seal: SealKeys,
    providers: Vec<Configured>,
    accept_loss: bool,
    mirrors: Vec<Mirror>,
}

impl Config {
    /// Reads the file, if there is one, and the environment.
    ///
    /// # Errors
    /// The file cannot be read, is no TOML, or says something that cannot work: the error names the key.
    pub fn load(file: Option<&Path>, environment: &Environment) -> Result<Self, ConfigError> {
        let text = file.map(read::file).transpose()?.unwrap_or_default();
        Self::parse(&text, environment)
    }

    /// Reads the text of a file, and the environment.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn parse(text: &str, environment: &Environment) -> Result<Self, ConfigError> {
        let mut table = read::table(text)?;
        environment.override_settings(&mut table)?;
        Ok(Self::check(read::settings(table)?, environment)?)
    }

    /// Listens there instead.
    pub fn listen_on(mut self, listen: Listen) -> Self {
        self.listen = listen;
        self
    }

    /// Where the server is to listen.
    pub fn listen(&self) -> &Listen {
        &self.listen
    }

    /// What replicas coordinate through: `redis`, `redis and sqlite`, `redis and postgres`, `postgres`, or `embedded`.
    pub fn coordination(&self) -> &'static str {
        self.place.name()
    }

    /// What works but should not stay as it is.
    pub fn warnings(&self) -> Vec<String> {
        let careless = |configured: &&Configured| {
            self.place.is_redis_alone()
                && !self.accept_loss
                && !configured.accepts_loss
                && configured.provider.policy().replay().revokes_families()
        };
        self.providers
            .iter()
            .filter(careless)
            .map(|configured| loss_warning(configured.provider.name()))
            .collect()
    }

    /// The names of its providers.
    pub(crate) fn provider_names(&self) -> Vec<String> {
        self.providers.iter().map(|configured| configured.provider.name().to_owned()).collect()
    }

    /// Whether what is stored and shared is sealed.
    pub(crate) fn is_sealing(&self) -> bool {
        self.seal.is_sealing()
    }

    /// What can be looked at apart from the rest.
    pub(crate) fn parts(&self) -> Parts {
        let hosts = self.providers.iter().filter_map(Configured::token_host);
        Parts {
            redis: self.place.redis_part(self.accept_loss),
            postgres: self.place.postgres().cloned(),
            rows_in_redis: self.place.is_redis_alone(),
            answer_folder: self.place.answer_folder(),
            token_hosts: hosts.collect(),
        }
    }

    pub(crate) fn into_builder(self) -> Builder {
        let Self { listen: _, place, seal, providers, accept_loss: _, mirrors } = self;
        let builder = place.furnish(Solekey::builder().seal(seal));
        let builder = providers.into_iter().fold(builder, |builder, configured| {
            let builder = builder.provider(configured.provider);
            match configured.project {
                Some(project) => builder.after_commit(Arc::new(project)),
                None => builder,
            }
        });
        mirrors.into_iter().fold(builder, |builder, Mirror { account, path }| builder.mirror(account, path))
    }

    fn check(settings: Settings, environment: &Environment) -> Result<Self, InputError> {
        let Settings { listen, redis, store, seal, state_dir, provider, mirror } = settings;
        let accept_loss = store.accept_loss;
        let place = Place::new(redis, store, state_dir)?;
        let seal = seal_keys(seal, environment)?;
        if provider.is_empty() {
            return Err(InputError::new("provider", "at least one [[provider]]"));
        }
        check_names(&provider)?;
        let names: Vec<_> = provider.iter().map(|provider| provider.name.clone()).collect();
        let mirrors: Result<Vec<_>, _> =
            mirror.into_iter().map(|settings| settings.build(&names, environment)).collect();
        let providers: Result<Vec<_>, _> =
            provider.into_iter().map(|settings| settings.build(environment)).collect();
        Ok(Self { listen, place, seal, providers: providers?, accept_loss, mirrors: mirrors? })
    }
}

/// Without a variable of its own the usual one counts, so that a key which is there is never forgotten.
fn seal_keys(settings: SealSettings, environment: &Environment) -> Result<SealKeys, InputError> {
    let ring = match &settings.key_env {
        Some(variable) => Some(environment.value(variable).ok_or_else(|| {
            InputError::new("seal.key_env", "the name of an environment variable that holds a key ring")
        })?),
        None => environment.value(DEFAULT_SEAL_VARIABLE),
    };
    ring.map_or_else(|| Ok(SealKeys::none()), SealKeys::parse)
}

fn check_names(providers: &[ProviderSettings]) -> Result<(), InputError> {
    for (at, provider) in providers.iter().enumerate() {
        let name = &provider.name;
        if name.is_empty() || name.len() > MAX_NAME_BYTES {
            return Err(InputError::new("provider.name", format!("1 to {MAX_NAME_BYTES} bytes")));
        }
        if providers[..at].iter().any(|other| other.name == *name) {
            return Err(locate(name, &InputError::new("name", "each name once")));
        }
    }
    Ok(())
}

fn loss_warning(provider: &str) -> String {
    format!(
        "provider.{provider}: a spent token revokes its grants, and rows are kept in Redis alone, which can lose what \
         it acknowledged; keep them in SQL, or set accept_loss = true in [store]"
    )
}

const DEFAULT_SEAL_VARIABLE: &str = "SOLEKEY_SEAL_KEY";

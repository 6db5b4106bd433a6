//! The configuration: a TOML file, environment variables over it, defaults under it.

mod answers;
mod check;
mod choices;
mod client;
mod endpoint;
mod environment;
mod keys;
mod listen;
mod mirror;
#[cfg(test)]
mod page;
mod place;
mod policy;
mod provider;
mod read;
mod schema;
mod settings;
mod span;
mod spelled;
#[cfg(test)]
mod tests;

use std::{path::Path, sync::Arc};

use solekey::{
    Builder, SealKeys, Solekey,
    core::{InputError, MAX_NAME_BYTES},
};

use crate::{
    doctor::Parts,
    hosts::{HostName, Hosts},
    mirror::MirrorFiles,
};

pub use check::{Checked, Origin, Setting};
pub use environment::Environment;
pub use listen::Listen;
pub use read::ConfigError;

use check::Examined;
use place::Backing;
use provider::{Configured, locate};
use settings::{SealSettings, Settings};
use spelled::Values;

/// A checked configuration: everything in it is known to fit together.
#[derive(Debug)]
pub struct Config {
    listen: Listen,
    hosts: Hosts,
    place: Backing,
    seal: SealKeys,
    providers: Vec<Configured>,
    accept_loss: bool,
    mirrors: MirrorFiles,
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
        let first = |errors: Vec<ConfigError>| errors.into_iter().next().expect("refused for a reason");
        Examined::of(text, environment).map(|examined| examined.config).map_err(first)
    }

    /// Returns the JSON Schema of the file, for editors.
    pub fn schema() -> serde_json::Value {
        schema::published()
    }

    /// Listens there instead.
    pub fn listen_on(mut self, listen: Listen) -> Self {
        self.listen = listen;
        self
    }

    /// Returns the address at which the server is to listen.
    pub fn listen(&self) -> &Listen {
        &self.listen
    }

    /// Returns the name of what replicas coordinate through: `redis`, `redis and sqlite`, `redis and postgres`,
    /// `postgres`, or `embedded`.
    pub fn coordination(&self) -> &'static str {
        self.place.name()
    }

    /// Returns a warning for each setting that works but should not stay as it is.
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

    /// Returns whether what is stored and shared is sealed.
    pub(crate) fn is_sealing(&self) -> bool {
        self.seal.is_sealing()
    }

    /// Returns the parts that can be checked separately.
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

    /// The names by which requests may call this host.
    pub(crate) fn hosts(&self) -> &Hosts {
        &self.hosts
    }

    /// The files to keep fresh.
    pub(crate) fn mirrors(&self) -> &MirrorFiles {
        &self.mirrors
    }

    pub(crate) fn into_builder(self) -> Builder {
        let Self { listen: _, hosts: _, place, seal, providers, accept_loss: _, mirrors: _ } = self;
        let builder = place.furnish(Solekey::builder().seal(seal));
        providers.into_iter().fold(builder, |builder, configured| {
            let builder = builder.provider(configured.provider);
            match configured.project {
                Some(project) => builder.after_commit(Arc::new(project)),
                None => builder,
            }
        })
    }

    fn build(settings: Settings, environment: &Environment) -> Result<Self, Vec<InputError>> {
        let Settings { listen, hosts, redis, store, seal, state_dir, provider, mirror } = settings;
        let listen = listen.unwrap_or_default();
        let hosts = named_hosts(hosts.unwrap_or_default());
        let accept_loss = store.accept_loss.unwrap_or_default();
        let place = Backing::new(redis, store, state_dir);
        let seal = seal_keys(seal, environment);
        let names: Vec<_> = provider.iter().map(|provider| provider.name.clone()).collect();
        let named = check_names(&names);
        let home = || environment.value("HOME");
        let mirrors = all(mirror.into_iter().map(|mirror| mirror.build(&names, home()).map_err(one)))
            .and_then(|files| MirrorFiles::new(files).map_err(one));
        let providers = all(provider.into_iter().map(|provider| provider.build(environment)));
        match (hosts, place, seal, named, mirrors, providers) {
            (Ok(hosts), Ok(place), Ok(seal), Ok(()), Ok(mirrors), Ok(providers)) => {
                Ok(Self { listen, hosts, place, seal, providers, accept_loss, mirrors })
            }
            (hosts, place, seal, named, mirrors, providers) => {
                let first = [hosts.err(), place.err(), seal.err(), named.err()].into_iter().flatten();
                let others = [mirrors.err(), providers.err()].into_iter().flatten().flatten();
                Err(first.chain(others).collect())
            }
        }
    }

    /// The values of keys that do not belong to a provider, where they are not set.
    fn defaults(&self) -> Values {
        let mut values = self.place.defaults();
        values.put("listen", Some(self.listen.to_string()));
        values.put("seal.key_env", self.seal.is_sealing().then_some(DEFAULT_SEAL_VARIABLE));
        values
    }
}

/// Everything, or all that is wrong.
fn all<T>(results: impl Iterator<Item = Result<T, Vec<InputError>>>) -> Result<Vec<T>, Vec<InputError>> {
    let (mut built, mut wrong) = (Vec::new(), Vec::new());
    for result in results {
        match result {
            Ok(value) => built.push(value),
            Err(errors) => wrong.extend(errors),
        }
    }
    if wrong.is_empty() { Ok(built) } else { Err(wrong) }
}

fn one(error: InputError) -> Vec<InputError> {
    vec![error]
}

/// Each request is compared with all of them.
fn named_hosts(names: Vec<HostName>) -> Result<Hosts, InputError> {
    if names.len() > MAX_HOSTS {
        return Err(InputError::new("hosts", format!("at most {MAX_HOSTS}")));
    }
    Ok(Hosts::new(names))
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

fn check_names(names: &[String]) -> Result<(), InputError> {
    if names.is_empty() {
        return Err(InputError::new("provider", "at least one [[provider]]"));
    }
    for (at, name) in names.iter().enumerate() {
        if name.is_empty() || name.len() > MAX_NAME_BYTES {
            return Err(InputError::new("provider.name", format!("1 to {MAX_NAME_BYTES} bytes")));
        }
        if names[..at].contains(name) {
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

const MAX_HOSTS: usize = 64;
const DEFAULT_SEAL_VARIABLE: &str = "SOLEKEY_SEAL_KEY";

//! Files of command line tools to keep fresh.

use std::path::PathBuf;

use serde::Deserialize;
use solekey::core::{Account, InputError};

use super::environment::Environment;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MirrorSettings {
    provider: String,
    account: String,
    path: String,
}

/// A file and whose tokens belong into it.
#[derive(Debug)]
pub(super) struct Mirror {
    pub(super) account: Account,
    pub(super) path: PathBuf,
}

impl MirrorSettings {
    /// Checks one wish; `~/` stands for the home of whoever runs the sidecar.
    pub(super) fn build(self, providers: &[String], environment: &Environment) -> Result<Mirror, InputError> {
        let Self { provider, account, path } = self;
        if !providers.contains(&provider) {
            return Err(InputError::new("mirror.provider", "the name of a [[provider]]"));
        }
        let account = Account::new(&provider, &account)
            .map_err(|error| InputError::new("mirror.account", error.expected()))?;
        let expected =
            || InputError::new("mirror.path", "an absolute path of a file, or one that begins with ~/");
        let path = match path.strip_prefix("~/") {
            None => PathBuf::from(path),
            Some(rest) => PathBuf::from(environment.value("HOME").ok_or_else(expected)?).join(rest),
        };
        if path.is_absolute() { Ok(Mirror { account, path }) } else { Err(expected()) }
    }
}

//! Files of command line tools to keep fresh.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;
use solekey::core::{Account, InputError};

use super::schema::in_order;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(transform = in_order::<Self>)]
pub(super) struct MirrorSettings {
    /// The name of the provider.
    provider: String,
    /// The id of the account whose tokens the file holds.
    account: String,
    /// The file: absolute, or beginning with `~/`; each file once.
    path: String,
}

impl MirrorSettings {
    /// Checks one file and its account; `~/` stands for the home of whoever runs the sidecar.
    pub(super) fn build(
        self,
        providers: &[String],
        home: Option<&str>,
    ) -> Result<(Account, PathBuf), InputError> {
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
            Some(rest) => PathBuf::from(home.ok_or_else(expected)?).join(rest),
        };
        if path.is_absolute() { Ok((account, path)) } else { Err(expected()) }
    }
}

//! Files of command line tools to keep fresh.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;
use solekey::core::{Account, InputError};

use super::schema::in_order;
use crate::mirror::MirrorFile;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(transform = in_order::<Self>)]
pub(super) struct MirrorSettings {
    /// The name of the provider.
    provider: String,
    /// The id of the account whose tokens the file holds.
    account: String,
    /// The file: absolute, or beginning with `~/`; each file once, or once for each `field`.
    path: String,
    /// The field of the file's object that holds the account, for files with several: `anthropic` or `openai` in the
    /// `auth.json` of opencode. Default: the whole file is one account's.
    field: Option<String>,
}

impl MirrorSettings {
    /// Checks one file and its account; `~/` stands for the home of whoever runs the sidecar.
    pub(super) fn build(self, providers: &[String], home: Option<&str>) -> Result<MirrorFile, InputError> {
        let Self { provider, account, path, field } = self;
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
        if !path.is_absolute() {
            return Err(expected());
        }
        let file = MirrorFile::new(account, path);
        Ok(match field {
            Some(field) => file.in_field(field),
            None => file,
        })
    }
}

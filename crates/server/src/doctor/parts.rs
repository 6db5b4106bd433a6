//! What a configuration names, as far as it is looked at apart from the rest.

use std::path::PathBuf;

use solekey::core::Secret;

/// The places of a configuration.
pub(crate) struct Parts {
    pub(crate) redis: Option<RedisPart>,
    /// The URL of the PostgreSQL in which rows are kept.
    pub(crate) postgres: Option<Secret>,
    /// Whether rows are kept in Redis and nowhere else.
    pub(crate) rows_in_redis: bool,
    /// Where answers are kept as files.
    pub(crate) answer_folder: Option<PathBuf>,
    pub(crate) token_hosts: Vec<TokenHost>,
}

/// A Redis.
pub(crate) struct RedisPart {
    pub(crate) url: Secret,
    /// The configuration accepts that it may lose what it acknowledged.
    pub(crate) accept_loss: bool,
}

/// Where a provider's token endpoint listens.
pub(crate) struct TokenHost {
    pub(crate) provider: String,
    pub(crate) host: String,
    pub(crate) port: u16,
}

//! The parts of a configuration that are checked separately.

use std::path::PathBuf;

use solekey::core::Secret;

/// The parts of a configuration that are checked separately.
pub(crate) struct Parts {
    pub(crate) redis: Option<RedisPart>,
    /// The URL of the PostgreSQL in which rows are kept.
    pub(crate) postgres: Option<Secret>,
    /// True if rows are kept in Redis and nowhere else.
    pub(crate) rows_in_redis: bool,
    /// The folder of answers, if they are kept as files.
    pub(crate) answer_folder: Option<PathBuf>,
    pub(crate) token_hosts: Vec<TokenHost>,
}

/// A Redis.
pub(crate) struct RedisPart {
    pub(crate) url: Secret,
    /// The prefix of its keys and channel.
    pub(crate) prefix: String,
    /// The configuration accepts that it may lose what it acknowledged.
    pub(crate) accept_loss: bool,
}

/// The host and port of a provider's token endpoint.
pub(crate) struct TokenHost {
    pub(crate) provider: String,
    pub(crate) host: String,
    pub(crate) port: u16,
    /// Requests go there in TLS.
    pub(crate) tls: bool,
}

//! The errors of opening a database.

use std::borrow::Cow;

/// The reason why a PostgreSQL database cannot be used as a store.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PostgresError {
    /// The URL is not one, or has a part that is not known.
    #[error("expected {expected}")]
    Url {
        /// The form that is expected; never the one given, but for the name of an unknown parameter.
        expected: Cow<'static, str>,
    },
    /// The database cannot be reached, or does not let us in.
    #[error("the PostgreSQL database cannot be used")]
    Database(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The server is a standby.
    #[error("the PostgreSQL server is a standby; expected the primary")]
    Standby,
    /// A newer version of Solekey has changed the tables.
    #[error("the tables were made by a newer version of solekey (schema {version})")]
    NewerSchema {
        /// The schema found.
        version: i64,
    },
}

//! Why no usable token could be had, sorted by what the caller does next.

use std::time::{Duration, SystemTime};

use http::StatusCode;
use solekey_core::{
    Delay, InputError, Revocation,
    ports::{BoxError, StoreError},
};

/// Why no usable token could be had, sorted by what the caller does next.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// Nothing is wrong for good; asking again at `at` is safe.
    #[error("refresh unavailable: {why}")]
    RetryAt {
        /// When asking again may help, by this machine's wall clock.
        at: SystemTime,
        /// What it waits for.
        why: Delay,
    },
    /// The grant is gone; only a new login restores it.
    #[error("login required: {why}")]
    LogIn {
        /// What ended it.
        why: Revocation,
    },
    /// We are set up wrong; no retry helps.
    #[error("configuration: {field}: expected {expected}")]
    Configuration {
        /// The setting at fault.
        field: String,
        /// What was expected there.
        expected: String,
    },
    /// Nobody logged this account in, or it was deleted.
    #[error("unknown account")]
    UnknownAccount,
    /// No provider of this name is configured.
    #[error("unknown provider")]
    UnknownProvider,
    /// This instance is shutting down, and has no valid token in memory.
    #[error("shutting down")]
    ShuttingDown,
}

impl TokenError {
    /// How long to wait before asking again; `None` where asking again does not help.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::RetryAt { at, .. } => {
                let left = at.duration_since(SystemTime::now()).unwrap_or_default();
                Some(left.max(Duration::from_secs(1)))
            }
            Self::ShuttingDown => Some(Duration::from_secs(1)),
            Self::LogIn { .. }
            | Self::Configuration { .. }
            | Self::UnknownAccount
            | Self::UnknownProvider => None,
        }
    }

    /// What it waits for.
    pub(crate) fn delay(&self) -> Option<Delay> {
        match self {
            Self::RetryAt { why, .. } => Some(*why),
            Self::ShuttingDown => Some(Delay::ShuttingDown),
            _ => None,
        }
    }

    /// The status with which a gateway may pass this on.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::RetryAt { .. } | Self::ShuttingDown => StatusCode::SERVICE_UNAVAILABLE,
            Self::LogIn { .. } => StatusCode::UNAUTHORIZED,
            Self::Configuration { .. } => StatusCode::INTERNAL_SERVER_ERROR,
            Self::UnknownAccount | Self::UnknownProvider => StatusCode::NOT_FOUND,
        }
    }
}

impl From<InputError> for TokenError {
    fn from(error: InputError) -> Self {
        Self::Configuration { field: error.field().to_owned(), expected: error.expected().to_owned() }
    }
}

/// Why an account could not be changed or shown. Nothing stored has changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AccountError {
    /// The input is not acceptable.
    #[error(transparent)]
    Input(#[from] InputError),
    /// No provider of this name is configured.
    #[error("unknown provider")]
    UnknownProvider,
    /// Nobody logged this account in, or it was deleted.
    #[error("unknown account")]
    UnknownAccount,
    /// The store cannot be asked, or did not answer in time; a change may or may not have been made.
    #[error("the store is unavailable")]
    Store(#[source] StoreError),
    /// Two different stores or seal keys meet under one name.
    #[error(transparent)]
    Configuration(TokenError),
    /// This instance is shutting down.
    #[error("shutting down")]
    ShuttingDown,
}

/// Why an instance could not be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// A setting is not acceptable.
    #[error(transparent)]
    Input(#[from] InputError),
    /// A file or folder cannot be opened.
    #[error("cannot open {what}")]
    Open {
        /// What it is for.
        what: &'static str,
        /// What went wrong.
        #[source]
        source: BoxError,
    },
}

//! Errors, sorted by what the caller does next.

use std::time::{Duration, SystemTime};

use http::StatusCode;
use solekey_core::{
    Delay, InputError, Revocation,
    ports::{BoxError, StoreError},
};

/// The reason why no usable token could be had, sorted by what the caller does next.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// Nothing is wrong for good; asking again at `at` is safe.
    #[error("refresh unavailable: {why}{}", answered_as(.answered.as_deref()))]
    RetryAt {
        /// The time at which asking again may help, by this machine's wall clock.
        at: SystemTime,
        /// The reason of the delay.
        why: Delay,
        /// What the provider last answered this process about the account, where that is the cause: status and error code, or
        /// where a redirect leads; never text of its answer.
        answered: Option<String>,
    },
    /// The grant is gone; only a new login restores it.
    #[error("login required: {why}")]
    LogIn {
        /// The reason why the grant ended.
        why: Revocation,
    },
    /// We are set up wrong; no retry helps.
    #[error("configuration: {field}: expected {expected}")]
    Configuration {
        /// The setting at fault.
        field: String,
        /// The value that was expected there.
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
    /// Returns how long to wait before asking again; `None` where asking again does not help.
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

    /// The reason of the delay.
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

fn answered_as(answered: Option<&str>) -> String {
    answered.map_or_else(String::new, |reason| format!(" (the provider's last answer: {reason})"))
}

impl From<InputError> for TokenError {
    fn from(error: InputError) -> Self {
        Self::Configuration { field: error.field().to_owned(), expected: error.expected().to_owned() }
    }
}

/// The reason why an account could not be changed or shown. Nothing stored has changed.
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
    /// The document corrects a credential whose refresh token is being presented, or may have been: nothing is taken until
    /// that is settled.
    #[error("an attempt with this refresh token is open; log in again when it has ended")]
    Busy,
    /// Two different stores or seal keys meet under one name.
    #[error(transparent)]
    Configuration(TokenError),
    /// This instance is shutting down.
    #[error("shutting down")]
    ShuttingDown,
}

/// The reason why an instance could not be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// A setting is not acceptable.
    #[error(transparent)]
    Input(#[from] InputError),
    /// A file or folder cannot be opened.
    #[error("cannot open {what}")]
    Open {
        /// The part that could not be opened.
        what: &'static str,
        /// The cause.
        #[source]
        source: BoxError,
    },
}

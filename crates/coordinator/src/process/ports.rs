//! The outside, as ports.

use std::{fmt, sync::Arc};

use futures_util::future::BoxFuture;
use solekey_core::ports::{Answers, Cache, ChangeFeed, Clock, Lease, RateLimiter, Store, StoreError};

use super::Closer;
use crate::{answer_files::AnswerFiles, observer::Observer};

/// The outside, as ports.
pub(crate) struct Ports {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) answers: Arc<dyn Answers>,
    /// The same answers, where they are files of this host.
    pub(crate) files: Option<AnswerFiles>,
    pub(crate) cache: Option<Arc<dyn Cache>>,
    pub(crate) change_feed: Option<Arc<dyn ChangeFeed>>,
    pub(crate) lease: Option<Arc<dyn Lease>>,
    /// `None`: this process starts refreshes as if it were alone.
    pub(crate) rate_limiter: Option<Arc<dyn RateLimiter>>,
    /// Present where the index of due accounts is not one with the rows.
    pub(crate) index: Option<IndexWalk>,
    /// `None` costs a request nothing.
    pub(crate) observer: Option<Arc<dyn Observer>>,
    /// To be closed after the last flight.
    pub(crate) closers: Vec<Closer>,
}

/// A walk over all rows that enters them into the index of due accounts, and returns how many there are.
#[derive(Clone)]
pub(crate) struct IndexWalk(Arc<dyn Fn() -> BoxFuture<'static, Result<u64, StoreError>> + Send + Sync>);

impl IndexWalk {
    #[cfg_attr(not(feature = "redis"), allow(dead_code))]
    pub(crate) fn new(
        walk: impl Fn() -> BoxFuture<'static, Result<u64, StoreError>> + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(walk))
    }

    /// Walks once.
    ///
    /// # Errors
    /// The store's error that ended the walk.
    pub(crate) async fn walk(&self) -> Result<u64, StoreError> {
        (self.0)().await
    }
}

impl fmt::Debug for IndexWalk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IndexWalk")
    }
}

//! An adapter under test.

use std::{any::Any, fmt, sync::Arc};

/// An adapter to run a list over, and whatever has to live as long as it.
pub struct Subject<P: ?Sized> {
    pub(crate) port: Arc<P>,
    keep: Option<Box<dyn Any + Send + Sync>>,
}

impl<P: ?Sized> Subject<P> {
    /// An adapter.
    pub fn new(port: Arc<P>) -> Self {
        Self { port, keep: None }
    }

    /// Keeps something alive until the case is over: a server, a folder.
    pub fn keeping(self, keep: impl Any + Send + Sync) -> Self {
        Self { keep: Some(Box::new((self.keep, keep))), ..self }
    }
}

impl<P: ?Sized> fmt::Debug for Subject<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subject").finish_non_exhaustive()
    }
}

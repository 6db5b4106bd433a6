//! Tasks of the checker, that can be aborted: its own handles only forget them.

use std::{future::Future, marker::PhantomData};

pub use futures_util::future::AbortHandle;
use futures_util::future::abortable;

/// A task that goes on when this is dropped.
#[derive(Debug)]
pub struct JoinHandle<T> {
    abort: AbortHandle,
    ends_with: PhantomData<T>,
}

impl<T> JoinHandle<T> {
    /// A way to end the task at its next await.
    pub fn abort_handle(&self) -> AbortHandle {
        self.abort.clone()
    }
}

/// Starts a task, and lets others run before it.
pub fn spawn(task: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
    let (task, abort) = abortable(task);
    drop(shuttle::future::spawn(task));
    JoinHandle { abort, ends_with: PhantomData }
}

//! What the ports of Solekey mean, in executable form: one list of cases per port, for every adapter.
//!
//! A list is run with a builder that makes a fresh, empty adapter for each case:
//!
//! ```
//! # async fn example() {
//! use std::sync::Arc;
//! use solekey_testkit::{conformance::{self, lease::LeaseSubject}, memory::MemoryLease};
//!
//! let build = async || LeaseSubject::new(Arc::new(MemoryLease::new()));
//! let report = conformance::lease::run("memory", build).await;
//! assert_eq!(report.passed.len(), conformance::lease::CASES.len());
//! println!("{report}");
//! # }
//! ```
//!
//! A case that fails panics with the adapter's and its own name. Cases wait for real time to pass, in spans of
//! milliseconds: the adapters' servers need running clocks.

pub mod answers;
pub mod cache;
pub mod lease;
pub mod news;
pub mod pace;
mod report;
pub mod store;
mod wait;

use std::{any::Any, fmt, pin::Pin, sync::Arc, time::Duration};

pub use report::{Report, Table};
use tokio::task::LocalSet;

/// One case of a list, over an adapter behind `S`.
pub struct Case<S> {
    /// What it is called, as a path of identifiers.
    pub name: &'static str,
    run: fn(S) -> Running,
}

impl<S> fmt::Debug for Case<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Case").field("name", &self.name).finish_non_exhaustive()
    }
}

/// A case under way. It stays on its thread; what it races with, it spawns.
type Running = Pin<Box<dyn Future<Output = ()>>>;

/// An adapter to run a list over, and whatever has to live as long as it.
pub struct Subject<P: ?Sized> {
    port: Arc<P>,
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

/// No case takes nearly as long; what hangs is to fail with its name.
const CASE_LIMIT: Duration = Duration::from_secs(120);

async fn run<S: 'static>(
    port: &'static str,
    adapter: &str,
    cases: &[Case<S>],
    build: impl AsyncFn() -> S,
) -> Report {
    let mut passed = Vec::with_capacity(cases.len());
    for case in cases {
        let subject = build().await;
        if let Err(why) = alone((case.run)(subject)).await {
            panic!("{adapter}: {port}: {}: {why}", case.name);
        }
        passed.push(case.name);
    }
    Report { adapter: adapter.to_owned(), port, passed }
}

/// Runs a case to its end, its panic or its limit. Whatever it leaves behind on this thread ends with it.
async fn alone(case: Running) -> Result<(), String> {
    let here = LocalSet::new();
    let running = here.run_until(tokio::time::timeout(CASE_LIMIT, here.spawn_local(case))).await;
    match running {
        Ok(ended) => ended.map_err(message),
        Err(_) => Err(format!("still running after {CASE_LIMIT:?}")),
    }
}

fn message(failure: tokio::task::JoinError) -> String {
    let Ok(panic) = failure.try_into_panic() else { return "cancelled".to_owned() };
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
}

/// The table of a list: `cases! { Subject => module: [function, …], … }`.
macro_rules! cases {
    ($subject:ty => $($module:ident: [$($name:ident),* $(,)?]),* $(,)?) => {
        &[$($($crate::conformance::Case::<$subject> {
            name: concat!(stringify!($module), "::", stringify!($name)),
            run: |subject| Box::pin($module::$name(subject)),
        }),*),*]
    };
}
use cases;

//! A case, and what runs one after the other.

use std::{fmt, pin::Pin, time::Duration};

use tokio::task::LocalSet;

use crate::Report;

/// One case of a list, over an adapter behind `S`.
pub struct Case<S> {
    /// The name of the case, as a path of identifiers.
    pub name: &'static str,
    pub(crate) run: fn(S) -> Running,
}

impl<S> fmt::Debug for Case<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Case").field("name", &self.name).finish_non_exhaustive()
    }
}

/// A case under way. It stays on its thread; what it races with, it spawns.
pub(crate) type Running = Pin<Box<dyn Future<Output = ()>>>;

/// No case takes nearly as long; what hangs is to fail with its name. Longer than a case waits for any one thing.
const CASE_LIMIT: Duration = crate::wait::LIMIT.saturating_mul(3);

/// Runs a list, a fresh adapter for each of its cases.
///
/// # Panics
/// When a case fails: with the adapter's name, the port's and its own.
pub(crate) async fn run<S: 'static>(
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
        &[$($($crate::case::Case::<$subject> {
            name: concat!(stringify!($module), "::", stringify!($name)),
            run: |subject| Box::pin($module::$name(subject)),
        }),*),*]
    };
}
pub(crate) use cases;

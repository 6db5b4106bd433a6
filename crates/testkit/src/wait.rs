//! Waiting for what has to happen: bounded, and never by a span that a busy machine exceeds.
//!
//! For the tests of this repository; nothing here is promised to others.

use std::{fmt::Debug, time::Duration};

use tokio::time::{Instant, sleep, timeout_at};

/// The bound of every wait in tests, in fixtures, and of clients in tests. Nothing takes so long on a machine that does
/// other work too, or is stopped for a while: longer than the longest span that the library itself waits for, the two
/// minutes for which an account that was taken is left to whoever took it. Only a failing test gets here.
pub const BOUND: Duration = Duration::from_secs(180);

/// Between two reads of a state that is waited for.
pub const POLL: Duration = Duration::from_millis(20);

/// A reading of a state: the awaited value, or the progress so far.
pub trait Reading {
    /// The awaited value.
    type Found;
    /// The progress so far.
    type State: PartialEq + Debug;

    /// One or the other.
    fn found(self) -> Result<Self::Found, Self::State>;
}

impl<T, S: PartialEq + Debug> Reading for Result<T, S> {
    type Found = T;
    type State = S;

    fn found(self) -> Self {
        self
    }
}

/// Without a word about how far it has come.
impl<T> Reading for Option<T> {
    type Found = T;
    type State = ();

    fn found(self) -> Result<T, ()> {
        self.ok_or(())
    }
}

/// Returns the output of `future`, which has to end.
///
/// # Panics
/// It does not end within [`BOUND`].
pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    let outcome = tokio::time::timeout(BOUND, future).await;
    outcome.unwrap_or_else(|_| panic!("not within {BOUND:?}: {what}"))
}

/// Reads until what is waited for is found. Where a reading says how far it has come, the bound is one of standing still:
/// it begins anew with every change.
///
/// # Panics
/// Nothing has changed for [`BOUND`]; the message says what was waited for, and how far it had come.
pub async fn eventually<R: Reading>(what: &str, mut read: impl AsyncFnMut() -> R) -> R::Found {
    let (mut last, mut until) = (None, Instant::now() + BOUND);
    loop {
        match timeout_at(until, read()).await.map(Reading::found) {
            Ok(Ok(found)) => return found,
            Ok(Err(state)) if Some(&state) != last.as_ref() => {
                (last, until) = (Some(state), Instant::now() + BOUND);
            }
            Ok(Err(_)) if Instant::now() < until => {}
            Ok(Err(_)) | Err(_) => panic!("not within {BOUND:?}: {what}; it has come to {last:?}"),
        }
        sleep(POLL).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_goes_on_is_waited_for_however_long_it_takes() {
        let mut count = 0;
        let began = Instant::now();
        let end = eventually("the end", async || {
            sleep(BOUND / 2).await;
            count += 1;
            if count == 10 { Ok("over") } else { Err(count) }
        });
        assert_eq!(end.await, "over");
        assert!(began.elapsed() >= BOUND * 5);
    }

    #[tokio::test(start_paused = true)]
    #[should_panic(expected = "not within 180s: the end; it has come to Some(7)")]
    async fn a_state_that_stands_still_is_given_up_and_the_last_one_is_shown() {
        eventually("the end", async || Err::<(), _>(7)).await;
    }

    #[tokio::test(start_paused = true)]
    #[should_panic(expected = "not within 180s: the end; it has come to None")]
    async fn a_reading_that_never_comes_is_given_up() {
        eventually("the end", async || std::future::pending::<Option<()>>().await).await;
    }

    #[tokio::test(start_paused = true)]
    #[should_panic(expected = "not within 180s: the end")]
    async fn a_future_that_never_ends_is_given_up() {
        within("the end", std::future::pending::<()>()).await;
    }
}

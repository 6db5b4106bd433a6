//! Generations that clients name.

use std::time::Duration;

use solekey::{
    AccountError, AccountState, Solekey,
    core::{Account, Generation, InputError},
};

use tokio::time::timeout;

use super::failure::Failure;

/// Refuses a generation that the account has not reached: no token of it can have been seen, and a mark on it would
/// keep every token up to it from being served.
pub(super) async fn check(solekey: &Solekey, account: &Account, claimed: Generation) -> Result<(), Failure> {
    if is_reached(solekey.state(account), claimed).await? {
        return Ok(());
    }
    // The store may be behind, slow, or away: then a token that is being served speaks for its generation.
    let served = solekey.token_within(account, Duration::ZERO).await?;
    if claimed <= served.generation() {
        return Ok(());
    }
    Err(InputError::new("generation", "the generation of a token that was handed out").into())
}

/// Returns whether the account is known to have reached a generation.
async fn is_reached(
    state: impl Future<Output = Result<AccountState, AccountError>>,
    claimed: Generation,
) -> Result<bool, AccountError> {
    match timeout(READ, state).await {
        Ok(Ok(state)) => Ok(claimed <= state.generation),
        Ok(Err(AccountError::Store(_))) | Err(_) => Ok(false),
        Ok(Err(error)) => Err(error),
    }
}

/// As long as any read on the way to a token may take.
const READ: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_store_that_does_not_answer_is_not_waited_for() {
        let reached = timeout(Duration::from_mins(1), is_reached(pending(), Generation::new(1))).await;
        assert!(matches!(reached, Ok(Ok(false))), "{reached:?}");
        let unknown = async { Err(AccountError::UnknownAccount) };
        assert!(is_reached(unknown, Generation::new(1)).await.is_err());
    }
}

//! Generations that clients name.

use std::time::Duration;

use solekey::{
    AccountError, Solekey,
    core::{Account, Generation, InputError},
};

use super::failure::Failure;

/// Refuses a generation that the account has not reached: no token of it can have been seen, and a mark on it would
/// keep every token up to it from being served.
pub(super) async fn check(solekey: &Solekey, account: &Account, claimed: Generation) -> Result<(), Failure> {
    match solekey.state(account).await {
        Ok(state) if claimed <= state.generation => return Ok(()),
        Ok(_) | Err(AccountError::Store(_)) => {}
        Err(error) => return Err(error.into()),
    }
    // The store may be behind, or away: then a token that is being served speaks for its generation.
    let served = solekey.token_within(account, Duration::ZERO).await?;
    if claimed <= served.generation() {
        return Ok(());
    }
    Err(InputError::new("generation", "the generation of a token that was handed out").into())
}

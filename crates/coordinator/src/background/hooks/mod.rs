//! Hooks: lookups about an account after its tokens are safe.

mod queue;
mod run;
mod write_back;

use std::{fmt, time::Duration};

use async_trait::async_trait;
use solekey_core::{Account, Additions, Credential, Generation, ports::BoxError};

pub(crate) use queue::Hooks;
pub(crate) use run::HookTask;

use crate::token::AccessToken;

/// A lookup about an account once its new credential is committed and published: a project, a tier, a plan.
///
/// It runs on a budget of its own, in a task of its own: it can neither fail nor delay a refresh. At most 8 run at once,
/// each for 10 s at most; those of commits that come faster than that are dropped beyond 1024, and so is whatever waits
/// when the instance stops. A hook that panics harms nobody else.
#[async_trait]
pub trait AfterCommit: Send + Sync + 'static {
    /// Its name, in logs.
    fn name(&self) -> &str;

    /// The shortest time between two runs for one account in this process, failed ones included. Default: none.
    fn cooldown(&self) -> Duration {
        Duration::ZERO
    }

    /// Returns whether there is anything to do for this account; where there is not, nothing counts as a run. Cheap, and without
    /// IO. Default: always.
    fn wants(&self, committed: &Committed) -> bool {
        let _ = committed;
        true
    }

    /// Performs the lookup. What it returns is written next to the tokens of the account, by a change that touches no token and
    /// loses to every newer credential.
    ///
    /// Called once for each generation that this process commits (a refresh, a login, a pair that another owner left
    /// behind), unless a newer one has come by then; never for tokens that others committed.
    ///
    /// # Errors
    /// Are logged, and no more.
    ///
    /// # Cancel safety
    /// Dropped at any await when its time is over, or the instance stops.
    async fn after_commit(&self, committed: &Committed) -> Result<Additions, BoxError>;
}

/// A credential as it stands in the row, with the fields next to its tokens. `Debug` shows no part of it.
pub struct Committed {
    token: AccessToken,
    credential: Credential,
}

impl Committed {
    /// Whose it is.
    pub fn account(&self) -> &Account {
        self.token.account()
    }

    /// The generation.
    pub fn generation(&self) -> Generation {
        self.token.generation()
    }

    /// The access token, to ask with.
    pub fn token(&self) -> &AccessToken {
        &self.token
    }

    /// The JSON text of a field next to the tokens; `None` for those that may hold a secret: see [`Credential::shown`].
    pub fn field(&self, name: &str) -> Option<&str> {
        self.credential.shown(name)
    }

    /// The same of a string that is not empty.
    pub fn text(&self, name: &str) -> Option<String> {
        let text: String = serde_json::from_str(self.field(name)?).ok()?;
        Some(text).filter(|text| !text.trim().is_empty())
    }
}

impl fmt::Debug for Committed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Committed").field("token", &self.token).finish_non_exhaustive()
    }
}

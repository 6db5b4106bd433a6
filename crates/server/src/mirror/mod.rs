//! Files of command line tools of this host, kept fresh.
//!
//! A tool reads tokens from a file and refreshes them by itself when they end: presenting a refresh token that the fleet
//! presents, too. A mirror writes what the fleet has into that file, in the file's own shape, before the tool has a reason
//! to. A token in it that the fleet never had is a login, and is imported by the rules of logins.

mod content;
mod decide;
mod files;
mod folder;
mod instants;
mod place;
mod rounds;
mod troubles;

use std::{collections::HashMap, fmt, sync::Arc};

use solekey::Solekey;
use tokio::{sync::Mutex, task::JoinSet};
use tokio_util::sync::CancellationToken;

pub use files::{MirrorFile, MirrorFiles};
use rounds::Mirror;
pub(crate) use troubles::Troubles;

/// The tasks that keep files fresh, one for each file.
///
/// Dropping it ends them where they are; a file that one has begun to replace is replaced whole.
#[must_use = "dropping it ends the mirrors"]
pub struct Mirrors {
    tasks: JoinSet<()>,
    troubles: Troubles,
    stopping: CancellationToken,
}

impl Mirrors {
    /// Starts to keep the files fresh with the accounts of an instance. Each is written whenever its account changes,
    /// by whichever replica, and before anything else once at the start.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn start(solekey: &Solekey, files: MirrorFiles) -> Self {
        let (mut tasks, stopping) = (JoinSet::new(), CancellationToken::new());
        let troubles = Troubles::default();
        let mut turns: HashMap<_, Arc<Mutex<()>>> = HashMap::new();
        for file in files.into_files() {
            let turn = turns.entry(file.place.path().to_owned()).or_default();
            let mirror = Mirror::new(solekey.clone(), file, Arc::clone(turn), troubles.clone());
            tasks.spawn(mirror.run(stopping.clone()));
        }
        Self { tasks, troubles, stopping }
    }

    /// The files that are not kept fresh by now.
    pub(crate) fn troubles(&self) -> Troubles {
        self.troubles.clone()
    }

    /// Waits for the refreshes under way of these accounts, writes what they brought, and ends the mirrors.
    ///
    /// Its place is between [`Solekey::start_draining`], after which no refresh begins, and [`Solekey::shutdown`],
    /// which closes the store that the last tokens are read from. A store that does not respond delays it by some
    /// seconds, a refresh by its exchange: bound it by the time there is.
    ///
    /// # Cancel safety
    /// Dropped midway, the mirrors end where they are.
    pub async fn stop(mut self) {
        self.stopping.cancel();
        while self.tasks.join_next().await.is_some() {}
    }
}

impl fmt::Debug for Mirrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mirrors").field("files", &self.tasks.len()).finish_non_exhaustive()
    }
}

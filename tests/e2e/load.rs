//! Requests that go on while things happen.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, SystemTime},
};

use solekey::{
    Solekey, TokenError,
    core::{Account, Generation},
};
use tokio::task::JoinSet;

use crate::{
    fleet::Fleet,
    wait::{eventually, within},
};

/// Asks every replica for every account, again and again.
pub(crate) struct Load {
    callers: JoinSet<()>,
    stop: Arc<AtomicBool>,
    /// The generation that each caller was served last.
    served: Vec<(Account, Arc<Mutex<Option<Generation>>>)>,
}

impl Load {
    pub(crate) fn start(fleet: &Fleet, accounts: &[Account]) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let mut load = Self { callers: JoinSet::new(), stop, served: Vec::new() };
        for replica in &fleet.replicas {
            for account in accounts {
                let served = Arc::new(Mutex::new(None));
                load.served.push((account.clone(), Arc::clone(&served)));
                load.callers.spawn(call(replica.clone(), account.clone(), served, Arc::clone(&load.stop)));
            }
        }
        load
    }

    /// Waits until every caller was served a token that is newer than what anybody has been served by now.
    pub(crate) async fn everybody_is_served_anew(&mut self) {
        let newest = |account: &Account| {
            let of_account = self.served.iter().filter(|(other, _)| other == account);
            of_account.map(|(_, served)| *served.lock().unwrap()).max().flatten()
        };
        let before: Vec<_> = self.served.iter().map(|(account, _)| newest(account)).collect();
        eventually("new tokens for all", async || {
            if let Some(ended) = self.callers.try_join_next() {
                ended.unwrap();
            }
            let mut all = self.served.iter().zip(&before);
            all.all(|((_, served), before)| *served.lock().unwrap() > *before).then_some(())
        })
        .await;
    }

    pub(crate) async fn stop(mut self) {
        self.stop.store(true, Relaxed);
        // A caller that met something it must not meet has panicked.
        within("the callers end", async {
            while let Some(ended) = self.callers.join_next().await {
                ended.unwrap();
            }
        })
        .await;
    }
}

/// Tokens that are truly valid, never an older one than before, or a request for patience: nothing else is acceptable.
async fn call(
    replica: Solekey,
    account: Account,
    served: Arc<Mutex<Option<Generation>>>,
    stop: Arc<AtomicBool>,
) {
    while !stop.load(Relaxed) {
        let asked = SystemTime::now();
        match replica.token(&account).await {
            Ok(token) => {
                assert!(token.expires_at().is_none_or(|end| end > asked), "past its expiry");
                let before = served.lock().unwrap().replace(token.generation());
                assert!(before <= Some(token.generation()), "{before:?}, then {}", token.generation());
            }
            Err(TokenError::RetryAt { .. }) => {}
            Err(error) => panic!("{account:?}: {error}"),
        }
        tokio::time::sleep(PAUSE).await;
    }
}

const PAUSE: Duration = Duration::from_millis(25);

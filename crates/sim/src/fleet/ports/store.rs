//! The store.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use solekey_core::{
    Account, Claim, ClaimId, Commit, Generation, Login, Sealed, Settle,
    ports::{Loaded, LoggedIn, Page, Store, StoreError, StoreIdentity},
};

use crate::fleet::{
    history::{Changed, Shown, What},
    network::{Behaviour, Line, at_once, carry},
    process::Process,
    world::lock,
};

/// The store, as one process sees it.
pub(crate) struct SimStore(pub(crate) Arc<Process>);

impl SimStore {
    async fn change<T: Send + 'static>(
        &self,
        operation: &'static str,
        behaviour: Behaviour,
        account: &Account,
        shown: Shown,
        apply: impl Fn(&Process, &Account) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (process, account) = (Arc::clone(&self.0), account.clone());
        let whose = account.clone();
        let done = carry(&self.0, Line::Store, operation, behaviour, move || {
            let world = &process.world;
            let (before, had, now) = world.peek(&account);
            let done = apply(&process, &account);
            let (after, has, _) = world.peek(&account);
            let [before, after] = [before, after].map(|record| record.map(|record| record.row));
            if let (Shown::Claim(claim), Some(open)) = (shown, after.as_ref().and_then(|row| row.open))
                && open.id == claim.id
                && before.as_ref().and_then(|row| row.open).is_none_or(|was| was.id != claim.id)
            {
                world.claimed(&account, open.attempt);
            }
            if let (Shown::Commit(_), Ok(_)) = (shown, &done) {
                world.put_down(process.who(), &account);
            }
            let refused = done.as_ref().err().map(refusal);
            let account = account.clone();
            let works = has.as_deref().map(|token| lock(&world.provider).would(token, world.now()).is_pair());
            let changed = Changed { account, shown, before, after, had, has, works, refused, now };
            world.log(process.who(), What::Changed(Box::new(changed)));
            done
        })
        .await;
        if let (Shown::Commit(commit), Err(StoreError::Moved(loaded))) = (shown, &done) {
            self.overtaken(whose, commit.note.attempt, loaded);
        }
        done
    }

    fn overtaken(&self, account: Account, attempt: Generation, loaded: &Loaded) {
        if loaded.record.as_ref().is_some_and(|record| record.row.generation >= attempt) {
            self.0.world.log(self.0.who(), What::Overtaken { account, attempt });
        }
    }

    async fn ask<T: Send + 'static>(
        &self,
        operation: &'static str,
        ask: impl Fn(&Process) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let process = Arc::clone(&self.0);
        carry(&self.0, Line::Store, operation, Behaviour::Prompt, move || ask(&process)).await
    }
}

#[async_trait]
impl Store for SimStore {
    async fn identity(&self) -> Result<StoreIdentity, StoreError> {
        self.ask("identity", |process| at_once(process.world.store.identity())).await
    }

    async fn pin(&self, name: &str, value: &[u8]) -> Result<Vec<u8>, StoreError> {
        let (name, value) = (name.to_owned(), value.to_owned());
        self.ask("pin", move |process| at_once(process.world.store.pin(&name, &value))).await
    }

    async fn repin(&self, name: &str, seen: &[u8], value: &[u8]) -> Result<Vec<u8>, StoreError> {
        let (name, seen, value) = (name.to_owned(), seen.to_owned(), value.to_owned());
        self.ask("repin", move |process| at_once(process.world.store.repin(&name, &seen, &value))).await
    }

    async fn load(&self, account: &Account) -> Result<Loaded, StoreError> {
        let account = account.clone();
        self.ask("load", move |process| at_once(process.world.store.load(&account))).await
    }

    async fn claim(&self, account: &Account, claim: &Claim) -> Result<Loaded, StoreError> {
        let claim = *claim;
        // A process that is stopped here has not set out yet.
        self.0.bucket().await;
        self.0.world.log(self.0.who(), What::Claiming { account: account.clone(), id: claim.id });
        let apply =
            move |process: &Process, account: &Account| at_once(process.world.store.claim(account, &claim));
        self.change("claim", Behaviour::Any, account, Shown::Claim(claim), apply).await
    }

    async fn commit(
        &self,
        account: &Account,
        commit: &Commit,
        payload: &Sealed,
    ) -> Result<Loaded, StoreError> {
        let (commit, payload) = (*commit, payload.clone());
        let apply = move |process: &Process, account: &Account| {
            process.world.scan("row", payload.as_bytes());
            at_once(process.world.store.commit(account, &commit, &payload))
        };
        self.change("commit", Behaviour::Any, account, Shown::Commit(commit), apply).await
    }

    async fn settle(&self, account: &Account, settle: &Settle) -> Result<Loaded, StoreError> {
        let settle = *settle;
        let apply =
            move |process: &Process, account: &Account| at_once(process.world.store.settle(account, &settle));
        self.change("settle", Behaviour::Any, account, Shown::Settle(settle), apply).await
    }

    async fn login(
        &self,
        account: &Account,
        login: &Login,
        payload: &Sealed,
    ) -> Result<LoggedIn, StoreError> {
        let (login, payload) = (*login, payload.clone());
        let apply = move |process: &Process, account: &Account| {
            process.world.scan("row", payload.as_bytes());
            at_once(process.world.store.login(account, &login, &payload))
        };
        self.change("login", Behaviour::Prompt, account, Shown::Login(login), apply).await
    }

    async fn delete(&self, account: &Account, id: ClaimId) -> Result<Loaded, StoreError> {
        let apply =
            move |process: &Process, account: &Account| at_once(process.world.store.delete(account, id));
        self.change("delete", Behaviour::Prompt, account, Shown::Delete(id), apply).await
    }

    async fn reseal(
        &self,
        account: &Account,
        made_by: ClaimId,
        payload: &Sealed,
    ) -> Result<Loaded, StoreError> {
        let (account, payload) = (account.clone(), payload.clone());
        let reseal = move |process: &Process| {
            process.world.scan("row", payload.as_bytes());
            at_once(process.world.store.reseal(&account, made_by, &payload))
        };
        self.ask("reseal", reseal).await
    }

    async fn list(
        &self,
        provider: Option<&str>,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        let (provider, cursor) = (provider.map(str::to_owned), cursor.map(str::to_owned));
        self.ask("list", move |process| {
            at_once(process.world.store.list(provider.as_deref(), cursor.as_deref(), limit))
        })
        .await
    }

    async fn due(&self, provider: &str, hold: Duration, limit: usize) -> Result<Vec<Account>, StoreError> {
        let provider = provider.to_owned();
        self.ask("due", move |process| at_once(process.world.store.due(&provider, hold, limit))).await
    }
}

fn refusal(error: &StoreError) -> &'static str {
    match error {
        StoreError::Moved(_) => "moved",
        StoreError::Late => "late",
        StoreError::AlreadyPresented => "already presented",
        StoreError::Lesser => "lesser",
        _ => "unavailable",
    }
}

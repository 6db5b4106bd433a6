//! Files of command line tools of this host, kept fresh.
//!
//! A tool reads tokens from a file and refreshes them by itself when they end: presenting a refresh token that the fleet
//! presents, too. A mirror writes what the fleet has into that file, in the file's own shape, before the tool has a reason
//! to. What it finds there and never was ours is a login, and is taken in by the rules of logins.

mod judge;
mod place;

use std::{path::PathBuf, sync::Arc, time::Duration};

use judge::{Todo, Tokens, judge};
use place::{Mark, Place, Written};
use solekey_core::{
    Account, Credential, InputError, Moment, mutant,
    ports::{Loaded, Record},
};
use tokio::task::spawn_blocking;

use crate::{
    accounts::Login,
    changes::{Change, Changes},
    instance::Instance,
    solekey::Solekey,
};

/// The wish to keep a file fresh.
#[derive(Debug)]
pub(crate) struct Mirrored {
    account: Account,
    place: Place,
}

impl Mirrored {
    /// Checks wishes against each other.
    pub(crate) fn all(wishes: Vec<(Account, PathBuf)>) -> Result<Vec<Self>, InputError> {
        if wishes.len() > MAX_MIRRORS {
            return Err(InputError::new("mirror", format!("at most {MAX_MIRRORS}")));
        }
        let twice = |at: usize| wishes[..at].iter().any(|(_, path)| *path == wishes[at].1);
        if (0..wishes.len()).any(twice) {
            return Err(InputError::new("mirror.path", "each file once"));
        }
        let mirrored = |(account, path): (Account, PathBuf)| {
            let place = Place::of(&path).filter(|_| path.is_absolute());
            let place = place.ok_or_else(|| InputError::new("mirror.path", "an absolute path of a file"))?;
            Ok(Self { account, place })
        };
        wishes.into_iter().map(mirrored).collect()
    }

    pub(crate) fn account(&self) -> &Account {
        &self.account
    }
}

/// A mirror at work.
struct Mirror {
    solekey: Solekey,
    account: Account,
    place: Place,
    /// What the file looked like when it and the row agreed, and since when nobody has asked the store.
    settled: Option<(Option<Mark>, Moment)>,
    /// What is there cannot be read, or must not be overwritten: it is left alone until it changes.
    left_alone: Option<Mark>,
    /// A file was there: one that is gone was taken away, and is not put back.
    was_there: bool,
    /// What stood in the way last, so that it is told once.
    told: Option<String>,
}

/// What stands in the way, in words.
type Trouble = String;

impl Instance {
    /// Keeps a file fresh until the instance stops, and once more after the account's last flight.
    pub(crate) async fn keep_mirror(self: Arc<Self>, mirrored: Mirrored) {
        let Mirrored { account, place } = mirrored;
        let solekey = Solekey { instance: Arc::clone(&self) };
        let mut changes = solekey.subscribe();
        let mut mirror =
            Mirror { solekey, account, place, settled: None, left_alone: None, was_there: false, told: None };
        mirror.sweep().await;
        let draining = self.draining().clone();
        loop {
            mirror.round().await;
            // Rounds are short and bounded; only the pause between them is cut off.
            if draining.run_until_cancelled(mirror.pause(&mut changes)).await.is_none() {
                break;
            }
        }
        let flight = self.flights.under_way(mirror.account.key());
        if let Some(flight) = flight {
            flight.landing().await;
            mirror.settled = None;
            mirror.round().await;
        }
    }
}

impl Mirror {
    async fn sweep(&self) {
        let place = self.place.clone();
        let _ = spawn_blocking(move || place.sweep()).await;
    }

    /// Until the file is looked at again, or the account has changed.
    async fn pause(&mut self, changes: &mut Changes) {
        let instance = Arc::clone(&self.solekey.instance);
        tokio::select! {
            biased;
            () = instance.sleep_until(instance.now() + PAUSE) => {}
            () = self.heard(changes) => self.settled = None,
        }
    }

    async fn heard(&self, changes: &mut Changes) {
        while let Some(change) = changes.next().await {
            match change {
                Change::Account { key, .. } if key != self.account.key() => {}
                _ => return,
            }
        }
        std::future::pending::<()>().await;
    }

    /// One look, and what follows from it. Trouble is told once, and tried again.
    async fn round(&mut self) {
        let trouble = self.look().await.err();
        if let Some(trouble) = trouble.as_ref().filter(|trouble| self.told.as_ref() != Some(trouble)) {
            let (account, file) = (self.account.key(), self.place.path().display());
            tracing::warn!(%account, %file, "a mirrored file is not kept fresh: {trouble}");
        }
        self.told = trouble;
    }

    async fn look(&mut self) -> Result<(), Trouble> {
        let now = self.solekey.instance.now();
        let mark = self.at_place(Place::look).await?;
        let left_alone = mark.is_some() && mark == self.left_alone;
        let settled =
            self.settled.is_some_and(|(settled, at)| settled == mark && now.since(at) < CONFIRMATION);
        if left_alone {
            return self.told.clone().map_or(Ok(()), Err);
        }
        if settled {
            return Ok(());
        }
        self.settle(mark, now).await
    }

    /// Makes file and row agree.
    async fn settle(&mut self, mark: Option<Mark>, now: Moment) -> Result<(), Trouble> {
        if !self.solekey.instance.know_the_store().await {
            return Err("the store is away".to_owned());
        }
        let file = self.read(mark).await?;
        let loaded = self.load().await?;
        let tokens = file.as_ref().map(|(_, credential)| self.tokens(credential));
        let row = loaded.record.as_ref().map(|record| &record.row);
        match judge(tokens, row) {
            Todo::Write if mark.is_none() && self.was_there => {}
            Todo::Nothing => {}
            Todo::Write => {
                return self.write(mark, file.map(|(_, credential)| credential), loaded, now).await;
            }
            Todo::TakeIn => {
                let Some((content, _)) = file else { return Ok(()) };
                let is_known = row.is_some();
                self.take_in(mark, &content, is_known).await?;
            }
        }
        self.settled = Some((mark, now));
        self.was_there |= mark.is_some();
        Ok(())
    }

    /// The file as a credential. What is none is left alone until it changes: somebody may be writing it.
    async fn read(&mut self, mark: Option<Mark>) -> Result<Option<(Vec<u8>, Credential)>, Trouble> {
        let Some(mark) = mark else { return Ok(None) };
        let (read, content) = self.at_place(Place::read).await?;
        if read != mark {
            return Err("it changes while it is read".to_owned());
        }
        match Credential::import(&content, self.solekey.instance.wall()) {
            Ok(import) => Ok(Some((content, import.credential))),
            Err(error) => {
                self.left_alone = Some(mark);
                Err(format!("it holds no credential ({error}) and is left alone until it changes"))
            }
        }
    }

    async fn load(&self) -> Result<Loaded, Trouble> {
        let loaded = tokio::time::timeout(LOOK, self.solekey.instance.store().load(&self.account)).await;
        loaded.ok().and_then(Result::ok).ok_or_else(|| "the store is away".to_owned())
    }

    fn tokens(&self, credential: &Credential) -> Tokens {
        let (access, refresh) = self.solekey.instance.vault().prints(credential);
        Tokens { access, refresh }
    }

    async fn write(
        &mut self,
        mark: Option<Mark>,
        file: Option<Credential>,
        loaded: Loaded,
        now: Moment,
    ) -> Result<(), Trouble> {
        let Some(Record { row, payload }) = loaded.record else { return Ok(()) };
        let instance = &self.solekey.instance;
        let held = instance.vault().open_credential(&self.account, row.made_by, &payload);
        let held = held.map_err(|_| "the account does not open with the seal keys given".to_owned())?;
        if held.access_token().is_none() {
            return Ok(());
        }
        let wall = instance.wall();
        let end = row.facts.and_then(|facts| facts.expires_at).map(|end| wall + end.since(loaded.now));
        let content = file.map_or_else(|| held.clone(), |file| file.with_tokens_of(&held, end, wall));
        let replace = move |place: &Place| place.replace(mark, content.document().render().as_bytes());
        let written = self.at_place(replace).await?;
        if let Written::Done(mark) = written {
            tracing::debug!(account = %self.account.key(), generation = %row.generation, "mirrored");
            self.settled = mark.map(|mark| (Some(mark), now));
            self.was_there = true;
        }
        Ok(())
    }

    async fn take_in(&mut self, mark: Option<Mark>, content: &[u8], is_known: bool) -> Result<(), Trouble> {
        let (account, file) = (self.account.key(), self.place.path().display().to_string());
        let insists = mutant("mirror_insists_on_a_spent_token");
        match self.solekey.login(&self.account, content, insists).await {
            Ok(Login::New { generation }) if is_known => {
                tracing::warn!(%account, %file, %generation, "logged in, or rotated, outside of us: taken in from its file");
                Ok(())
            }
            Ok(Login::New { generation }) => {
                tracing::info!(%account, %file, %generation, "taken in from its file");
                Ok(())
            }
            Ok(Login::Same { .. }) => Ok(()),
            Ok(Login::AlreadyPresented) => {
                self.left_alone = mark;
                Err("its refresh token was presented before, or another account holds it; \
                     it is left alone until it changes: log in again, or import it with accept_spent"
                    .to_owned())
            }
            Err(error) => Err(format!("it cannot be taken in: {error}")),
        }
    }

    /// Looks at the disk on a thread of its own; what was begun there is carried out.
    async fn at_place<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Place) -> std::io::Result<T> + Send + 'static,
    ) -> Result<T, Trouble> {
        let place = self.place.clone();
        let done = spawn_blocking(move || work(&place)).await;
        done.map_err(|_| "it could not be looked at".to_owned())?.map_err(|error| error.to_string())
    }
}

/// How soon a change of the file is noticed.
const PAUSE: Duration = Duration::from_secs(2);
/// How soon a change of the row is, where no news tell of it.
const CONFIRMATION: Duration = Duration::from_secs(30);
/// What a look at the store may take.
const LOOK: Duration = Duration::from_secs(5);
/// Each is looked at every other second; a host has a handful of tools.
const MAX_MIRRORS: usize = 256;

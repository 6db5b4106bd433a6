//! Answers as files, where there is no Redis or Redis is the store.

mod durable;
mod written;

#[cfg(test)]
mod tests;

use std::{
    fmt, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use async_trait::async_trait;
use solekey_core::{
    Account, AccountKey, Answer, ClaimId, Found, Generation, KEEP_ANSWERS, Sealed,
    ports::{Answers, Clock, Registration, Trouble},
};
use tokio::task::spawn_blocking;
use uuid::Uuid;

use written::Written;

/// Answers as fsynced files in a folder of this host, shared by all its processes.
///
/// An account has a folder named by its key, an answer a file named by attempt and claim. A file appears whole and
/// durable or not at all, and is never overwritten but by itself under another seal. Files and folders are for their owner alone.
///
/// # Cancel safety
/// What was begun is carried out on a thread of its own, whether or not anybody waits for it.
#[derive(Clone)]
pub(crate) struct AnswerFiles {
    place: Arc<AnswerFolder>,
    clock: Arc<dyn Clock>,
}

/// The number of answers of each kind, usable and not, that an account keeps.
const KEPT: usize = 2;

/// A file that is gone when it is opened was trimmed by a writer meanwhile: reading again finds what that one wrote.
/// So many writers in a row have not been seen.
const READS: usize = 16;

impl AnswerFiles {
    /// Opens the place `answers` in `state_dir`, creating both where they are missing. Blocks for a few milliseconds.
    ///
    /// # Errors
    /// The folder cannot be written, or its file system has no hard links.
    pub(crate) fn open(state_dir: &Path, clock: Arc<dyn Clock>) -> io::Result<Self> {
        let folder = std::path::absolute(state_dir)?.join("answers");
        durable::create_folder(&folder)?;
        durable::probe(&folder)?;
        Ok(Self { place: Arc::new(AnswerFolder { folder }), clock })
    }

    /// Which of these accounts have an answer of a later attempt than this generation, going by the names of files.
    pub(crate) async fn have_newer(&self, accounts: Vec<(AccountKey, Generation)>) -> io::Result<Vec<bool>> {
        let place = Arc::clone(&self.place);
        let read = move || {
            let newer = |(key, generation)| {
                let names = place.names(key)?;
                Ok(names.first().is_some_and(|newest| newest.attempt > generation))
            };
            accounts.into_iter().map(newer).collect()
        };
        spawn_blocking(read).await.map_err(io::Error::other)?
    }

    async fn on_disk<T: Send + 'static>(
        &self,
        work: impl FnOnce(&AnswerFolder) -> Result<T, Trouble> + Send + 'static,
    ) -> Result<T, Trouble> {
        let place = Arc::clone(&self.place);
        spawn_blocking(move || work(&place)).await.map_err(Trouble::unknown)?
    }

    fn wall(&self) -> Duration {
        since_1970(self.clock.wall())
    }
}

impl fmt::Debug for AnswerFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnswerFiles").field("folder", &self.place.folder).finish_non_exhaustive()
    }
}

#[async_trait]
impl Answers for AnswerFiles {
    async fn write(&self, account: &Account, answer: &Answer) -> Result<(), Trouble> {
        let (key, written) = (account.key(), Written::new(answer, self.wall()));
        let provider = account.provider().to_owned();
        self.on_disk(move |place| place.write(&provider, key, &written)).await
    }

    async fn newest(&self, account: &Account) -> Result<Found, Trouble> {
        let (key, now) = (account.key(), self.wall());
        self.on_disk(move |place| place.newest(key, now).map_err(Trouble::not_applied)).await
    }

    async fn reseal(
        &self,
        account: &Account,
        attempt: Generation,
        claim: ClaimId,
        payload: &Sealed,
    ) -> Result<(), Trouble> {
        let (key, name, payload) = (account.key(), Name { attempt, claim }, payload.clone());
        self.on_disk(move |place| place.reseal(key, name, &payload)).await
    }

    async fn erase(&self, account: &Account, before: Generation) -> Result<(), Trouble> {
        let key = account.key();
        self.on_disk(move |place| place.erase(key, before).map_err(Trouble::unknown)).await
    }

    async fn register(&self, registration: &Registration) -> Result<Registration, Trouble> {
        let registration = registration.clone();
        self.on_disk(move |place| place.register(&registration)).await
    }

    async fn register_anew(&self, registration: &Registration) -> Result<(), Trouble> {
        let registration = registration.clone();
        self.on_disk(move |place| place.register_anew(&registration)).await
    }
}

/// The folder that holds everything.
struct AnswerFolder {
    folder: PathBuf,
}

/// The name of an answer's file: its order among the account's answers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Name {
    attempt: Generation,
    claim: ClaimId,
}

impl AnswerFolder {
    fn write(&self, provider: &str, key: AccountKey, written: &Written) -> Result<(), Trouble> {
        let folder = self.folder_of(key);
        durable::create_folder(&folder).map_err(Trouble::not_applied)?;
        let path = folder.join(written.name().to_string());
        if !durable::create(&path, &written.encode())? {
            // What is there is the answer, unless the disk has damaged it.
            Written::read(&path, written.name()).map_err(Trouble::not_applied)?;
        }
        durable::sync(&self.folder).map_err(Trouble::unknown)?;
        if let Err(error) = self.trim(key, written.at()) {
            tracing::warn!(
                provider,
                account = %key,
                error = &error as &dyn std::error::Error,
                "old answers were not removed; the next write of the account tries again"
            );
        }
        Ok(())
    }

    fn newest(&self, key: AccountKey, now: Duration) -> io::Result<Found> {
        let Some(registration) = self.registration()? else {
            return Err(io::Error::other("this location of answers is not registered"));
        };
        for _ in 0..READS {
            match self.newest_of_each(key) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                found => {
                    let [newest, unread] = found?.map(|found| found.map(|written| written.aged(now)));
                    return Ok(Found { newest, unread, kept_since: registration.since });
                }
            }
        }
        Err(io::Error::other("answers kept disappearing while they were read"))
    }

    /// The newest usable answer, and the newest one that is newer and was not understood. A damaged file newer than
    /// every usable answer is doubt; behind one it does not matter.
    fn newest_of_each(&self, key: AccountKey) -> io::Result<[Option<Written>; 2]> {
        let mut unread = None;
        for name in self.names(key)? {
            let written = self.read(key, name)?;
            if written.is_usable() {
                return Ok([Some(written), unread]);
            }
            unread.get_or_insert(written);
        }
        Ok([None, unread])
    }

    /// A file that a writer trims meanwhile may come back; whoever writes next trims it again.
    fn reseal(&self, key: AccountKey, name: Name, payload: &Sealed) -> Result<(), Trouble> {
        let path = self.folder_of(key).join(name.to_string());
        let written = match Written::read(&path, name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            read => read.map_err(Trouble::not_applied)?,
        };
        durable::replace(&path, &written.under(payload).encode())
    }

    fn erase(&self, key: AccountKey, before: Generation) -> io::Result<()> {
        self.remove(key, self.names(key)?.into_iter().filter(|name| name.attempt < before))
    }

    fn register(&self, registration: &Registration) -> Result<Registration, Trouble> {
        if let Some(registered) = self.registration().map_err(Trouble::not_applied)? {
            return Ok(registered);
        }
        let json = serde_json::to_vec(registration).map_err(Trouble::not_applied)?;
        durable::create(&self.registration_path(), &json)?;
        let registered = self.registration().map_err(Trouble::unknown)?;
        registered.ok_or_else(|| Trouble::unknown("the registration disappeared"))
    }

    fn register_anew(&self, registration: &Registration) -> Result<(), Trouble> {
        let json = serde_json::to_vec(registration).map_err(Trouble::not_applied)?;
        durable::replace(&self.registration_path(), &json)
    }

    fn registration(&self) -> io::Result<Option<Registration>> {
        match std::fs::read(self.registration_path()) {
            Ok(json) => Ok(Some(serde_json::from_slice(&json)?)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Removes what is neither among the newest of its kind nor, behind the newest, young enough to be a witness. A
    /// damaged file counts as unusable: it may be the only trace of an answer.
    fn trim(&self, key: AccountKey, now: Duration) -> io::Result<()> {
        durable::remove_abandoned(&self.folder_of(key))?;
        let (mut usable, mut unusable, mut old) = (0, 0, Vec::new());
        for name in self.names(key)? {
            let written = self.read(key, name).ok();
            let count = match &written {
                Some(written) if written.is_usable() => &mut usable,
                _ => &mut unusable,
            };
            *count += 1;
            let aged = *count > 1 && written.is_some_and(|written| written.age(now) > KEEP_ANSWERS);
            if *count > KEPT || aged {
                old.push(name);
            }
        }
        self.remove(key, old.into_iter())
    }

    fn remove(&self, key: AccountKey, names: impl Iterator<Item = Name>) -> io::Result<()> {
        let folder = self.folder_of(key);
        let mut removed = false;
        for name in names {
            durable::remove(&folder.join(name.to_string()))?;
            removed = true;
        }
        if removed { durable::sync(&folder) } else { Ok(()) }
    }

    /// The account's answers, newest first.
    fn names(&self, key: AccountKey) -> io::Result<Vec<Name>> {
        let mut names: Vec<_> =
            durable::names(&self.folder_of(key))?.iter().filter_map(|name| Name::parse(name)).collect();
        names.sort_unstable_by(|one, other| other.cmp(one));
        Ok(names)
    }

    fn read(&self, key: AccountKey, name: Name) -> io::Result<Written> {
        Written::read(&self.folder_of(key).join(name.to_string()), name)
    }

    fn folder_of(&self, key: AccountKey) -> PathBuf {
        self.folder.join(key.to_string())
    }

    fn registration_path(&self) -> PathBuf {
        self.folder.join("enrolment.json")
    }
}

impl Name {
    fn parse(text: &str) -> Option<Self> {
        let (attempt, claim) = text.strip_suffix(".answer")?.split_once('-')?;
        let claim = ClaimId::new(Uuid::try_parse(claim).ok()?);
        Some(Self { attempt: Generation::new(attempt.parse().ok()?), claim })
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { attempt, claim } = self;
        // As many digits as the largest number has, so that a folder's listing is in order for people too.
        write!(f, "{:020}-{claim}.answer", attempt.get())
    }
}

fn since_1970(wall: SystemTime) -> Duration {
    wall.duration_since(UNIX_EPOCH).unwrap_or_default()
}

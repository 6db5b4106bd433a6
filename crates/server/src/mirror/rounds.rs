//! One file and its account, compared again and again.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use solekey::{
    AccountError, Change, Changes, Exported, Login, LoginOptions, Solekey,
    core::{Account, Relation, mutant},
};
use tokio::{sync::Mutex, task::spawn_blocking};
use tokio_util::sync::CancellationToken;

use super::{
    content::Content,
    decide::{RowTokens, Todo, decide},
    files::CheckedFile,
    instants::Instants,
    place::{FileVersion, MirroredPath, Written},
    troubles::Troubles,
};

/// A mirror at work.
pub(super) struct Mirror {
    solekey: Solekey,
    account: Account,
    place: MirroredPath,
    /// The field of the file's object that holds the account, if the file holds several.
    field: Option<String>,
    /// Held while the file is read and replaced: by one at a time of the mirrors of its fields.
    turn: Arc<Mutex<()>>,
    /// The version of the file when it and the row agreed, and the time of the last query of the store.
    settled: Option<(Option<FileVersion>, Instants)>,
    /// The version that cannot be read, or must not be overwritten: it is left alone until it changes.
    left_alone: Option<FileVersion>,
    /// Why.
    why_left_alone: Option<Trouble>,
    /// The version whose corrections were handed in: once is enough, whatever became of them.
    handed_in: Option<FileVersion>,
    /// True if a file was there: one that is gone was removed by somebody, and is not put back.
    was_there: bool,
    /// The last reason why the file was not kept fresh, so that it is logged once.
    last_trouble: Option<String>,
    /// Something was written next to the file, and nothing has failed since.
    is_probed: bool,
    /// Where it is shown to whoever asks.
    troubles: Troubles,
}

/// The reason why a file is not kept fresh, in words.
type Trouble = String;

impl Mirror {
    pub(super) fn new(solekey: Solekey, file: CheckedFile, turn: Arc<Mutex<()>>, troubles: Troubles) -> Self {
        let CheckedFile { account, place, field } = file;
        Self {
            solekey,
            account,
            place,
            field,
            turn,
            settled: None,
            left_alone: None,
            why_left_alone: None,
            handed_in: None,
            was_there: false,
            last_trouble: None,
            is_probed: false,
            troubles,
        }
    }

    /// Keeps the file fresh until it is stopped, and once more after the account's last flight.
    pub(super) async fn run(mut self, stopping: CancellationToken) {
        let mut changes = self.solekey.subscribe();
        self.sweep().await;
        loop {
            self.round().await;
            // Rounds are short and bounded; only the pause between them is cut off.
            if stopping.run_until_cancelled(self.pause(&mut changes)).await.is_none() {
                break;
            }
        }
        self.solekey.until_idle(&self.account).await;
        // A change may have come after the last round and before the stop.
        self.settled = None;
        self.round().await;
    }

    async fn sweep(&self) {
        let place = self.place.clone();
        let _ = spawn_blocking(move || place.sweep()).await;
    }

    /// Waits until the file is to be checked again, or the account has changed.
    async fn pause(&mut self, changes: &mut Changes) {
        tokio::select! {
            biased;
            () = tokio::time::sleep(PAUSE) => {}
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

    /// Checks the file and does what follows. A failure is logged once and tried again.
    async fn round(&mut self) {
        let trouble = self.check().await.err();
        if let Some(trouble) = trouble.as_ref().filter(|trouble| self.last_trouble.as_ref() != Some(trouble))
        {
            tracing::warn!(
                provider = self.account.provider(),
                account = %self.account.key(),
                file = %shown(&self.place, &self.account),
                reason = %trouble,
                "a mirrored file is not kept fresh; it is checked again every 2 s"
            );
        }
        if trouble != self.last_trouble {
            let file = shown(&self.place, &self.account);
            self.troubles.report(&self.account, &file, trouble.as_deref());
        }
        self.last_trouble = trouble;
    }

    async fn check(&mut self) -> Result<(), Trouble> {
        let agreed = self.agree().await;
        // What could not be written is no news before there is something to write, and then it is too late.
        let check = if self.is_probed { MirroredPath::check_writable } else { MirroredPath::probe };
        let writable = self.at_place(check).await;
        self.is_probed = writable.is_ok();
        agreed.and(
            writable.or_else(
                |trouble| {
                    if mutant("mirror_finds_out_when_it_writes") { Ok(()) } else { Err(trouble) }
                },
            ),
        )
    }

    /// Makes file and row agree, unless they do.
    async fn agree(&mut self) -> Result<(), Trouble> {
        let turn = Arc::clone(&self.turn);
        let _turn = turn.lock().await;
        let now = Instants::now();
        let version = self.at_place(MirroredPath::version).await?;
        let left_alone = version.is_some() && version == self.left_alone;
        let settled =
            self.settled.is_some_and(|(settled, at)| settled == version && at.is_within(CONFIRMATION));
        if left_alone {
            return self.why_left_alone.clone().map_or(Ok(()), Err);
        }
        if settled {
            return Ok(());
        }
        self.settle(version, now).await
    }

    /// Makes file and row agree.
    async fn settle(&mut self, version: Option<FileVersion>, now: Instants) -> Result<(), Trouble> {
        let file = self.read(version).await?;
        let exported = self.export().await?;
        let relation = file.as_ref().map(|file| exported.relation(file.credential()));
        let is_known = self.handed_in.is_some() && self.handed_in == version;
        let corrects = !is_known
            && file.as_ref().is_some_and(|file| exported.is_corrected_by(file.import(), SystemTime::now()));
        match decide(relation, RowTokens::by(&exported)) {
            Todo::Nothing | Todo::Write
                if corrects && matches!(relation, Some(Relation::Same | Relation::OtherAccessToken)) =>
            {
                let Some(content) = file else { return Ok(()) };
                self.import(version, content.account(), exported.is_known()).await?;
                self.handed_in = version;
            }
            Todo::Write if version.is_none() && self.was_there => {}
            Todo::Nothing => {}
            Todo::Write => {
                return self.write(version, file, &exported, now).await;
            }
            Todo::Import => {
                let Some(content) = file else { return Ok(()) };
                self.import(version, content.account(), exported.is_known()).await?;
            }
        }
        self.settled = Some((version, now));
        self.was_there |= version.is_some();
        Ok(())
    }

    /// Reads the file as a credential. A content that is none is left alone until it changes: somebody may be writing
    /// it.
    async fn read(&mut self, version: Option<FileVersion>) -> Result<Option<Content>, Trouble> {
        let Some(version) = version else { return Ok(None) };
        let (read, content) = self.at_place(MirroredPath::read).await?;
        if read != version {
            return Err("it changes while it is read".to_owned());
        }
        match Content::read(content, self.field.as_deref(), version.written()) {
            Ok(content) => Ok(Some(content)),
            Err(error) => {
                let why = format!("it holds no credential ({error}) and is left alone until it changes");
                Err(self.leave_alone(Some(version), why))
            }
        }
    }

    fn leave_alone(&mut self, version: Option<FileVersion>, why: Trouble) -> Trouble {
        self.left_alone = version;
        self.why_left_alone = Some(why.clone());
        why
    }

    async fn export(&self) -> Result<Exported, Trouble> {
        let unreachable = || "the store is unreachable".to_owned();
        let exported = tokio::time::timeout(STORE_BOUND, self.solekey.export(&self.account)).await;
        exported.map_err(|_| unreachable())?.map_err(|error| match error {
            AccountError::Store(_) => unreachable(),
            error => error.to_string(),
        })
    }

    async fn write(
        &mut self,
        version: Option<FileVersion>,
        file: Option<Content>,
        exported: &Exported,
        now: Instants,
    ) -> Result<(), Trouble> {
        let held = exported.expose_credential();
        let held = held.map_err(|_| "the account does not open with the seal keys given".to_owned())?;
        if held.access_token().is_none() {
            return Ok(());
        }
        let content = match file {
            Some(file) => file.with_tokens_of(held, exported.expires_at()),
            // Nobody knows what else belongs into it.
            None if self.field.is_some() => {
                return Err("it is not there: log in with its tool first".to_owned());
            }
            None => held.document().clone(),
        };
        let replace = move |place: &MirroredPath| place.replace(version, content.render().as_bytes());
        let written = self.at_place(replace).await?;
        if let Written::Done(version) = written {
            let generation = exported.generation().map(tracing::field::display);
            tracing::debug!(account = %self.account.key(), generation, "mirrored");
            self.settled = version.map(|version| (Some(version), now));
            self.was_there = true;
        }
        Ok(())
    }

    async fn import(
        &mut self,
        version: Option<FileVersion>,
        content: &[u8],
        is_known: bool,
    ) -> Result<(), Trouble> {
        let (account, file) = (&self.account, shown(&self.place, &self.account));
        let options = LoginOptions {
            accept_spent: mutant("mirror_insists_on_a_spent_token"),
            written: version.filter(|_| self.field.is_none()).and_then(|version| version.written()),
            ..LoginOptions::default()
        };
        match self.solekey.login_with(account, content, options).await {
            Ok(Login::New { generation }) if is_known => {
                tracing::warn!(
                    provider = account.provider(),
                    account = %account.key(),
                    %file,
                    %generation,
                    "a mirrored file holds a login or rotation from outside the fleet; it was imported"
                );
                Ok(())
            }
            Ok(Login::New { generation }) => {
                tracing::info!(
                    provider = account.provider(),
                    account = %account.key(),
                    %file,
                    %generation,
                    "the login in a mirrored file was imported"
                );
                Ok(())
            }
            Ok(Login::Same { .. } | Login::Amended { .. }) => Ok(()),
            Ok(Login::AlreadyPresented) => {
                let why = "its refresh token was presented before, or another account holds it; \
                           it is left alone until it changes: log in again, or import it with accept_spent";
                Err(self.leave_alone(version, why.to_owned()))
            }
            Ok(other) => Err(format!("it cannot be imported: {other:?}")),
            Err(error) => Err(format!("it cannot be imported: {error}")),
        }
    }

    /// Works on the file on a thread of its own; work that was begun there is completed.
    async fn at_place<T: Send + 'static>(
        &self,
        work: impl FnOnce(&MirroredPath) -> std::io::Result<T> + Send + 'static,
    ) -> Result<T, Trouble> {
        let place = self.place.clone();
        let done = spawn_blocking(move || work(&place)).await;
        done.map_err(|_| "it could not be checked".to_owned())?.map_err(|error| error.to_string())
    }
}

/// The path for a log line: tools name files after people, and logs name accounts by their keys alone.
fn shown(place: &MirroredPath, account: &Account) -> String {
    let path = place.path().display().to_string();
    if mutant("log_lines_show_whose_file_it_is") {
        return path;
    }
    let is_part_of_word = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    let (mut shown, mut copied) = (String::new(), 0);
    for (at, id) in path.match_indices(account.id()) {
        let (before, after) = (&path[..at], &path[at + id.len()..]);
        if !is_part_of_word(before.chars().next_back()) && !is_part_of_word(after.chars().next()) {
            shown.push_str(&path[copied..at]);
            shown.push_str(&account.key().to_string());
            copied = at + id.len();
        }
    }
    shown + &path[copied..]
}

/// The pause between two checks of the file.
const PAUSE: Duration = Duration::from_secs(2);
/// The longest time until a change of the row is noticed without a notification.
const CONFIRMATION: Duration = Duration::from_secs(30);
/// The longest time that a query of the store may take.
const STORE_BOUND: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_path_with_the_name_of_its_account_has_the_accounts_key_instead() {
        let shown = |id: &str, path: &str| {
            let account = Account::new("codex", id).unwrap();
            let place = MirroredPath::of(path.as_ref()).unwrap();
            shown(&place, &account).replace(&account.key().to_string(), "KEY")
        };
        for (id, path, expected) in [
            ("a@b.c", "/home/a@b.c/.auth/codex-a@b.c-plus.json", "/home/KEY/.auth/codex-KEY-plus.json"),
            ("alice", "/home/alice/alices/malice/alice.json", "/home/KEY/alices/malice/KEY.json"),
            ("a", "/home/a/auth.json", "/home/KEY/auth.json"),
            ("é", "/home/éé/é.json", "/home/éé/KEY.json"),
            ("x", "/home/alice/auth.json", "/home/alice/auth.json"),
        ] {
            assert_eq!(shown(id, path), expected, "{id}");
        }
    }
}

//! Rows in Redis.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use solekey_core::{
    Account, AccountKey, Claim, ClaimId, Commit, Content, Decision, InputError, Login, LoginEffect, NewFacts,
    Row, Sealed, Settle, StoreTime,
    ports::{Loaded, LoggedIn, Page, Store, StoreError, StoreIdentity, Trouble},
};
use solekey_redis_link::{
    LinkError, Pipeline, RedisLink, Script, ScriptArgs, ScriptCall, Value, script_mutant,
};
use uuid::Uuid;

use crate::{
    arguments::word,
    fields::{Fields, LOG_IN, NOT_BEFORE},
    index::{self, BATCH},
    labels::{Labels, SealNames},
    names::Names,
    reply::{Outcome, Reply, unreadable},
    reservation::{self, Entry, Reservation},
    trouble::{Garbled, countable, generation, micros, of_change, of_read},
};

/// Account rows in Redis.
///
/// Each change is one script on the account's one key and takes its time from the server. An outcome that is unknown is
/// reported as such and never repeated in here.
///
/// Around a change stand keys of their own: before it, the reservation of the refresh token that comes in; after it, the
/// two indexes. A crash in between costs an entry there, never a row: an unused reservation is struck out after a
/// minute by whoever meets it, and [`rebuild_index`](Self::rebuild_index) enters what the indexes miss. A login that
/// could not enter its account there is reported as [unknown](Trouble::Unknown): repeating it enters the account.
#[derive(Clone, Debug)]
pub struct RedisStore {
    link: RedisLink,
    names: Names,
    labels: Labels,
}

impl RedisStore {
    /// A store whose keys begin with `prefix`.
    ///
    /// # Errors
    /// The prefix is empty, too long, or holds characters that mean something in key patterns.
    pub fn new(link: RedisLink, prefix: &str) -> Result<Self, InputError> {
        Ok(Self { link, names: Names::new(prefix)?, labels: Labels::default() })
    }

    /// Seals the names of accounts in rows. Default: they stand in clear.
    #[must_use]
    pub fn seal_names(mut self, seal: Arc<dyn SealNames>) -> Self {
        self.labels = Labels::sealed(seal);
        self
    }

    /// Walks over all rows and enters each into the indexes of [`list`](Store::list) and [`due`](Store::due) where it
    /// is missing; returns how many rows there are. Slow, in small steps; meant to be run now and then.
    ///
    /// # Errors
    /// Redis could not be asked; what was entered stays.
    ///
    /// # Cancel safety
    /// Can be dropped at any time; what was entered stays.
    pub async fn rebuild_index(&self) -> Result<u64, StoreError> {
        Ok(index::rebuild(&self.link, &self.names, &self.labels).await.map_err(of_read)?)
    }

    /// A call of a script about the account's row; its own arguments come after these.
    fn call<'a>(&'a self, script: &'a Script, account: &Account) -> ScriptCall<'a> {
        self.call_over(&self.link, script, account)
    }

    fn call_over<'a>(&self, link: &'a RedisLink, script: &'a Script, account: &Account) -> ScriptCall<'a> {
        let names = &self.names;
        let call = link.script(script).key(names.row(account.key())).key(names.archive(account.key()));
        call.arg(self.labels.write(account))
    }

    /// Brings what stands around the row up to it. Failing that, the change stands all the same; the error says that
    /// the indexes may not know of it.
    async fn follow_up(
        &self,
        account: &Account,
        reply: &Reply,
        reserved: Option<Entry>,
    ) -> Result<(), LinkError> {
        let mut commands = Pipeline::new();
        if let Ok(Loaded { record: Some(record), .. }) = reply.written() {
            let entering = index::entering(&self.names, account, record.row.due_at);
            commands = entering.into_iter().fold(commands, Pipeline::cmd);
        }
        let entries = commands.len();
        for released in reply.released() {
            let (script, args) = reservation::releasing(&self.names, account, released);
            commands = commands.script(script, args);
        }
        if let Some(entry) = reserved.filter(|entry| !reply.needs(entry.token)) {
            let (script, args) = reservation::withdrawing(&self.names, account, entry, reply);
            commands = commands.script(script, args);
        }
        let stays = |what, error: &LinkError| {
            tracing::debug!(account = %account.key(), %error, "{what} stay behind their row");
        };
        let sent = self.link.pipeline(&commands).await;
        let mut replies = sent.inspect_err(|error| stays("indexes and reservations", error))?.into_iter();
        let entered: Vec<_> = replies.by_ref().take(entries).collect();
        if let Some(error) = replies.find_map(Result::err) {
            stays("reservations", &error);
        }
        let entered = entered.into_iter().try_for_each(|reply| reply.map(drop));
        entered.inspect_err(|error| stays("indexes", error))
    }

    async fn claim_over(
        &self,
        link: &RedisLink,
        account: &Account,
        claim: &Claim,
    ) -> Result<Loaded, StoreError> {
        let Claim { id, from, seen, fence, span, not_after, cause, presents } = *claim;
        let call = self
            .call_over(link, &CLAIM, account)
            .arg(id.to_string())
            .arg(generation(from)?)
            .arg(optional(seen))
            .arg(
                fence
                    .map(|fence| countable(fence.get()))
                    .transpose()?
                    .map_or_else(String::new, |n| n.to_string()),
            )
            .arg(micros(span))
            .arg(not_after.as_micros())
            .arg(word(&cause))
            .arg(presents.to_string());
        // It would be opened where an earlier one was forgotten whose owner is about to repeat it.
        let reply = match call.run().await {
            Err(LinkError::Unsettled) => return Err(StoreError::Late),
            reply => reply.and_then(Reply::read).map_err(of_change)?,
        };
        let _entered = self.follow_up(account, &reply, None).await;
        reply.accepted()
    }

    async fn change(
        &self,
        account: &Account,
        call: ScriptCall<'_>,
        reserved: Option<Entry>,
    ) -> Result<Changed, StoreError> {
        let reply = call.run().await.and_then(Reply::read).map_err(of_change)?;
        let entered = self.follow_up(account, &reply, reserved).await;
        Ok(Changed { outcome: reply.outcome, loaded: reply.accepted()?, entered })
    }
}

/// A change that was made.
struct Changed {
    outcome: Outcome,
    loaded: Loaded,
    /// Whether the indexes know of it. Where they do not, a login is not done. Other changes find an entry there, which
    /// comes too early at worst; the few that do not, such as a commit into a row that was forgotten, are entered by
    /// the next change or rebuild.
    entered: Result<(), LinkError>,
}

#[async_trait]
impl Store for RedisStore {
    async fn identity(&self) -> Result<StoreIdentity, StoreError> {
        let call = self.link.script(&IDENTITY).key(self.names.meta()).arg(Uuid::new_v4().to_string());
        let (id, now): (String, u64) = call.run().await.map_err(of_change)?;
        let id = Uuid::try_parse(&id).map_err(StoreError::not_applied)?;
        Ok(StoreIdentity { id, now: StoreTime::from_micros(now) })
    }

    async fn pin(&self, name: &str, value: &[u8]) -> Result<Vec<u8>, StoreError> {
        let call = self.link.script(&PIN).key(self.names.meta()).arg(name).arg(value);
        Ok(call.run().await.map_err(of_change)?)
    }

    async fn repin(&self, name: &str, seen: &[u8], value: &[u8]) -> Result<Vec<u8>, StoreError> {
        let call = self.link.script(&REPIN).key(self.names.meta()).arg(name).arg(seen).arg(value);
        let pinned: Option<Vec<u8>> = call.run().await.map_err(of_change)?;
        Ok(pinned.unwrap_or_default())
    }

    async fn load(&self, account: &Account) -> Result<Loaded, StoreError> {
        let reply = self.call(&LOAD, account).run().await.and_then(Reply::read).map_err(of_read)?;
        if reply.followed {
            // Failing that, the index finds out by itself.
            let _entered = self.follow_up(account, &reply, None).await;
        }
        reply.accepted()
    }

    async fn claim(&self, account: &Account, claim: &Claim) -> Result<Loaded, StoreError> {
        self.claim_over(&self.link.settled(), account, claim).await
    }

    async fn repeat_claim(&self, account: &Account, claim: &Claim) -> Result<Loaded, StoreError> {
        self.claim_over(&self.link, account, claim).await
    }

    fn restarts(&self) -> u64 {
        *self.link.watch_restarts().borrow()
    }

    async fn restarted(&self, since: u64) {
        // The link's owner keeps the other end for as long as this store is there.
        let _ = self.link.watch_restarts().wait_for(|restarts| *restarts > since).await;
    }

    fn claims_wait(&self) -> Duration {
        self.link.settles_in()
    }

    async fn commit(
        &self,
        account: &Account,
        commit: &Commit,
        payload: &Sealed,
    ) -> Result<Loaded, StoreError> {
        let Commit { note, seen, evidence, due_in, as_of, forgotten } = *commit;
        let args = ScriptArgs::new()
            .key(self.names.row(account.key()))
            .key(self.names.archive(account.key()))
            .arg(self.labels.write(account))
            .arg(generation(note.attempt)?)
            .arg(note.claim.to_string())
            .arg(generation(note.made_from)?)
            .arg(optional(seen))
            .arg(span(evidence))
            .arg(span(due_in))
            .arg(kind(&note.content))
            .arg(&facts(note.content.facts())[..])
            .arg(payload.as_bytes())
            .arg(instant(as_of))
            .arg(optional(forgotten.map(|forgotten| forgotten.id)))
            .arg(span(forgotten.map(|forgotten| forgotten.span)));
        let token = note.content.facts().and_then(|facts| facts.refresh);
        let mut both = Pipeline::new();
        if let Some(token) = token {
            // In one round trip with the commit, which does not depend on it: the provider has given us the token.
            let (script, args) = reservation::insisting(&self.names, account, token);
            both = both.script(script, args);
        }
        let mut replies = self.link.pipeline(&both.script(&COMMIT, args)).await.map_err(of_change)?;
        let reply = replies.pop().unwrap_or(Ok(Value::Nil)).and_then(Reply::read).map_err(of_change)?;
        let reserved = token.zip(replies.pop()).and_then(|(token, reply)| {
            let reservation = reply.and_then(|reply| reservation::insisted(token, reply));
            reservation.map_err(|error| warn_not_reserved(account, &error)).ok()?.entry
        });
        let _entered = self.follow_up(account, &reply, reserved).await;
        reply.accepted()
    }

    async fn settle(&self, account: &Account, settle: &Settle) -> Result<Loaded, StoreError> {
        let Settle { id, from, verdict, due_in } = *settle;
        let (decision, why, ends_in) = match verdict.map(|verdict| verdict.decision) {
            None => ("", String::new(), None),
            Some(Decision::LogIn { why }) => (LOG_IN, word(&why), None),
            Some(Decision::NotBefore { at, why }) => (NOT_BEFORE, word(&why), Some(at)),
        };
        let strikes = verdict.map_or(0, |verdict| verdict.strikes);
        let call = self
            .call(&SETTLE, account)
            .arg(id.to_string())
            .arg(generation(from)?)
            .arg(span(due_in))
            .arg(decision)
            .arg(why)
            .arg(span(ends_in))
            .arg(strikes);
        Ok(self.change(account, call, None).await?.loaded)
    }

    async fn login(
        &self,
        account: &Account,
        login: &Login,
        payload: &Sealed,
    ) -> Result<LoggedIn, StoreError> {
        let Login { id, facts: new, accept_spent, accept_lesser, amends, due_in, as_of } = *login;
        let reservation = match new.refresh {
            // The row is as it was, whatever became of the reservation.
            Some(token) => reservation::reserve(&self.link, &self.names, account, token, accept_spent)
                .await
                .map_err(Trouble::not_applied)?,
            None => Reservation::NONE,
        };
        let call = self
            .call(&LOGIN, account)
            .arg(id.to_string())
            .arg(u8::from(accept_spent))
            .arg(u8::from(reservation.elsewhere))
            .arg(reservation.not_after.as_micros())
            .arg(span(due_in))
            .arg(&facts(Some(new))[..])
            .arg(payload.as_bytes())
            .arg(instant(as_of))
            .arg(u8::from(accept_lesser))
            .arg(optional(amends));
        match self.change(account, call, reservation.entry).await {
            Ok(Changed { outcome, loaded, entered }) => {
                // An account that no index knows is neither listed nor ever due: it is not in yet. Repeating finds the
                // row as it should be, and enters it.
                entered.map_err(StoreError::unknown)?;
                let same = outcome == Outcome::Same;
                Ok(LoggedIn { effect: if same { LoginEffect::Same } else { LoginEffect::New }, loaded })
            }
            // A login has no end of its own; what ended is the reservation, and repeating makes a new one.
            Err(StoreError::Late) => {
                Err(StoreError::not_applied("the reservation of the refresh token ended"))
            }
            Err(error) => Err(error),
        }
    }

    async fn delete(&self, account: &Account, id: ClaimId) -> Result<Loaded, StoreError> {
        let call = self.call(&DELETE, account).arg(id.to_string());
        Ok(self.change(account, call, None).await?.loaded)
    }

    async fn reseal(
        &self,
        account: &Account,
        made_by: ClaimId,
        payload: &Sealed,
    ) -> Result<Loaded, StoreError> {
        let call = self.call(&RESEAL, account).arg(made_by.to_string()).arg(payload.as_bytes());
        Ok(self.change(account, call, None).await?.loaded)
    }

    async fn list(
        &self,
        provider: Option<&str>,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        let limit = limit.max(1);
        let unknown =
            || StoreError::not_applied(InputError::new("cursor", "what the previous page returned"));
        let mut after = cursor.map(|text| AccountKey::parse(text).ok_or_else(unknown)).transpose()?;
        let mut rows = Vec::new();
        for _ in 0..BATCHES_PER_PAGE {
            let wanted = (limit - rows.len()).min(BATCH);
            let keys = index::page(&self.link, &self.names, after, wanted).await.map_err(of_read)?;
            let found = index::rows(&self.link, &self.names, &keys).await.map_err(of_read)?;
            rows.extend(
                found
                    .iter()
                    .zip(&keys)
                    .filter_map(|(fields, key)| shown(fields, *key, &self.labels))
                    .filter(|(account, _)| provider.is_none_or(|provider| account.provider() == provider)),
            );
            if keys.len() < wanted {
                return Ok(Page { rows, next: None });
            }
            after = keys.last().copied();
            if rows.len() == limit {
                break;
            }
        }
        Ok(Page { rows, next: after.map(|after| after.to_string()) })
    }

    async fn due(&self, provider: &str, hold: Duration, limit: usize) -> Result<Vec<Account>, StoreError> {
        let (link, names, labels) = (&self.link, &self.names, &self.labels);
        Ok(index::take(link, names, labels, provider, hold, limit).await.map_err(of_change)?)
    }
}

/// The part of a row that a listing shows: nothing of a tombstone, of one a newer version wrote, or where there is
/// none.
fn shown(fields: &Fields, key: AccountKey, labels: &Labels) -> Option<(Account, Row)> {
    if fields.is_empty() {
        return None;
    }
    if fields.format() != Ok(solekey_core::ROW_FORMAT) {
        tracing::debug!(error = %unreadable(fields), "a row is left out of the listing");
        return None;
    }
    let row = fields.row();
    if row.as_ref().is_ok_and(Row::is_gone) {
        return None;
    }
    let account = labels.read(key, fields.name())?;
    let row = row.inspect_err(|error| warn_unreadable(&account, error)).ok()?;
    Some((account, row))
}

fn warn_not_reserved(account: &Account, error: &LinkError) {
    tracing::warn!(
        provider = account.provider(),
        account = %account.key(),
        %error,
        "a refresh token was not reserved after its commit; another account could log in with it until the next \
            refresh"
    );
}

fn warn_unreadable(account: &Account, error: &Garbled) {
    tracing::warn!(
        provider = account.provider(),
        account = %account.key(),
        %error,
        "a row cannot be read; it is left out of the listing"
    );
}

/// The four arguments in which scripts take facts.
fn facts(facts: Option<NewFacts>) -> [String; 4] {
    let Some(NewFacts { access, refresh, expires_in, refresh_expires_in }) = facts else {
        return Default::default();
    };
    [access.to_string(), optional(refresh), span(expires_in), span(refresh_expires_in)]
}

fn kind(content: &Content) -> &'static str {
    match content {
        Content::Rotated(_) => "rotated",
        Content::LoggedIn(_) => "logged_in",
        Content::Deleted => "deleted",
        Content::Unread => "unread",
    }
}

fn optional(value: Option<impl ToString>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

fn instant(time: Option<StoreTime>) -> String {
    optional(time.map(StoreTime::as_micros))
}

fn span(span: Option<Duration>) -> String {
    optional(span.map(micros))
}

static LOAD: Script = row_script!("load.lua").with_mutants(&[script_mutant(
    "redis_row_waits_for_a_clock_that_stepped_back",
    "if ahead >= STEP then",
    "if false then",
)]);
static CLAIM: Script = row_script!("claim.lua").with_mutants(&[
    script_mutant(
        "redis_claim_does_not_archive",
        "archive(KEYS[2], spent[#spent], spent_until, day(now))",
        "",
    ),
    script_mutant("redis_archive_forgets_by_count", "if until_day(oldest, at) >= today then return end", ""),
    script_mutant("redis_claim_over_attempt_in_flight", "or in_flight() or", "or"),
    script_mutant("redis_late_claim_is_made", "if now > tonumber(not_after) then", "if false then"),
]);
static COMMIT: Script = row_script!("commit.lua").with_mutants(&[
    script_mutant("redis_forgotten_attempt_is_none", "if forgotten and row.refresh then", "if false then"),
    script_mutant(
        "redis_commit_of_an_older_answer",
        "tonumber(attempt) <= number('generation') or not fits",
        "not fits",
    ),
    script_mutant(
        "redis_commit_of_an_equal_number",
        "tonumber(attempt) <= number('generation')",
        "tonumber(attempt) < number('generation')",
    ),
]);
static SETTLE: Script = row_script!("settle.lua").with_mutants(&[script_mutant(
    "redis_settle_wipes_first",
    "if row.open_first == row.open_attempt and",
    "if",
)]);
static LOGIN: Script = row_script!("login.lua").with_mutants(&[
    script_mutant("redis_login_with_spent_token", "(knows(refresh) or elsewhere == '1')", "elsewhere == '1'"),
    script_mutant("redis_archive_is_not_asked", "archived(KEYS[2], refresh, day(now))", "false"),
    script_mutant(
        "redis_login_with_token_of_another",
        "(knows(refresh) or elsewhere == '1')",
        "knows(refresh)",
    ),
]);
static DELETE: Script = row_script!("delete.lua").with_mutants(&[script_mutant(
    "redis_held_counts_as_presented",
    "if left and not knows(left) then",
    "if left then remember(left) elseif false then",
)]);
static RESEAL: Script = row_script!("reseal.lua").with_mutants(&[script_mutant(
    "redis_reseal_of_any_credential",
    "or row.made_by ~= ARGV[2] then",
    "then",
)]);
static IDENTITY: Script = Script::new(include_str!("../lua/identity.lua"));
static PIN: Script = Script::new(include_str!("../lua/pin.lua"));
static REPIN: Script = Script::new(include_str!("../lua/repin.lua"));

/// Batches read for one page of a provider that has few of many accounts; the next page goes on.
const BATCHES_PER_PAGE: usize = 16;

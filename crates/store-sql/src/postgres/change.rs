//! Reads and conditional writes of one row.

use solekey_core::{
    Account, Archived, Fingerprint, ROW_FORMAT, STEP, StoreTime, mutant,
    ports::{Loaded, Record, StoreError, StoreIdentity},
};
use sqlx::{Row as _, postgres::PgRow};
use uuid::Uuid;

use super::{
    Db,
    listing::account,
    session::{Session, is_collision},
};
use crate::{
    change::{Change, Outcome, row},
    record::{Columns, encode_row, micros, number, short, time, tokens},
};

/// A row that moves under every one of so many tries is in somebody else's hands.
const TRIES: usize = 16;

/// The row that was read, and the revision that a write of it has to find.
struct Read {
    loaded: Loaded,
    /// `None` where there is no row.
    revision: Option<i64>,
    elsewhere: bool,
}

impl Db {
    pub(super) async fn identity(&self) -> Result<StoreIdentity, StoreError> {
        let mut session = self.session().await?;
        let found = session.fetch(sqlx::query(IDENTITY)).await?;
        let found = one(&mut session, &found)?;
        let id = found.try_get::<&[u8], _>("value").map_err(StoreError::not_applied)?;
        Ok(StoreIdentity { id: Uuid::from_slice(id).map_err(StoreError::not_applied)?, now: now(found)? })
    }

    /// Writes a value unless there is one.
    pub(super) async fn pin(&self, name: &str, value: &[u8]) -> Result<Vec<u8>, StoreError> {
        let mut session = self.session().await?;
        session.execute(sqlx::query(PIN).bind(name).bind(value)).await?;
        read_pin(&mut session, name).await
    }

    /// Replaces a value if it is the one seen.
    pub(super) async fn repin(&self, name: &str, seen: &[u8], value: &[u8]) -> Result<Vec<u8>, StoreError> {
        let mut session = self.session().await?;
        session.execute(sqlx::query(REPIN).bind(name).bind(seen).bind(value)).await?;
        read_pin(&mut session, name).await
    }

    /// Reads a value.
    pub(super) async fn pinned(&self, name: &str) -> Result<Vec<u8>, StoreError> {
        read_pin(&mut self.session().await?, name).await
    }

    pub(super) async fn load(&self, account: &Account) -> Result<Loaded, StoreError> {
        let loaded = self.read(&mut self.session().await?, account, None).await?.loaded;
        let ahead = |record: &Record| record.row.clone().follow(loaded.now);
        if loaded.record.as_ref().is_some_and(ahead) {
            return self.change(&Change::follow(account)).await.map(row);
        }
        Ok(loaded)
    }

    /// Moves the rows that the clock has stepped back behind.
    pub(super) async fn follow(&self, provider: &str) -> Result<(), StoreError> {
        let ahead = sqlx::query(AHEAD)
            .bind(provider)
            .bind(micros(StoreTime::default() + STEP))
            .bind(i64::from(ROW_FORMAT));
        let found = self.session().await?.fetch(ahead).await?;
        for account in found.iter().map(account) {
            self.change(&Change::follow(&account?)).await?;
        }
        Ok(())
    }

    /// Applies a change, and returns the row as it is afterwards.
    pub(super) async fn change<T, E>(&self, change: &Change<T, E>) -> Result<(E, Loaded), StoreError> {
        self.change_over(&mut self.session().await?, change).await
    }

    /// The same on this connection.
    pub(super) async fn change_over<T, E>(
        &self,
        session: &mut Session,
        change: &Change<T, E>,
    ) -> Result<(E, Loaded), StoreError> {
        for _ in 0..TRIES {
            let Read { loaded, revision, elsewhere } =
                self.read(session, &change.account, change.asks_about).await?;
            if change.waits_for_owners && !self.timelines.settle_in().is_zero() {
                return Err(StoreError::Late);
            }
            let Outcome { effect, before, after } = change.decide(loaded, elsewhere)?;
            let Some(after) = after else { return Ok((effect, before)) };
            match write(session, change, revision, &before, &after).await {
                Ok(true) => return Ok((effect, Loaded { record: Some(after), now: before.now })),
                Ok(false) => {}
                Err(error) if is_collision(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Err(StoreError::not_applied("the row kept moving"))
    }
}

async fn read_pin(session: &mut Session, name: &str) -> Result<Vec<u8>, StoreError> {
    let found = session.fetch(sqlx::query(PINNED).bind(name)).await?;
    let value: Option<Vec<u8>> = one(session, &found)?.try_get("value").map_err(StoreError::not_applied)?;
    Ok(value.unwrap_or_default())
}

impl Db {
    async fn read(
        &self,
        session: &mut Session,
        account: &Account,
        asks_about: Option<Fingerprint>,
    ) -> Result<Read, StoreError> {
        match self.read_once(session, account, asks_about).await {
            Err(error) if self.timelines.hide_after(&error) => {
                self.read_once(session, account, asks_about).await
            }
            found => found,
        }
    }

    async fn read_once(
        &self,
        session: &mut Session,
        account: &Account,
        asks_about: Option<Fingerprint>,
    ) -> Result<Read, StoreError> {
        let statement = if self.timelines.are_shown() { READ } else { READ_WITHOUT_TIMELINE };
        let asked = sqlx::query(statement).bind(account.provider()).bind(account.id());
        let asked = asked.bind(asks_about.map(|token| token.to_string()));
        let archived = asks_about.filter(|_| !mutant("archive_is_not_asked"));
        let found = session.fetch(asked.bind(archived.map(|token| short(token.short())))).await?;
        let found = one(session, &found)?;
        self.note_timeline(found.try_get("timeline").map_err(StoreError::not_applied)?);
        let columns = || {
            let Some(format) = found.try_get("format")? else { return Ok(None) };
            let (due_at, row, payload) =
                (found.try_get("due_at")?, found.try_get("row")?, found.try_get("payload")?);
            Ok(Some(Columns { format, due_at, row, payload }))
        };
        let columns = columns().map_err(|error: sqlx::Error| StoreError::not_applied(error))?;
        Ok(Read {
            loaded: Loaded { record: columns.map(Columns::decode).transpose()?, now: now(found)? },
            revision: found.try_get("revision").map_err(StoreError::not_applied)?,
            elsewhere: found.try_get("elsewhere").map_err(StoreError::not_applied)?,
        })
    }
}

/// Writes, unless the row has moved since it was read or the change came too late; returns whether it did.
async fn write<T, E>(
    session: &mut Session,
    change: &Change<T, E>,
    revision: Option<i64>,
    before: &Loaded,
    after: &Record,
) -> Result<bool, StoreError> {
    let Record { row, payload } = after;
    let was = before.record.as_ref().map(|before| &before.row);
    let old = was.map(tokens).unwrap_or_default();
    let new = tokens(row);
    let archived = was.map(|was| row.archived_since(was, before.now)).unwrap_or_default();
    let today = if mutant("sql_archive_forgets_by_count") { u16::MAX } else { Archived::day(before.now) };
    let names = |tokens: &[&Fingerprint]| tokens.iter().map(ToString::to_string).collect::<Vec<_>>();
    let forgotten = names(&old.difference(&new).collect::<Vec<_>>());
    let learnt = names(&new.difference(&old).collect::<Vec<_>>());
    let exclusive = change.asks_about.filter(|_| change.is_exclusive).map(|token| token.to_string());
    let written = sqlx::query(if revision.is_some() { UPDATE } else { INSERT })
        .bind(change.account.provider())
        .bind(change.account.id())
        .bind(revision.unwrap_or_default())
        .bind(change.not_after.map_or(i64::MAX, micros))
        .bind(number(row.generation.get()))
        .bind(i64::from(ROW_FORMAT))
        .bind(row.is_gone())
        .bind(row.due_at.map(micros))
        .bind(encode_row(row)?)
        .bind(payload.as_bytes())
        .bind(forgotten)
        .bind(learnt)
        .bind(exclusive)
        .bind(archived.iter().map(|archived| short(archived.token)).collect::<Vec<_>>())
        .bind(archived.first().map(|archived| i32::from(archived.until)))
        .bind(i32::from(today))
        .bind(micros(row.changed_at));
    Ok(!session.execute(written).await?.is_empty())
}

/// The first row of an answer that has one, from a server that is the primary.
pub(super) fn one<'r>(session: &mut Session, found: &'r [PgRow]) -> Result<&'r PgRow, StoreError> {
    let found = found.first().ok_or_else(|| StoreError::not_applied("the server answered without a row"))?;
    let is_standby: bool = found.try_get("standby").map_err(StoreError::not_applied)?;
    if is_standby && !mutant("standby_is_believed") {
        session.give_up();
        return Err(StoreError::not_applied("the server is a standby, which may lag behind"));
    }
    Ok(found)
}

fn now(found: &PgRow) -> Result<StoreTime, StoreError> {
    found.try_get("now").map(time).map_err(StoreError::not_applied)
}

// `statement_timestamp()` is when the server got the statement, before it read anything: what this makes of the row
// errs towards "still in flight". (`now()` would be the beginning of a transaction.)
macro_rules! read {
    ($timeline:literal) => {
        concat!(
            "SELECT (extract(epoch FROM statement_timestamp()) * 1000000)::bigint AS now,
                    pg_is_in_recovery() AS standby, ",
            $timeline,
            " AS timeline, account.revision, account.format, account.due_at, account.row, account.payload,
                    EXISTS (SELECT FROM solekey.presented
                            WHERE presented.fingerprint = $3
                                AND (presented.provider, presented.id) <> ($1, $2))
                    OR EXISTS (SELECT FROM solekey.spent WHERE spent.token = $4
                               AND spent.until > extract(epoch FROM statement_timestamp()) / 86400 - 1)
                    AS elsewhere
             FROM (SELECT) AS always
                 LEFT JOIN solekey.account ON account.provider = $1 AND account.id = $2"
        )
    };
}

// A standby has no timeline of its own. The first eight digits of a log file's name are the timeline.
const READ: &str =
    read!("CASE WHEN NOT pg_is_in_recovery() THEN left(pg_walfile_name(pg_current_wal_insert_lsn()), 8) END");
// Where the role may not, the statement fails even if it does not come to that.
const READ_WITHOUT_TIMELINE: &str = read!("NULL::text");

const AHEAD: &str = "
    SELECT account.provider, account.id, pg_is_in_recovery() AS standby FROM solekey.account
    WHERE account.provider = $1
        AND account.changed_at >= (extract(epoch FROM statement_timestamp()) * 1000000)::bigint + $2
        AND account.format <= $3
    LIMIT 100";

const IDENTITY: &str = "
    SELECT (extract(epoch FROM statement_timestamp()) * 1000000)::bigint AS now, pg_is_in_recovery() AS standby,
           meta.value
    FROM solekey.meta WHERE meta.name = 'identity'";

const PIN: &str = "
    WITH durable AS (SELECT set_config('synchronous_commit',
        CASE current_setting('synchronous_commit') WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END, true))
    INSERT INTO solekey.meta (name, value) SELECT $1, $2 FROM durable ON CONFLICT (name) DO NOTHING";

const REPIN: &str = "
    WITH durable AS (SELECT set_config('synchronous_commit',
        CASE current_setting('synchronous_commit') WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END, true))
    UPDATE solekey.meta SET value = $3 FROM durable WHERE meta.name = $1 AND meta.value = $2";

const PINNED: &str = "
    SELECT meta.value, pg_is_in_recovery() AS standby
    FROM (SELECT) AS always LEFT JOIN solekey.meta ON meta.name = $1";

// The row is locked first, and the clock is read once it is ours: a change that waited for somebody else's is late if
// it is late by then.
const UPDATE: &str = "
    WITH durable AS (SELECT set_config('synchronous_commit',
        CASE current_setting('synchronous_commit') WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END, true)),
    locked AS MATERIALIZED (
        SELECT account.revision FROM solekey.account
        WHERE account.provider = $1 AND account.id = $2 FOR UPDATE),
    found AS MATERIALIZED (SELECT locked.revision, clock_timestamp() AS at FROM locked),
    written AS (
        UPDATE solekey.account SET revision = account.revision + 1, generation = $5, format = $6, gone = $7,
            due_at = $8, row = $9, payload = $10, changed_at = $17
        FROM found, durable
        WHERE account.provider = $1 AND account.id = $2 AND found.revision = $3 AND account.revision = $3
            AND extract(epoch FROM found.at) * 1000000 <= $4
        RETURNING account.provider, account.id),
    forgotten AS (
        DELETE FROM solekey.presented USING written
        WHERE presented.provider = written.provider AND presented.id = written.id
            AND presented.fingerprint = ANY ($11)),
    learnt AS (
        INSERT INTO solekey.presented (provider, fingerprint, id, exclusive)
        SELECT written.provider, token, written.id, token IS NOT DISTINCT FROM $13
        FROM written, unnest($12::text[]) AS token
        ON CONFLICT (fingerprint, provider, id) DO NOTHING),
    over AS (
        DELETE FROM solekey.spent USING written, unnest($14::bigint[]) AS archived
        WHERE spent.until < $16 AND spent.token <> archived AND spent.token IN (
            SELECT next.token FROM solekey.spent AS next WHERE next.token > archived ORDER BY next.token LIMIT 8)),
    archived AS (
        INSERT INTO solekey.spent (token, until) SELECT token, $15 FROM written, unnest($14::bigint[]) AS token
        ON CONFLICT (token) DO UPDATE SET until = greatest(spent.until, excluded.until))
    SELECT FROM written";

const INSERT: &str = "
    WITH durable AS (SELECT set_config('synchronous_commit',
        CASE current_setting('synchronous_commit') WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END, true)),
    written AS (
        INSERT INTO solekey.account (provider, id, revision, generation, format, gone, due_at, row, payload,
            changed_at)
        SELECT $1, $2, $3 + 1, $5, $6, $7, $8, $9, $10, $17
        FROM durable WHERE extract(epoch FROM clock_timestamp()) * 1000000 <= $4
        ON CONFLICT (provider, id) DO NOTHING
        RETURNING account.provider, account.id),
    forgotten AS (
        DELETE FROM solekey.presented USING written
        WHERE presented.provider = written.provider AND presented.id = written.id
            AND presented.fingerprint = ANY ($11)),
    learnt AS (
        INSERT INTO solekey.presented (provider, fingerprint, id, exclusive)
        SELECT written.provider, token, written.id, token IS NOT DISTINCT FROM $13
        FROM written, unnest($12::text[]) AS token
        ON CONFLICT (fingerprint, provider, id) DO NOTHING),
    over AS (
        DELETE FROM solekey.spent USING written, unnest($14::bigint[]) AS archived
        WHERE spent.until < $16 AND spent.token <> archived AND spent.token IN (
            SELECT next.token FROM solekey.spent AS next WHERE next.token > archived ORDER BY next.token LIMIT 8)),
    archived AS (
        INSERT INTO solekey.spent (token, until) SELECT token, $15 FROM written, unnest($14::bigint[]) AS token
        ON CONFLICT (token) DO UPDATE SET until = greatest(spent.until, excluded.until))
    SELECT FROM written";

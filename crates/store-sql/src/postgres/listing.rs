//! Many accounts at once.

use std::time::Duration;

use solekey_core::{
    Account, Row,
    ports::{Page, StoreError},
};
use sqlx::{Row as _, postgres::PgRow};

use super::{Db, change::one};
use crate::{
    cursor::Cursor,
    record::{decode_row, newest_due, number},
};

/// A page or a batch larger than this would hold memory for too long.
const MAX_ROWS: usize = 1000;

impl Db {
    /// One page in the order of the primary key. One row more than requested shows whether there is another page.
    pub(super) async fn list(
        &self,
        provider: Option<String>,
        cursor: Option<Cursor>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        let limit = limit.clamp(1, MAX_ROWS);
        let after = cursor.unwrap_or(Cursor { provider: String::new(), id: String::new() });
        let page = sqlx::query(LIST).bind(after.provider).bind(after.id).bind(provider);
        let mut session = self.session().await?;
        let mut found = session.fetch(page.bind(number(limit as u64 + 1))).await?;
        // What is not listed counts as absent.
        one(&mut session, &found)?;
        found.retain(|row| row.try_get::<Option<&str>, _>("provider").is_ok_and(|name| name.is_some()));
        let more = found.len() > limit;
        found.truncate(limit);
        let next = found.last().filter(|_| more).map(cursor_at).transpose()?;
        Ok(Page {
            rows: found.iter().filter_map(|row| entry(row).transpose()).collect::<Result<_, _>>()?,
            next,
        })
    }

    /// Takes what is due. Rows that a newer version wrote are left to that version, and rows that somebody else is
    /// taking to them.
    pub(super) async fn due(
        &self,
        provider: String,
        hold: Duration,
        limit: usize,
    ) -> Result<Vec<Account>, StoreError> {
        self.follow(&provider).await?;
        let hold = i64::try_from(hold.as_micros()).unwrap_or(i64::MAX / 2);
        let due = sqlx::query(DUE).bind(newest_due()).bind(number(limit.min(MAX_ROWS) as u64));
        let mut taken = self.session().await?.execute(due.bind(hold).bind(provider)).await?;
        taken.sort_by_key(|row| row.try_get::<i64, _>("due_at").unwrap_or_default());
        taken.iter().map(account).collect()
    }
}

/// The account and its row; nothing for a row of a newer version, which this one cannot read.
fn entry(found: &PgRow) -> Result<Option<(Account, Row)>, StoreError> {
    let account = account(found)?;
    let columns =
        || Ok((found.try_get("format")?, found.try_get("due_at")?, found.try_get::<&str, _>("row")?));
    let (format, due_at, row) = columns().map_err(|error: sqlx::Error| StoreError::not_applied(error))?;
    match decode_row(format, due_at, row) {
        Err(StoreError::UnreadableFormat { found }) => {
            tracing::warn!(
                provider = account.provider(),
                account = %account.key(),
                found,
                "a row has a newer format; it is left out of the listing"
            );
            Ok(None)
        }
        row => row.map(|row| Some((account, row))),
    }
}

pub(super) fn account(found: &PgRow) -> Result<Account, StoreError> {
    let Cursor { provider, id } = names(found)?;
    Account::new(&provider, &id).map_err(StoreError::not_applied)
}

fn cursor_at(found: &PgRow) -> Result<String, StoreError> {
    names(found).map(|cursor| cursor.encode())
}

fn names(found: &PgRow) -> Result<Cursor, StoreError> {
    let names = || Ok(Cursor { provider: found.try_get("provider")?, id: found.try_get("id")? });
    names().map_err(|error: sqlx::Error| StoreError::not_applied(error))
}

// A row without an account where the page is empty.
const LIST: &str = "
    SELECT pg_is_in_recovery() AS standby, page.*
    FROM (SELECT) AS always LEFT JOIN (
        SELECT provider, id, format, due_at, row FROM solekey.account
        WHERE (provider, id) > ($1, $2) AND NOT gone AND ($3::text IS NULL OR provider = $3)
        ORDER BY provider, id LIMIT $4) AS page ON TRUE
    ORDER BY page.provider, page.id";

// Locks last as long as the statement, never over anything that the taker does with what it took.
const DUE: &str = "
    WITH moment AS MATERIALIZED (SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS now),
    due AS MATERIALIZED (
        SELECT account.provider, account.id, account.due_at FROM solekey.account
        WHERE account.provider = $4 AND account.due_at <= (SELECT moment.now FROM moment) AND account.format <= $1
        ORDER BY account.due_at LIMIT $2 FOR UPDATE SKIP LOCKED)
    UPDATE solekey.account SET due_at = moment.now + $3, revision = account.revision + 1
    FROM due, moment
    WHERE account.provider = due.provider AND account.id = due.id
    RETURNING account.provider, account.id, due.due_at";

//! Many accounts at once.

use std::time::Duration;

use solekey_core::{
    Account, Row, StoreTime,
    ports::{Page, StoreError},
};
use sqlx::{Row as _, sqlite::SqliteRow};

use super::db::{Db, commit, write_clock};
use crate::{
    cursor::Cursor,
    record::{decode_row, micros, newest_due, number, time},
};

/// A page or a batch larger than this would hold the file, or memory, for too long.
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
        let mut found = sqlx::query(
            "SELECT provider, id, format, due_at, row FROM account
             WHERE (provider, id) > (?, ?) AND NOT gone AND (?3 IS NULL OR provider = ?3)
             ORDER BY provider, id LIMIT ?4",
        )
        .bind(after.provider)
        .bind(after.id)
        .bind(provider)
        .bind(number(limit as u64 + 1))
        .fetch_all(&self.reader)
        .await
        .map_err(StoreError::not_applied)?;
        let more = found.len() > limit;
        found.truncate(limit);
        let next = found.last().filter(|_| more).map(cursor_at).transpose()?;
        Ok(Page {
            rows: found.iter().filter_map(|row| entry(row).transpose()).collect::<Result<_, _>>()?,
            next,
        })
    }

    /// Takes what is due. Rows that a newer version wrote are left to that version.
    pub(super) async fn due(
        &self,
        provider: String,
        hold: Duration,
        limit: usize,
    ) -> Result<Vec<Account>, StoreError> {
        let mut tx = self.begin().await?;
        let seen = sqlx::query("SELECT seen FROM clock").fetch_one(&mut *tx).await;
        let seen = seen.and_then(|row| row.try_get("seen")).map_err(StoreError::not_applied)?;
        let now = self.clock.now(time(seen));
        let due = sqlx::query(
            "SELECT provider, id FROM account WHERE provider = ? AND due_at <= ? AND format <= ?
             ORDER BY due_at LIMIT ?",
        )
        .bind(provider)
        .bind(micros(now))
        .bind(newest_due())
        .bind(number(limit.min(MAX_ROWS) as u64))
        .fetch_all(&mut *tx)
        .await
        .map_err(StoreError::not_applied)?;
        if due.is_empty() {
            return Ok(Vec::new());
        }
        let due = due.iter().map(account).collect::<Result<Vec<_>, _>>()?;
        for account in &due {
            push(&mut tx, account, now + hold).await.map_err(StoreError::not_applied)?;
        }
        write_clock(&mut tx, now).await?;
        commit(tx).await?;
        Ok(due)
    }
}

async fn push(
    tx: &mut sqlx::SqliteConnection,
    account: &Account,
    until: StoreTime,
) -> Result<(), sqlx::Error> {
    let push = sqlx::query("UPDATE account SET due_at = ? WHERE provider = ? AND id = ?");
    push.bind(micros(until)).bind(account.provider()).bind(account.id()).execute(tx).await.map(drop)
}

/// The account and its row; nothing for a row of a newer version, which this one cannot read.
fn entry(found: &SqliteRow) -> Result<Option<(Account, Row)>, StoreError> {
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

fn account(found: &SqliteRow) -> Result<Account, StoreError> {
    let Cursor { provider, id } = names(found)?;
    Account::new(&provider, &id).map_err(StoreError::not_applied)
}

fn cursor_at(found: &SqliteRow) -> Result<String, StoreError> {
    names(found).map(|cursor| cursor.encode())
}

fn names(found: &SqliteRow) -> Result<Cursor, StoreError> {
    let names = || Ok(Cursor { provider: found.try_get("provider")?, id: found.try_get("id")? });
    names().map_err(|error: sqlx::Error| StoreError::not_applied(error))
}

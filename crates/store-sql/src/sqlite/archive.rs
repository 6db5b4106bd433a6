//! The archive of spent tokens.

use solekey_core::{Archived, Fingerprint, StoreTime, mutant};
use sqlx::SqliteConnection;

use crate::record::short;

/// Returns whether the archive remembers the token.
pub(super) async fn remembers(
    tx: &mut SqliteConnection,
    token: Fingerprint,
    now: StoreTime,
) -> Result<bool, sqlx::Error> {
    if mutant("archive_is_not_asked") {
        return Ok(false);
    }
    let found = sqlx::query("SELECT 1 FROM spent WHERE token = ? AND until >= ?");
    let found = found.bind(short(token.short())).bind(Archived::day(now));
    Ok(found.fetch_optional(tx).await?.is_some())
}

/// Takes tokens in. Each checks its next neighbours in the table, whose order is random, and removes those whose time
/// is over: so the table stays bounded without an index of times.
pub(super) async fn enter(
    tx: &mut SqliteConnection,
    tokens: &[Archived],
    now: StoreTime,
) -> Result<(), sqlx::Error> {
    let today = if mutant("sql_archive_forgets_by_count") { u16::MAX } else { Archived::day(now) };
    for token in tokens {
        let forget = sqlx::query(
            "DELETE FROM spent WHERE until < ?2 AND token IN
                 (SELECT token FROM spent WHERE token >= ?1 ORDER BY token LIMIT 8)",
        );
        forget.bind(short(token.token)).bind(today).execute(&mut *tx).await?;
        let enter = sqlx::query(
            "INSERT INTO spent (token, until) VALUES (?, ?)
             ON CONFLICT (token) DO UPDATE SET until = max(until, excluded.until)",
        );
        enter.bind(short(token.token)).bind(token.until).execute(&mut *tx).await?;
    }
    Ok(())
}

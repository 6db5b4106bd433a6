//! Which account holds or has presented which refresh token.

use solekey_core::{Account, Fingerprint, Row};
use sqlx::SqliteConnection;

use crate::record::tokens;

/// Returns whether another account of the provider holds the token or has presented it.
pub(super) async fn elsewhere(
    tx: &mut SqliteConnection,
    account: &Account,
    token: Fingerprint,
) -> Result<bool, sqlx::Error> {
    let found =
        sqlx::query("SELECT 1 FROM presented WHERE provider = ? AND fingerprint = ? AND id <> ? LIMIT 1")
            .bind(account.provider())
            .bind(token.to_string())
            .bind(account.id())
            .fetch_optional(tx)
            .await?;
    Ok(found.is_some())
}

/// Makes the table say of the account what its row says, no more: what leaves a row leaves this table too, for the
/// archive where it was presented.
pub(super) async fn follow(
    tx: &mut SqliteConnection,
    account: &Account,
    before: Option<&Row>,
    after: &Row,
) -> Result<(), sqlx::Error> {
    let before = before.map(tokens).unwrap_or_default();
    let after = tokens(after);
    for token in before.difference(&after) {
        let forget = sqlx::query("DELETE FROM presented WHERE provider = ? AND fingerprint = ? AND id = ?");
        let forget = forget.bind(account.provider()).bind(token.to_string()).bind(account.id());
        forget.execute(&mut *tx).await?;
    }
    for token in after.difference(&before) {
        let remember =
            sqlx::query("INSERT OR IGNORE INTO presented (provider, fingerprint, id) VALUES (?, ?, ?)");
        let remember = remember.bind(account.provider()).bind(token.to_string()).bind(account.id());
        remember.execute(&mut *tx).await?;
    }
    Ok(())
}

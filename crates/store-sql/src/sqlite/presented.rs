//! Which account holds or has presented which refresh token.

use solekey_core::{Account, Fingerprint, Row, mutant};
use sqlx::SqliteConnection;

use crate::record::tokens;

/// Returns whether another account holds the token or has presented it.
pub(super) async fn elsewhere(
    tx: &mut SqliteConnection,
    account: &Account,
    token: Fingerprint,
) -> Result<bool, sqlx::Error> {
    let of_provider = mutant("sqlite_tokens_belong_to_providers");
    let found = sqlx::query(
        "SELECT 1 FROM presented WHERE fingerprint = ?1 AND (provider, id) <> (?2, ?3) AND (provider = ?2 OR NOT ?4) LIMIT 1",
    );
    let found = found.bind(token.to_string()).bind(account.provider()).bind(account.id()).bind(of_provider);
    Ok(found.fetch_optional(tx).await?.is_some())
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

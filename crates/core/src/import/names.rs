//! The names under which tools and client libraries write the times of tokens.

/// The names under which tools and client libraries write the end of an access token.
pub(crate) const ENDS: &[&str] = &[
    // Ours, Google's libraries and the Gemini CLI, Go's oauth2, CLIProxyAPI, Claude Code and Kiro, opencode.
    "expires_at",
    "expiry_date",
    "expiry",
    "expired",
    "expiresAt",
    "expires",
    // Azure and MSAL, oauth2client, managers of Antigravity, and what gateways and their panels call it.
    "expires_on",
    "expiresOn",
    "token_expiry",
    "tokenExpiry",
    "expiry_timestamp",
    "expiryTimestamp",
    "expires_timestamp",
    "expire",
    "expire_at",
    "expireAt",
    "expired_at",
    "expiredAt",
    "expire_time",
    "expireTime",
    "expires_time",
    "expiryDate",
    "expiryTime",
    "expiry_time",
    "expiration",
    "expiration_time",
    "expirationTime",
    "expiration_date",
    "expirationDate",
    "expires_date",
    "token_expires_at",
    "tokenExpiresAt",
    "access_token_expires_at",
    "accessTokenExpiresAt",
    "access_token_expiry",
    "accessTokenExpiry",
    "access_token_expiration",
    "access_token_expires",
    "accessTokenExpires",
    "access_expires_at",
    "token_expires",
    "token_expiration",
    "tokenExpiration",
    "expiration_timestamp",
    "expirationTimestamp",
    "expire_date",
    "expireDate",
    // googleauth of Ruby, Slack's command line.
    "expiration_time_millis",
    "expires_at_ms",
    "expiresAtMs",
    "exp",
    "valid_until",
    "validUntil",
    // Serializers of .NET and Go without names of their own.
    "ExpiresAt",
    "Expiry",
];

/// The names of its lifetime.
pub(crate) const LASTS: &[&str] = &[
    // Zoho's, whose `expires_in` next to it is in milliseconds.
    "expires_in_sec",
    "expires_in",
    "expiresIn",
    "expire_in",
    "expireIn",
    "expires_in_seconds",
    "token_expires_in",
    "access_token_expires_in",
    "accessTokenExpiresIn",
    // Box' library for Node, in milliseconds.
    "accessTokenTTLMS",
];

/// Returns true for the fields of a lifetime in milliseconds.
pub(crate) fn is_in_millis(name: &str) -> bool {
    name.ends_with("MS")
}

/// The instant a refresh token ends.
pub(crate) const REFRESH_ENDS: &[&str] = &[
    "refresh_token_expires_at",
    "refresh_expires_at",
    "refreshTokenExpiresAt",
    "refreshExpiresAt",
    "refresh_token_expiry",
    "refreshTokenExpiry",
];
/// Its lifetime, as answers state it: GitHub, Keycloak, QuickBooks.
pub(crate) const REFRESH_LASTS: &[&str] = &[
    "refresh_token_expires_in",
    "refresh_expires_in",
    "x_refresh_token_expires_in",
    "refreshTokenExpiresIn",
    "refreshExpiresIn",
];

/// Returns true for the fields that state the end of an access token.
pub(crate) fn is_end(name: &str) -> bool {
    ENDS.contains(&name) || LASTS.contains(&name)
}

/// The names under which tools write when they got a token.
pub(crate) const MOMENTS: &[&str] = &[
    "created_at",
    "createdAt",
    "created",
    "create_time",
    "timestamp",
    "last_refresh",
    "lastRefresh",
    "last_refreshed_at",
    "lastRefreshedAt",
    "last_refreshed",
    "refreshed_at",
    "refreshedAt",
    "issued_at",
    "issuedAt",
    "obtained_at",
    "obtainedAt",
    "obtainmentTimestamp",
    "acquired_at",
    "updated_at",
    "updatedAt",
    "saved_at",
    "savedAt",
    "acquiredAt",
    "acquiredAtMS",
    "token_acquired_at",
    "token_created_at",
    "tokenCreatedAt",
    "retrieved_at",
    "retrievedAt",
    "fetched_at",
    "fetchedAt",
    "received_at",
    "receivedAt",
    "requested_at",
    "generated_at",
    "created_on",
    "last_updated",
    "lastUpdated",
    // Google's library for .NET.
    "Issued",
    "IssuedUtc",
    "iat",
];

/// Returns true for the moments that may be those of a record around the tokens, and not of the tokens.
pub(crate) fn is_of_record(name: &str) -> bool {
    name.starts_with("creat")
}

/// Returns true for the fields that may name such a moment.
pub(crate) fn is_moment(name: &str) -> bool {
    MOMENTS.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_lists_the_names_that_are_read() {
        let page = include_str!("../../../../docs/imports.md");
        for (title, names) in [
            ("Ends", ENDS),
            ("Lifetimes", LASTS),
            ("Moments at which the tokens came", MOMENTS),
            ("Ends of refresh tokens", REFRESH_ENDS),
            ("Lifetimes of refresh tokens", REFRESH_LASTS),
        ] {
            let quoted: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
            let row = format!("- {title}: {}.", quoted.join(", "));
            assert!(page.lines().any(|line| line == row), "docs/imports.md should have\n{row}");
        }
    }
}

//! Where a credential is presented, and by whom.

use crate::mutant;

/// The fields in which the document of an account names the issuer that its session is at; the first one counts.
pub const ISSUER_FIELDS: [&str; 2] = ["iss", "issuer"];
/// The field in which the document of an account names the client's key that its session began with.
pub const KEY_FIELD: &str = "key_id";
/// The fields in which documents name the client that they were issued to; the first one counts.
pub const CLIENT_FIELDS: [&str; 3] = ["client_id", "clientId", "oidc_client_id"];
/// The fields in which documents have that client's secret.
pub const SECRET_FIELDS: [&str; 2] = ["client_secret", "clientSecret"];
/// The fields that only a login sets: a token endpoint that could would choose who gets the next refresh token.
pub(crate) const ROUTING: [&str; 8] = [
    ISSUER_FIELDS[0],
    ISSUER_FIELDS[1],
    KEY_FIELD,
    CLIENT_FIELDS[0],
    CLIENT_FIELDS[1],
    CLIENT_FIELDS[2],
    SECRET_FIELDS[0],
    SECRET_FIELDS[1],
];

/// Returns whether a field decides where, and by which client and key, the refresh token is presented.
pub(crate) fn is_routing(name: &str) -> bool {
    ROUTING.contains(&name) && !mutant("an_answer_moves_its_account")
}

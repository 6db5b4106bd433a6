//! The account that a path names.

use axum::extract::FromRequestParts;
use http::request::Parts;
use solekey::core::{Account, InputError, mutant};

use super::failure::Failure;

/// `/v1/accounts/{provider}/{id}[/…]`: segments are split before they are decoded, decoded once, and never resolved, so
/// that an id may hold slashes (escaped) and dots.
pub(super) struct AccountPath(pub(super) Account);

impl<S: Sync> FromRequestParts<S> for AccountPath {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Self(account(parts.uri.path())?))
    }
}

fn account(path: &str) -> Result<Account, InputError> {
    let whole =
        if mutant("path_is_decoded_before_it_is_split") { decoded("id", path)? } else { path.to_owned() };
    let mut segments = whole.split('/').skip(FIRST);
    let mut segment = |field| decoded(field, segments.next().unwrap_or_default());
    Account::new(&segment("provider")?, &segment("id")?)
}

/// Decodes a segment; a `%` that is no escape is refused, for otherwise two spellings would name one account.
fn decoded(field: &str, segment: &str) -> Result<String, InputError> {
    let refused = || InputError::new(field, "percent-encoded UTF-8");
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.bytes();
    while let Some(byte) = rest.next() {
        let decoded = match byte {
            b'%' => escaped(rest.next(), rest.next()).ok_or_else(refused)?,
            byte => byte,
        };
        bytes.push(decoded);
    }
    String::from_utf8(bytes).map_err(|_| refused())
}

fn escaped(high: Option<u8>, low: Option<u8>) -> Option<u8> {
    let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}

/// Of `/v1/accounts/{provider}`, split at slashes.
const FIRST: usize = 3;

#[cfg(test)]
mod laws;

#[cfg(test)]
mod tests {
    use super::*;

    fn id(segment: &str) -> Result<String, String> {
        let account = account(&format!("/v1/accounts/p/{segment}/token"));
        account.map(|account| account.id().to_owned()).map_err(|error| error.field().to_owned())
    }

    #[test]
    fn a_segment_is_decoded_once() {
        for (segment, expected) in [
            ("alice", "alice"),
            ("a%40b.c", "a@b.c"),
            ("a+b", "a+b"),
            ("org%2Fteam", "org/team"),
            ("%252F", "%2F"),
            ("%2e%2e", ".."),
            ("..", ".."),
            ("%e2%98%83", "☃"),
            ("☃", "☃"),
            ("%2525", "%25"),
        ] {
            assert_eq!(id(segment).as_deref(), Ok(expected), "{segment}");
        }
    }

    #[test]
    fn what_is_no_escape_and_no_text_is_refused() {
        for segment in ["%", "%2", "%zz", "%+1", "%ff", "%00", "%0A", "", "100%"] {
            assert_eq!(id(segment), Err("id".to_owned()), "{segment}");
        }
    }
}

//! What a document adds to a credential with the same refresh token.

use std::time::{Duration, SystemTime};

use super::{
    Import, ends,
    names::{is_end, is_moment},
};
use crate::{
    Credential, Document, ExposeSecret, Secret,
    credential::{ROUTING, rename_copies},
    mutant,
};

/// The credential of an account with what a document corrects in it. Its refresh token is the same.
#[derive(Clone, Debug)]
pub struct Amendment {
    /// The corrected credential.
    pub credential: Credential,
    /// Time left to its access token.
    pub expires_in: Option<Duration>,
    /// Time left to its refresh token, where the document states it.
    pub refresh_expires_in: Option<Duration>,
    /// It changes more than fields that nothing here reads: the access token, its end, or where it is presented.
    pub is_material: bool,
}

/// The access token of a document, compared with that of the account.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Access {
    Same,
    /// It ends later.
    Newer,
    /// There is none, or it is of an older copy.
    Older,
}

impl Import {
    /// Returns what this document corrects in the credential that the account holds with the same refresh token, if
    /// anything: a newer access token, an end, fields next to the tokens. Fields that it does not mention stay. `left` is
    /// what is left to the access token held, where that is known.
    ///
    /// Of an older copy (another access token that ends no later) only the fields count that decide where and by whom the
    /// refresh token is presented.
    pub fn amends(
        &self,
        held: &Credential,
        left: Option<Duration>,
        wall_now: SystemTime,
    ) -> Option<Amendment> {
        let access = self.access_next_to(held, left);
        let ends = self.expires_in.filter(|_| self.states_end && !self.is_guessed);
        let has_new_end = match access {
            Access::Same => ends.is_some_and(|new| left.is_none_or(|left| new.abs_diff(left) > TOLERANCE)),
            Access::Newer => true,
            Access::Older => false,
        };
        let expires_in = if has_new_end { self.expires_in.or(left) } else { left };
        let mut credential = self.with_fields_of(held, access, wall_now);
        let has_other_fields = !have_same_fields(&credential, held);
        let has_routing =
            ROUTING.iter().any(|name| exposed(credential.field(name)) != exposed(held.field(name)));
        let is_material = has_new_end || has_routing;
        if !is_material && !has_other_fields || mutant("unchanged_goes_by_the_refresh_token_alone") {
            return None;
        }
        let end = expires_in.and_then(|left| wall_now.checked_add(left));
        // What the document states as an instant stays as it stands there.
        let is_stated = self.states_end && ends::has_instant(credential.tokens());
        if access != Access::Older && end.is_some() && !(has_new_end && is_stated && self.is_like(held)) {
            let shape = credential.shape();
            credential.edit_tokens(|tokens| ends::restate(tokens, shape, end, wall_now));
        }
        let refresh_expires_in = self.refresh_expires_in.filter(|_| access != Access::Older);
        Some(Amendment { credential, expires_in, refresh_expires_in, is_material })
    }

    /// Both are of one shape.
    fn is_like(&self, held: &Credential) -> bool {
        self.credential.shape() == held.shape() && self.credential.home() == held.home()
    }

    fn access_next_to(&self, held: &Credential, left: Option<Duration>) -> Access {
        let (new, old) = (exposed(self.credential.access_token()), exposed(held.access_token()));
        match (new, old) {
            (None, _) => Access::Older,
            (Some(_), None) => Access::Newer,
            (Some(new), Some(old)) if new == old => Access::Same,
            (Some(_), Some(_)) => {
                let later = self
                    .expires_in
                    .is_some_and(|new| !new.is_zero() && left.is_none_or(|left| new > left + TOLERANCE));
                let is_newer = later && !self.is_guessed || mutant("older_copy_of_a_pair_is_taken");
                if is_newer { Access::Newer } else { Access::Older }
            }
        }
    }

    /// The document with the fields that only the credential held has; or the other way round where it is older or of
    /// another shape.
    fn with_fields_of(&self, held: &Credential, access: Access, wall_now: SystemTime) -> Credential {
        let new = &self.credential;
        if access != Access::Older && self.is_like(held) {
            let mut both = new.clone();
            both.edit_tokens(|tokens| {
                add_missing(tokens, held.tokens());
                rename_copies(tokens, new.names(), held.access_token());
            });
            if new.home().is_some() {
                both.edit_document(|document| add_missing(document, held.document()));
            }
            return both;
        }
        let mut both = match access {
            Access::Newer => held.with_tokens_of(new, None, wall_now),
            Access::Same | Access::Older => held.clone(),
        };
        for name in ROUTING {
            if let Some(value) =
                new.field(name).filter(|value| exposed(held.field(name)) != Some(text(value)))
            {
                both.edit_tokens(|tokens| tokens.set_string(name, value.expose_secret()));
            }
        }
        both
    }
}

fn add_missing(new: &mut Document, held: &Document) {
    for (name, json) in held.entries() {
        if new.raw(name).is_none() {
            new.set(name, json);
        }
    }
}

/// Returns whether two credentials agree but for times and tokens.
fn have_same_fields(one: &Credential, other: &Credential) -> bool {
    let names = one.names();
    let counts = |name: &str| {
        !is_end(name) && !is_moment(name) && !names.writes_token(name) && one.home() != Some(name)
    };
    let agree = |one: &Document, other: &Document| {
        one.entries()
            .filter(|(name, _)| counts(name))
            .all(|(name, json)| is_same(Some(json), other.raw(name)))
    };
    agree(one.tokens(), other.tokens()) && agree(one.document(), other.document())
}

fn is_same(one: Option<&str>, other: Option<&str>) -> bool {
    let read = |raw: Option<&str>| raw.and_then(|raw| serde_json::from_str::<serde_json::Value>(raw).ok());
    one == other || read(one) == read(other)
}

fn exposed(secret: Option<Secret>) -> Option<String> {
    secret.as_ref().map(text)
}

fn text(secret: &Secret) -> String {
    secret.expose_secret().to_owned()
}

/// Ends that differ by less are the same: they were counted down by several clocks.
const TOLERANCE: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::time::UNIX_EPOCH;

    use super::*;

    const NOW: u64 = 1_735_689_600;

    fn now() -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(NOW)
    }

    fn import(text: &str) -> Import {
        Credential::import(text.as_bytes(), now()).unwrap()
    }

    /// The document after it, and the seconds left to the access token.
    fn amended(held: &str, left: Option<u64>, new: &str) -> Option<(String, Option<u64>)> {
        let left = left.map(Duration::from_secs);
        let amendment = import(new).amends(&import(held).credential, left, now())?;
        let text = amendment.credential.document().render().to_owned();
        Some((text, amendment.expires_in.map(|left| left.as_secs())))
    }

    const HELD: &str = r#"{"access_token":"a1","refresh_token":"r","expires_at":1735693200,"own":{"x":1}}"#;

    #[test]
    fn the_same_document_however_it_is_formatted_changes_nothing() {
        let spaced = "{ \"own\": { \"x\" : 1 },\n \"refresh_token\":\"r\",\"access_token\":\"a1\", \"expires_at\":1735693200 }";
        for same in [HELD, spaced, r#"{"access_token":"a1","refresh_token":"r"}"#, r#"{"refresh_token":"r"}"#]
        {
            assert_eq!(amended(HELD, Some(3600), same), None, "{same}");
        }
        // A lifetime that counts from nothing is no correction.
        let relative = r#"{"access_token":"a1","refresh_token":"r","expires_in":3600}"#;
        assert_eq!(amended(relative, Some(60), relative), None);
    }

    #[test]
    fn a_corrected_end_and_new_fields_are_taken_and_the_others_stay() {
        let end = r#"{"access_token":"a1","refresh_token":"r","expires_at":1735696800}"#;
        let taken = r#"{"access_token":"a1","refresh_token":"r","expires_at":1735696800,"own":{"x":1}}"#;
        assert_eq!(amended(HELD, Some(3600), end), Some((taken.to_owned(), Some(7200))));
        assert_eq!(amended(HELD, None, end), Some((taken.to_owned(), Some(7200))));
        let key = r#"{"access_token":"a1","refresh_token":"r","expires_at":1735693200,"key_id":"k2"}"#;
        let taken = r#"{"access_token":"a1","refresh_token":"r","expires_at":1735693200,"key_id":"k2","own":{"x":1}}"#;
        assert_eq!(amended(HELD, Some(3600), key), Some((taken.to_owned(), Some(3600))));
    }

    #[test]
    fn a_newer_access_token_is_taken_and_an_older_one_is_not() {
        let newer = r#"{"access_token":"a2","refresh_token":"r","expires_at":1735696800}"#;
        let taken = r#"{"access_token":"a2","refresh_token":"r","expires_at":1735696800,"own":{"x":1}}"#;
        assert_eq!(amended(HELD, Some(3600), newer), Some((taken.to_owned(), Some(7200))));
        for older in [
            r#"{"access_token":"a0","refresh_token":"r","expires_at":1735691000,"own":2}"#,
            r#"{"access_token":"a0","refresh_token":"r"}"#,
            r#"{"access_token":"a0","refresh_token":"r","expires_in":86400}"#,
        ] {
            assert_eq!(amended(HELD, Some(3600), older), None, "{older}");
        }
        let older =
            r#"{"access_token":"a0","refresh_token":"r","expires_at":1735691000,"key_id":"k2","own":2}"#;
        let (text, left) = amended(HELD, Some(3600), older).unwrap();
        assert!(text.contains("\"a1\"") && text.contains("\"k2\"") && text.contains("1735693200"), "{text}");
        assert_eq!(left, Some(3600));
    }

    #[test]
    fn a_document_of_another_shape_brings_its_access_token_into_the_one_that_is_held() {
        let codex = r#"{"tokens":{"access_token":"a2","refresh_token":"r","expires_at":1735696800},"last_refresh":"2025-01-01T00:00:00Z"}"#;
        let (text, left) = amended(HELD, Some(3600), codex).unwrap();
        assert_eq!(left, Some(7200));
        assert_eq!(
            text,
            r#"{"access_token":"a2","refresh_token":"r","expires_at":1735696800,"own":{"x":1}}"#
        );
    }

    #[test]
    fn an_end_that_a_document_corrects_stands_as_it_is_written_there() {
        let document =
            |end: &str| format!(r#"{{"access_token":"a","refresh_token":"r","expires_at":{end}}}"#);
        for end in [r#""2025-01-01T09:00:00.25+08:00""#, "1735693200123", r#""1735693200""#] {
            let (amended, _) = amended(&document("1735689660"), Some(60), &document(end)).unwrap();
            assert_eq!(amended, document(end));
        }
    }
}

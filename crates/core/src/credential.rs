//! The credential of an account: the document of its login, kept up to date.

pub(crate) mod field;
mod kept;
mod routing;
mod shape;

use std::time::SystemTime;

use secrecy::zeroize::Zeroizing;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    Additions, Document, ExposeSecret, InputError, Secret, addition,
    document::{Limits, is_blank, quoted},
    import::{
        ends, instant, moments,
        names::{LASTS, REFRESH_ENDS, is_end},
    },
    mutant,
};
pub(crate) use field::put;
pub use routing::{CLIENT_FIELDS, ISSUER_FIELDS, KEY_FIELD, SECRET_FIELDS};
pub(crate) use routing::{ROUTING, is_routing};
pub use shape::Shape;
pub(crate) use shape::{ACCESS, ID, Names, REFRESH, Room};

/// Access token, refresh token, expiry and every other field of their document, in the shape they came in.
///
/// A value that exists has an access or a refresh token, both strings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential {
    document: Document,
    /// The field and the object that hold the tokens, where that is not the document itself.
    nested: Option<(String, Document)>,
    shape: Shape,
}

impl Credential {
    /// Takes a document of a known shape.
    ///
    /// # Errors
    /// Names the field: no token, or one that is no string of visible characters.
    pub fn new(document: Document, shape: Shape) -> Result<Self, InputError> {
        let home = shape.home_in(&document)?;
        let nested = home.map(|home| nested(&document, &home).map(|object| (home, object))).transpose()?;
        let credential = Self { document, nested, shape };
        credential.check().map_err(|error| credential.locate(error))?;
        Ok(credential)
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote.
    ///
    /// # Errors
    /// Names what is not as this version writes it.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, InputError> {
        let odd = || InputError::new("credential", "a stored credential");
        let Format { v } = serde_json::from_slice(bytes).map_err(|_| odd())?;
        if v > NEWEST_FORMAT {
            return Err(InputError::new("credential", format!("at most format {NEWEST_FORMAT}")));
        }
        let stored: Stored<'_> = serde_json::from_slice(bytes).map_err(|_| odd())?;
        if v != stored.shape.format() {
            return Err(odd());
        }
        let document = Document::parse_within(stored.document.get().as_bytes(), Limits::STORED)?;
        Self::new(document, stored.shape)
    }

    /// The credential as bytes for a store, in clear: whoever calls this seals them.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let (v, shape) = (self.shape.format(), self.shape.name());
        let head = format!(r#"{{"v":{v},"shape":"{shape}","document":"#);
        Zeroizing::new([&head, self.document.render(), "}"].concat().into_bytes())
    }

    /// The access token.
    pub fn access_token(&self) -> Option<Secret> {
        self.text(self.names().access)
    }

    /// The refresh token.
    pub fn refresh_token(&self) -> Option<Secret> {
        self.text(self.names().refresh)
    }

    /// The type of the access token, as the provider wrote it.
    pub fn token_type(&self) -> Option<String> {
        self.text(self.names().token_type).map(|text| text.expose_secret().to_owned())
    }

    /// The granted scope, as RFC 6749 writes it: a list comes out as text.
    pub fn scope(&self) -> Option<String> {
        let scope = match serde_json::from_str(self.tokens().raw(self.names().scope)?).ok()? {
            Scope::Text(text) => text,
            Scope::List(list) => list.join(" "),
        };
        Some(scope).filter(|scope| !scope.trim().is_empty())
    }

    /// The JSON text of a field next to the tokens or around them; `None` for whatever may hold a secret: objects,
    /// lists, and names that mention tokens, keys and the like.
    pub fn shown(&self, name: &str) -> Option<&str> {
        if addition::may_be_secret(name) {
            return None;
        }
        let raw = self.tokens().raw(name).or_else(|| self.document.raw(name))?;
        (!raw.starts_with(['{', '['])).then_some(raw)
    }

    /// The same credential with fields set next to its tokens: never a token or an expiry, and nothing is emptied.
    #[must_use]
    pub fn with(&self, additions: &Additions) -> Self {
        let mut new = self.clone();
        new.edit_tokens(|tokens| {
            for (name, json) in additions.iter().filter(|(_, json)| !is_blank(json)) {
                put(tokens, name, json, false);
            }
        });
        new
    }

    /// This document with the tokens of another credential of the account, in its own shape: every other field stays.
    /// `end` is the end of the access token, where that is known.
    #[must_use]
    pub fn with_tokens_of(&self, other: &Self, end: Option<SystemTime>, wall_now: SystemTime) -> Self {
        let mut new = self.clone();
        let names = self.names();
        let rotated = exposed(other.refresh_token()) != exposed(self.refresh_token());
        let old = self.access_token();
        new.edit_tokens(|tokens| {
            let pair = [(names.access, other.access_token()), (names.refresh, other.refresh_token())];
            for (name, token) in pair {
                if let Some(token) = token {
                    tokens.set_string(name, token.expose_secret());
                }
            }
            rename_copies(tokens, names, old);
            let has_room = matches!(names.room, Room::All | Room::IdToken) || tokens.raw(ID).is_some();
            if let Some(id) = other.text(ID).filter(|_| has_room) {
                tokens.set_string(ID, id.expose_secret());
            }
            if let Some(scope) = other.scope().filter(|_| tokens.raw(names.scope).is_some()) {
                set_scope(tokens, names.scope, &scope);
            }
            ends::restate(tokens, self.shape, end, wall_now);
            if rotated {
                let end = ends::refresh_end(other.tokens(), REFRESH_ENDS, wall_now);
                ends::restate_end(tokens, REFRESH_ENDS, self.shape, end, wall_now);
            }
        });
        new.replace_copies(self);
        new.note_refresh(wall_now);
        new
    }

    /// Puts the new tokens in the place of copies of the old ones, wherever in the document they stand: whoever reads
    /// one there would present what is spent.
    pub(crate) fn replace_copies(&mut self, before: &Self) {
        let access = (before.access_token(), self.access_token());
        // One string for both says nothing about which of them a copy is.
        if exposed(before.access_token()) == exposed(before.refresh_token()) {
            return;
        }
        for (old, new) in [access, (before.refresh_token(), self.refresh_token())] {
            let (Some(old), Some(new)) = (old, new) else { continue };
            let (old, new) = (old.expose_secret(), new.expose_secret());
            if old != new && old.len() >= SHORTEST_COPY && !mutant("copy_of_a_token_stays") {
                self.document.replace_strings(old, new);
            }
        }
        if let Some((home, _)) = &self.nested
            && let Ok(object) = nested(&self.document, home)
        {
            self.nested = Some((home.clone(), object));
        }
    }

    /// This document with the lifetime of its access token, if it states one, as it is by now. An instant stays true.
    #[must_use]
    pub fn with_end(&self, end: Option<SystemTime>, wall_now: SystemTime) -> Self {
        let mut new = self.clone();
        if ends::has_lifetime(self.tokens()) && end.is_some() {
            new.edit_tokens(|tokens| ends::restate(tokens, self.shape, end, wall_now));
            new.note_moments(wall_now);
        }
        new
    }

    /// Writes the time of the refresh into the document, where its shape has a field for that.
    pub(crate) fn note_refresh(&mut self, wall_now: SystemTime) {
        let has_time = |raw: &str| moments::instant(LAST_REFRESH, raw).is_some();
        if let Some(raw) = self.document.raw(LAST_REFRESH).filter(|raw| has_time(raw)) {
            let json = instant::Style::of(LAST_REFRESH, raw, self.shape).instant(wall_now, wall_now);
            self.document.set(LAST_REFRESH, &json);
        } else if self.shape == Shape::CodexAuth && !self.tokens().names().any(is_end) {
            // Codex' own files state no end, and others with an object of this name do.
            self.document.set_string(LAST_REFRESH, &instant::rfc3339(wall_now));
        }
        self.note_moments(wall_now);
    }

    /// Moments around the tokens, too, are those from which their lifetime counts, where they have none of their own.
    fn note_moments(&mut self, wall_now: SystemTime) {
        let Some((_, tokens)) = &self.nested else { return };
        let counts = LASTS.iter().any(|name| tokens.raw(name).is_some()) && !ends::has_instant(tokens);
        if counts && moments::latest(tokens, wall_now).is_none() {
            moments::rewrite_around(&mut self.document, wall_now);
        }
    }

    /// The field of this name next to the tokens, or else around them: text that is not blank.
    pub fn field(&self, name: &str) -> Option<Secret> {
        self.text(name).or_else(|| self.document.string(name).ok().flatten())
    }

    /// The whole document.
    pub fn document(&self) -> &Document {
        &self.document
    }

    /// The shape of the document.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// The object that holds the tokens.
    pub(crate) fn tokens(&self) -> &Document {
        self.nested.as_ref().map_or(&self.document, |(_, object)| object)
    }

    /// Changes the object that holds the tokens.
    pub(crate) fn edit_tokens(&mut self, edit: impl FnOnce(&mut Document)) {
        match &mut self.nested {
            Some((home, nested)) => {
                edit(nested);
                self.document.set(home, nested.render());
            }
            None => edit(&mut self.document),
        }
    }

    /// Changes the document around the tokens.
    pub(crate) fn edit_document(&mut self, edit: impl FnOnce(&mut Document)) {
        edit(&mut self.document);
    }

    pub(crate) fn names(&self) -> &'static Names {
        self.shape.names()
    }

    /// Names a field of the object that holds the tokens by its full path.
    pub(crate) fn locate(&self, error: InputError) -> InputError {
        shape::locate(self.home(), error)
    }

    /// The field that holds the tokens, where that is not the document itself.
    pub(crate) fn home(&self) -> Option<&str> {
        self.nested.as_ref().map(|(home, _)| home.as_str())
    }

    fn text(&self, name: &str) -> Option<Secret> {
        self.tokens().string(name).ok().flatten()
    }

    fn check(&self) -> Result<(), InputError> {
        let Names { access, refresh, .. } = *self.names();
        let found = [visible(self.tokens(), access)?, visible(self.tokens(), refresh)?];
        if found.contains(&true) { Ok(()) } else { Err(InputError::new(access, A_TOKEN)) }
    }
}

/// Puts the new access token in the place of copies of the old one under other names.
pub(crate) fn rename_copies(tokens: &mut Document, names: &Names, old: Option<Secret>) {
    const COPIES: [&str; 6] = ["access_token", "accessToken", "access", "token", "key", "api_key"];
    let (Some(old), Ok(Some(new))) = (old, tokens.string(names.access)) else { return };
    for name in COPIES.iter().filter(|name| **name != names.access) {
        let copy = tokens.string(name).ok().flatten();
        let is_copy = copy.is_some_and(|copy| copy.expose_secret() == old.expose_secret());
        if is_copy && !mutant("copy_of_an_access_token_stays") {
            tokens.set_string(name, new.expose_secret());
        }
    }
}

fn exposed(secret: Option<Secret>) -> Option<String> {
    secret.map(|secret| secret.expose_secret().to_owned())
}

/// A scope as text or as a list.
#[derive(Deserialize)]
#[serde(untagged)]
enum Scope {
    Text(String),
    List(Vec<String>),
}

/// Writes a scope the way the document has it: as a list where there is one, or where the name promises one.
pub(crate) fn set_scope(tokens: &mut Document, name: &str, scope: &str) {
    let before = tokens.raw(name).and_then(|raw| serde_json::from_str(raw).ok());
    let words: Vec<&str> = scope.split_ascii_whitespace().collect();
    let as_list = match &before {
        Some(Scope::Text(_)) => false,
        Some(Scope::List(list)) => {
            if *list == words {
                return;
            }
            true
        }
        None => name.ends_with('s'),
    };
    if as_list {
        let words: Vec<_> = words.into_iter().map(quoted).collect();
        tokens.set(name, &format!("[{}]", words.join(",")));
    } else {
        tokens.set_string(name, scope);
    }
}

#[derive(Deserialize)]
struct Format {
    v: u32,
}

#[derive(Deserialize)]
struct Stored<'a> {
    shape: Shape,
    #[serde(borrow)]
    document: &'a RawValue,
}

fn nested(document: &Document, home: &str) -> Result<Document, InputError> {
    let raw = document.raw(home).unwrap_or_default();
    Document::parse_within(raw.as_bytes(), Limits::STORED).map_err(|error| match error.field() {
        "document" => InputError::new(home, error.expected()),
        field => InputError::new(format!("{home}.{field}"), error.expected()),
    })
}

/// Returns true if a token is there. A string that cannot stand in a header or a form is no token, and better refused
/// than sent.
fn visible(tokens: &Document, name: &str) -> Result<bool, InputError> {
    let Some(token) = tokens.string(name)? else { return Ok(false) };
    if is_visible(token.expose_secret()) {
        Ok(true)
    } else {
        Err(InputError::new(name, "visible ASCII characters"))
    }
}

/// RFC 6749, appendix A: tokens are made of VSCHAR.
pub(crate) fn is_visible(token: &str) -> bool {
    token.bytes().all(|byte| matches!(byte, b' '..=b'~'))
}

pub(crate) const A_TOKEN: &str = "an access token or a refresh token";
/// Shorter strings may mean something else.
const SHORTEST_COPY: usize = 16;
const LAST_REFRESH: &str = "last_refresh";
/// The newest format that this version reads.
const NEWEST_FORMAT: u32 = 3;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn credential(text: &str, shape: Shape) -> Credential {
        Credential::new(Document::parse(text.as_bytes()).unwrap(), shape).unwrap()
    }

    #[test]
    fn a_store_gives_back_every_byte() {
        let flat = credential("{ \"access_token\" :\"a\", \"own\": [ 1.0 ] }", Shape::Flat);
        let codex =
            credential("{\"x\" : 1e2,\"tokens\": { \"refresh_token\":\"\\u0072\" }}", Shape::CodexAuth);
        let claude =
            credential("{\"x\" : 1e2,\"claudeAiOauth\": { \"accessToken\":\"\\u0072\" }}", Shape::ClaudeCode);
        for before in [flat, codex, claude] {
            let after = Credential::from_bytes(&before.to_bytes()).unwrap();
            assert_eq!(after, before);
            assert_eq!(after.document().render(), before.document().render());
        }
    }

    #[test]
    fn what_another_version_wrote_is_refused() {
        let flat = String::from_utf8(credential(r#"{"access_token":"a"}"#, Shape::Flat).to_bytes().to_vec())
            .unwrap();
        for text in [
            flat.replace(":1,", ":2,"),
            flat.replace(":1,", ":4,"),
            flat.replace("flat", "round"),
            // Under the number of a version that does not know this shape.
            flat.replace("flat", "claude_code").replace("access_token", "x"),
            r#"{"v":1,"shape":"claude_code","document":{"claudeAiOauth":{"accessToken":"a"}}}"#.into(),
            flat.replace("\"a\"", "\"\""),
            "{}".into(),
        ] {
            assert!(Credential::from_bytes(text.as_bytes()).is_err(), "{text}");
        }
    }

    /// Versions before it read format 1 only: they refuse the bytes, present nothing, and serve the shared cache.
    #[test]
    fn a_shape_that_older_versions_do_not_know_bears_a_number_they_do_not_read() {
        for (text, shape, v) in [
            (r#"{"access_token":"a"}"#, Shape::Flat, 1),
            (r#"{"tokens":{"access_token":"a"}}"#, Shape::CodexAuth, 1),
            (r#"{"claudeAiOauth":{"accessToken":"a"}}"#, Shape::ClaudeCode, 2),
            (r#"{"accessToken":"a"}"#, Shape::CamelCase, 3),
        ] {
            let stored: serde_json::Value =
                serde_json::from_slice(&credential(text, shape).to_bytes()).unwrap();
            assert_eq!(stored["v"], v, "{text}");
        }
    }

    #[test]
    fn a_field_is_found_next_to_the_tokens_or_around_them() {
        let text =
            r#"{"iss":"outer","key_id":"k1","tokens":{"refresh_token":"r","iss":"inner","n":1," ":" "}}"#;
        let credential = credential(text, Shape::CodexAuth);
        let field = |name| credential.field(name).map(|text| text.expose_secret().to_owned());
        assert_eq!(["iss", "key_id"].map(field), [Some("inner".to_owned()), Some("k1".to_owned())]);
        assert_eq!(["n", " ", "other"].map(field), [None, None, None]);
    }

    #[test]
    fn no_token_is_ever_printed() {
        let printed = format!("{:?}", credential(r#"{"tokens":{"access_token":"hush"}}"#, Shape::CodexAuth));
        assert!(!printed.contains("hush"), "{printed}");
    }
}

//! What an account holds: the document somebody logged in with, kept up to date.

use secrecy::zeroize::Zeroizing;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{Document, ExposeSecret, InputError, Secret, document::Limits};

/// Access token, refresh token, expiry and whatever else stood beside them, in the shape they came in.
///
/// A value that exists has an access or a refresh token, both strings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential {
    document: Document,
    /// The object that holds the tokens, where that is not the document itself.
    nested: Option<Document>,
    shape: Shape,
}

/// Where in a document the tokens stand.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Shape {
    /// At the top, under the names of RFC 6749.
    Flat,
    /// In the object `tokens`, as in the `auth.json` of the Codex CLI.
    CodexAuth,
}

impl Credential {
    /// Takes a document of a known shape.
    ///
    /// # Errors
    /// Names the field: no token, or one that is no string of visible characters.
    pub fn new(document: Document, shape: Shape) -> Result<Self, InputError> {
        let nested = shape.home().map(|home| nested(&document, home)).transpose()?;
        let credential = Self { document, nested, shape };
        credential.check().map_err(|error| shape.locate(error))?;
        Ok(credential)
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote.
    ///
    /// # Errors
    /// Names what is not as this version writes it.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, InputError> {
        let stored: Stored<'_> = serde_json::from_slice(bytes)
            .map_err(|_| InputError::new("credential", "a stored credential"))?;
        if stored.v != STORED_FORMAT {
            return Err(InputError::new("credential", format!("format {STORED_FORMAT}")));
        }
        let document = Document::parse_within(stored.document.get().as_bytes(), Limits::STORED)?;
        Self::new(document, stored.shape)
    }

    /// The credential as bytes for a store, in clear: whoever calls this seals them.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let text =
            [r#"{"v":1,"shape":""#, self.shape.name(), r#"","document":"#, self.document.render(), "}"];
        Zeroizing::new(text.concat().into_bytes())
    }

    /// The access token.
    pub fn access_token(&self) -> Option<Secret> {
        self.text(ACCESS)
    }

    /// The refresh token.
    pub fn refresh_token(&self) -> Option<Secret> {
        self.text(REFRESH)
    }

    /// The type of the access token, as the provider wrote it.
    pub fn token_type(&self) -> Option<String> {
        self.text("token_type").map(|text| text.expose_secret().to_owned())
    }

    /// The granted scope.
    pub fn scope(&self) -> Option<String> {
        self.text("scope").map(|text| text.expose_secret().to_owned())
    }

    /// What stands under this name beside the tokens, or else around them: text that is not blank.
    pub fn field(&self, name: &str) -> Option<Secret> {
        self.text(name).or_else(|| self.document.string(name).ok().flatten())
    }

    /// The whole document.
    pub fn document(&self) -> &Document {
        &self.document
    }

    /// Where its tokens stand.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// The object that holds the tokens.
    pub(crate) fn tokens(&self) -> &Document {
        self.nested.as_ref().unwrap_or(&self.document)
    }

    /// Changes the object that holds the tokens.
    pub(crate) fn edit_tokens(&mut self, edit: impl FnOnce(&mut Document)) {
        match (&mut self.nested, self.shape.home()) {
            (Some(nested), Some(home)) => {
                edit(nested);
                self.document.set(home, nested.render());
            }
            _ => edit(&mut self.document),
        }
    }

    /// Changes the document around the tokens.
    pub(crate) fn edit_around(&mut self, edit: impl FnOnce(&mut Document)) {
        edit(&mut self.document);
    }

    fn text(&self, name: &str) -> Option<Secret> {
        self.tokens().string(name).ok().flatten()
    }

    fn check(&self) -> Result<(), InputError> {
        let access = visible(self.tokens(), ACCESS)?;
        let refresh = visible(self.tokens(), REFRESH)?;
        if access || refresh {
            Ok(())
        } else {
            Err(InputError::new(ACCESS, "an access token or a refresh token"))
        }
    }
}

impl Shape {
    /// Recognises a document.
    pub(crate) fn of(document: &Document) -> Result<Self, InputError> {
        let has = |name| document.raw(name).is_some_and(|raw| raw != "null");
        if has(ACCESS) || has(REFRESH) {
            return Ok(Self::Flat);
        }
        if document.raw("tokens").is_some() {
            return Ok(Self::CodexAuth);
        }
        if document.raw("claudeAiOauth").is_some() {
            let expected =
                "access_token and refresh_token at the top, or in `tokens`; not the file of the Claude CLI";
            return Err(InputError::new("claudeAiOauth", expected));
        }
        Ok(Self::Flat)
    }

    /// The field that holds the tokens, where it is not the document itself.
    fn home(self) -> Option<&'static str> {
        match self {
            Self::Flat => None,
            Self::CodexAuth => Some("tokens"),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Flat => "flat",
            Self::CodexAuth => "codex_auth",
        }
    }

    /// Names a field by its full path.
    pub(crate) fn locate(self, error: InputError) -> InputError {
        match self.home() {
            None => error,
            Some(home) => InputError::new(format!("{home}.{}", error.field()), error.expected()),
        }
    }
}

#[derive(Deserialize)]
struct Stored<'a> {
    v: u32,
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

/// Whether a token is there. What cannot stand in a header or a form is no token, and better refused than sent.
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

pub(crate) const ACCESS: &str = "access_token";
pub(crate) const REFRESH: &str = "refresh_token";
const STORED_FORMAT: u32 = 1;

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
        for before in [flat, codex] {
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
            flat.replace("flat", "round"),
            flat.replace("\"a\"", "\"\""),
            "{}".into(),
        ] {
            assert!(Credential::from_bytes(text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn a_field_is_found_beside_the_tokens_or_around_them() {
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

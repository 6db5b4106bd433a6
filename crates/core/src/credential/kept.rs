//! The part of a large document that is kept.

use super::Credential;
use crate::{
    InputError,
    document::{MAX_KEPT_BYTES, shown_size},
    import::names::is_moment,
    mutant,
};

impl Credential {
    /// The same credential without what else is in its file, where that is large: objects and lists next to the tokens
    /// and around them go.
    ///
    /// # Errors
    /// What is left is larger than any credential.
    pub fn to_kept(&self) -> Result<Self, InputError> {
        if self.document().render().len() <= MAX_KEPT_BYTES || mutant("whole_file_is_kept") {
            return Ok(self.clone());
        }
        let home = self.home();
        let is_compound = |json: &str| json.starts_with(['{', '[']);
        let document = match home {
            Some(home) => self.document().without(|name, json| {
                home != name && !is_moment(name) && (is_compound(json) || json.len() > MAX_KEPT_BYTES / 8)
            }),
            None => self.document().without(|name, json| is_compound(json) && !self.names().writes(name)),
        };
        if document.render().len() > MAX_KEPT_BYTES {
            let expected = format!("at most {} of credential", shown_size(MAX_KEPT_BYTES));
            return Err(InputError::new("document", expected));
        }
        Self::new(document, self.shape())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::time::UNIX_EPOCH;

    use crate::{Credential, Shape};

    fn import(text: &str) -> Credential {
        Credential::import(text.as_bytes(), UNIX_EPOCH).unwrap().credential
    }

    #[test]
    fn of_a_large_file_the_credential_alone_is_kept() {
        let records = format!(r#"{{"x":"{}"}}"#, "y".repeat(3 * 1024 * 1024));
        let claude =
            format!(r#"{{"claudeAiOauth":{{"accessToken":"a","scopes":["s"]}},"mcpOAuth":{records},"v":1}}"#);
        let kept = import(&claude).to_kept().unwrap();
        assert_eq!(kept.document().render(), r#"{"claudeAiOauth":{"accessToken":"a","scopes":["s"]},"v":1}"#);
        assert_eq!(kept.shape(), Shape::ClaudeCode);
        let flat = format!(r#"{{"access_token":"a","refresh_token":"r","cache":{records},"email":"e"}}"#);
        let kept = import(&flat).to_kept().unwrap();
        assert_eq!(kept.document().render(), r#"{"access_token":"a","refresh_token":"r","email":"e"}"#);
        let small = r#"{ "access_token" : "a", "own": [ 1 ] }"#;
        assert_eq!(import(small).to_kept().unwrap().document().render(), small);
    }

    #[test]
    fn a_credential_that_is_large_itself_is_refused() {
        let nested = format!(r#"{{"claudeAiOauth":{{"accessToken":"a","x":"{}"}}}}"#, "y".repeat(80_000));
        assert_eq!(import(&nested).to_kept().unwrap_err().field(), "document");
    }
}

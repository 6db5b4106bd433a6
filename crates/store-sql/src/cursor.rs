//! The position at which the next page of a listing starts.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

/// The last account of the page before.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Cursor {
    pub(crate) provider: String,
    pub(crate) id: String,
}

/// The text is not a cursor that a page handed out.
#[derive(Debug, thiserror::Error)]
#[error("not a cursor of this store")]
pub(crate) struct NotACursor;

impl Cursor {
    /// Reads what [`encode`](Self::encode) wrote.
    pub(crate) fn decode(text: &str) -> Result<Self, NotACursor> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| NotACursor)?;
        let (provider, id) = serde_json::from_slice(&bytes).map_err(|_| NotACursor)?;
        Ok(Self { provider, id })
    }

    /// As an opaque text that needs no escaping in a URL. Names may hold any printable character, so they are quoted
    /// as JSON rather than joined by one.
    pub(crate) fn encode(&self) -> String {
        let Self { provider, id } = self;
        URL_SAFE_NO_PAD.encode(serde_json::json!([provider, id]).to_string())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn hostile_names_survive_the_way_there_and_back() {
        let cursor = Cursor { provider: "a\"],[\"b".into(), id: "\u{1f511} %00 ' -- /".into() };
        assert_eq!(Cursor::decode(&cursor.encode()).unwrap(), cursor);
    }

    #[test]
    fn anything_else_is_refused() {
        for text in ["", "not base64!", "e30", "WyJhIl0"] {
            assert!(Cursor::decode(text).is_err(), "{text:?}");
        }
    }
}

//! The form of a proof in Redis: a word, so that it fits into a line.

use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use solekey_core::Sealed;

/// A proof as text; empty where there is none.
pub(crate) fn write(proof: &Sealed) -> String {
    STANDARD_NO_PAD.encode(proof.as_bytes())
}

/// Reads what [`write`] wrote. Anything else proves nothing.
pub(crate) fn read(text: &[u8]) -> Sealed {
    STANDARD_NO_PAD.decode(text).map(Sealed::new).unwrap_or_default()
}

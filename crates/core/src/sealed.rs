//! Bytes that only the coordinator can open.

use std::fmt;

use bytes::Bytes;

/// A credential as adapters carry it: sealed where a key is configured, never printed either way.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Sealed(Bytes);

impl Sealed {
    /// Wraps what the coordinator's seal produced.
    pub fn new(bytes: impl Into<Bytes>) -> Self {
        Self(bytes.into())
    }

    /// The bytes, for writing them somewhere.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Returns true if there are no bytes.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealed({} bytes)", self.0.len())
    }
}

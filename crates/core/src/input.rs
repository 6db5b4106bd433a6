//! The error for bad input.

/// A value from outside is not acceptable: names the field and what was expected, never the value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: expected {expected}")]
pub struct InputError {
    field: String,
    expected: String,
}

impl InputError {
    /// Names the field and what it should have held.
    pub fn new(field: impl Into<String>, expected: impl Into<String>) -> Self {
        Self { field: field.into(), expected: expected.into() }
    }

    /// The field at fault.
    pub fn field(&self) -> &str {
        &self.field
    }

    /// The value expected there.
    pub fn expected(&self) -> &str {
        &self.expected
    }
}

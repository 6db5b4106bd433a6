//! What a flight delivers here.

use solekey_core::Generation;

/// A token, by its number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Held(pub(crate) Generation);

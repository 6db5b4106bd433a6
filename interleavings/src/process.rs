//! The token that a flight delivers here.

use solekey_core::Generation;

/// A token, by its number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct LocalToken(pub(crate) Generation);

/// The bound of flights, far above what a scenario starts.
pub(crate) const MAX_FLIGHTS: usize = 64;

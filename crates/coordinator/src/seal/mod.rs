//! Sealing and opening what adapters carry, and whether store, answers and seal key belong together.

mod answers;
#[cfg(test)]
mod belonging;
mod check;
mod count;
mod fingerprints;
mod keys;
mod opened;
mod sealer;
mod shared_cache;
mod witness;

pub(crate) use answers::SealedAnswers;
pub(crate) use check::{BackendCheck, Mistake};
pub use count::SealCount;
pub(crate) use count::SealCounter;
pub(crate) use fingerprints::Fingerprints;
pub(crate) use keys::CannotOpen;
pub use keys::SealKeys;
#[cfg(feature = "redis")]
pub(crate) use keys::SealedNames;
pub(crate) use opened::OpenedRow;
pub(crate) use sealer::{Sealer, TokenMetadata};
pub(crate) use shared_cache::SealedCache;
pub(crate) use witness::Witness;

//! The meaning of a provider's error code.

use crate::{Delay, Revocation};

/// The meaning of a provider's error code.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Meaning {
    /// The grant has ended.
    Permanent(Revocation),
    /// Our client or request is at fault, not the account.
    OurFault,
    /// The token was not processed, for a reason that passes.
    Refused(Delay),
}

/// One of a provider's words, and its meaning.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Rule {
    pub(super) code: String,
    /// The beginning of the description that it takes to mean that.
    pub(super) text: Option<String>,
    pub(super) means: Meaning,
}

impl Rule {
    pub(super) fn is_about(&self, code: &str) -> bool {
        self.code.eq_ignore_ascii_case(code)
    }

    /// The rank of a rule: of several rules the least counts. The more detailed one comes first, and the end of a grant
    /// before what may be corrected.
    pub(super) fn rank(&self) -> u8 {
        match (&self.text, self.means) {
            (Some(_), _) => 0,
            (None, Meaning::Permanent(_)) => 1,
            (None, Meaning::OurFault) => 2,
            (None, Meaning::Refused(_)) => 3,
        }
    }

    /// Returns true if one of these descriptions begins as it demands. It has to be the beginning: further on a
    /// description may quote what somebody sent.
    pub(super) fn fits(&self, texts: &[&str]) -> bool {
        let begins = |text: &&str, start: &str| {
            text.get(..start.len()).is_some_and(|head| head.eq_ignore_ascii_case(start))
        };
        self.text.as_deref().is_some_and(|start| texts.iter().any(|text| begins(text, start)))
    }
}

/// The number of ranks.
pub(super) const RANKS: u8 = 4;

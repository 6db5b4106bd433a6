//! What a provider means by an error code.

use crate::{Delay, Revocation};

/// What a provider means by an error code.
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

/// One of a provider's words, and what it means.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Rule {
    pub(super) code: String,
    /// What the description has to begin with for it to mean that.
    pub(super) text: Option<String>,
    pub(super) means: Meaning,
}

impl Rule {
    pub(super) fn is_about(&self, code: &str) -> bool {
        self.code.eq_ignore_ascii_case(code)
    }

    /// Which of several rules counts: the least. What is said in detail comes first, and the end of a grant before what
    /// may be mended.
    pub(super) fn rank(&self) -> u8 {
        match (&self.text, self.means) {
            (Some(_), _) => 0,
            (None, Meaning::Permanent(_)) => 1,
            (None, Meaning::OurFault) => 2,
            (None, Meaning::Refused(_)) => 3,
        }
    }

    /// Whether one of these descriptions begins as it demands. It has to be the beginning: further on a description
    /// may quote what somebody sent.
    pub(super) fn fits(&self, texts: &[&str]) -> bool {
        let begins = |text: &&str, start: &str| {
            text.get(..start.len()).is_some_and(|head| head.eq_ignore_ascii_case(start))
        };
        self.text.as_deref().is_some_and(|start| texts.iter().any(|text| begins(text, start)))
    }
}

/// How many ranks there are.
pub(super) const RANKS: u8 = 4;

//! The token endpoint: what it does with live, spent and dead refresh tokens, at its worst.

use solekey_core::Moment;

use super::tick::{moment, secs};

/// The effect of presenting a refresh token again.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Rule {
    /// Tokens are never spent.
    NonRotating,
    /// A spent token is refused.
    Strict,
    /// A spent token revokes its family.
    StrictFamily,
    /// A spent token is exchanged again for so many seconds after its first use, and revokes the family afterwards.
    /// Of the pairs it made only the newest lives.
    Grace(u8),
    /// A spent token is exchanged again until its successor is used, and revokes the family afterwards. Of the pairs
    /// it made only the newest lives.
    UntilUsed,
}

/// A refresh token, by its place in the order of minting.
pub(crate) type Token = u8;

/// The state of the endpoint.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(crate) struct Provider {
    tokens: Vec<Minted>,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Minted {
    family: u8,
    parent: Option<Token>,
    /// The time at which it was first presented.
    spent: Option<Moment>,
    /// Retired with its family, or for a sibling.
    dead: bool,
}

/// The response of the endpoint.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Reply {
    /// A pair.
    Pair(Token),
    /// `invalid_grant`.
    Refused,
    /// `invalid_grant`, and every token of the family died of it.
    Revoked,
}

impl Provider {
    /// A person logs in.
    pub(crate) fn log_in(&mut self) -> Token {
        let family = self.tokens.iter().map(|token| token.family + 1).max().unwrap_or(0);
        self.mint(family, None)
    }

    pub(crate) fn family(&self, token: Token) -> u8 {
        self.tokens[usize::from(token)].family
    }

    /// Returns whether it was presented before.
    pub(crate) fn is_spent(&self, token: Token) -> bool {
        self.tokens[usize::from(token)].spent.is_some()
    }

    /// Returns whether presenting it would bring a pair, now and later.
    pub(crate) fn lives(&self, rule: Rule, token: Token) -> bool {
        let minted = self.tokens[usize::from(token)];
        !minted.dead
            && (minted.spent.is_none() || (rule == Rule::UntilUsed && !self.has_used_successor(token)))
    }

    pub(crate) fn present(&mut self, rule: Rule, token: Token, now: Moment) -> Reply {
        let minted = self.tokens[usize::from(token)];
        if self.tokens.iter().all(|other| other.family != minted.family || other.dead) {
            return Reply::Refused;
        }
        let again = match (rule, minted.spent) {
            (Rule::NonRotating, _) => return Reply::Pair(token),
            (_, None) if !minted.dead => true,
            (Rule::Strict, _) => return Reply::Refused,
            (Rule::Grace(window), Some(first)) => !minted.dead && now < first + secs(window),
            (Rule::UntilUsed, Some(_)) => !minted.dead && !self.has_used_successor(token),
            (Rule::StrictFamily | Rule::Grace(_) | Rule::UntilUsed, _) => false,
        };
        if !again {
            self.revoke(minted.family);
            return Reply::Revoked;
        }
        // When it was matters only to a window.
        let first = minted.spent.unwrap_or(if matches!(rule, Rule::Grace(_)) { now } else { moment(0) });
        self.tokens[usize::from(token)].spent = Some(first);
        self.retire(token);
        Reply::Pair(self.mint(minted.family, Some(token)))
    }

    /// Once its successor is used a token is dead; of siblings the newest lives.
    fn retire(&mut self, presented: Token) {
        let Minted { family, parent, .. } = self.tokens[usize::from(presented)];
        for (index, token) in self.tokens.iter_mut().enumerate() {
            let is_parent = parent == Some(u8::try_from(index).unwrap_or(u8::MAX));
            let is_successor = token.family == family && token.spent.is_none();
            token.dead |= is_parent || is_successor;
        }
    }

    fn has_used_successor(&self, token: Token) -> bool {
        self.tokens.iter().any(|other| other.parent == Some(token) && other.spent.is_some())
    }

    fn revoke(&mut self, family: u8) {
        for token in self.tokens.iter_mut().filter(|token| token.family == family) {
            token.dead = true;
        }
    }

    fn mint(&mut self, family: u8, parent: Option<Token>) -> Token {
        self.tokens.push(Minted { family, parent, spent: None, dead: false });
        u8::try_from(self.tokens.len() - 1).expect("worlds are small")
    }
}

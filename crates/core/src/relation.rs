//! The relation of tokens from elsewhere to those of an account.

use crate::{Fingerprint, Row};

/// The relation of a document's tokens to those of an account.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Relation {
    /// The account holds these tokens. A document without a refresh token has the account's access token.
    Same,
    /// The account holds this refresh token together with another access token.
    OtherAccessToken,
    /// The account does not hold this refresh token and held or presented it before: the document is older. A row
    /// remembers the newest [`MAX_PRESENTED`](crate::MAX_PRESENTED); older ones only a login refuses.
    Presented,
    /// The document has no refresh token, and its access token is not the account's.
    AccessTokenOnly,
    /// The account neither holds nor remembers this refresh token: a login, a rotation by somebody else, or the token
    /// of another account.
    Unknown,
}

impl Row {
    /// Returns the relation of a document's tokens to this row. `access` is the fingerprint of its access token, or of
    /// its refresh token where it has no access token.
    pub fn relation(&self, access: Fingerprint, refresh: Option<Fingerprint>) -> Relation {
        let same_access = self.facts.is_some_and(|facts| facts.access == access);
        let held = self.facts.and_then(|facts| facts.refresh);
        match refresh {
            None if same_access => Relation::Same,
            None => Relation::AccessTokenOnly,
            Some(_) if held == refresh && same_access => Relation::Same,
            Some(_) if held == refresh => Relation::OtherAccessToken,
            Some(token) if self.presented.contains(&token) || self.left == refresh => Relation::Presented,
            Some(_) => Relation::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Facts, StoreTime};

    fn print(byte: u8) -> Fingerprint {
        Fingerprint::new([byte; 16])
    }

    /// Holds the refresh token 2, where it holds any, and has had 1.
    fn row(access: u8, refresh: Option<u8>) -> Row {
        let facts = Facts {
            access: print(access),
            refresh: refresh.map(print),
            made_at: StoreTime::from_micros(1),
            expires_at: None,
            refresh_expires_at: None,
        };
        Row { facts: Some(facts), presented: vec![print(1)], ..Row::empty() }
    }

    #[test]
    fn a_document_is_the_same_an_older_one_or_unknown() {
        let (live, bare) = (row(20, Some(2)), row(20, None));
        let gone = Row { facts: None, left: Some(print(4)), ..row(20, Some(2)) };
        let none = Row::empty();
        for (row, access, refresh, relation) in [
            (&live, 20, Some(2), Relation::Same),
            (&live, 20, None, Relation::Same),
            (&live, 10, Some(2), Relation::OtherAccessToken),
            (&live, 10, Some(1), Relation::Presented),
            (&live, 20, Some(1), Relation::Presented),
            (&live, 30, Some(3), Relation::Unknown),
            (&live, 20, Some(3), Relation::Unknown),
            (&live, 30, None, Relation::AccessTokenOnly),
            (&bare, 20, None, Relation::Same),
            (&bare, 30, None, Relation::AccessTokenOnly),
            (&bare, 20, Some(3), Relation::Unknown),
            (&gone, 20, Some(1), Relation::Presented),
            (&gone, 20, Some(2), Relation::Unknown),
            (&gone, 20, Some(4), Relation::Presented),
            (&gone, 20, None, Relation::AccessTokenOnly),
            (&none, 20, Some(2), Relation::Unknown),
            (&none, 20, None, Relation::AccessTokenOnly),
        ] {
            assert_eq!(
                row.relation(print(access), refresh.map(print)),
                relation,
                "{access} {refresh:?} {row:?}"
            );
        }
    }

    #[test]
    fn a_presented_token_that_the_account_still_holds_is_its_own() {
        let row = Row { presented: vec![print(2), print(1)], ..row(20, Some(2)) };
        assert_eq!(row.relation(print(20), Some(print(2))), Relation::Same);
        assert_eq!(row.relation(print(10), Some(print(2))), Relation::OtherAccessToken);
    }
}

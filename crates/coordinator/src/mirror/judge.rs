//! What a file is beside the row: a copy, an older copy, or a login of somebody else.

use solekey_core::{Fingerprint, Row, mutant};

/// The tokens in a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Tokens {
    /// Of the access token; of the refresh token where there is none.
    pub(super) access: Fingerprint,
    pub(super) refresh: Option<Fingerprint>,
}

/// What to do about it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Todo {
    Nothing,
    /// The file is behind.
    Write,
    /// The file holds what we never held: somebody logged in, or another program presented our token.
    TakeIn,
}

/// Judges a file by the row of its account.
pub(super) fn judge(file: Option<Tokens>, row: Option<&Row>) -> Todo {
    let facts = row.and_then(|row| row.facts);
    let Some(file) = file else {
        return if facts.is_some() { Todo::Write } else { Todo::Nothing };
    };
    let held = facts.and_then(|facts| facts.refresh);
    let had = |token| row.is_some_and(|row| row.presented.contains(&token));
    match (facts, file.refresh) {
        (Some(facts), Some(token)) if held == Some(token) => written_unless(facts.access == file.access),
        // Only an access token: nothing that would keep the account alive.
        (Some(facts), None) if held.is_some() => written_unless(facts.access == file.access),
        (Some(facts), None) if facts.access == file.access => Todo::Nothing,
        (Some(_), Some(token)) if had(token) => Todo::Write,
        // Deleted here, and what is left there is what we had.
        (None, Some(token)) if had(token) => Todo::Nothing,
        _ if mutant("mirror_overwrites_a_login") && facts.is_some() => Todo::Write,
        _ => Todo::TakeIn,
    }
}

fn written_unless(same: bool) -> Todo {
    if same { Todo::Nothing } else { Todo::Write }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use solekey_core::{Facts, StoreTime};

    use super::*;

    fn print(byte: u8) -> Fingerprint {
        Fingerprint::new([byte; 16])
    }

    fn file(access: u8, refresh: u8) -> Tokens {
        Tokens { access: print(access), refresh: (refresh > 0).then(|| print(refresh)) }
    }

    /// Holds the refresh token 2 and has had 1.
    fn row(access: u8, refresh: u8) -> Row {
        let at = StoreTime::from_micros(1);
        let facts = Facts {
            access: print(access),
            refresh: (refresh > 0).then(|| print(refresh)),
            made_at: at,
            expires_at: None,
            refresh_expires_at: None,
        };
        Row { facts: Some(facts), presented: vec![print(1)], ..Row::unborn() }
    }

    #[test]
    fn a_file_is_a_copy_an_older_copy_or_a_login() {
        let (live, bare) = (row(20, 2), row(20, 0));
        let gone = Row { facts: None, ..row(20, 2) };
        for (file, row, todo) in [
            (None, None, Todo::Nothing),
            (None, Some(&live), Todo::Write),
            (None, Some(&gone), Todo::Nothing),
            (Some(file(20, 2)), None, Todo::TakeIn),
            (Some(file(20, 2)), Some(&live), Todo::Nothing),
            (Some(file(10, 2)), Some(&live), Todo::Write),
            (Some(file(10, 1)), Some(&live), Todo::Write),
            (Some(file(30, 3)), Some(&live), Todo::TakeIn),
            (Some(file(20, 0)), Some(&live), Todo::Nothing),
            (Some(file(30, 0)), Some(&live), Todo::Write),
            (Some(file(20, 0)), Some(&bare), Todo::Nothing),
            (Some(file(30, 0)), Some(&bare), Todo::TakeIn),
            (Some(file(30, 3)), Some(&bare), Todo::TakeIn),
            (Some(file(10, 1)), Some(&gone), Todo::Nothing),
            (Some(file(30, 3)), Some(&gone), Todo::TakeIn),
        ] {
            assert_eq!(judge(file, row), todo, "{file:?} {row:?}");
        }
    }
}

//! Compares a file with its account: a copy, an older copy, or a login of somebody else.

use solekey::{
    Exported,
    core::{Relation, mutant},
};

/// The credential that an account holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum RowTokens {
    Nothing,
    /// An access token that nobody can refresh.
    AccessTokenOnly,
    Refreshable,
}

impl RowTokens {
    pub(super) fn by(exported: &Exported) -> Self {
        match exported.generation() {
            None => Self::Nothing,
            Some(_) if exported.is_refreshable() => Self::Refreshable,
            Some(_) => Self::AccessTokenOnly,
        }
    }
}

/// The action that follows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Todo {
    Nothing,
    /// The file is behind.
    Write,
    /// The file holds what we never held: somebody logged in, or another program presented our token.
    Import,
}

/// Decides what to do with a file of this relation to its account. `None`: there is no file.
pub(super) fn decide(file: Option<Relation>, held: RowTokens) -> Todo {
    use Relation::{AccessTokenOnly, OtherAccessToken, Presented, Same, Unknown};
    match (file, held) {
        // A copy; or deleted here, and what is left there is what we had.
        (Some(Same), _) | (None | Some(OtherAccessToken | Presented), RowTokens::Nothing) => Todo::Nothing,
        // An access token alone is nothing that would keep the account alive.
        (None | Some(OtherAccessToken | Presented), _) | (Some(AccessTokenOnly), RowTokens::Refreshable) => {
            Todo::Write
        }
        _ if mutant("mirror_overwrites_a_login") && held != RowTokens::Nothing => Todo::Write,
        (Some(AccessTokenOnly | Unknown), _) => Todo::Import,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_a_copy_an_older_copy_or_a_login() {
        use Relation::{AccessTokenOnly, OtherAccessToken, Presented, Same, Unknown};
        for (file, nothing, bare, refreshable) in [
            (None, Todo::Nothing, Todo::Write, Todo::Write),
            (Some(Same), Todo::Nothing, Todo::Nothing, Todo::Nothing),
            (Some(OtherAccessToken), Todo::Nothing, Todo::Write, Todo::Write),
            (Some(Presented), Todo::Nothing, Todo::Write, Todo::Write),
            (Some(AccessTokenOnly), Todo::Import, Todo::Import, Todo::Write),
            (Some(Unknown), Todo::Import, Todo::Import, Todo::Import),
        ] {
            for (held, todo) in [
                (RowTokens::Nothing, nothing),
                (RowTokens::AccessTokenOnly, bare),
                (RowTokens::Refreshable, refreshable),
            ] {
                assert_eq!(decide(file, held), todo, "{file:?} {held:?}");
            }
        }
    }
}

//! The commands of one step.

use std::{mem::discriminant, ops::Deref};

use super::command::{Command, Mode};

/// The commands of one step, in the order in which they are performed.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[must_use = "a flight whose commands are not performed waits for ever"]
pub struct Commands(Vec<Command>);

impl Commands {
    /// Returns true if these keep the order that [`Mode`] states, while the commands `under_way` have begun and their
    /// events have not come.
    pub fn keep_order(&self, under_way: &[Command]) -> bool {
        let begins = |command: &Command| command.mode() != Mode::AtOnce;
        let begun = || under_way.iter().chain(self.iter().filter(|command| begins(command)));
        let kinds = begun().map(discriminant);
        let distinct =
            kinds.clone().enumerate().all(|(at, kind)| kinds.clone().skip(at + 1).all(|other| other != kind));
        let together = begun().count() <= 1 || begun().all(|command| command.mode() == Mode::Together);
        self.is_sorted_by_key(begins) && distinct && together
    }
}

impl From<Vec<Command>> for Commands {
    fn from(commands: Vec<Command>) -> Self {
        Self(commands)
    }
}

impl Deref for Commands {
    type Target = [Command];

    fn deref(&self) -> &[Command] {
        &self.0
    }
}

impl IntoIterator for Commands {
    type Item = Command;
    type IntoIter = std::vec::IntoIter<Command>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AnswerNote, ClaimId, Commit, Content, Generation, Moment};

    const SLEEP: Command = Command::Sleep { until: Moment::from_micros(1), or_change: false };

    fn note() -> AnswerNote {
        let claim = ClaimId::new(uuid::Uuid::from_u128(1));
        AnswerNote {
            attempt: Generation::new(2),
            claim,
            made_from: Generation::new(1),
            content: Content::Deleted,
            access_ends: None,
        }
    }

    fn write() -> Command {
        Command::WriteAnswer(note())
    }

    fn commit() -> Command {
        let (evidence, due_in) = (None, None);
        Command::CommitOwn(Commit {
            note: note(),
            seen: None,
            evidence,
            due_in,
            as_of: None,
            forgotten: None,
        })
    }

    #[test]
    fn only_an_answer_and_what_the_row_says_of_it_are_written_at_the_same_time() {
        for (under_way, commands, keep) in [
            (vec![], vec![Command::Register, Command::ReadSharedCache], true),
            (vec![], vec![Command::ReadSharedCache, Command::Register], false),
            (vec![], vec![Command::Load, SLEEP], false),
            (vec![], vec![write(), commit()], true),
            (vec![], vec![commit(), Command::ReleaseLease], false),
            (vec![], vec![write(), write()], false),
            (vec![write()], vec![Command::ReleaseLease], true),
            (vec![write()], vec![commit()], true),
            (vec![write()], vec![write()], false),
            (vec![write()], vec![SLEEP], false),
            (vec![SLEEP], vec![Command::Load], false),
        ] {
            assert_eq!(Commands(commands.clone()).keep_order(&under_way), keep, "{under_way:?} {commands:?}");
        }
    }
}

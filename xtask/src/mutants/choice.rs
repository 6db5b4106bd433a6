//! Which mutants an ordinary run takes.

use std::{
    collections::BTreeSet,
    fmt::{self, Display, Formatter},
};

use crate::changed::Changed;

/// The mutants of an ordinary run: those whose code has changed, and a tenth of the others.
pub(crate) struct Choice<'a> {
    since: String,
    /// Changed, and taken.
    changed: Vec<&'a str>,
    /// Changed, and more than an ordinary run has time for.
    left: Vec<&'a str>,
    /// Not changed, and drawn.
    drawn: Vec<&'a str>,
    /// Not changed, and not drawn.
    others: usize,
}

/// The largest number of mutants that an ordinary run takes: each keeps a core busy for some seconds.
pub(crate) const MOST: usize = 40;

impl<'a> Choice<'a> {
    /// Chooses among mutants, each with its files. The commit decides what is drawn, so that every run for it takes the
    /// same, and runs for other commits take others.
    pub(crate) fn new(
        mutants: impl IntoIterator<Item = (&'a str, BTreeSet<&'a str>)>,
        Changed { since, files }: &Changed,
        commit: &str,
    ) -> Self {
        let has_changed = |(_, places): &(_, BTreeSet<&str>)| places.iter().any(|path| files.contains(*path));
        let (changed, others): (Vec<_>, Vec<_>) = mutants.into_iter().partition(has_changed);
        let [mut changed, mut drawn] = [changed, others].map(|some| shuffled(some, commit));
        let others = drawn.split_off(drawn.len().div_ceil(10));
        let left = changed.split_off(changed.len().min(MOST - drawn.len().min(MOST)));
        Self { since: since.clone(), changed, left, drawn, others: others.len() }
    }

    pub(crate) fn taken(&self) -> impl Iterator<Item = &'a str> {
        self.changed.iter().chain(&self.drawn).copied()
    }
}

/// The names in an order that depends on the commit.
fn shuffled<'a>(mutants: Vec<(&'a str, BTreeSet<&str>)>, commit: &str) -> Vec<&'a str> {
    let mut names: Vec<_> = mutants.into_iter().map(|(name, _)| name).collect();
    names.sort_by_key(|name| (hash(&format!("{} {name}", commit.trim())), *name));
    names
}

/// FNV-1a: the same in every release of the compiler.
fn hash(text: &str) -> u64 {
    text.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}

impl Display for Choice<'_> {
    fn fmt(&self, to: &mut Formatter<'_>) -> fmt::Result {
        let Self { since, changed, left, drawn, others } = self;
        writeln!(to, "{} mutants whose code has changed since {since}:{}", changed.len(), list(changed))?;
        writeln!(
            to,
            "{} drawn by the id of HEAD from {}:{}",
            drawn.len(),
            drawn.len() + others,
            list(drawn)
        )?;
        if !left.is_empty() {
            writeln!(
                to,
                "{} more have changed than an ordinary run takes; --deep takes them:{}",
                left.len(),
                list(left)
            )?;
        }
        write!(to, "{others} have not changed and were not drawn; --deep takes them")
    }
}

fn list(names: &[&str]) -> String {
    names.iter().flat_map(|name| ["\n    ", name]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choose<'a>(names: &'a [String], changed: &[&str], commit: &str) -> Choice<'a> {
        let changed = Changed {
            since: "then".to_owned(),
            files: changed.iter().map(|&path| path.to_owned()).collect(),
        };
        Choice::new(names.iter().map(|name| (&**name, BTreeSet::from([&**name]))), &changed, commit)
    }

    fn names(count: usize) -> Vec<String> {
        (0..count).map(|number| format!("m{number}")).collect()
    }

    #[test]
    fn what_has_changed_is_taken_and_a_tenth_of_the_rest() {
        let names = names(101);
        let choice = choose(&names, &["m3", "other.rs"], "c");
        assert_eq!(choice.changed, ["m3"]);
        assert_eq!((choice.drawn.len(), choice.others, choice.left.len()), (10, 90, 0));
        assert_eq!(choice.taken().collect::<BTreeSet<_>>().len(), 11);
    }

    #[test]
    fn the_commit_decides_what_is_drawn() {
        let names = names(100);
        let drawn = |commit: &str| choose(&names, &[], commit).drawn;
        assert_eq!(drawn("a"), drawn("a\n"));
        assert_ne!(drawn("a"), drawn("b"));
        let all: BTreeSet<_> = (0..200).flat_map(|number| drawn(&number.to_string())).collect();
        assert_eq!(all.len(), 100, "everyone has its turn");
    }

    #[test]
    fn where_everything_has_changed_the_run_is_bounded_and_names_what_is_left() {
        let names = names(200);
        let every: Vec<_> = names.iter().map(String::as_str).collect();
        let choice = choose(&names, &every, "c");
        assert_eq!((choice.taken().count(), choice.left.len()), (MOST, 200 - MOST));
        let shown = choice.to_string();
        assert!(choice.left.iter().all(|name| shown.contains(&format!("\n    {name}"))), "{shown}");
        let most = choose(&names, &every[..100], "c");
        assert_eq!((most.drawn.len(), most.taken().count()), (10, MOST));
    }
}

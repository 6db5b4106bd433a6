//! Known bugs, asleep, as in solekey-core, on which this crate does not stand; see CONTRIBUTING.md.

/// Returns whether this mutant is awake. In builds without `--cfg solekey_mutant`, which is all of them, none exists.
#[cfg(not(solekey_mutant))]
#[doc(hidden)]
#[inline]
pub const fn mutant(_name: &str) -> bool {
    false
}

/// Returns whether `SOLEKEY_MUTANT` names this mutant.
///
/// # Panics
/// Nothing goes by the name that it holds.
#[cfg(solekey_mutant)]
#[doc(hidden)]
pub fn mutant(name: &str) -> bool {
    static AWAKE: std::sync::OnceLock<Option<&str>> = std::sync::OnceLock::new();
    *AWAKE.get_or_init(awake) == Some(name)
}

#[cfg(solekey_mutant)]
fn awake() -> Option<&'static str> {
    let wanted = std::env::var("SOLEKEY_MUTANT").ok().filter(|name| !name.is_empty())?;
    let row = format!("name = \"{wanted}\"");
    let known = include_str!("../../../xtask/mutants.toml").lines().any(|line| line == row);
    assert!(known, "SOLEKEY_MUTANT: no mutant is called {wanted}");
    Some(wanted.leak())
}

/// A bug in a script: other words in one place of its text.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct ScriptMutant {
    #[cfg(solekey_mutant)]
    name: &'static str,
    #[cfg(solekey_mutant)]
    instead_of: &'static str,
    #[cfg(solekey_mutant)]
    words: &'static str,
}

/// The bug that puts `words` where `instead_of` stands.
#[cfg(not(solekey_mutant))]
#[doc(hidden)]
pub const fn script_mutant(_name: &str, _instead_of: &str, _words: &str) -> ScriptMutant {
    ScriptMutant {}
}

/// The bug that puts `words` where `instead_of` stands.
#[cfg(solekey_mutant)]
#[doc(hidden)]
pub const fn script_mutant(
    name: &'static str,
    instead_of: &'static str,
    words: &'static str,
) -> ScriptMutant {
    ScriptMutant { name, instead_of, words }
}

/// The text with the bug that is awake; it stays until the process ends, as the text does.
#[cfg(solekey_mutant)]
pub(crate) fn mutated(text: &'static str, mutants: &[ScriptMutant]) -> &'static str {
    let Some(bug) = mutants.iter().find(|bug| mutant(bug.name)) else { return text };
    assert!(text.matches(bug.instead_of).count() == 1, "{}: not once in the script", bug.name);
    text.replace(bug.instead_of, bug.words).leak()
}

//! Known bugs, asleep. `cargo xtask mutants` wakes one at a time and demands that tests notice it; see CONTRIBUTING.md.

/// Returns true if this mutant is awake. In builds without `--cfg solekey_mutant`, which is all of them, none exists.
#[cfg(not(solekey_mutant))]
#[doc(hidden)]
#[inline]
pub const fn mutant(_name: &str) -> bool {
    false
}

/// Returns true if `SOLEKEY_MUTANT` names this mutant.
///
/// # Panics
/// If no mutant has the name in the variable.
#[cfg(solekey_mutant)]
#[doc(hidden)]
#[inline]
pub fn mutant(name: &str) -> bool {
    static AWAKE: std::sync::OnceLock<Option<&str>> = std::sync::OnceLock::new();
    *AWAKE.get_or_init(awake) == Some(name)
}

#[cfg(solekey_mutant)]
#[expect(
    clippy::disallowed_methods,
    reason = "the environment wakes mutants, and there are none in ordinary builds"
)]
fn awake() -> Option<&'static str> {
    let wanted = std::env::var("SOLEKEY_MUTANT").ok().filter(|name| !name.is_empty())?;
    let row = format!("name = \"{wanted}\"");
    let known = include_str!("../../../xtask/mutants.toml").lines().any(|line| line == row);
    assert!(known, "SOLEKEY_MUTANT: no mutant is called {wanted}");
    Some(wanted.leak())
}

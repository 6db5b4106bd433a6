//! The steps, in their order.

use anyhow::Result;
use clap::ValueEnum;

use super::Ci;
use crate::{api, arrows, fuzz, mutants, semver, words};

/// A step of `.ci/run`. What takes seconds is first, so that what is wrong with a change is known early; what compiles the
/// same things in the same way is together.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Step {
    Format,
    Arrows,
    Words,
    Semver,
    Licences,
    Lints,
    Features,
    Docs,
    Msrv,
    Api,
    Tests,
    Demo,
    Mutants,
    Fuzz,
}

impl Step {
    pub(crate) fn all() -> Vec<Self> {
        Self::value_variants().to_vec()
    }

    pub(crate) fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }
}

impl Ci<'_> {
    pub(super) fn step(&mut self, step: Step) -> Result<()> {
        let (repository, deep) = (self.repository, self.deep);
        match step {
            Step::Format => self.format(),
            Step::Arrows => arrows::run(repository),
            Step::Words => words::run(repository, &words::Arguments::default()),
            Step::Semver => semver::run(repository),
            Step::Licences => self.licences(),
            Step::Lints => self.lints(),
            Step::Features => self.features(),
            Step::Docs => self.docs(),
            Step::Msrv => self.msrv(),
            Step::Api => {
                self.notes.push(api::run(repository, &api::Arguments::default())?);
                Ok(())
            }
            Step::Tests => self.tests(),
            Step::Demo => self.demo(),
            Step::Mutants => mutants::run(repository, &mutants::Arguments::of_depth(deep)),
            Step::Fuzz => {
                self.notes.push(fuzz::run(repository, &fuzz::Arguments::of_depth(deep))?);
                self.spare(&["fuzz"])
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_go_by_names_in_small_letters() {
        assert_eq!(Step::Msrv.name(), "msrv");
        assert_eq!(Step::all().len(), 14);
    }
}

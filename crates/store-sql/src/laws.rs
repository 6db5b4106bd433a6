//! The configuration of property tests: in every run the same, so that what they catch they catch again.

use proptest::test_runner::{Config, RngSeed};

/// `PROPTEST_RNG_SEED` draws other cases than those of every day. With a seed nothing has to be written down next to
/// the sources to be repeated.
pub(crate) fn config() -> Config {
    let asked = Config::default();
    let rng_seed =
        if asked.rng_seed == RngSeed::Random { RngSeed::Fixed(20_261_129) } else { asked.rng_seed };
    Config { rng_seed, failure_persistence: None, ..asked }
}

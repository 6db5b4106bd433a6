//! Adapters beside the ports in memory: random operations on both, which have to say the same after each.
//!
//! Simulations and tests of the coordinator run on the ports in memory. What they prove holds for a real server as far
//! as that server does the same, and this is where it is compared: every operation of a port, with arguments of a small
//! and hostile domain, repeated, late, mistaken and out of order, with losses of data in between. Where a reply depends
//! on the time, there has to be an instant between the times before and after it at which the memory says precisely the
//! same.
//!
//! A run prints its seed. `SOLEKEY_MODEL_SEED` repeats one, `SOLEKEY_MODEL_OPS` says how many operations it makes. A
//! divergence panics with both answers, with what was done to the account before, and with a sequence made as short as
//! possible that shows it again.

mod answers;
mod backstage;
mod cache;
mod lease;
mod pick;
mod run;
mod shrink;
mod store;

pub use answers::AnswersTwins;
pub use backstage::Backstage;
pub use cache::CacheTwins;
pub use lease::LeaseTwins;
pub use run::{Divergence, Outcome, Plan, Tally, Twins, run};
pub use store::{RedisStage, Stage, StoreTwins};

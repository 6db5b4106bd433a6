//! Waiting, always bounded.

pub(crate) use solekey_testkit::wait::{BOUND, POLL, eventually, within};

//! The documents, compiled as documentation: each of their Rust blocks is an example that is tested.

#[doc = include_str!("../../../README.md")]
pub mod readme {}

#[doc = include_str!("../../../docs/attacks.md")]
pub mod attacks {}

#[doc = include_str!("../../../docs/benchmarks.md")]
pub mod benchmarks {}

#[doc = include_str!("../../../docs/configuration.md")]
pub mod configuration {}

#[doc = include_str!("../../../docs/failure-modes.md")]
pub mod failure_modes {}

#[doc = include_str!("../../../docs/http.md")]
pub mod http {}

#[doc = include_str!("../../../docs/imports.md")]
pub mod imports {}

#[doc = include_str!("../../../docs/logs.md")]
pub mod logs {}

#[doc = include_str!("../../../docs/metrics.md")]
pub mod metrics {}

#[doc = include_str!("../../../docs/parity.md")]
pub mod parity {}

#[doc = include_str!("../../../docs/protocol.md")]
pub mod protocol {}

#[doc = include_str!("../../../docs/providers.md")]
pub mod providers {}

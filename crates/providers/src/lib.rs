//! Token endpoints over HTTP: one request, one connection, no redirects, no retries.
//!
//! A refresh token is good for one use, so the wire has a discipline: whatever happens, the token leaves this process
//! at most once per exchange, and what is reported back tells "provably never left" from "may have been processed".
//!
//! [`HttpEndpoint`] speaks RFC 6749 with the variations of [`EndpointSettings`]; a [`Preset`] is what we know about
//! one provider, as data with a date.
//!
//! ```
//! use solekey_providers::{EndpointSettings, Preset};
//!
//! # fn main() -> Result<(), solekey_core::InputError> {
//! let codex = Preset::named("codex")?;
//! let endpoint = EndpointSettings { client_id: "my-own-client".to_owned(), ..codex.endpoint }.build()?;
//! # let _ = endpoint;
//! # Ok(())
//! # }
//! ```

mod endpoint;
mod preset;
mod request;
mod settings;

pub use endpoint::{HttpEndpoint, MAX_BODY_BYTES};
pub use preset::Preset;
pub use settings::{BodyFormat, ClientAuth, EndpointSettings};

//! Token endpoints over HTTP: one request, one connection, no redirects, no retries.
//!
//! A refresh token is good for one use, so the wire has a discipline: whatever happens, the token leaves this process
//! at most once per exchange, and the result distinguishes "provably never left" from "may have been processed".
//!
//! ```
//! use solekey_core::{Dialect, ports::TokenEndpoint};
//! use solekey_providers::{BodyFormat, ClientAuth, EndpointSettings, Preset};
//!
//! # fn main() -> Result<(), solekey_core::InputError> {
//! // A provider that somebody has studied already; every field may be another one.
//! let codex = Preset::named("codex")?;
//! let endpoint = EndpointSettings { client_id: "my-own-client".to_owned(), ..codex.endpoint }.build()?;
//! assert!(endpoint.client().contains("my-own-client"));
//!
//! // Any other one, by RFC 6749. Plain http is for loopback only.
//! let acme = EndpointSettings {
//!     token_url: "https://auth.acme.example/token".to_owned(),
//!     client_id: "gateway".to_owned(),
//!     client_auth: ClientAuth::Basic(solekey_core::secret("from a file or the environment".to_owned())),
//!     body: BodyFormat::Form,
//!     dialect: Dialect::rfc6749(),
//!     ..EndpointSettings::default()
//! };
//! acme.clone().build()?;
//!
//! let clear = EndpointSettings { token_url: "http://auth.acme.example/token".to_owned(), ..acme };
//! assert!(clear.build().is_err_and(|error| error.field() == "token_url"));
//! # Ok(())
//! # }
//! ```
//!
//! [`HttpEndpoint`] speaks RFC 6749 with the variations of [`EndpointSettings`]; a [`Preset`] is what we know about
//! one provider, as data with a date, its [replay rule](solekey_core::Replay) among it.
//!
//! A client may prove itself with [signatures](ClientAuth::PrivateKeyJwt) in the place of a secret, and exchanges may
//! carry [proofs of possession](Dpop) with the servers' nonces; the token endpoint may be found through the metadata of
//! each [account's issuer](EndpointSettings::issuer_of_account). AT Protocol wants all three.
//!
//! ```
//! use solekey_providers::{ClientAuth, ClientKey, Dpop, EndpointSettings, Preset, SigningKey};
//!
//! # fn main() -> Result<(), solekey_core::InputError> {
//! # let jwk = || solekey_core::secret(r#"{"kty":"EC","crv":"P-256",
//! #     "x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
//! #     "y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
//! #     "d":"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"}"#.to_owned());
//! let key = ClientKey { id: "k1".to_owned(), key: SigningKey::parse(&jwk())? };
//! let endpoint = EndpointSettings {
//!     client_id: "https://app.example/client-metadata.json".to_owned(),
//!     client_auth: ClientAuth::PrivateKeyJwt(vec![key]),
//!     // The same for all replicas, and for whoever uses the access tokens.
//!     dpop: Dpop::Key(SigningKey::parse(&jwk())?),
//!     ..Preset::named("atproto")?.endpoint
//! };
//! endpoint.build()?;
//! # Ok(())
//! # }
//! ```
//!
//! # What is not promised
//!
//! A preset states what a provider did when somebody checked; providers change. A token endpoint behind a proxy that
//! holds requests can process one long after the timeout: proxies of the environment are ignored for that reason.

mod assertion;
mod body;
mod bounded;
mod clock;
mod code_assist;
mod decode;
mod departure;
mod dpop;
mod endpoint;
mod fallback;
mod greeting;
mod issuer;
mod key;
mod patience;
mod preset;
mod received;
mod request;
mod settings;

pub use body::MAX_BODY_BYTES;
pub use code_assist::{CodeAssist, CodeAssistAccount};
pub use dpop::Dpop;
pub use endpoint::HttpEndpoint;
pub use greeting::greet;
pub use key::{ClientKey, SigningKey};
pub use preset::{Preset, SecretPlace};
pub use settings::{BodyFormat, ClientAuth, EndpointSettings, FallbackClient};

//! A strict authorization server that referees.
//!
//! [`AuthorizationServer`] is a token endpoint over real HTTP. It rotates refresh tokens, notices when a spent one
//! comes back and revokes its family, as the strictest providers do, or as the class of [`Replay`] says that yours
//! does. It writes down every presentation and counts those that should never have been made. [`Fault`]s hold
//! requests before or after they are processed, lose answers, and speak the error dialects of real providers.
//!
//! ```
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use solekey_testkit::provider::{AuthorizationServer, Fault, Replay};
//!
//! let server = AuthorizationServer::start(Replay::StrictFamily).await?;
//! let pair = server.grant("alice");
//! server.inject(Fault::LoseAnswer.once().on("alice"));
//!
//! // Point your gateway at `server.token_url()`, hand it `pair`, let it refresh.
//!
//! assert_eq!(server.double_presentations(), 0);
//! assert!(server.burned_accounts().is_empty());
//! # Ok(())
//! # }
//! ```
//!
//! It also speaks the dialect of AT Protocol: [`Dpop`] proofs with nonces that change with every answer, clients that sign
//! ([`Client::PrivateKeyJwt`]), grants that are bound to the keys they were first presented with, and metadata by issuer.
//!
//! Everything is steered from the test's own process; there is no HTTP interface to control it. Time that matters to
//! tokens and windows can be moved with [`advance`](AuthorizationServer::advance). The server remembers what it has
//! minted for as long as it lives: it is made for a test or a demo.

mod access;
mod assertion;
mod builder;
mod dpop;
mod endpoint_state;
mod fault;
mod grants;
mod hold;
mod http;
mod key_pair;
mod metadata;
mod once;
mod pair;
mod peer;
mod referee;
mod replay;
mod reply;
mod request;
mod server;
mod visit;

pub use access::AccessFormat;
pub use builder::AuthorizationServerBuilder;
pub use dpop::Dpop;
pub use endpoint_state::ExpiresIn;
pub use fault::{Fault, Injection};
pub use hold::HeldRequest;
pub use key_pair::KeyPair;
pub use pair::{Pair, fingerprint};
pub use referee::{Decision, Delivery, Presentation, Tally};
pub use replay::Replay;
pub use reply::Reply;
pub use request::Client;
pub use server::AuthorizationServer;

//! The Solekey sidecar: tokens over HTTP for gateways in any language.
//!
//! [`Config`] is a TOML file with environment variables over it, [`Server`] the rest: it listens on loopback or on a Unix
//! socket, for whoever can connect gets tokens. `solekey serve` is little more than this crate; use it yourself to have the
//! sidecar inside a process that is there anyway.
//!
//! ```
//! use solekey_server::{Config, Environment, Server};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! let database = folder.path().join("solekey.db");
//! let config = format!(
//!     r#"
//!     listen = "127.0.0.1:0"
//!     [store]
//!     url = "sqlite://{}"
//!     [[provider]]
//!     name = "acme"
//!     token_url = "https://auth.acme.example/token"
//!     client_id = "gateway"
//!     "#,
//!     database.display()
//! );
//! let server = Server::bind(Config::parse(&config, &Environment::default())?).await?;
//! let url = format!("http://{}/v1/accounts/acme/alice", server.address());
//!
//! let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
//! let running = tokio::spawn(server.run(async { stopped.await.unwrap_or_default() }));
//!
//! let http = reqwest::Client::builder().no_proxy().build()?;
//! assert_eq!(http.get(format!("{url}/token")).send().await?.status(), 404); // nobody logged in yet
//! let credential = r#"{"access_token": "at", "refresh_token": "rt", "expires_in": 3600}"#;
//! assert_eq!(http.put(&url).body(credential).send().await?.status(), 201);
//! assert!(http.get(format!("{url}/token")).send().await?.text().await?.contains(r#""access_token":"at""#));
//!
//! // What was sent is awaited and written down.
//! let _ = stop.send(());
//! assert_eq!(running.await?.in_doubt, 0);
//! # Ok(())
//! # }
//! ```
//!
//! # What is here
//!
//! - [`Config`] and [`Environment`]: every key is in `docs/configuration.md` of the repository. An unknown key, or a value
//!   that cannot work, is a [`ConfigError`] that names the key and never repeats a value. [`Config::check`] finds all that is wrong
//!   at once, or lists each value and its origin; [`Config::schema`] is the JSON Schema of the file.
//! - [`Server`]: [`bind`](Server::bind) opens what the configuration names, [`run`](Server::run) serves until it is
//!   asked to stop, and drains. Paths, answers and errors are in `docs/http.md`, metrics in `docs/metrics.md`.
//! - [`Mirrors`]: files of command line tools of this host, kept fresh. A [`Server`] has those that its configuration names.
//! - [`doctor`]: checks a set-up before it has to work.
//!
//! # What is not promised
//!
//! There is no authentication: programs that reach the address have the tokens; pages in browsers do not, although they reach
//! loopback. Nothing is terminated, cached or rewritten for the
//! gateway's own requests; it asks here for a token and calls its provider's API itself.

mod api;
mod code_assist;
mod config;
mod connections;
pub mod doctor;
#[cfg(test)]
mod fixture;
mod guard;
mod hosts;
mod listener;
mod metrics;
mod mirror;
mod server;
mod socket_file;

pub use config::{Checked, Config, ConfigError, Environment, Listen, Origin, Setting};
pub use mirror::{MirrorFile, MirrorFiles, Mirrors};
pub use server::{Server, ServerError};

//! The Solekey sidecar: tokens over HTTP for gateways in any language.
//!
//! [`Config`] is a TOML file with environment variables over it, [`Server`] the rest. The API is described in the
//! project's design; in short, `GET /v1/accounts/{provider}/{id}/token` gives a token that works.
//!
//! ```no_run
//! use solekey_server::{Config, Environment, Server};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let config = r#"
//!     listen = "127.0.0.1:0"
//!     [[provider]]
//!     name = "codex"
//!     preset = "codex"
//! "#;
//! let server = Server::bind(Config::parse(config, &Environment::of_process())?).await?;
//! println!("listening on {}", server.address());
//! server.run(std::future::pending()).await;
//! # Ok(())
//! # }
//! ```

mod api;
mod config;
mod connections;
pub mod doctor;
mod listener;
mod metrics;
mod server;

pub use config::{Config, ConfigError, Environment, Listen};
pub use server::{Server, ServerError};

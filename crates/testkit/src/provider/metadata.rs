//! The metadata of the server (RFC 8414).

use serde_json::{Value, json};

use super::endpoint_state::Behaviour;
use super::request::Client;

/// The name of the server, as one calls it; with the label that presentations through it have.
pub(super) fn issuer(host: &str, via: Option<&str>) -> String {
    via.map_or_else(|| format!("http://{host}"), |via| format!("http://{host}/{via}"))
}

pub(super) fn document(host: &str, via: Option<&str>, behaviour: &Behaviour) -> Value {
    let token_endpoint =
        via.map_or_else(|| format!("http://{host}/token"), |via| format!("http://{host}/token/{via}"));
    let method = match behaviour.client {
        Client::Anyone | Client::Public { .. } => "none",
        Client::Basic { .. } => "client_secret_basic",
        Client::Post { .. } => "client_secret_post",
        Client::PrivateKeyJwt { .. } => "private_key_jwt",
    };
    let mut document = json!({
        "issuer": issuer(host, via),
        "token_endpoint": token_endpoint,
        "grant_types_supported": ["refresh_token"],
        "token_endpoint_auth_methods_supported": [method],
        "token_endpoint_auth_signing_alg_values_supported": ["ES256"],
    });
    if behaviour.dpop.is_some() {
        document["dpop_signing_alg_values_supported"] = json!(["ES256"]);
    }
    document
}

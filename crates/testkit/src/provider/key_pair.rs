use std::fmt;
use std::sync::Arc;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, UnparsedPublicKey,
};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// A fresh key for ES256: clients sign with it, and the server gets its public half.
///
/// `Debug` shows the public half alone.
#[derive(Clone)]
pub struct KeyPair(Arc<EcdsaKeyPair>);

impl KeyPair {
    /// Makes one.
    ///
    /// # Panics
    /// The machine has no entropy.
    pub fn generate() -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING);
        Self(Arc::new(pair.expect("a machine with entropy")))
    }

    /// The private key, as PEM of PKCS#8.
    ///
    /// # Panics
    /// Never: a key that was made here can be written.
    pub fn pem(&self) -> String {
        let der = self.0.to_pkcs8v1().expect("a key that was made here");
        format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", STANDARD.encode(der.as_ref()))
    }

    /// The public half as a JWK, without a `kid`.
    pub fn public_jwk(&self) -> Value {
        let point = self.0.public_key().as_ref();
        let coordinate = |from: usize| URL_SAFE_NO_PAD.encode(&point[from..from + 32]);
        json!({"kty": "EC", "crv": "P-256", "x": coordinate(1), "y": coordinate(33)})
    }

    /// The public half under this name, as a client publishes it in its JWKS.
    pub fn named(&self, id: &str) -> Value {
        let mut jwk = self.public_jwk();
        jwk["kid"] = id.into();
        jwk
    }

    /// The thumbprint of the public half (RFC 7638), which DPoP binds tokens to.
    pub fn thumbprint(&self) -> String {
        thumbprint(&self.public_jwk()).unwrap_or_default()
    }

    /// A signed JWT.
    ///
    /// # Panics
    /// The machine has no entropy.
    pub fn sign(&self, header: &Value, claims: &Value) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(header), part(claims));
        let random = aws_lc_rs::rand::SystemRandom::new();
        let signature = self.0.sign(&random, signed.as_bytes()).expect("a machine with entropy");
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

impl fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyPair({})", self.thumbprint())
    }
}

/// The thumbprint of a public key on P-256; none of anything else.
pub(super) fn thumbprint(jwk: &Value) -> Option<String> {
    let text = |name: &str| jwk.get(name)?.as_str();
    if (text("kty"), text("crv")) != (Some("EC"), Some("P-256")) {
        return None;
    }
    // The members that count, in the order of their names.
    let members = json!({"crv": "P-256", "kty": "EC", "x": text("x")?, "y": text("y")?});
    Some(URL_SAFE_NO_PAD.encode(Sha256::digest(members.to_string())))
}

/// A JWT that could be read.
pub(super) struct Jwt {
    pub(super) header: Value,
    pub(super) claims: Value,
    signed: String,
    signature: Vec<u8>,
}

impl Jwt {
    pub(super) fn read(text: &str) -> Option<Self> {
        let (signed, signature) = text.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        let part = |text: &str| serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok();
        Some(Self {
            header: part(header)?,
            claims: part(claims)?,
            signed: signed.to_owned(),
            signature: URL_SAFE_NO_PAD.decode(signature).ok()?,
        })
    }

    pub(super) fn says(&self, name: &str) -> Option<&str> {
        self.header.get(name)?.as_str()
    }

    pub(super) fn claims(&self, name: &str) -> Option<&str> {
        self.claims.get(name)?.as_str()
    }

    pub(super) fn seconds(&self, name: &str) -> Option<u64> {
        self.claims.get(name)?.as_u64()
    }

    /// Returns whether this key, and ES256, made the signature.
    pub(super) fn is_signed_by(&self, jwk: &Value) -> bool {
        let coordinate = |name: &str| {
            let bytes = URL_SAFE_NO_PAD.decode(jwk.get(name)?.as_str()?).ok()?;
            (bytes.len() == 32).then_some(bytes)
        };
        let (Some(x), Some(y)) = (coordinate("x"), coordinate("y")) else { return false };
        let point = [vec![4], x, y].concat();
        let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &point);
        self.says("alg") == Some("ES256") && key.verify(self.signed.as_bytes(), &self.signature).is_ok()
    }
}

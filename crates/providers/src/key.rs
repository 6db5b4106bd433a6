//! Private keys for ES256.

use std::{fmt, sync::Arc};

use aws_lc_rs::{
    digest::{SHA256, digest},
    error::Unspecified,
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use serde::Deserialize;
use serde_json::{Value, json};
use solekey_core::{ExposeSecret, InputError, Secret};

/// A private key on the curve P-256, which signs ES256. Cloning shares it; it is never printed.
///
/// Buffers of the JSON reader that a JWK passed through are not wiped.
#[derive(Clone)]
pub struct SigningKey(Arc<Pair>);

struct Pair {
    pair: EcdsaKeyPair,
    x: String,
    y: String,
}

/// A client's key under the name that the provider knows its public half by.
#[derive(Clone, Debug)]
pub struct ClientKey {
    /// The `kid` in the JWKS that the client publishes.
    pub id: String,
    /// The private key.
    pub key: SigningKey,
}

impl SigningKey {
    /// Reads an unencrypted private key: PEM (`PRIVATE KEY` or `EC PRIVATE KEY`; line breaks may be written as `\n`, as
    /// environment variables often have them), or a JWK with `d`, `x` and `y`.
    ///
    /// # Errors
    /// The error's field is `key`: it is neither, or of another curve, or its halves do not belong together. The
    /// message holds no part of it.
    pub fn parse(text: &Secret) -> Result<Self, InputError> {
        let text = text.expose_secret().trim();
        let pair = if text.starts_with('{') { of_jwk(text) } else { of_pem(text) };
        pair.and_then(Self::new).ok_or_else(|| {
            InputError::new("key", "an unencrypted private key on the curve P-256, as PEM or as a JWK")
        })
    }

    fn new(pair: EcdsaKeyPair) -> Option<Self> {
        // 4, then both coordinates.
        let point = pair.public_key().as_ref().get(1..65)?;
        let (x, y) = point.split_at(32);
        let (x, y) = (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y));
        Some(Self(Arc::new(Pair { pair, x, y })))
    }

    /// The name of its public half: the thumbprint of RFC 7638, which tokens are bound to.
    pub fn thumbprint(&self) -> String {
        let Pair { x, y, .. } = &*self.0;
        let members = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
        URL_SAFE_NO_PAD.encode(digest(&SHA256, members.as_bytes()))
    }

    /// Its public half.
    pub(crate) fn public_jwk(&self) -> Value {
        json!({"kty": "EC", "crv": "P-256", "x": self.0.x, "y": self.0.y})
    }

    /// A JWT in compact form, signed.
    pub(crate) fn sign(&self, header: &Value, claims: &Value) -> Result<String, CannotSign> {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(header), part(claims));
        let signature = self.0.pair.sign(&SystemRandom::new(), signed.as_bytes())?;
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

/// It says that it is a key, and whose public half it has.
impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.thumbprint())
    }
}

/// The crypto library refused to sign, which it does without entropy.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CannotSign;

impl From<Unspecified> for CannotSign {
    fn from(_: Unspecified) -> Self {
        Self
    }
}

/// A value that makes each JWT differ from all others.
pub(crate) fn unique() -> Result<String, CannotSign> {
    let mut bytes = [0; 16];
    aws_lc_rs::rand::fill(&mut bytes)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

#[derive(Deserialize)]
struct Jwk {
    kty: String,
    crv: String,
    d: String,
    x: String,
    y: String,
}

fn of_jwk(text: &str) -> Option<EcdsaKeyPair> {
    let Jwk { kty, crv, d, x, y } = serde_json::from_str(text).ok()?;
    if kty != "EC" || crv != "P-256" {
        return None;
    }
    let bytes = |text: &str| URL_SAFE_NO_PAD.decode(text).ok().filter(|bytes| bytes.len() == 32);
    let public = [vec![4], bytes(&x)?, bytes(&y)?].concat();
    EcdsaKeyPair::from_private_key_and_public_key(&ECDSA_P256_SHA256_FIXED_SIGNING, &bytes(&d)?, &public).ok()
}

/// Whatever stands before the key, as OpenSSL puts the name of the curve there, is passed over.
fn of_pem(text: &str) -> Option<EcdsaKeyPair> {
    let (_, rest) = text.split_once("PRIVATE KEY-----")?;
    let (body, end) = rest.split_once("-----END")?;
    let is_end = ["PRIVATE KEY", "EC PRIVATE KEY"].iter().any(|kind| end.trim_start().starts_with(kind));
    let encoded: String =
        body.replace("\\n", "").chars().filter(|letter| !letter.is_ascii_whitespace()).collect();
    let der = STANDARD.decode(encoded).ok().filter(|_| is_end)?;
    EcdsaKeyPair::from_private_key_der(&ECDSA_P256_SHA256_FIXED_SIGNING, &der).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use aws_lc_rs::{
        encoding::{AsBigEndian as _, AsDer as _, EcPrivateKeyBin, EcPrivateKeyRfc5915Der},
        signature::{ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED_SIGNING, UnparsedPublicKey},
    };
    use solekey_core::secret;

    use super::*;

    fn pem(kind: &str, der: &[u8], line: &str) -> Secret {
        let body = STANDARD.encode(der);
        let lines: Vec<_> =
            body.as_bytes().chunks(64).map(|chunk| std::str::from_utf8(chunk).unwrap()).collect();
        secret(format!("-----BEGIN {kind}-----{line}{}{line}-----END {kind}-----{line}", lines.join(line)))
    }

    fn fresh() -> (EcdsaKeyPair, Vec<u8>) {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let der = pair.to_pkcs8v1().unwrap().as_ref().to_vec();
        (pair, der)
    }

    fn private(pair: &EcdsaKeyPair) -> String {
        let bytes: EcPrivateKeyBin<'_> = pair.private_key().as_be_bytes().unwrap();
        URL_SAFE_NO_PAD.encode(bytes.as_ref())
    }

    #[test]
    fn pem_and_jwk_of_one_key_are_the_same_key() {
        let (pair, der) = fresh();
        let key = SigningKey::parse(&pem("PRIVATE KEY", &der, "\n")).unwrap();
        assert_eq!(
            SigningKey::parse(&pem("PRIVATE KEY", &der, "\\n")).unwrap().thumbprint(),
            key.thumbprint()
        );
        let mut jwk = key.public_jwk();
        jwk["d"] = private(&pair).into();
        assert_eq!(SigningKey::parse(&secret(jwk.to_string())).unwrap().thumbprint(), key.thumbprint());
        let (_, other) = fresh();
        let other = SigningKey::parse(&pem("PRIVATE KEY", &other, "\n")).unwrap();
        assert_ne!(other.thumbprint(), key.thumbprint());
        jwk["x"] = other.public_jwk()["x"].clone();
        assert!(SigningKey::parse(&secret(jwk.to_string())).is_err(), "halves of two keys");
    }

    #[test]
    fn an_older_file_of_openssl_is_read() {
        let text = "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n\
                    -----BEGIN EC PRIVATE KEY-----\nKEY\n-----END EC PRIVATE KEY-----\n";
        let (pair, _) = fresh();
        let der: EcPrivateKeyRfc5915Der<'_> = pair.private_key().as_der().unwrap();
        let text =
            text.replace("KEY\n-----END EC P", &format!("{}\n-----END EC P", STANDARD.encode(der.as_ref())));
        SigningKey::parse(&secret(text)).unwrap();
    }

    #[test]
    fn what_is_no_private_key_on_this_curve_is_refused_and_not_repeated() {
        let (_, der) = fresh();
        let other_curve =
            EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).unwrap().to_pkcs8v1().unwrap();
        for text in [
            secret(""),
            secret("hush"),
            secret("{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"hush\",\"y\":\"hush\"}"),
            pem("PUBLIC KEY", &der, "\n"),
            pem("ENCRYPTED PRIVATE KEY", &der, "\n"),
            pem("PRIVATE KEY", &der[1..], "\n"),
            pem("PRIVATE KEY", other_curve.as_ref(), "\n"),
        ] {
            let error = SigningKey::parse(&text).unwrap_err();
            assert_eq!(error.field(), "key");
            assert!(!error.to_string().contains("hush"), "{error}");
        }
    }

    #[test]
    fn the_thumbprint_is_that_of_rfc_7638_and_nothing_else_is_printed() {
        let (pair, der) = fresh();
        let key = SigningKey::parse(&pem("PRIVATE KEY", &der, "\n")).unwrap();
        let printed = format!("{key:?} {:?}", ClientKey { id: "k1".to_owned(), key: key.clone() });
        assert!(!printed.contains(&private(&pair)), "{printed}");
        let jwk = key.public_jwk();
        // Members in lexicographic order, as serde_json's map has them, and no others.
        assert_eq!(URL_SAFE_NO_PAD.encode(digest(&SHA256, jwk.to_string().as_bytes())), key.thumbprint());
    }

    #[test]
    fn a_signature_verifies_against_the_public_half() {
        let (pair, der) = fresh();
        let key = SigningKey::parse(&pem("PRIVATE KEY", &der, "\n")).unwrap();
        let jwt = key.sign(&json!({"alg": "ES256"}), &json!({"iss": "x"})).unwrap();
        let (signed, signature) = jwt.rsplit_once('.').unwrap();
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, pair.public_key().as_ref());
        public.verify(signed.as_bytes(), &signature).unwrap();
    }

    #[test]
    fn no_two_are_alike() {
        assert_ne!(unique().unwrap(), unique().unwrap());
    }
}

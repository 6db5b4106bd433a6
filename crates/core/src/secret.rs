//! Strings that cannot be printed.

pub use secrecy::ExposeSecret;

/// A token or client secret: `Debug` shows a placeholder, the value is wiped on drop and reached only through
/// [`ExposeSecret`]. Buffers of HTTP and JSON libraries it passed through are not wiped.
pub type Secret = secrecy::SecretString;

/// Makes a secret of a string.
pub fn secret(value: impl Into<String>) -> Secret {
    Secret::from(value.into())
}

//! The address at which the server listens.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
};

use serde::Deserialize;

/// An address of this host: whoever can connect gets tokens, so nothing else is taken.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(try_from = "String")]
#[non_exhaustive]
pub enum Listen {
    /// A loopback address; port 0 stands for any free port.
    Tcp(SocketAddr),
    /// A socket file, readable and writable for its owner and group.
    Unix(PathBuf),
}

impl Default for Listen {
    fn default() -> Self {
        Self::Tcp(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), DEFAULT_PORT))
    }
}

impl TryFrom<String> for Listen {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if let Some(path) = text.strip_prefix("unix:") {
            return if path.is_empty() { Err(EXPECTED) } else { Ok(Self::Unix(path.into())) };
        }
        let numeric = match text.strip_prefix("localhost:") {
            Some(port) => format!("{}:{port}", Ipv4Addr::LOCALHOST),
            None => text,
        };
        let address: SocketAddr = numeric.parse().map_err(|_| EXPECTED)?;
        if address.ip().is_loopback() { Ok(Self::Tcp(address)) } else { Err(EXPECTED) }
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

const DEFAULT_PORT: u16 = 8750;
const EXPECTED: &str = "expected a loopback address with a port, or unix:PATH";

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<String, &'static str> {
        Listen::try_from(text.to_owned()).map(|listen| listen.to_string())
    }

    #[test]
    fn loopback_and_socket_files_are_taken() {
        for text in
            ["127.0.0.1:8750", "127.8.8.8:0", "[::1]:1", "unix:/run/solekey.sock", "unix:relative.sock"]
        {
            assert_eq!(parse(text).as_deref(), Ok(text));
        }
        assert_eq!(parse("localhost:7").as_deref(), Ok("127.0.0.1:7"));
        assert_eq!(Listen::default().to_string(), "127.0.0.1:8750");
    }

    #[test]
    fn what_others_could_reach_is_refused() {
        for text in
            ["0.0.0.0:8750", "[::]:8750", "10.0.0.1:1", "example:1", "127.0.0.1", "", "unix:", "localhost:x"]
        {
            assert_eq!(parse(text), Err(EXPECTED), "{text}");
        }
    }
}

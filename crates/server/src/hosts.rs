//! The names by which requests may call this host.

use std::{fmt, net::IpAddr};

use serde::Deserialize;

/// A name or an address of this host, besides those of loopback.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct HostName(String);

/// The host names that a request may have: those of loopback, and these.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Hosts(Vec<HostName>);

/// `host[:port]`, as `Host`, `Origin` and targets have it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Authority<'a> {
    host: Host<'a>,
    pub(crate) port: Option<u16>,
}

#[derive(Clone, Copy, Debug)]
enum Host<'a> {
    Address(IpAddr),
    Name(&'a str),
}

impl Hosts {
    pub(crate) fn new(names: Vec<HostName>) -> Self {
        Self(names)
    }

    /// Returns whether this names loopback or one of the hosts, with any port.
    pub(crate) fn contains(&self, called: Authority<'_>) -> bool {
        called.host.is_loopback() || self.0.iter().any(|known| known.host() == Some(called.host))
    }
}

impl HostName {
    fn host(&self) -> Option<Host<'_>> {
        Authority::parse(&self.0).map(|authority| authority.host)
    }
}

impl TryFrom<String> for HostName {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        // An IPv6 address may be written without its brackets: there is no port behind it.
        let text = if text.parse::<std::net::Ipv6Addr>().is_ok() { format!("[{text}]") } else { text };
        match Authority::parse(&text) {
            Some(Authority { port: None, .. }) if !text.ends_with(':') => Ok(Self(text)),
            _ => Err(EXPECTED),
        }
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'a> Authority<'a> {
    /// Returns `None` for anything else than a host and perhaps a port: user information, no host, a second colon.
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        let (host, rest) = if let Some(rest) = text.strip_prefix('[') {
            let (address, rest) = rest.split_once(']')?;
            (Host::Address(IpAddr::V6(address.parse().ok()?)), rest)
        } else {
            let (host, rest) = text.split_at(text.find(':').unwrap_or(text.len()));
            (Host::parse(host)?, rest)
        };
        // An empty port is no port (RFC 3986, section 3.2.3).
        let port = if ["", ":"].contains(&rest) { None } else { Some(port(rest.strip_prefix(':')?)?) };
        Some(Self { host, port })
    }

    /// Returns whether both are one host and one port, by this default port.
    pub(crate) fn agrees(self, other: Authority<'_>, default_port: u16) -> bool {
        self.host == other.host && self.port.unwrap_or(default_port) == other.port.unwrap_or(default_port)
    }
}

impl<'a> Host<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        // A final dot says that a name is complete: it is the same host.
        let name = text.strip_suffix('.').unwrap_or(text);
        if let Ok(address) = name.parse() {
            return Some(Self::Address(IpAddr::V4(address)));
        }
        let is_of_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        let is_name = !name.is_empty()
            && name.bytes().all(is_of_name)
            && name.split('.').all(|label| !label.is_empty());
        is_name.then_some(Self::Name(name))
    }

    fn is_loopback(self) -> bool {
        match self {
            Self::Address(address) => is_loopback(address),
            Self::Name(name) => name.eq_ignore_ascii_case("localhost"),
        }
    }
}

impl PartialEq for Host<'_> {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Address(one), Self::Address(other)) => one.to_canonical() == other.to_canonical(),
            (Self::Name(one), Self::Name(other)) => one.eq_ignore_ascii_case(other),
            _ => false,
        }
    }
}

/// Returns whether an address never leaves this host, also where it is an IPv4 address within IPv6.
pub(crate) fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

/// Digits only: `u16` would take a sign.
fn port(digits: &str) -> Option<u16> {
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
}

const EXPECTED: &str = "expected the name or address of a host, without a port";

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn hosts(names: &[&str]) -> Hosts {
        Hosts::new(names.iter().map(|name| HostName::try_from((*name).to_owned()).unwrap()).collect())
    }

    fn is_taken(hosts: &Hosts, text: &str) -> bool {
        Authority::parse(text).is_some_and(|authority| hosts.contains(authority))
    }

    #[test]
    fn every_spelling_of_loopback_is_taken() {
        for text in [
            "localhost",
            "LocalHost",
            "localhost.",
            "localhost:8750",
            "localhost:",
            "localhost:65535",
            "127.0.0.1",
            "127.0.0.1.",
            "127.255.255.254:1",
            "[::1]",
            "[::1]:8750",
            "[0:0:0:0:0:0:0:1]",
            "[0000::0001]:1",
            "[::ffff:127.0.0.1]:1",
            "[::FFFF:7f00:1]",
        ] {
            assert!(is_taken(&Hosts::default(), text), "{text}");
        }
    }

    #[test]
    fn what_is_not_loopback_is_refused() {
        for text in [
            "",
            ":8750",
            ".",
            "evil.example",
            "localhost.evil.example",
            "evil.example:8750",
            "127.0.0.1.evil.example",
            "evil-localhost",
            "localhost..",
            "a.localhost",
            "user@localhost",
            "user:password@localhost:8750",
            "localhost@evil.example",
            "localhost, evil.example",
            "localhost evil.example",
            "localhost/",
            "localhost?x",
            "localhost#",
            "localhost\\@evil.example",
            "http://localhost",
            "localhost:x",
            "localhost:+80",
            "localhost:-1",
            "localhost:65536",
            "localhost:80:80",
            "localhost%00",
            "0.0.0.0",
            "0.0.0.0:8750",
            "10.0.0.1",
            "169.254.169.254",
            "127.1",
            "2130706433",
            "0x7f000001",
            "0177.0.0.1",
            "::1",
            "::1:8750",
            "[::1",
            "::1]",
            "[::1]8750",
            "[::1].",
            "[::1%lo]",
            "[localhost]",
            "[127.0.0.1]",
            "[::]",
            "[::2]",
            "[::ffff:10.0.0.1]",
            "[fe80::1]",
            "ⓛocalhost",
        ] {
            assert!(!is_taken(&Hosts::default(), text), "{text}");
        }
    }

    #[test]
    fn a_name_that_is_configured_is_taken_with_any_port_and_in_any_case() {
        let hosts = hosts(&["Solekey.internal", "10.0.0.7", "[fd00::7]", "fd00::8"]);
        for text in [
            "solekey.internal",
            "SOLEKEY.INTERNAL.:443",
            "10.0.0.7:8750",
            "[::ffff:10.0.0.7]",
            "[fd00::7]",
            "[fd00:0::7]:1",
            "[fd00::8]",
            "localhost",
        ] {
            assert!(is_taken(&hosts, text), "{text}");
        }
        for text in
            ["evil.solekey.internal", "solekey.internal.evil.example", "solekey", "10.0.0.70", "fd00::7"]
        {
            assert!(!is_taken(&hosts, text), "{text}");
        }
    }

    #[test]
    fn what_is_no_host_cannot_be_configured() {
        for text in [
            "",
            "*",
            "*.internal",
            "a:80",
            "a:",
            "http://a",
            "a/",
            "a b",
            "a,b",
            "u@a",
            "[::1",
            "a..b",
            ".a",
            "é",
        ] {
            assert_eq!(HostName::try_from(text.to_owned()), Err(EXPECTED), "{text}");
        }
    }

    #[test]
    fn authorities_agree_in_host_and_port() {
        let agree = |one, other| Authority::parse(one).unwrap().agrees(Authority::parse(other).unwrap(), 80);
        for (one, other) in [
            ("localhost", "LOCALHOST.:80"),
            ("127.0.0.1:8750", "127.0.0.1:8750"),
            ("[::1]", "[0:0::1]:"),
            ("127.0.0.1", "[::ffff:127.0.0.1]"),
        ] {
            assert!(agree(one, other), "{one} {other}");
        }
        for (one, other) in
            [("localhost", "127.0.0.1"), ("localhost:1", "localhost:2"), ("localhost", "localhost:8750")]
        {
            assert!(!agree(one, other), "{one} {other}");
        }
    }
}

//! The parts of a URL of a database.

use std::{borrow::Cow, net::IpAddr, str::FromStr as _};

use sqlx::postgres::{PgConnectOptions, PgSslMode};
use tracing::{Dispatch, dispatcher};
use url::Url;

use super::error::PostgresError;

/// Reads a URL. sqlx is handed nothing that it would not use.
pub(super) fn read(url: &str) -> Result<PgConnectOptions, PostgresError> {
    let refused = |expected: Cow<'static, str>| PostgresError::Url { expected };
    if !["postgres://", "postgresql://"].iter().any(|scheme| url.starts_with(scheme)) {
        return Err(refused(URL.into()));
    }
    let parsed = Url::parse(url).map_err(|_| refused(URL.into()))?;
    check(&parsed).map_err(refused)?;
    // sqlx logs what it does not understand: of a URL names with values, of ~/.pgpass lines with passwords.
    let read = dispatcher::with_default(&Dispatch::none(), || PgConnectOptions::from_str(url));
    let options = read.map_err(|_| refused(URL.into()))?;
    Ok(match options.get_application_name() {
        None => options.application_name("solekey"),
        Some(_) => options,
    })
}

fn check(url: &Url) -> Result<(), Cow<'static, str>> {
    if url.fragment().is_some() {
        return Err("no # in the URL: in a name or a password it is written %23".into());
    }
    let mut names = Names::of(url);
    for (name, value) in url.query_pairs() {
        let Some(parameter) = Parameter::named(&name) else { return Err(names.refuse(&name, &value)) };
        if !(parameter.takes)(&value) {
            return Err(format!("{} for the parameter {}", parameter.expected, parameter.names[0]).into());
        }
        names.passed(parameter);
    }
    Ok(())
}

/// Something that sqlx knows how to use.
struct Parameter {
    /// The first one is used in messages.
    names: &'static [&'static str],
    expected: &'static str,
    takes: fn(&str) -> bool,
}

impl Parameter {
    const fn of_any_value(names: &'static [&'static str]) -> Self {
        Self { names, expected: "a value", takes: |_| true }
    }

    fn named(name: &str) -> Option<&'static Self> {
        let found = PARAMETERS.iter().find(|parameter| parameter.names.contains(&name));
        found.or_else(|| (name.starts_with("options[") && name.ends_with(']')).then_some(&OPTION))
    }
}

const PARAMETERS: &[Parameter] = &[
    Parameter::of_any_value(&["application_name"]),
    Parameter::of_any_value(&["dbname"]),
    Parameter::of_any_value(&["host"]),
    Parameter {
        names: &["hostaddr"],
        expected: "an IP address",
        takes: |value| value.parse::<IpAddr>().is_ok(),
    },
    Parameter::of_any_value(&["options"]),
    Parameter::of_any_value(&[PASSWORD]),
    Parameter {
        names: &["port"],
        expected: "a number of 0 to 65535",
        takes: |value| value.parse::<u16>().is_ok(),
    },
    Parameter::of_any_value(&["sslcert", "ssl-cert"]),
    Parameter::of_any_value(&["sslkey", "ssl-key"]),
    Parameter {
        names: &["sslmode", "ssl-mode"],
        expected: "disable, allow, prefer, require, verify-ca or verify-full",
        takes: |value| value.parse::<PgSslMode>().is_ok(),
    },
    Parameter::of_any_value(&["sslrootcert", "ssl-root-cert", "ssl-ca"]),
    Parameter {
        names: &["statement-cache-capacity"],
        expected: "a number",
        takes: |value| value.parse::<usize>().is_ok(),
    },
    Parameter::of_any_value(&["user"]),
];

/// `options[NAME]`: one setting of the session.
const OPTION: Parameter = Parameter::of_any_value(&["options"]);

/// Decides whether the names in a query can be repeated. A password in which `&`, `=` or `?` was not escaped falls into
/// pieces that resemble parameters.
struct Names {
    can_be_shown: bool,
}

impl Names {
    /// If an `@` is left, the host may stand behind it, and a password before.
    fn of(url: &Url) -> Self {
        Self { can_be_shown: !url.query().unwrap_or_default().contains('@') }
    }

    fn passed(&mut self, parameter: &Parameter) {
        self.can_be_shown &= parameter.names[0] != PASSWORD;
    }

    fn refuse(&self, name: &str, value: &str) -> Cow<'static, str> {
        let is_word = (1..=MAX_WORD).contains(&name.len())
            && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_' || byte == b'-');
        let known: Vec<_> = PARAMETERS.iter().map(|parameter| parameter.names[0]).collect();
        let known = known.join(", ");
        if is_word && !value.is_empty() && self.can_be_shown {
            return format!("no parameter {name} in the URL, only {known}").into();
        }
        format!(
            "no other parameters in the URL than {known}; in a name or a password & is written %26, ? %3F"
        )
        .into()
    }
}

const URL: &str = "postgres://USER:PASSWORD@HOST:PORT/DATABASE?OPTIONS";
const PASSWORD: &str = "password";
/// As long as the longest that PostgreSQL's own clients know.
const MAX_WORD: usize = 24;

#[cfg(test)]
mod laws;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn refused(url: &str) -> String {
        read(url).expect_err(url).to_string()
    }

    #[test]
    fn whatever_sqlx_uses_is_taken() {
        for query in [
            "",
            "sslmode=verify-full&sslrootcert=/ca.pem&sslcert=/c.pem&sslkey=/k.pem",
            "ssl-mode=REQUIRE&ssl-root-cert=a&ssl-cert=b&ssl-key=c&",
            "ssl-ca=a&statement-cache-capacity=0",
            "host=/run/postgresql&port=5433&dbname=d&user=u&password=p",
            "hostaddr=127.0.0.1&application_name=gateway",
            "options=-c%20search_path%3Dx&options[lock_timeout]=1s",
        ] {
            assert!(read(&format!("postgres://h/db?{query}")).is_ok(), "{query}");
        }
    }

    #[test]
    fn an_unknown_parameter_is_named_together_with_the_known_ones() {
        let message = refused("postgres://u@h/db?sslmode=require&pasword=hush");
        assert!(
            message.starts_with("expected no parameter pasword in the URL, only application_name, "),
            "{message}"
        );
        assert!(message.contains("password"), "{message}");
        for name in ["target_session_attrs", "channel_binding", "ssl_min_protocol_version"] {
            assert!(refused(&format!("postgres://h/db?{name}=x")).contains(name));
        }
    }

    #[test]
    fn a_name_that_may_be_a_piece_of_a_password_is_not_repeated() {
        for url in [
            "postgres://u@h/db?password=ab&hush=ef",
            "postgres://u@h/db?password=ab&hush",
            "postgres://u@h/db?hush",
            "postgres://u@h/db?hush=",
            "postgres://u@h/db?Hush=1",
            "postgres://u@h/db?hush2=1",
            "postgres://u@h/db?%0Ahush=1",
            "postgres://u@h/db?hushhushhushhushhushhushhush=1",
            "postgres://u@h/db?options[hush=1",
            "postgres://u:12?hush=c@h/db",
            "postgres://u:hush#x@h/db",
            "postgres://u:12#hush@h/db",
            "postgres://u:12/hush@h:nowhere/db",
        ] {
            let Err(error) = read(url) else { continue };
            let message = error.to_string().to_lowercase();
            assert!(message.starts_with("expected ") && !message.contains("hush"), "{url}: {message}");
        }
    }

    #[test]
    fn a_value_that_cannot_be_read_is_reported_with_its_parameter() {
        for (query, expected) in [
            (
                "sslmode=hush",
                "disable, allow, prefer, require, verify-ca or verify-full for the parameter sslmode",
            ),
            (
                "ssl-mode=",
                "disable, allow, prefer, require, verify-ca or verify-full for the parameter sslmode",
            ),
            ("port=", "a number of 0 to 65535 for the parameter port"),
            ("port=hush", "a number of 0 to 65535 for the parameter port"),
            ("hostaddr=hush", "an IP address for the parameter hostaddr"),
            ("statement-cache-capacity=-1", "a number for the parameter statement-cache-capacity"),
        ] {
            assert_eq!(refused(&format!("postgres://h/db?{query}")), format!("expected {expected}"));
        }
    }
}

//! The words of a provider that no preset knows.

use solekey::core::{Delay, Dialect, InputError, Meaning, Revocation};

use super::settings::AnswersSettings;

impl AnswersSettings {
    /// The dialect with these words in it.
    pub(super) fn added_to(&self, dialect: Dialect) -> Result<Dialect, InputError> {
        let lists = [
            ("answers.log_in", self.log_in.as_ref(), Meaning::Permanent(Revocation::Refused)),
            ("answers.our_fault", self.our_fault.as_ref(), Meaning::OurFault),
            ("answers.later", self.later.as_ref(), Meaning::Refused(Delay::ProviderDown)),
        ];
        let mut seen: Vec<&str> = Vec::new();
        let mut dialect = dialect;
        for (key, codes, means) in lists {
            for code in checked(key, codes, is_code, "error codes: 1 to 64 printable characters")? {
                if seen.iter().any(|other| other.eq_ignore_ascii_case(code)) {
                    return Err(InputError::new(key, "each error code once"));
                }
                if code.eq_ignore_ascii_case(STANDARD_END) && !matches!(means, Meaning::Permanent(_)) {
                    return Err(InputError::new(key, "no invalid_grant, which ends a grant by RFC 6749"));
                }
                seen.push(code);
                dialect = dialect.named(code, means);
            }
        }
        let places = "names of nested objects joined by dots, at most 128 characters";
        for path in checked("answers.code_at", self.code_at.as_ref(), is_path, places)? {
            dialect = dialect.code_at(path);
        }
        for path in checked("answers.text_at", self.text_at.as_ref(), is_path, places)? {
            dialect = dialect.text_at(path);
        }
        Ok(dialect)
    }
}

fn checked<'a>(
    key: &str,
    texts: Option<&'a Vec<String>>,
    is_good: fn(&str) -> bool,
    expected: &str,
) -> Result<&'a [String], InputError> {
    let texts = texts.map(Vec::as_slice).unwrap_or_default();
    if texts.len() > MAX_WORDS || !texts.iter().all(|text| is_good(text)) {
        return Err(InputError::new(key, expected));
    }
    Ok(texts)
}

fn is_code(code: &str) -> bool {
    (1..=64).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ')
}

fn is_path(path: &str) -> bool {
    path.len() <= 128 && path.split('.').all(|name| !name.is_empty() && !name.contains(char::is_control))
}

/// The one code that the standard has for the end of a grant.
const STANDARD_END: &str = "invalid_grant";
/// Each is compared with each code of a refusal.
const MAX_WORDS: usize = 64;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::time::SystemTime;

    use http::{HeaderMap, StatusCode};
    use solekey::core::{Outcome, classify, ports::Wire};

    use super::*;

    fn settings(text: &str) -> AnswersSettings {
        toml::from_str(text).unwrap()
    }

    fn outcome(dialect: &Dialect, body: &str) -> Outcome<()> {
        let body = body.to_owned().into();
        let wire = Wire::Reply { status: StatusCode::BAD_REQUEST, headers: HeaderMap::new(), body };
        classify(dialect, &wire, SystemTime::UNIX_EPOCH).outcome.as_ref().map(|_| ())
    }

    #[test]
    fn a_code_means_what_the_configuration_says_wherever_it_stands() {
        let text = "log_in = [\"session_gone\"]\nour_fault = [\"app_disabled\"]\nlater = [\"try_later\", \"invalid_client\"]\n\
                    code_at = [\"problem.type\"]";
        let dialect = settings(text).added_to(Dialect::rfc6749()).unwrap();
        for at in ["{\"error\":\"#\"}", "{\"problem\":{\"type\":\"#\"}}"] {
            let of = |code| outcome(&dialect, &at.replace('#', code));
            assert_eq!(of("session_gone"), Outcome::Permanent(Revocation::Refused));
            assert_eq!(of("SESSION_GONE"), Outcome::Permanent(Revocation::Refused));
            assert_eq!(of("app_disabled"), Outcome::OurFault);
            assert!(matches!(of("try_later"), Outcome::Refused { .. }));
            assert!(matches!(of("invalid_client"), Outcome::Refused { .. }), "whatever was known of it");
            assert_eq!(of("invalid_grant"), Outcome::Permanent(Revocation::Refused));
            assert!(matches!(of("something_else"), Outcome::Refused { .. }));
        }
    }

    #[test]
    fn words_that_cannot_be_are_refused_by_the_name_of_their_key() {
        for (text, key) in [
            ("log_in = [\"\"]", "answers.log_in"),
            ("log_in = [\"a\\nb\"]", "answers.log_in"),
            ("our_fault = [\"invalid_grant\"]", "answers.our_fault"),
            ("later = [\"Invalid_Grant\"]", "answers.later"),
            ("log_in = [\"x\"]\nlater = [\"X\"]", "answers.later"),
            ("code_at = [\"error..type\"]", "answers.code_at"),
            ("text_at = [\"\"]", "answers.text_at"),
        ] {
            let error = settings(text).added_to(Dialect::rfc6749()).unwrap_err();
            assert_eq!(error.field(), key, "{text}");
        }
    }
}

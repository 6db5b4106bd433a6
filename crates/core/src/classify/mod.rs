//! One function tells what an answer of a token endpoint means.

mod answer;
mod dialect;
mod retry_after;

use std::time::SystemTime;

use http::{HeaderMap, StatusCode};

pub use answer::TokenAnswer;
pub use dialect::Dialect;
use retry_after::retry_after;

use crate::{Delay, Outcome, mutant, ports::Wire};

/// What happened, for the protocol and for people.
#[derive(Clone, Debug)]
pub struct Classified {
    /// What it means.
    pub outcome: Outcome<TokenAnswer>,
    /// Status and error code, or what the endpoint said of its own trouble; never text of the answer.
    pub reason: String,
}

/// Says what one exchange came to. `wall_now` is needed for `Retry-After` dates only.
///
/// The rule behind the cases: only an error code that is known to speak about the token ends a grant, only a status
/// that is known to come before the token is processed frees it, and whatever may come from in between is doubt.
pub fn classify(dialect: &Dialect, wire: &Wire, wall_now: SystemTime) -> Classified {
    let (outcome, reason) = match wire {
        Wire::NotSent { why } => (Outcome::NotSent, format!("not sent: {why}")),
        Wire::Lost { why } => (Outcome::Ambiguous, format!("no answer: {why}")),
        Wire::Reply { status, headers, body } => reply(dialect, *status, headers, body, wall_now),
    };
    Classified { outcome, reason }
}

fn reply(
    dialect: &Dialect,
    status: StatusCode,
    headers: &HeaderMap,
    body: &[u8],
    wall_now: SystemTime,
) -> (Outcome<TokenAnswer>, String) {
    let unusable = match status.is_success().then(|| TokenAnswer::read(body)) {
        Some(Ok(answer)) => return (Outcome::Success(answer), status.as_u16().to_string()),
        Some(Err(_)) => true,
        None => false,
    };
    let said = Said::read(dialect, body);
    let refused = |why| Outcome::Refused { retry_after: retry_after(headers, wall_now), why };
    let outcome = match status.as_u16() {
        _ if unusable => said.verdict(dialect).unwrap_or(Outcome::Ambiguous),
        429 if dialect.leaves_unprocessed(status) => refused(Delay::RateLimited),
        _ if dialect.leaves_unprocessed(status) => refused(Delay::ProviderDown),
        503 if mutant("503_is_not_processed") => refused(Delay::ProviderDown),
        400..=499 if matches!(said, Said::NoJson) && mutant("page_ends_the_grant") => {
            Outcome::Permanent(crate::Revocation::Refused)
        }
        500..=599 if mutant("body_of_5xx_is_believed") => said.verdict(dialect).unwrap_or(Outcome::Ambiguous),
        300..=399 => refused(Delay::ProviderDown),
        // A gateway that gave up on its backend, and the usual "not processed" where it was withdrawn.
        408 | 429 => Outcome::Ambiguous,
        400..=499 if said.wants_nonce() => Outcome::NonceWanted,
        // An unknown code, or a page without one, is no evidence about the token. A 4xx is a refusal, so no successor
        // was made; and unlike a fault of our own it is the same for every replica: one asks again, after a pause.
        400..=499 => said.verdict(dialect).unwrap_or_else(|| refused(Delay::ProviderDown)),
        _ => Outcome::Ambiguous,
    };
    (outcome, format!("{} {}", status.as_u16(), said.reason()))
}

/// What stands in the body of a refusal.
enum Said {
    Codes(Vec<String>),
    NoJson,
}

impl Said {
    fn read(dialect: &Dialect, body: &[u8]) -> Self {
        match serde_json::from_slice(body) {
            Ok(value @ serde_json::Value::Object(_)) => Self::Codes(dialect.codes(&value)),
            _ => Self::NoJson,
        }
    }

    fn codes(&self) -> &[String] {
        match self {
            Self::Codes(codes) => codes,
            Self::NoJson => &[],
        }
    }

    fn verdict(&self, dialect: &Dialect) -> Option<Outcome<TokenAnswer>> {
        let codes = self.codes();
        if let Some(why) = codes.iter().find_map(|code| dialect.revocation(code)) {
            return Some(Outcome::Permanent(why));
        }
        codes.iter().any(|code| dialect.is_our_fault(code)).then_some(Outcome::OurFault)
    }

    fn wants_nonce(&self) -> bool {
        self.codes().iter().any(|code| code == "use_dpop_nonce")
    }

    fn reason(&self) -> &str {
        match self {
            Self::NoJson => "without JSON",
            Self::Codes(codes) => match codes.first() {
                None => "without an error code",
                Some(code) if is_printable(code) => code,
                Some(_) => "with an unprintable error code",
            },
        }
    }
}

/// Error codes are short words; anything else in their place may be a sentence that quotes a token.
fn is_printable(code: &str) -> bool {
    code.len() <= 64 && code.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
}

#[cfg(test)]
mod laws;
#[cfg(test)]
mod tests;

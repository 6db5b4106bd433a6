//! One function from an answer of a token endpoint to its outcome.

mod answer;
mod dialect;
#[cfg(test)]
mod lives;
mod meaning;
mod redirect;
mod retry_after;
mod tokens;
mod unread;

use std::time::SystemTime;

use http::{HeaderMap, StatusCode};

pub use answer::TokenAnswer;
pub use dialect::Dialect;
pub use meaning::Meaning;
use retry_after::retry_after;
use tokens::Tokens;

use crate::{Delay, ExposeSecret as _, Outcome, Secret, mutant, ports::Wire};

/// The outcome of an exchange, for the protocol and for people.
#[derive(Clone, Debug)]
pub struct Classified {
    /// The outcome.
    pub outcome: Outcome<TokenAnswer>,
    /// Status and error code, or where a redirect leads, or the endpoint's report of its own trouble; never text of the answer.
    pub reason: String,
}

impl Classified {
    /// The same with a reason that quotes none of these tokens: an endpoint may send one back in place of a code.
    #[must_use]
    pub fn without(mut self, tokens: &[Option<Secret>]) -> Self {
        let reason = self.reason.to_ascii_lowercase();
        let quotes = |token: &Secret| reason.contains(&token.expose_secret().to_ascii_lowercase());
        if tokens.iter().flatten().any(quotes) && !mutant("token_stands_in_a_reason") {
            let status = self.reason.split(' ').next().unwrap_or_default();
            self.reason = format!("{status} with a token in place of what it means");
        }
        self
    }
}

/// Returns the outcome of one exchange. `wall_now` is needed for `Retry-After` dates only.
///
/// The rule behind the cases: what may hold a successor is kept, only an error code that is known to be about the token
/// ends a grant, only a status that is known to come before the token is processed frees it, and whatever may come from in
/// between is doubt.
pub fn classify(dialect: &Dialect, wire: &Wire, wall_now: SystemTime) -> Classified {
    let (outcome, reason) = match wire {
        Wire::NotSent { why } => (Outcome::NotSent, format!("not sent: {why}")),
        Wire::Lost { why } => (Outcome::Ambiguous, format!("no answer: {why}")),
        Wire::OtherClient { status } => {
            (Outcome::OtherClient, format!("{} unauthorized_client", status.as_u16()))
        }
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
    let body = dialect.as_json(headers, body);
    let tokens = Tokens::of(&body);
    let refusal = Refusal::read(dialect, &body);
    let unread = match (TokenAnswer::read(&body), status.is_success()) {
        (Ok(answer), true)
            if answer.access_token.is_some() && (answer.refresh_token.is_some() || !tokens.refresh)
                || answer.access_token.is_none() && refusal.meaning().is_none() =>
        {
            return (Outcome::Success(answer), status.as_u16().to_string());
        }
        // Whoever issues a pair has consumed the token before it, whatever the status.
        (Ok(answer), false)
            if answer.is_pair_of_tokens()
                && refusal.meaning().is_none()
                && !mutant("pair_of_a_refusal_is_dropped") =>
        {
            return (Outcome::Success(answer), status.as_u16().to_string());
        }
        (Ok(_), true) => true,
        (Err(_), true) => refusal.meaning().is_none() || tokens.access || tokens.refresh,
        (_, false) => tokens.access && tokens.refresh && !mutant("pair_of_a_refusal_is_dropped"),
    };
    let refused = |why| Outcome::Refused { retry_after: retry_after(headers, wall_now), why };
    let meant = || refusal.meaning().map(|meaning| meaning.outcome(refused));
    let outcome = match status.as_u16() {
        _ if unread => Outcome::Unread,
        _ if status.is_success() => meant().unwrap_or(Outcome::Unread),
        429 if dialect.leaves_unprocessed(status) => refused(Delay::RateLimited),
        _ if dialect.leaves_unprocessed(status) => refused(Delay::ProviderDown),
        503 if mutant("503_is_not_processed") => refused(Delay::ProviderDown),
        400..=499 if refusal.is_no_json() && mutant("page_ends_the_grant") => {
            Outcome::Permanent(crate::Revocation::Refused)
        }
        500..=599 if mutant("body_of_5xx_is_believed") => meant().unwrap_or(Outcome::Ambiguous),
        300..=399 => refused(Delay::ProviderDown),
        // A gateway that gave up on its backend, and the usual "not processed" where it was withdrawn.
        408 | 429 => Outcome::Ambiguous,
        400..=499 if refusal.wants_nonce() => Outcome::NonceWanted,
        // An unknown code, or a page without one, is no evidence about the token. A 4xx without tokens is a refusal, so
        // no successor was made; and unlike a fault of our own it is the same for every replica: one asks again, after a pause.
        400..=499 => meant().unwrap_or_else(|| refused(Delay::ProviderDown)),
        _ => Outcome::Ambiguous,
    };
    let is_refused = !matches!(outcome, Outcome::Unread);
    if is_refused && status.is_redirection() && !mutant("redirect_is_called_a_page") {
        return (outcome, format!("{} redirect to {}", status.as_u16(), redirect::destination(headers)));
    }
    let reason = match outcome {
        Outcome::Unread => unread::described(headers, &body),
        _ => refusal.reason().to_owned(),
    };
    (outcome, format!("{} {reason}", status.as_u16()))
}

/// The content of a refusal's body; nothing where that is no JSON object.
struct Refusal(Option<(Vec<String>, Option<Meaning>)>);

impl Refusal {
    fn read(dialect: &Dialect, body: &[u8]) -> Self {
        Self(Dialect::object(body).map(|value| (dialect.codes(&value), dialect.meaning(&value))))
    }

    fn is_no_json(&self) -> bool {
        self.0.is_none()
    }

    fn meaning(&self) -> Option<Meaning> {
        self.0.as_ref().and_then(|(_, meaning)| *meaning)
    }

    fn wants_nonce(&self) -> bool {
        self.0.as_ref().is_some_and(|(codes, _)| codes.iter().any(|code| code == "use_dpop_nonce"))
    }

    fn reason(&self) -> &str {
        let Some((codes, _)) = &self.0 else { return "without JSON" };
        match codes.first() {
            None => "without an error code",
            Some(code) if is_printable(code) => code,
            Some(_) => "with an unprintable error code",
        }
    }
}

impl Meaning {
    fn outcome(self, refused: impl FnOnce(Delay) -> Outcome<TokenAnswer>) -> Outcome<TokenAnswer> {
        match self {
            Self::Permanent(why) => Outcome::Permanent(why),
            Self::OurFault => Outcome::OurFault,
            Self::Refused(why) => refused(why),
        }
    }
}

/// Error codes are short words; anything else in their place may be a sentence that quotes a token.
fn is_printable(code: &str) -> bool {
    let digits = code.bytes().filter(u8::is_ascii_digit).count();
    code.len() <= 64
        && digits <= 6
        && code.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
}

#[cfg(test)]
mod laws;
#[cfg(test)]
mod tests;

//! An explanation in sentences.

use solekey_core::Cause;

use super::{
    Explanation, History, LocalView, Next, OpenAttempt, ProviderAnswer, Step, StoredAnswers, VerdictView,
};
use crate::accounts::{AccountState, Status};

/// State first, then what led to it, then what comes.
pub(super) fn of(explanation: &Explanation) -> Vec<String> {
    let Explanation { state, attempt, verdict, history, answers, here, next, story: _ } = explanation;
    let mut story = vec![status(state), origin(history)];
    story.extend(attempt.as_ref().map(open_attempt));
    story.extend(verdict.as_ref().map(verdict_view));
    story.extend(stored_answers(answers, state));
    story.extend(local_view(here, state));
    story.push(coming(next));
    story
}

fn status(state: &AccountState) -> String {
    let word = match state.status {
        Status::Fresh => "its token is good",
        Status::RefreshDue => "its token is good, and a refresh is due",
        Status::Expired => "its token has expired",
        Status::Refreshing => "a refresh is under way",
        Status::InDoubt => "a refresh ended without a known outcome",
        Status::CoolingDown => "a refresh has to wait",
        Status::LoginNeeded => "it needs a login",
    };
    format!("{}/{} is at generation {}: {word}.", state.provider, state.id, state.generation)
}

fn origin(history: &History) -> String {
    let History { by_login, made_ago, made_from, rotations, spent_tokens, rejected_ago } = history;
    let maker = match made_from.filter(|_| !by_login) {
        Some(from) => format!("a refresh of generation {from}"),
        None => "a login".to_owned(),
    };
    let rejected = rejected_ago.map_or_else(String::new, |ago| {
        format!(" A resource refused a token {} ago, which caused a rotation.", span(ago))
    });
    let ago = span(*made_ago);
    format!(
        "Its credential was made by {maker} {ago} ago; {rotations} refreshes so far, {spent_tokens} spent refresh tokens remembered.{rejected}"
    )
}

fn open_attempt(attempt: &OpenAttempt) -> String {
    let OpenAttempt { generation, claim, cause, further, first_claimed_ago, in_flight_for } = attempt;
    let cause = match cause {
        Cause::Due => "the access token was due",
        Cause::Rejected => "a resource refused the access token",
        Cause::Operator => "a person asked for it",
        Cause::Forgotten => "the store has forgotten whether somebody was presenting the refresh token",
    };
    let further = if *further { ", after an earlier attempt without an outcome" } else { "" };
    let stands = match in_flight_for {
        Some(left) => format!("its request may be under way for another {}", span(*left)),
        None => "it is in doubt: nobody knows whether the provider has rotated the token".to_owned(),
    };
    let ago = span(*first_claimed_ago);
    format!(
        "Attempt {generation} (claim {claim}) was opened because {cause}{further}, the first one {ago} ago; {stands}."
    )
}

fn verdict_view(verdict: &VerdictView) -> String {
    let VerdictView { log_in, why, ends_in, failures } = verdict;
    let decision = match (log_in, ends_in) {
        (true, _) => "only a login helps".to_owned(),
        (false, Some(left)) => format!("no refresh for another {}", span(*left)),
        (false, None) => "a refresh may be tried again".to_owned(),
    };
    format!("Verdict: {decision}, because {why} (failures in a row: {failures}).")
}

fn stored_answers(answers: &StoredAnswers, state: &AccountState) -> Option<String> {
    if !answers.readable {
        return Some(
            "The answers stored next to the rows cannot be read: what they may hold is doubt, not absence."
                .into(),
        );
    }
    if let Some(newest) = answers.newest.filter(|newest| *newest > state.generation) {
        return Some(format!("An answer of generation {newest} is stored and is newer than the row."));
    }
    let unread = answers.unread.filter(|unread| *unread > state.generation)?;
    Some(format!(
        "The provider's answer of generation {unread} is stored as it came, because no token was understood in it: it is read again at every start; where presenting again could revoke the grant, nothing is presented unless a person asks for it."
    ))
}

fn local_view(here: &LocalView, state: &AccountState) -> Option<String> {
    let LocalView { serves, withheld, known, watches, answered } = here;
    let mut facts = Vec::new();
    facts.extend(serves.map(|generation| format!("it serves generation {generation} from memory")));
    if *withheld >= Some(state.generation) {
        facts.push("the token is withheld, because a resource refused it".to_owned());
    }
    if *known > state.generation {
        facts.push(format!("it has heard of generation {known}: the store may have gone back"));
    }
    if *watches {
        facts.push("it rechecks the doubt until that is resolved".to_owned());
    }
    if let Some(ProviderAnswer { reason, ago }) = answered {
        facts.push(format!("the provider answered it {} ago: {reason}", span(*ago)));
    }
    (!facts.is_empty()).then(|| format!("This process: {}.", facts.join("; ")))
}

fn coming(next: &Next) -> String {
    let Next { step, in_seconds, why, due_in } = next;
    let why = why.as_deref().unwrap_or("another read is due");
    match step {
        Step::Serve => due_in.map_or_else(
            || "Next: nothing is due.".to_owned(),
            |left| format!("Next: nothing until the account is due, in {}.", span(left)),
        ),
        Step::Adopt => "Next: the answer is put into the row, and its token served.".into(),
        Step::Present => "Next: whoever reads first presents the refresh token.".into(),
        Step::PresentAgain => "Next: whoever reads first presents the refresh token again.".into(),
        Step::Wait => match in_seconds {
            Some(left) => format!("Next: another read in {}; {why}.", span(*left)),
            None => format!("Next: another read; {why}."),
        },
        Step::LogIn => format!("Next: nothing without a new login; {why}."),
    }
}

/// The two largest units that say something.
fn span(seconds: u64) -> String {
    let units = [(86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")];
    let Some(first) = units.iter().position(|(size, _)| seconds >= *size) else { return "0 s".into() };
    let (size, name) = units[first];
    let rest = units.get(first + 1).map(|(smaller, name)| (seconds % size / smaller, name));
    match rest.filter(|(count, _)| *count > 0) {
        Some((count, smaller)) => format!("{} {name} {count} {smaller}", seconds / size),
        None => format!("{} {name}", seconds / size),
    }
}

#[cfg(test)]
mod tests {
    use super::span;

    #[test]
    fn a_span_is_shown_in_its_two_largest_units() {
        let table = [
            (0, "0 s"),
            (59, "59 s"),
            (60, "1 min"),
            (61, "1 min 1 s"),
            (3_600, "1 h"),
            (7_325, "2 h 2 min"),
            (90_000, "1 d 1 h"),
        ];
        for (seconds, text) in table {
            assert_eq!(span(seconds), text);
        }
    }
}

//! Faults, and which of them meet one request.

use std::time::Duration;

use super::reply::Reply;

/// Something that goes wrong with requests at the token endpoint.
///
/// A fault alone lasts and meets every account; [`once`](Fault::once), [`times`](Fault::times) and
/// [`on`](Fault::on) narrow it down:
///
/// ```
/// use solekey_testkit::provider::{Fault, Injection, Reply};
///
/// let twice: Injection = Fault::Answer(Reply::ServerError).times(2);
/// let alice: Injection = Fault::HoldBefore.once().on("alice");
/// ```
///
/// A request meets at most one fault of each kind (hold before, delay, answer, hold after, delay of the answer,
/// delivery). Among several of a kind, those for its account go first, then those that run out, then the older.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// Holds the request, unprocessed, until [`release`](super::AuthorizationServer::release). A request whose
    /// client is gone by then is dropped, and its token is not used up.
    HoldBefore,
    /// Takes this long before it processes. A request whose client goes away meanwhile is dropped.
    Delay(Duration),
    /// Answers this instead of processing: the token stays unspent.
    Answer(Reply),
    /// Processes, then answers this: the new pair exists, but the client does not get it.
    AnswerAfter(Reply),
    /// Processes; the answer has a refresh token and no access token.
    OmitAccessToken,
    /// Processes; the answer has no refresh token. With a rotating class the new one is lost.
    OmitRefreshToken,
    /// Processes, then holds the answer until [`release`](super::AuthorizationServer::release).
    HoldAfter,
    /// Processes, then takes this long to answer.
    DelayAnswer(Duration),
    /// Processes, then closes the connection without a byte.
    LoseAnswer,
    /// Processes, then closes the connection in the middle of the body.
    Truncate,
}

impl Fault {
    /// Only for the next request it fits.
    pub fn once(self) -> Injection {
        self.times(1)
    }

    /// Only for the next `count` requests it fits.
    pub fn times(self, count: u64) -> Injection {
        Injection { remaining: Some(count), ..self.into() }
    }

    /// Only for presentations of this account's refresh tokens.
    pub fn on(self, account: impl Into<String>) -> Injection {
        Injection::from(self).on(account)
    }

    fn kind(&self) -> Kind {
        match self {
            Self::HoldBefore => Kind::HoldBefore,
            Self::Delay(_) => Kind::Delay,
            Self::Answer(_) | Self::AnswerAfter(_) | Self::OmitAccessToken | Self::OmitRefreshToken => {
                Kind::Answer
            }
            Self::HoldAfter => Kind::HoldAfter,
            Self::DelayAnswer(_) => Kind::DelayAnswer,
            Self::LoseAnswer | Self::Truncate => Kind::Delivery,
        }
    }
}

/// A fault together with whom it meets and how often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Injection {
    fault: Fault,
    account: Option<String>,
    remaining: Option<u64>,
}

impl Injection {
    /// Only for presentations of this account's refresh tokens.
    pub fn on(self, account: impl Into<String>) -> Self {
        Self { account: Some(account.into()), ..self }
    }

    fn fits(&self, kind: Kind, account: Option<&str>) -> bool {
        self.fault.kind() == kind
            && self.remaining != Some(0)
            && (self.account.is_none() || self.account.as_deref() == account)
    }

    /// Smaller goes first.
    fn rank(&self) -> (bool, bool) {
        (self.account.is_none(), self.remaining.is_none())
    }
}

impl From<Fault> for Injection {
    fn from(fault: Fault) -> Self {
        Self { fault, account: None, remaining: None }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    HoldBefore,
    Delay,
    Answer,
    HoldAfter,
    DelayAnswer,
    Delivery,
}

/// The faults that wait for requests.
#[derive(Debug, Default)]
pub(super) struct Faults(Vec<Injection>);

impl Faults {
    pub(super) fn inject(&mut self, injection: Injection) {
        self.0.push(injection);
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    pub(super) fn clear_of(&mut self, account: &str) {
        self.0.retain(|injection| injection.account.as_deref() != Some(account));
    }

    /// Takes what the next request of this account meets.
    pub(super) fn take(&mut self, account: Option<&str>) -> Script {
        let script = Script {
            hold_before: self.pick(Kind::HoldBefore, account).is_some(),
            delay: self.pick_delay(Kind::Delay, account),
            answer: self.pick(Kind::Answer, account),
            hold_after: self.pick(Kind::HoldAfter, account).is_some(),
            delay_answer: self.pick_delay(Kind::DelayAnswer, account),
            delivery: self.pick(Kind::Delivery, account),
        };
        self.0.retain(|injection| injection.remaining != Some(0));
        script
    }

    fn pick_delay(&mut self, kind: Kind, account: Option<&str>) -> Option<Duration> {
        match self.pick(kind, account) {
            Some(Fault::Delay(duration) | Fault::DelayAnswer(duration)) => Some(duration),
            _ => None,
        }
    }

    fn pick(&mut self, kind: Kind, account: Option<&str>) -> Option<Fault> {
        let fitting = self.0.iter_mut().filter(|injection| injection.fits(kind, account));
        let chosen = fitting.min_by_key(|injection| injection.rank())?;
        chosen.remaining = chosen.remaining.map(|left| left - 1);
        Some(chosen.fault.clone())
    }
}

/// The faults of one request, in the order in which they apply.
#[derive(Debug, Default)]
pub(super) struct Script {
    pub(super) hold_before: bool,
    pub(super) delay: Option<Duration>,
    pub(super) answer: Option<Fault>,
    pub(super) hold_after: bool,
    pub(super) delay_answer: Option<Duration>,
    pub(super) delivery: Option<Fault>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(injections: impl IntoIterator<Item = Injection>) -> Faults {
        Faults(injections.into_iter().collect())
    }

    #[test]
    fn one_shots_go_one_per_request_before_what_lasts() {
        let mut faults = faults([
            Fault::Answer(Reply::ServerError).into(),
            Fault::Answer(Reply::InvalidGrant).once(),
            Fault::Answer(Reply::Slack).once(),
        ]);
        let answers = [(); 4].map(|()| faults.take(None).answer);
        let expected = [Reply::InvalidGrant, Reply::Slack, Reply::ServerError, Reply::ServerError];
        assert_eq!(answers, expected.map(|reply| Some(Fault::Answer(reply))));
    }

    #[test]
    fn an_account_meets_its_own_faults_first_and_nobody_elses() {
        let mut faults = faults([Fault::HoldBefore.once().on("a"), Fault::LoseAnswer.once()]);
        let b = faults.take(Some("b"));
        assert!(!b.hold_before);
        assert_eq!(b.delivery, Some(Fault::LoseAnswer));
        let a = faults.take(Some("a"));
        assert!(a.hold_before);
        assert_eq!(a.delivery, None);
    }

    #[test]
    fn clearing_an_account_leaves_the_others() {
        let mut faults = faults([Fault::LoseAnswer.on("a"), Fault::LoseAnswer.on("b")]);
        faults.clear_of("a");
        assert_eq!(faults.take(Some("a")).delivery, None);
        assert_eq!(faults.take(Some("b")).delivery, Some(Fault::LoseAnswer));
    }
}

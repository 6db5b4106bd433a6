//! A breaker for endpoints whose answers are not understood: each presentation there may cost a grant.

use std::time::Duration;

use crate::{Moment, mutant};

/// The breaker of an endpoint at which a whole answer was not understood.
///
/// After the first of them nothing is presented there, but by one account in turn: after ten minutes, an hour, six
/// hours, and then once a day, until an answer is understood. Presentations that were admitted before do not count as
/// tries.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct UnreadBreaker {
    closed: Option<Closed>,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Closed {
    until: Moment,
    /// Tries that came to nothing.
    strikes: u8,
}

/// A request to a breaker.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum BreakerRequest {
    /// A presentation wants to go out. One that may while the breaker is closed tries for all others: they wait for
    /// `hold`.
    Admit {
        /// The longest time that its answer can take.
        hold: Duration,
    },
    /// The answer was not understood to a presentation that was admitted with these strikes.
    Close {
        /// As in its [`Admission::Admitted`].
        strikes: u8,
    },
    /// The answer was understood to a presentation that was admitted with these strikes.
    Open {
        /// As in its [`Admission::Admitted`]; [`UnreadBreaker::MAX_STRIKES`] opens in any case.
        strikes: u8,
    },
    /// Something may have changed at the endpoint: the next one may try at once.
    Retry,
}

/// The state of a breaker for a presentation that comes now; in reply to [`BreakerRequest::Admit`] the decision on it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Admission {
    /// It may go out.
    Admitted {
        /// The strikes so far; zero: the breaker is open.
        strikes: u8,
    },
    /// Not now.
    Closed {
        /// Ask again then.
        wait: Duration,
    },
}

impl UnreadBreaker {
    /// More strikes than are counted.
    pub const MAX_STRIKES: u8 = u8::MAX;

    /// The pauses after the first strike and after each further one; the last one stays.
    pub const PAUSES: [Duration; 4] = [
        Duration::from_secs(10 * 60),
        Duration::from_secs(60 * 60),
        Duration::from_secs(6 * 60 * 60),
        Duration::from_secs(24 * 60 * 60),
    ];

    /// A breaker of which nothing is known yet: one presentation tries, and the others wait for what it finds.
    pub fn unknown(now: Moment) -> Self {
        Self { closed: Some(Closed { until: now, strikes: 0 }) }
    }

    /// Returns true if nothing was ever found by one of which nothing was known.
    pub fn is_unknown(&self) -> bool {
        self.closed.is_some_and(|closed| closed.strikes == 0)
    }

    /// The end of the time in which nothing is tried; `None` while it lets a presentation through.
    pub fn hold(&self, now: Moment) -> Option<Moment> {
        self.closed.map(|closed| closed.until).filter(|until| *until > now)
    }

    /// Returns true if an answer was not understood, and none since.
    pub fn is_closed(&self) -> bool {
        self.closed.is_some_and(|closed| closed.strikes > 0)
    }

    /// Performs a request; returns the state that it leads to.
    pub fn perform(&mut self, request: BreakerRequest, now: Moment) -> Admission {
        match request {
            BreakerRequest::Admit { hold } => return self.admit(hold, now),
            BreakerRequest::Close { strikes } => self.close(strikes, now),
            BreakerRequest::Open { strikes } => {
                let ours = self.closed.is_some_and(|closed| closed.strikes <= strikes);
                if ours || mutant("any_success_opens_the_provider") {
                    self.closed = None;
                }
            }
            BreakerRequest::Retry => {
                if let Some(closed) = &mut self.closed {
                    closed.until = closed.until.min(now);
                }
            }
        }
        self.state(now)
    }

    /// Adopts what a breaker that others share has replied.
    pub fn learn(&mut self, reply: Admission, now: Moment) {
        let strikes = self.closed.map_or(0, |closed| closed.strikes);
        self.closed = match reply {
            Admission::Admitted { strikes: 0 } => None,
            Admission::Admitted { strikes } => Some(Closed { until: now, strikes }),
            Admission::Closed { wait } => Some(Closed { until: now + wait, strikes: strikes.max(1) }),
        };
    }

    /// The state as a text, for whoever keeps it; empty for an open breaker.
    pub fn encode(&self) -> String {
        let text = |closed: Closed| format!("{} {}", closed.until.as_micros(), closed.strikes);
        self.closed.map_or_else(String::new, text)
    }

    /// Reads such a text back. A clock that was set back makes no pause longer than the longest one; a text that is none
    /// is an open breaker.
    pub fn decode(text: &str, now: Moment) -> Self {
        let closed = text.split_once(' ').and_then(|(until, strikes)| {
            let until =
                Moment::from_micros(until.parse().ok()?).min(now + Self::PAUSES[Self::PAUSES.len() - 1]);
            Some(Closed { until, strikes: strikes.parse().ok()? })
        });
        Self { closed }
    }

    fn admit(&mut self, hold: Duration, now: Moment) -> Admission {
        let state = self.state(now);
        if let (Admission::Admitted { .. }, Some(closed)) = (state, &mut self.closed)
            && !mutant("everybody_tries_an_unread_provider")
        {
            closed.until = now + hold;
        }
        state
    }

    fn close(&mut self, strikes: u8, now: Moment) {
        let strikes = strikes.saturating_add(1);
        let pause = Self::PAUSES[usize::from(strikes - 1).min(Self::PAUSES.len() - 1)];
        let pause = if mutant("unread_pause_never_grows") { Self::PAUSES[0] } else { pause };
        let before = self.closed.unwrap_or(Closed { until: now, strikes: 0 });
        self.closed =
            Some(Closed { until: before.until.max(now + pause), strikes: before.strikes.max(strikes) });
    }

    fn state(&self, now: Moment) -> Admission {
        let strikes = self.closed.map_or(0, |closed| closed.strikes);
        match self.hold(now) {
            Some(until) if !mutant("unread_provider_stays_open") => {
                Admission::Closed { wait: until.since(now) }
            }
            _ => Admission::Admitted { strikes },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOLD: Duration = Duration::from_secs(20);

    fn at(secs: u64) -> Moment {
        Moment::from_micros(1_000_000_000 + secs * 1_000_000)
    }

    fn admit(breaker: &mut UnreadBreaker, secs: u64) -> Option<u8> {
        match breaker.perform(BreakerRequest::Admit { hold: HOLD }, at(secs)) {
            Admission::Admitted { strikes } => Some(strikes),
            Admission::Closed { .. } => None,
        }
    }

    fn close(breaker: &mut UnreadBreaker, strikes: u8, secs: u64) {
        breaker.perform(BreakerRequest::Close { strikes }, at(secs));
    }

    #[test]
    fn after_an_answer_that_was_not_understood_one_in_turn_tries_ever_more_rarely() {
        let mut breaker = UnreadBreaker::default();
        let mut tries = Vec::new();
        for minute in 0..3 * 24 * 60 {
            let now = minute * 60;
            let first = admit(&mut breaker, now);
            assert!(
                first.is_none() || minute == 0 || admit(&mut breaker, now).is_none(),
                "two at {minute} min"
            );
            if let Some(strikes) = first {
                tries.push(minute);
                close(&mut breaker, strikes, now + 1);
            }
        }
        assert_eq!(tries, [0, 11, 72, 433, 1874, 3315], "in minutes");
    }

    #[test]
    fn what_was_under_way_counts_once_and_opens_nothing() {
        let mut breaker = UnreadBreaker::default();
        for _ in 0..40 {
            assert_eq!(admit(&mut breaker, 0), Some(0));
        }
        for _ in 0..39 {
            close(&mut breaker, 0, 1);
        }
        breaker.perform(BreakerRequest::Open { strikes: 0 }, at(1));
        assert_eq!(breaker.hold(at(2)), Some(at(601)), "one strike");
        assert_eq!(admit(&mut breaker, 601), Some(1));
        breaker.perform(BreakerRequest::Open { strikes: 1 }, at(602));
        assert_eq!((admit(&mut breaker, 602), breaker.is_closed()), (Some(0), false));
    }

    #[test]
    fn a_try_without_an_answer_is_followed_by_another_one_soon() {
        let mut breaker = UnreadBreaker::default();
        close(&mut breaker, 0, 0);
        assert_eq!(admit(&mut breaker, 600), Some(1));
        assert_eq!(admit(&mut breaker, 619), None);
        assert_eq!(admit(&mut breaker, 620), Some(1));
    }

    #[test]
    fn a_login_lets_one_try_at_once_and_forgets_no_strike() {
        let mut breaker = UnreadBreaker::default();
        close(&mut breaker, 0, 0);
        breaker.perform(BreakerRequest::Retry, at(5));
        assert_eq!(admit(&mut breaker, 5), Some(1));
        close(&mut breaker, 1, 6);
        assert_eq!(breaker.hold(at(7)), Some(at(3606)));
    }

    #[test]
    fn of_an_unknown_one_the_first_tries_and_its_success_opens() {
        let mut breaker = UnreadBreaker::unknown(at(0));
        assert_eq!((admit(&mut breaker, 0), admit(&mut breaker, 0)), (Some(0), None));
        assert!(breaker.is_unknown() && !breaker.is_closed());
        breaker.perform(BreakerRequest::Open { strikes: 0 }, at(1));
        assert_eq!((admit(&mut breaker, 1), admit(&mut breaker, 1)), (Some(0), Some(0)));
    }

    #[test]
    fn its_text_reads_back_and_no_clock_makes_a_pause_longer() {
        let mut breaker = UnreadBreaker::default();
        assert_eq!((breaker.encode().as_str(), UnreadBreaker::decode("", at(0))), ("", breaker.clone()));
        close(&mut breaker, 3, 0);
        let text = breaker.encode();
        assert_eq!(UnreadBreaker::decode(&text, at(5)), breaker);
        let set_back = UnreadBreaker::decode(&text, Moment::from_micros(7));
        assert_eq!(
            set_back.hold(Moment::from_micros(7)),
            Some(Moment::from_micros(7) + UnreadBreaker::PAUSES[3])
        );
        for none in ["12", "x 1", "1 x", "1 256", "1 2 3"] {
            assert!(!UnreadBreaker::decode(none, at(0)).is_closed(), "{none}");
        }
    }

    #[test]
    fn what_others_share_is_adopted() {
        let mut breaker = UnreadBreaker::default();
        breaker.learn(Admission::Closed { wait: HOLD * 100 }, at(0));
        assert_eq!((breaker.hold(at(1)), breaker.is_closed()), (Some(at(2_000)), true));
        breaker.learn(Admission::Admitted { strikes: 2 }, at(2));
        assert_eq!((breaker.hold(at(2)), breaker.is_closed(), admit(&mut breaker, 2)), (None, true, Some(2)));
        breaker.learn(Admission::Admitted { strikes: 0 }, at(2));
        assert!(!breaker.is_closed());
    }
}

//! What a connection is doing: working on a request, or waiting for its other side.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    task::Waker,
    time::Duration,
};

use tokio::time::Instant;

use super::limits::Limits;

/// The activity of one connection, shared by its stream, its requests and whoever needs room for another one.
#[derive(Debug)]
pub(super) struct Activity(Mutex<State>);

#[derive(Debug)]
struct State {
    phase: Phase,
    /// Since when an answer has waited for the other side to take something of it.
    unwritten: Option<Instant>,
    /// Since when the body of a request has been waited for.
    unread: Option<Instant>,
    /// Since when a request has waited for room.
    parked: Option<Instant>,
    /// Since when the other side has been done with sending.
    half_closed: Option<Instant>,
    /// Whoever reads, to be woken when the request under way has ended: a deadline counts again from then on.
    reader: Option<Waker>,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    /// No request is under way.
    Idle { since: Instant },
    /// The head of a request has begun.
    Head { since: Instant },
    /// A request is worked on, or its answer is on the way.
    Request,
}

/// Waiting for the other side, which nothing here can speed up.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Waiting {
    pub(super) is_idle: bool,
    pub(super) since: Instant,
}

impl Activity {
    pub(super) fn new(now: Instant) -> Self {
        let phase = Phase::Idle { since: now };
        Self(Mutex::new(State {
            phase,
            unwritten: None,
            unread: None,
            parked: None,
            half_closed: None,
            reader: None,
        }))
    }

    /// Returns since when the connection has waited for its other side, or for room; `None` while it is this process' turn.
    /// A side that is done with sending may have gone, and counts as waited for.
    pub(super) fn waiting(&self) -> Option<Waiting> {
        let state = self.state();
        let stuck = |since| Some(Waiting { is_idle: false, since });
        match (state.unwritten, state.phase) {
            (Some(since), _) | (None, Phase::Head { since }) => stuck(since),
            (None, Phase::Idle { since }) => Some(Waiting { is_idle: true, since }),
            (None, Phase::Request) => state.unread.or(state.parked).or(state.half_closed).and_then(stuck),
        }
    }

    /// The instant by which something has to be read. Where there is none, the reader is woken when there is.
    pub(super) fn read_deadline(&self, limits: &Limits, reader: &Waker) -> Option<Instant> {
        let mut state = self.state();
        match state.phase {
            Phase::Idle { since } => Some(since + limits.idle),
            Phase::Head { since } => Some(since + limits.head),
            // Whoever reads a body has a deadline for all of it.
            Phase::Request => {
                state.reader = Some(reader.clone());
                None
            }
        }
    }

    /// The instant by which something has to be written, after this attempt to write nothing.
    pub(super) fn write_deadline(&self, now: Instant, longest: Duration) -> Instant {
        *self.state().unwritten.get_or_insert(now) + longest
    }

    /// Bytes arrived.
    pub(super) fn read(&self, now: Instant) {
        let mut state = self.state();
        if let Phase::Idle { .. } = state.phase {
            state.phase = Phase::Head { since: now };
        }
    }

    /// Bytes were taken.
    pub(super) fn written(&self) {
        self.state().unwritten = None;
    }

    /// A request was read up to its body.
    pub(super) fn begin_request(&self) {
        self.state().phase = Phase::Request;
    }

    /// A request waits for room, or has stopped to.
    pub(super) fn park(&self, since: Option<Instant>) {
        self.state().parked = since;
    }

    /// Returns whether a request waits for room.
    pub(super) fn is_parked(&self) -> bool {
        self.state().parked.is_some()
    }

    /// The other side is done with sending. Returns true if it may be waiting for an answer all the same, so that this is
    /// not the end of the connection yet.
    pub(super) fn half_close(&self, now: Instant, waker: &Waker) -> bool {
        let mut state = self.state();
        let is_answered = matches!(state.phase, Phase::Request) && state.unread.is_none();
        if is_answered {
            state.half_closed.get_or_insert(now);
            state.reader = Some(waker.clone());
        }
        is_answered
    }

    /// An answer was handed over for writing, to its end.
    pub(super) fn end_request(&self, now: Instant) {
        let mut state = self.state();
        state.phase = Phase::Idle { since: now };
        (state.unread, state.half_closed) = (None, None);
        if let Some(reader) = state.reader.take() {
            reader.wake();
        }
    }

    /// A body was asked for more.
    pub(super) fn body_read(&self, arrived: bool, now: Instant) {
        let unread = &mut self.state().unread;
        if arrived {
            *unread = None;
        } else {
            unread.get_or_insert(now);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_connection_waits_for_its_other_side_except_while_a_request_is_worked_on() {
        let begin = Instant::now();
        let at = |seconds: u32| begin + SECOND * seconds;
        let idle = |seconds| Some(Waiting { is_idle: true, since: at(seconds) });
        let stuck = |seconds| Some(Waiting { is_idle: false, since: at(seconds) });
        let activity = Activity::new(begin);
        assert_eq!(activity.waiting(), idle(0));
        activity.read(at(1));
        activity.read(at(2));
        assert_eq!(activity.waiting(), stuck(1), "a head counts from its first byte");
        activity.begin_request();
        assert_eq!(activity.waiting(), None);
        activity.body_read(false, at(3));
        activity.body_read(false, at(4));
        assert_eq!(activity.waiting(), stuck(3));
        assert!(!activity.half_close(at(4), Waker::noop()), "a body that is cut is an error");
        activity.body_read(true, at(5));
        assert_eq!(activity.waiting(), None);
        activity.park(Some(at(5)));
        assert_eq!((activity.waiting(), activity.is_parked()), (stuck(5), true));
        activity.park(None);
        assert_eq!((activity.waiting(), activity.is_parked()), (None, false));
        activity.read(at(6));
        assert_eq!(activity.waiting(), None, "what arrives during a request is the next one");
        assert_eq!(activity.write_deadline(at(7), SECOND), at(8));
        assert_eq!(activity.write_deadline(at(9), SECOND), at(8));
        assert_eq!(activity.waiting(), stuck(7));
        activity.end_request(at(10));
        assert_eq!(activity.waiting(), stuck(7), "the rest of an answer is still to be taken");
        activity.written();
        assert_eq!(activity.waiting(), idle(10));
        assert!(!activity.half_close(at(11), Waker::noop()), "nothing is to be answered");
        activity.begin_request();
        assert!(activity.half_close(at(12), Waker::noop()));
        assert_eq!(activity.waiting(), stuck(12));
    }

    #[test]
    fn a_head_has_less_time_than_an_idle_connection_and_a_request_is_not_cut() {
        let begin = Instant::now();
        let mut limits = Limits::for_tests(1, 1);
        (limits.idle, limits.head) = (SECOND * 75, SECOND * 10);
        let activity = Activity::new(begin);
        assert_eq!(activity.read_deadline(&limits, Waker::noop()), Some(begin + SECOND * 75));
        activity.read(begin + SECOND * 74);
        assert_eq!(activity.read_deadline(&limits, Waker::noop()), Some(begin + SECOND * 84));
        activity.begin_request();
        assert_eq!(activity.read_deadline(&limits, Waker::noop()), None);
        activity.end_request(begin + SECOND * 100);
        assert_eq!(activity.read_deadline(&limits, Waker::noop()), Some(begin + SECOND * 175));
    }
}

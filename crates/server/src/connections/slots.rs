//! Who has a connection, and who gives one up for somebody else.

use std::{
    collections::{BTreeMap, HashMap},
    net::IpAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use solekey::core::mutant;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{activity::Activity, limits::Limits};

/// The other side of a connection, as far as several connections can be known to be of one.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Peer {
    /// Somebody on this host: whoever connects to loopback.
    Local,
    /// Another host.
    Address(IpAddr),
    /// A user of this host, by number.
    User(u32),
}

/// The connections that there are.
///
/// Above three quarters of the most, a new one ends the one that has been idle longest; at the most, one that waits for
/// its other side in the middle of a request. A request that is worked on is never cut. Where nobody can be ended, a few
/// connections more are answered about health alone.
#[derive(Debug)]
pub(super) struct Slots {
    limits: Limits,
    connections: Mutex<Connections>,
}

#[derive(Default, Debug)]
struct Connections {
    next: u64,
    by_number: BTreeMap<u64, Entry>,
    counts: Counts,
    /// True since there was no room, until there was plenty.
    is_overloaded: bool,
}

#[derive(Debug)]
struct Entry {
    peer: Peer,
    /// True for those beyond the most.
    is_reserve: bool,
    /// True for those that were asked to end; they are counted no more.
    is_ending: bool,
    activity: Arc<Activity>,
    ending: CancellationToken,
}

/// The right to be a connection; given back when it is dropped.
#[derive(Debug)]
pub(super) struct Slot {
    slots: Arc<Slots>,
    number: u64,
    activity: Arc<Activity>,
    ending: CancellationToken,
    /// As in its entry, for a request that asks.
    is_reserve: AtomicBool,
}

impl Slots {
    pub(super) fn new(limits: Limits) -> Arc<Self> {
        Arc::new(Self { limits, connections: Mutex::default() })
    }

    /// Finds room for a connection, if need be by ending another one. `None`: there is none at this moment.
    pub(super) fn take(self: &Arc<Self>, peer: Peer, now: Instant) -> Option<Slot> {
        let mut connections = self.connections();
        let is_reserve = !connections.make_room(peer, &self.limits, now);
        connections.note_load(is_reserve, &self.limits);
        if is_reserve && !connections.make_room_in_reserve(&self.limits, now) {
            return None;
        }
        let number = connections.next;
        connections.next += 1;
        let (activity, ending) = (Arc::new(Activity::new(now)), CancellationToken::new());
        let (noted, is_ending) = (Arc::clone(&activity), false);
        let entry = Entry { peer, is_reserve, is_ending, activity: noted, ending: ending.clone() };
        connections.counts.add(&entry);
        connections.by_number.insert(number, entry);
        Some(Slot { slots: Arc::clone(self), number, activity, ending, is_reserve: is_reserve.into() })
    }

    fn connections(&self) -> MutexGuard<'_, Connections> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Connections {
    /// Returns whether one more of this peer can be answered, after having ended one if that was necessary.
    fn make_room(&mut self, peer: Peer, limits: &Limits, now: Instant) -> bool {
        let is_answered = |entry: &Entry| !entry.is_reserve;
        let leaves_others_room = peer == Peer::Local
            || self.counts.of(peer) < limits.most_of_one_peer()
            || mutant("one_peer_has_everything");
        if !leaves_others_room && !self.end_longest(|entry| is_answered(entry) && entry.peer == peer, now) {
            return false;
        }
        let count = self.counts.answered;
        if mutant("idle_connections_stay") {
            return count < limits.most;
        }
        let ended = count >= limits.crowded() && self.end(is_answered, now, QUIET, Duration::MAX);
        ended || count < limits.most || self.end_longest(is_answered, now)
    }

    /// Logs once that there is no room, until there was plenty.
    fn note_load(&mut self, is_reserve: bool, limits: &Limits) {
        if is_reserve && !self.is_overloaded {
            tracing::warn!(
                connections = limits.most,
                "there are as many connections as are served; more are answered about health alone until some end"
            );
        }
        self.is_overloaded = is_reserve || self.is_overloaded && self.counts.answered >= limits.crowded();
    }

    fn make_room_in_reserve(&mut self, limits: &Limits, now: Instant) -> bool {
        let has_room =
            self.counts.reserve < limits.reserve || self.end(|entry| entry.is_reserve, now, QUIET, QUIET);
        has_room && !mutant("health_has_no_reserve")
    }

    /// Ends the connection that has waited for its other side for the longest time: an idle one, else one in the middle of
    /// a request.
    fn end_longest(&mut self, among: impl Fn(&Entry) -> bool, now: Instant) -> bool {
        self.end(&among, now, QUIET, Duration::MAX) || self.end(&among, now, QUIET, STUCK)
    }

    /// Ends the connection that has waited longest of those that have waited so long, idle or in the middle of a request.
    fn end(&mut self, among: impl Fn(&Entry) -> bool, now: Instant, idle: Duration, stuck: Duration) -> bool {
        let present = self.by_number.values_mut().filter(|entry| !entry.is_ending && among(entry));
        let waiting = present.filter_map(|entry| {
            let waiting = entry.activity.waiting()?;
            let least = if waiting.is_idle { idle } else { stuck };
            (now.saturating_duration_since(waiting.since) >= least).then_some((waiting.since, entry))
        });
        let Some((_, longest)) = waiting.min_by_key(|(since, _)| *since) else { return false };
        self.counts.remove(longest);
        longest.is_ending = true;
        longest.ending.cancel();
        true
    }

    /// Moves a connection out of the reserve.
    fn promote(&mut self, number: u64) {
        if let Some(entry) = self.by_number.get_mut(&number).filter(|entry| !entry.is_ending) {
            self.counts.remove(entry);
            entry.is_reserve = false;
            self.counts.add(entry);
        }
    }

    fn remove(&mut self, number: u64) {
        if let Some(entry) = self.by_number.remove(&number).filter(|entry| !entry.is_ending) {
            self.counts.remove(&entry);
        }
    }
}

/// The numbers of those that are not about to end.
#[derive(Default, Debug)]
struct Counts {
    answered: usize,
    reserve: usize,
    /// Of those that are answered.
    by_peer: HashMap<Peer, usize>,
}

impl Counts {
    fn of(&self, peer: Peer) -> usize {
        self.by_peer.get(&peer).copied().unwrap_or_default()
    }

    fn add(&mut self, entry: &Entry) {
        if entry.is_reserve {
            self.reserve += 1;
        } else {
            self.answered += 1;
            *self.by_peer.entry(entry.peer).or_default() += 1;
        }
    }

    fn remove(&mut self, entry: &Entry) {
        if entry.is_reserve {
            self.reserve -= 1;
            return;
        }
        self.answered -= 1;
        // Peers that have left leave nothing here.
        if let Some(count) = self.by_peer.get_mut(&entry.peer) {
            *count -= 1;
            if *count == 0 {
                self.by_peer.remove(&entry.peer);
            }
        }
    }
}

impl Slot {
    pub(super) fn activity(&self) -> &Arc<Activity> {
        &self.activity
    }

    /// Returns once somebody else needs the room.
    pub(super) async fn wanted(&self) {
        self.ending.cancelled().await;
    }

    /// Returns whether it is beyond the most.
    pub(super) fn is_reserve(&self) -> bool {
        self.is_reserve.load(Relaxed)
    }

    /// Returns whether requests other than those about health are answered: in the reserve not before there is room, if
    /// need be by ending another connection.
    pub(super) fn is_answered(&self, now: Instant) -> bool {
        if !self.is_reserve() {
            return true;
        }
        let mut connections = self.slots.connections();
        let peer = connections.by_number.get(&self.number).map(|entry| entry.peer);
        let has_room = peer.is_some_and(|peer| connections.make_room(peer, &self.slots.limits, now));
        if has_room {
            connections.promote(self.number);
            self.is_reserve.store(false, Relaxed);
        }
        has_room
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.slots.connections().remove(self.number);
    }
}

/// Whoever has had an answer for this long has read it, on any network on which a sidecar is used.
const QUIET: Duration = Duration::from_millis(50);
/// A head, a body or an answer that stands still for this long is of somebody who is slow on purpose or away.
const STUCK: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    struct Crowd {
        slots: Arc<Slots>,
        now: Instant,
        there: Vec<Option<Slot>>,
    }

    impl Crowd {
        fn new(most: usize, reserve: usize) -> Self {
            let slots = Slots::new(Limits::for_tests(most, reserve));
            Self { slots, now: Instant::now(), there: Vec::new() }
        }

        /// One more; returns whether it is answered, `None` if it is not there at all.
        fn come(&mut self, peer: Peer) -> Option<bool> {
            let slot = self.slots.take(peer, self.now);
            let is_answered = slot.as_ref().map(|slot| slot.is_answered(self.now));
            self.there.push(slot);
            is_answered
        }

        fn come_and_work(&mut self, peer: Peer) -> Option<bool> {
            let came = self.come(peer);
            if let Some(Some(slot)) = self.there.last() {
                slot.activity.begin_request();
            }
            came
        }

        fn pass(&mut self, span: Duration) {
            self.now += span;
        }

        /// The numbers of those that were ended; they go.
        fn ended(&mut self) -> Vec<usize> {
            let is_ended = |slot: &Option<Slot>| slot.as_ref().is_some_and(|slot| slot.ending.is_cancelled());
            let ended: Vec<_> = (0..self.there.len()).filter(|at| is_ended(&self.there[*at])).collect();
            for at in &ended {
                self.there[*at] = None;
            }
            ended
        }

        fn activity(&self, at: usize) -> &Activity {
            &self.there[at].as_ref().unwrap().activity
        }
    }

    #[test]
    fn near_the_most_a_new_one_ends_the_one_that_has_been_idle_longest() {
        let mut crowd = Crowd::new(8, 1);
        for _ in 0..6 {
            assert_eq!(crowd.come(Peer::Local), Some(true));
            crowd.pass(QUIET);
        }
        assert_eq!(crowd.ended(), [0; 0], "three quarters are nobody's loss");
        crowd.activity(0).read(crowd.now);
        crowd.activity(1).begin_request();
        for ended in [2, 3, 4] {
            assert_eq!(crowd.come(Peer::Local), Some(true));
            crowd.pass(QUIET);
            assert_eq!(crowd.ended(), [ended]);
        }
    }

    #[test]
    fn whoever_has_just_got_an_answer_is_not_ended() {
        let mut crowd = Crowd::new(4, 1);
        for _ in 0..4 {
            assert_eq!(crowd.come(Peer::Local), Some(true));
        }
        assert_eq!((crowd.come(Peer::Local), crowd.ended()), (Some(false), vec![]));
        assert_eq!((crowd.come(Peer::Local), crowd.ended()), (None, vec![]), "the reserve has one");
        crowd.pass(QUIET);
        crowd.activity(0).begin_request();
        crowd.activity(0).end_request(crowd.now);
        assert_eq!((crowd.come(Peer::Local), crowd.ended()), (Some(true), vec![1]));
    }

    #[test]
    fn those_that_keep_us_waiting_go_when_there_is_nobody_idle_and_those_that_wait_for_us_stay() {
        let mut crowd = Crowd::new(4, 1);
        for _ in 0..4 {
            crowd.come_and_work(Peer::Local);
        }
        // A slow body, a slow head, and an answer that nobody takes.
        crowd.activity(1).body_read(false, crowd.now);
        crowd.activity(2).end_request(crowd.now);
        crowd.activity(2).read(crowd.now + QUIET);
        crowd.activity(3).write_deadline(crowd.now + QUIET * 2, STUCK);
        assert_eq!((crowd.come(Peer::Local), crowd.ended()), (Some(false), vec![]));
        crowd.pass(STUCK + QUIET * 2);
        let mut ended = Vec::new();
        for _ in 0..3 {
            assert_eq!(crowd.come_and_work(Peer::Local), Some(true));
            ended.extend(crowd.ended());
        }
        assert_eq!(ended, [1, 2, 3]);
        crowd.pass(Duration::from_mins(1));
        // The one in the reserve, which has asked for nothing, makes room for the next there.
        assert_eq!((crowd.come(Peer::Local), crowd.ended()), (Some(false), vec![4]));
    }

    #[test]
    fn one_in_the_reserve_is_answered_once_there_is_room() {
        let mut crowd = Crowd::new(2, 1);
        crowd.come_and_work(Peer::Local);
        crowd.come_and_work(Peer::Local);
        assert_eq!(crowd.come_and_work(Peer::Local), Some(false));
        crowd.there[0] = None;
        assert!(crowd.there[2].as_ref().unwrap().is_answered(crowd.now));
        assert_eq!(crowd.come_and_work(Peer::Local), Some(false), "it has taken the room");
    }

    #[test]
    fn one_peer_has_half_at_most_and_the_others_find_room() {
        let (greedy, other) = (Peer::User(7), Peer::User(8));
        let mut crowd = Crowd::new(8, 2);
        for _ in 0..4 {
            assert_eq!(crowd.come_and_work(greedy), Some(true));
        }
        assert_eq!(crowd.come_and_work(greedy), Some(false), "health is answered");
        for _ in 0..4 {
            assert_eq!(crowd.come_and_work(other), Some(true));
        }
        crowd.pass(QUIET);
        crowd.activity(2).end_request(crowd.now);
        crowd.pass(QUIET);
        assert_eq!(
            (crowd.come_and_work(greedy), crowd.ended()),
            (Some(true), vec![2]),
            "in place of its own"
        );
        crowd.there.clear();
        let counts = &crowd.slots.connections().counts;
        assert_eq!((counts.answered, counts.reserve, counts.by_peer.len()), (0, 0, 0));

        let address = Peer::Address(IpAddr::from([10, 0, 0, 1]));
        let mut crowd = Crowd::new(8, 1);
        (0..4).for_each(|_| assert_eq!(crowd.come_and_work(address), Some(true)));
        assert_eq!(crowd.come_and_work(address), Some(false));
        (0..4).for_each(|_| assert_eq!(crowd.come_and_work(Peer::Local), Some(true), "nobody in particular"));
    }
}

//! The notifications that subscribers of this process hear.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::sync::{Notify, broadcast, watch};

/// One message, as published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notification {
    /// The channel it was published on.
    pub channel: Arc<str>,
    /// The published text.
    pub payload: Arc<[u8]>,
}

/// The next item of a subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A message.
    Notification(Notification),
    /// Messages may have been missed: the connection was lost, is back, or this reader fell behind. Whoever waits
    /// for something checks it anew.
    Gap,
}

/// A subscription to some channels.
///
/// Push is at most once. The order that loses nothing is: subscribe, see that it is live, check what you wait for, then
/// wait; and check anew after every [`Gap`](Event::Gap).
#[derive(Debug)]
pub struct Subscription {
    hub: Arc<Hub>,
    channels: HashSet<Arc<str>>,
    events: broadcast::Receiver<Event>,
    confirmed: watch::Receiver<Confirmed>,
}

impl Subscription {
    pub(crate) fn new(hub: Arc<Hub>, channels: HashSet<Arc<str>>) -> Self {
        let (events, confirmed) = (hub.events.subscribe(), hub.confirmed.subscribe());
        hub.want(&channels);
        Self { hub, channels, events, confirmed }
    }

    /// Returns whether the server has confirmed every channel on the present connection.
    pub fn is_live(&self) -> bool {
        !self.hub.closed.is_cancelled() && self.channels.is_subset(&self.confirmed.borrow())
    }

    /// Waits until the server has confirmed every channel; for ever where there is no push. The caller bounds it.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    pub async fn live(&mut self) {
        let channels = &self.channels;
        if self.confirmed.wait_for(|confirmed| channels.is_subset(confirmed)).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Forgets what was published so far.
    pub(crate) fn start_here(&mut self) {
        self.events = self.events.resubscribe();
    }

    /// The next event; `None` once the link is closed.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            let event = tokio::select! {
                biased;
                event = self.events.recv() => event,
                () = self.hub.closed() => return None,
            };
            match event {
                Ok(event) if self.concerns(&event) => return Some(event),
                Ok(_) => {}
                Err(RecvError::Lagged(_)) => return Some(Event::Gap),
                Err(RecvError::Closed) => return None,
            }
        }
    }

    /// The next event if one is there already.
    pub fn try_next(&mut self) -> Option<Event> {
        loop {
            match self.events.try_recv() {
                Ok(event) if self.concerns(&event) => return Some(event),
                Ok(_) => {}
                Err(TryRecvError::Lagged(_)) => return Some(Event::Gap),
                Err(TryRecvError::Empty | TryRecvError::Closed) => return None,
            }
        }
    }

    fn concerns(&self, event: &Event) -> bool {
        match event {
            Event::Notification(notifications) => self.channels.contains(&notifications.channel),
            Event::Gap => true,
        }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.hub.want_no_more(&self.channels);
    }
}

/// The channels the server has confirmed on the present connection.
pub(crate) type Confirmed = HashSet<Arc<str>>;

/// The meeting point of the subscriber task and the subscriptions.
#[derive(Debug)]
pub(crate) struct Hub {
    events: broadcast::Sender<Event>,
    confirmed: watch::Sender<Confirmed>,
    /// The number of subscriptions that want each channel; bounded by the subscriptions that live.
    wanted: Mutex<HashMap<Arc<str>, usize>>,
    changed: Notify,
    closed: tokio_util::sync::CancellationToken,
    push: bool,
}

impl Hub {
    pub(crate) fn new(push: bool) -> Self {
        Self {
            events: broadcast::Sender::new(BACKLOG),
            confirmed: watch::Sender::new(Confirmed::new()),
            wanted: Mutex::default(),
            changed: Notify::new(),
            closed: tokio_util::sync::CancellationToken::new(),
            push,
        }
    }

    pub(crate) fn has_push(&self) -> bool {
        self.push
    }

    pub(crate) fn wanted(&self) -> Confirmed {
        self.wants().keys().cloned().collect()
    }

    /// Returns when the set of wanted channels may have changed.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    pub(crate) fn publish(&self, notifications: Notification) {
        // Nobody listening is not an error.
        let _ = self.events.send(Event::Notification(notifications));
    }

    /// Replaces the confirmed channels and makes everybody check anew.
    pub(crate) fn confirm(&self, channels: Confirmed) {
        // In this order, so that whoever waits for the confirmation need not hear about the gap before it.
        let _ = self.events.send(Event::Gap);
        self.confirmed.send_replace(channels);
    }

    pub(crate) fn close(&self) {
        self.closed.cancel();
    }

    async fn closed(&self) {
        self.closed.cancelled().await;
    }

    fn want(&self, channels: &HashSet<Arc<str>>) {
        let mut wanted = self.wants();
        for channel in channels {
            *wanted.entry(Arc::clone(channel)).or_default() += 1;
        }
        self.changed.notify_one();
    }

    fn want_no_more(&self, channels: &HashSet<Arc<str>>) {
        let mut wanted = self.wants();
        for channel in channels {
            if let Some(count) = wanted.get_mut(channel) {
                *count -= 1;
            }
        }
        wanted.retain(|_, count| *count > 0);
        self.changed.notify_one();
    }

    fn wants(&self) -> MutexGuard<'_, HashMap<Arc<str>, usize>> {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Events kept for a reader that is busy; one that falls further behind hears a gap instead.
const BACKLOG: usize = 1024;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn notifications(channel: &str, number: usize) -> Notification {
        Notification { channel: channel.into(), payload: number.to_string().into_bytes().into() }
    }

    #[tokio::test]
    async fn a_reader_that_falls_behind_receives_a_gap_and_then_the_newest_notifications() {
        let hub = Arc::new(Hub::new(true));
        let mut subscription = Subscription::new(Arc::clone(&hub), HashSet::from(["a".into()]));
        for number in 0..BACKLOG * 2 {
            hub.publish(notifications("a", number));
        }
        assert_eq!(subscription.next().await.unwrap(), Event::Gap);
        let mut last = None;
        while let Some(event) = subscription.try_next() {
            last = Some(event);
        }
        assert_eq!(last.unwrap(), Event::Notification(notifications("a", BACKLOG * 2 - 1)));
    }

    #[tokio::test]
    async fn only_notifications_of_its_own_channels_reach_a_subscription() {
        let hub = Arc::new(Hub::new(true));
        let mut subscription = Subscription::new(Arc::clone(&hub), HashSet::from(["a".into()]));
        hub.publish(notifications("b", 1));
        hub.publish(notifications("a", 2));
        assert_eq!(subscription.next().await.unwrap(), Event::Notification(notifications("a", 2)));
    }

    #[tokio::test]
    async fn a_channel_is_wanted_until_its_last_subscription_is_gone() {
        let hub = Arc::new(Hub::new(true));
        let first = Subscription::new(Arc::clone(&hub), HashSet::from(["a".into()]));
        let second = Subscription::new(Arc::clone(&hub), HashSet::from(["a".into(), "b".into()]));
        drop(second);
        assert_eq!(hub.wanted(), HashSet::from(["a".into()]));
        drop(first);
        assert!(hub.wanted().is_empty());
    }

    #[tokio::test]
    async fn a_subscription_ends_with_its_link() {
        let hub = Arc::new(Hub::new(true));
        let mut subscription = Subscription::new(Arc::clone(&hub), HashSet::from(["a".into()]));
        hub.close();
        assert_eq!(subscription.next().await, None);
    }
}

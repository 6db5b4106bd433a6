//! The progress of a flight, sent to its callers.

use tokio::sync::Notify;

use super::outcome::Progress;
use crate::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A flight that has just begun, and those who listen to it. They are woken in the order in which they came: it is
/// fair, and a simulation of it can be repeated.
pub(crate) fn progress() -> (OutcomeSender, Listener) {
    let cell =
        Arc::new(ProgressCell { shown: Mutex::new((Progress::Reading, false)), changed: Notify::new() });
    (OutcomeSender(Arc::clone(&cell)), Listener(cell))
}

/// The flight's end. Dropping it says that the flight is over.
#[derive(Debug)]
pub(crate) struct OutcomeSender(Arc<ProgressCell>);

/// A caller's end.
#[derive(Clone, Debug)]
pub(crate) struct Listener(Arc<ProgressCell>);

#[derive(Debug)]
struct ProgressCell {
    /// The progress, and whether the flight is over.
    shown: Mutex<(Progress, bool)>,
    changed: Notify,
}

impl ProgressCell {
    fn lock(&self) -> MutexGuard<'_, (Progress, bool)> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OutcomeSender {
    pub(crate) fn send(&self, progress: Progress) {
        self.0.lock().0 = progress;
        self.0.changed.notify_waiters();
    }

    /// Reports, once, that the first reads are over.
    pub(crate) fn go_to_work(&self) {
        let reads_done = matches!(self.0.lock().0, Progress::Reading);
        if reads_done {
            self.send(Progress::AtWork);
        }
    }
}

impl Drop for OutcomeSender {
    fn drop(&mut self) {
        self.0.lock().1 = true;
        self.0.changed.notify_waiters();
    }
}

impl Listener {
    /// Waits until the flight has come far enough and returns its progress; `None` if it ended before.
    ///
    /// # Cancel safety
    /// Dropping the future changes nothing.
    pub(crate) async fn wait_for(&self, enough: impl Fn(&Progress) -> bool) -> Option<Progress> {
        loop {
            // Made before the read: what is sent between the two wakes it.
            let changed = self.0.changed.notified();
            {
                let shown = self.0.lock();
                if enough(&shown.0) {
                    return Some(shown.0.clone());
                }
                if shown.1 {
                    return None;
                }
            }
            changed.await;
        }
    }

    /// The end of the flight.
    ///
    /// # Cancel safety
    /// Dropping the future changes nothing.
    pub(crate) async fn over(&self) {
        let _ = self.wait_for(|_| false).await;
    }

    pub(crate) fn is_over(&self) -> bool {
        self.0.lock().1
    }

    pub(crate) fn has_delivered(&self) -> bool {
        matches!(self.0.lock().0, Progress::Finished(_))
    }
}

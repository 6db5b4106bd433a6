//! How a flight's callers learn how far it has come.

use tokio::sync::Notify;

use crate::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    told::Progress,
};

/// A flight that has just begun, and those who listen to it. They are woken in the order in which they came: it is
/// fair, and a simulation of it can be repeated.
pub(crate) fn progress() -> (Teller, Listener) {
    let board = Arc::new(Board { shown: Mutex::new((Progress::Looking, false)), changed: Notify::new() });
    (Teller(Arc::clone(&board)), Listener(board))
}

/// The flight's end. Dropping it says that the flight is over.
#[derive(Debug)]
pub(crate) struct Teller(Arc<Board>);

/// A caller's end.
#[derive(Clone, Debug)]
pub(crate) struct Listener(Arc<Board>);

#[derive(Debug)]
struct Board {
    /// How far it has come, and whether it is over.
    shown: Mutex<(Progress, bool)>,
    changed: Notify,
}

impl Board {
    fn lock(&self) -> MutexGuard<'_, (Progress, bool)> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Teller {
    pub(crate) fn tell(&self, progress: Progress) {
        self.0.lock().0 = progress;
        self.0.changed.notify_waiters();
    }

    /// Says that the looks are over, once.
    pub(crate) fn go_to_work(&self) {
        let looked = matches!(self.0.lock().0, Progress::Looking);
        if looked {
            self.tell(Progress::AtWork);
        }
    }
}

impl Drop for Teller {
    fn drop(&mut self) {
        self.0.lock().1 = true;
        self.0.changed.notify_waiters();
    }
}

impl Listener {
    /// How far the flight has come, as soon as it is that far; `None` if it ended before.
    ///
    /// # Cancel safety
    /// Dropping the future changes nothing.
    pub(crate) async fn wait_for(&self, enough: impl Fn(&Progress) -> bool) -> Option<Progress> {
        loop {
            // Made before the look: what is told between the two wakes it.
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
        matches!(self.0.lock().0, Progress::Told(_))
    }
}

//! The clock of a server.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use solekey_core::StoreTime;
use tokio::time::Instant;

use super::lock;

/// The clock of a server, shared by whatever the server runs. Clones are the same clock.
#[derive(Clone, Debug)]
pub struct MemoryClock(Arc<Mutex<Pace>>);

#[derive(Clone, Copy, Debug)]
enum Pace {
    /// The wall clock of the machine, kept from stepping back; `last` is the latest time shown.
    Wall { last: StoreTime },
    /// Only a hand moves it.
    Standing { at: StoreTime },
    /// Tokio's clock, which a paused runtime moves by itself.
    Tokio { at: StoreTime, since: Instant },
}

impl MemoryClock {
    /// Shows the machine's wall clock.
    pub fn wall() -> Self {
        Self::of(Pace::Wall { last: StoreTime::default() })
    }

    /// Stands at `at` until it is moved.
    pub fn standing(at: StoreTime) -> Self {
        Self::of(Pace::Standing { at })
    }

    /// Shows `at` now and goes on with tokio's time, virtual where that is paused.
    pub fn tokio(at: StoreTime) -> Self {
        Self::of(Pace::Tokio { at, since: Instant::now() })
    }

    /// The time.
    pub fn now(&self) -> StoreTime {
        let mut pace = lock(&self.0);
        if let Pace::Wall { last } = &mut *pace {
            *last = machine().max(*last);
        }
        pace.shown()
    }

    /// Sets the clock, also back. A wall clock stands still from then on.
    pub fn set(&self, to: StoreTime) {
        let mut pace = lock(&self.0);
        *pace = match *pace {
            Pace::Tokio { .. } => Pace::Tokio { at: to, since: Instant::now() },
            Pace::Wall { .. } | Pace::Standing { .. } => Pace::Standing { at: to },
        };
    }

    /// Sets the clock forward.
    pub fn advance(&self, span: Duration) {
        self.set(self.now() + span);
    }

    fn of(pace: Pace) -> Self {
        Self(Arc::new(Mutex::new(pace)))
    }
}

impl Default for MemoryClock {
    fn default() -> Self {
        Self::wall()
    }
}

impl Pace {
    fn shown(self) -> StoreTime {
        match self {
            Self::Wall { last: at } | Self::Standing { at } => at,
            Self::Tokio { at, since } => at + since.elapsed(),
        }
    }
}

fn machine() -> StoreTime {
    StoreTime::default() + SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

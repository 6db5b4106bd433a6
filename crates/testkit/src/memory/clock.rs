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
pub struct MemoryClock(Arc<Mutex<Rate>>);

#[derive(Clone, Copy, Debug)]
enum Rate {
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
        Self::of(Rate::Wall { last: StoreTime::default() })
    }

    /// Stands at `at` until it is moved.
    pub fn standing(at: StoreTime) -> Self {
        Self::of(Rate::Standing { at })
    }

    /// Shows `at` now and goes on with tokio's time, virtual where that is paused.
    pub fn tokio(at: StoreTime) -> Self {
        Self::of(Rate::Tokio { at, since: Instant::now() })
    }

    /// The time.
    pub fn now(&self) -> StoreTime {
        let mut rate = lock(&self.0);
        if let Rate::Wall { last } = &mut *rate {
            *last = machine().max(*last);
        }
        rate.shown()
    }

    /// Sets the clock, also back. A wall clock stands still from then on.
    pub fn set(&self, to: StoreTime) {
        let mut rate = lock(&self.0);
        *rate = match *rate {
            Rate::Tokio { .. } => Rate::Tokio { at: to, since: Instant::now() },
            Rate::Wall { .. } | Rate::Standing { .. } => Rate::Standing { at: to },
        };
    }

    /// Sets the clock forward.
    pub fn advance(&self, span: Duration) {
        self.set(self.now() + span);
    }

    fn of(rate: Rate) -> Self {
        Self(Arc::new(Mutex::new(rate)))
    }
}

impl Default for MemoryClock {
    fn default() -> Self {
        Self::wall()
    }
}

impl Rate {
    fn shown(self) -> StoreTime {
        match self {
            Self::Wall { last: at } | Self::Standing { at } => at,
            Self::Tokio { at, since } => at + since.elapsed(),
        }
    }
}

/// An instant later by so much, or earlier.
pub(super) fn moved(at: StoreTime, micros: i64) -> StoreTime {
    StoreTime::from_micros(at.as_micros().saturating_add_signed(micros))
}

fn machine() -> StoreTime {
    StoreTime::default() + SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

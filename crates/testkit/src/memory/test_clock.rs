//! The clock of a process.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use solekey_core::{Moment, ports::Clock};
use tokio::time::Instant;

use super::lock;

/// The clock of one process, moved by hand or by tokio's time. Clones are the same clock.
#[derive(Clone, Debug)]
pub struct TestClock(Arc<Mutex<Hands>>);

#[derive(Clone, Copy, Debug)]
struct Hands {
    moment: Moment,
    wall: SystemTime,
    /// The time since which the clock runs by itself; `None` while it stands still.
    running: Option<Instant>,
}

impl TestClock {
    /// Stands still until it is moved.
    pub fn standing() -> Self {
        Self::of(None)
    }

    /// Goes with tokio's time, virtual where that is paused.
    pub fn tokio() -> Self {
        Self::of(Some(Instant::now()))
    }

    /// Both hands go forward.
    pub fn advance(&self, span: Duration) {
        let mut hands = lock(&self.0);
        hands.moment = hands.moment + span;
        hands.wall += span;
    }

    /// Somebody sets the wall clock; the process' own clock takes no notice.
    pub fn set_wall(&self, to: SystemTime) {
        let mut hands = lock(&self.0);
        *hands = Hands { wall: to, ..hands.caught_up() };
    }

    /// Sets the process' own clock.
    #[doc(hidden)] // For simulations: a process' own clock only ever advances.
    pub fn set_moment(&self, to: Moment) {
        let mut hands = lock(&self.0);
        *hands = Hands { moment: to, ..hands.caught_up() };
    }

    fn of(running: Option<Instant>) -> Self {
        // Away from zero, so that tests may use earlier moments; a date that is easy to recognise.
        let moment = Moment::from_micros(1_000_000_000_000);
        let wall = UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        Self(Arc::new(Mutex::new(Hands { moment, wall, running })))
    }

    fn hands(&self) -> Hands {
        lock(&self.0).caught_up()
    }
}

impl Default for TestClock {
    fn default() -> Self {
        Self::standing()
    }
}

impl Hands {
    fn caught_up(self) -> Self {
        let Some(since) = self.running else { return self };
        let passed = since.elapsed();
        Self { moment: self.moment + passed, wall: self.wall + passed, running: Some(since + passed) }
    }
}

impl Clock for TestClock {
    fn now(&self) -> Moment {
        self.hands().moment
    }

    fn wall(&self) -> SystemTime {
        self.hands().wall
    }
}

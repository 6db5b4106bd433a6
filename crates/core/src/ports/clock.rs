//! Time, handed in.

use std::time::SystemTime;

use crate::Moment;

/// The clock of one process.
pub trait Clock: Send + Sync + 'static {
    /// The most pessimistic clock of the process: it never stands still, not in suspend either, and follows the wall
    /// clock when that runs ahead.
    fn now(&self) -> Moment;

    /// About [`now`](Self::now), as of the last tick of a timer: cheap enough for every request. It is late where the
    /// tick is, as on a virtual machine of which one processor stands still: for what has a margin.
    fn coarse_now(&self) -> Moment {
        self.now()
    }

    /// The wall clock, for showing times to people and programs. Never compared with another machine's.
    fn wall(&self) -> SystemTime;
}

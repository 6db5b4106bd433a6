//! CPU time, which other load on the same cores hardly changes.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// The time this thread has run on a core.
pub(crate) fn thread_time() -> Duration {
    read(ClockId::ThreadCPUTime)
}

/// The time all threads of this process have run on cores.
pub(crate) fn process_time() -> Duration {
    read(ClockId::ProcessCPUTime)
}

fn read(id: ClockId) -> Duration {
    let time = clock_gettime(id);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

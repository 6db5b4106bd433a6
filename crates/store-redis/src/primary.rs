//! Whether a server is the one that is written to: what a replica lacks is not absent.

use solekey_core::mutant;
use solekey_redis_link::{Cmd, LinkError, Value, cmd};

/// A command about a key without an end that changes nothing, and is refused where nothing may be written.
pub(crate) fn probe(key: String) -> Cmd {
    let mut probe = cmd("PERSIST");
    probe.arg(key);
    probe
}

/// Refuses what a replica answers. Any other error of the probe says nothing about the role.
pub(crate) fn of_primary(probed: Result<Value, LinkError>) -> Result<(), LinkError> {
    match probed {
        Err(LinkError::ReadOnly) if !mutant("replica_is_believed") => Err(LinkError::ReadOnly),
        _ => Ok(()),
    }
}

//! The breakers of a fleet that shares nothing but its store.

use solekey_core::{
    Admission, BreakerRequest, Moment, UnreadBreaker,
    ports::{Store, StoreError},
};

/// Performs a request to the breaker of an endpoint that is pinned in the store, by the store's clock. While it is open,
/// that is one read.
///
/// # Errors
/// The store's; and when others kept changing the breaker.
pub(super) async fn perform(
    store: &dyn Store,
    endpoint: &str,
    request: BreakerRequest,
) -> Result<Admission, StoreError> {
    let name = format!("unread:{endpoint}");
    let mut seen = store.pinned(&name).await?;
    if seen.is_empty() && !matches!(request, BreakerRequest::Close { .. }) {
        return Ok(Admission::Admitted { strikes: 0 });
    }
    for _ in 0..TRIES {
        let now = Moment::from_micros(store.identity().await?.now.as_micros());
        let mut breaker = UnreadBreaker::decode(&String::from_utf8_lossy(&seen), now);
        let admission = breaker.perform(request, now);
        let next = breaker.encode().into_bytes();
        if next == seen {
            return Ok(admission);
        }
        let mut there = store.repin(&name, &seen, &next).await?;
        if there.is_empty() && !next.is_empty() {
            there = store.pin(&name, &next).await?;
        }
        if there == next {
            return Ok(admission);
        }
        seen = there;
    }
    Err(StoreError::not_applied("the breaker kept changing"))
}

/// A breaker that changes under each of so many tries is in use by half the fleet.
const TRIES: usize = 8;

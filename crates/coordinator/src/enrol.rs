//! Whether store, answers and seal key belong together. Until that is known to be wrong, it is asked for in passing.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use solekey_core::{Delay, Moment, mutant, ports::Enrolment};

use crate::{instance::Instance, seal::SealKeys, told::Told};

/// What is known about our membership.
#[derive(Debug, Default)]
pub(crate) struct Membership {
    /// The store has said who it is and holds our seal check; the answers are enrolled for it.
    settled: AtomicBool,
    fault: Mutex<Option<Mistake>>,
    /// When it was looked at last, so that an outage is not made worse by asking.
    looked: Mutex<Option<Moment>>,
}

/// Two things that do not belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mistake {
    /// The rows are sealed with another key.
    SealKey,
    /// The rows were never sealed.
    InClear,
    /// The answers under this prefix belong to another store.
    Store,
}

impl Mistake {
    pub(crate) fn field(self) -> &'static str {
        match self {
            Self::SealKey | Self::InClear => "seal.key",
            Self::Store => "store.url",
        }
    }

    pub(crate) fn expected(self) -> &'static str {
        match self {
            Self::SealKey => "the key that sealed what is stored",
            Self::InClear => "`clear` behind the keys, until what was stored without one is sealed",
            Self::Store => "the store whose answers lie under this prefix",
        }
    }
}

impl Membership {
    pub(crate) fn fault(&self) -> Option<Mistake> {
        self.fault.lock().unwrap_or_else(PoisonError::into_inner).filter(|_| !mutant("stranger_is_a_member"))
    }

    pub(crate) fn is_settled(&self) -> bool {
        self.settled.load(Relaxed)
    }

    fn set_fault(&self, fault: Option<Mistake>) {
        let before =
            std::mem::replace(&mut *self.fault.lock().unwrap_or_else(PoisonError::into_inner), fault);
        if let Some(mistake) = fault.filter(|_| before != fault) {
            tracing::error!(
                field = mistake.field(),
                expected = mistake.expected(),
                "set up wrong: nothing is refreshed"
            );
        }
    }

    fn take_turn(&self, now: Moment) -> bool {
        let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        let due = looked.is_none_or(|last| now.since(last) >= LOOK_PAUSE);
        if due {
            *looked = Some(now);
        }
        due
    }
}

impl Instance {
    /// Called before every flight; asks nobody once it is settled.
    pub(crate) async fn be_a_member(&self) -> Result<(), Told> {
        if !self.membership.is_settled() && self.membership.take_turn(self.now()) {
            self.enrol().await;
        }
        match self.membership.fault() {
            Some(mistake) => {
                Err(Told::Misconfigured { field: mistake.field(), expected: mistake.expected() })
            }
            None => Ok(()),
        }
    }

    /// Fingerprints are the store's: those made before it was heard of match nothing later. Whether it has been.
    pub(crate) async fn know_the_store(&self) -> bool {
        if !self.has_heard_of_the_store()
            && let Ok(Ok(identity)) = tokio::time::timeout(INTRODUCTION, self.store().identity()).await
        {
            self.learn_store(identity.id);
        }
        self.has_heard_of_the_store()
    }

    /// The place of answers may have lost its data: enrol anew before the next flight.
    pub(crate) fn enrolment_in_question(&self) {
        self.membership.settled.store(false, Relaxed);
    }

    pub(crate) async fn enrol(&self) {
        match tokio::time::timeout(PATIENCE, self.try_enrol()).await {
            Ok(Some(fault)) => {
                self.membership.set_fault(fault);
                self.membership.settled.store(fault.is_none(), Relaxed);
            }
            Ok(None) | Err(_) => {
                tracing::debug!(why = %Delay::StoreDown, "membership not settled yet");
            }
        }
    }

    /// `None`: it cannot be told now.
    async fn try_enrol(&self) -> Option<Option<Mistake>> {
        let identity = self.store().identity().await.ok()?;
        self.learn_store(identity.id);
        let check = self.seal.check(identity.id);
        let pinned = self.store().pin(SEAL_CHECK, check.as_bytes()).await.ok()?;
        let pinned = String::from_utf8_lossy(&pinned).into_owned();
        if !self.seal.accepts(&pinned, identity.id) {
            let clear = self.seal.is_sealing() && SealKeys::none().accepts(&pinned, identity.id);
            return Some(Some(if clear { Mistake::InClear } else { Mistake::SealKey }));
        }
        self.resealing.found(pinned);
        // What was lost between asking the store for its time and enrolling is not vouched for.
        let since = identity.now + ENROLLING;
        let wish = Enrolment { store: identity.id, seal_check: check, since };
        let enrolled = tokio::time::timeout(ENROLLING, self.answers().enrol(&wish)).await.ok()?.ok()?;
        // Nor is what is claimed before that: were its owner killed, its doubt would last as long as answers are kept.
        tokio::time::sleep(enrolled.since.since(identity.now).min(ENROLLING)).await;
        // Of one store there is one seal, which its own check has told; the place's check is as old as its enrolment.
        Some((enrolled.store != identity.id).then_some(Mistake::Store))
    }

    /// Everything lies under the first key now: from here on the store takes no ring that does not know it. Whether that
    /// is written.
    pub(crate) async fn move_seal_check(&self, seen: &str) -> bool {
        let Ok(identity) = self.store().identity().await else { return false };
        let check = self.seal.check(identity.id);
        let moved = self.store().repin(SEAL_CHECK, seen.as_bytes(), check.as_bytes()).await;
        let Ok(pinned) = moved else { return false };
        let is_ours = pinned == check.as_bytes();
        // Else somebody with another first key has moved it meanwhile: the next walk has seen theirs.
        self.resealing.found(String::from_utf8_lossy(&pinned).into_owned());
        is_ours
    }
}

const SEAL_CHECK: &str = "seal_check";
const LOOK_PAUSE: Duration = Duration::from_secs(1);
/// Bounds the question who the store is: somebody waits for it.
const INTRODUCTION: Duration = Duration::from_secs(1);
/// Bounds the whole look.
const PATIENCE: Duration = Duration::from_secs(3);
/// Bounds the enrolling, and is how long a newly enrolled place is not yet believed.
const ENROLLING: Duration = Duration::from_millis(500);

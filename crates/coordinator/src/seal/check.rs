//! The check that store, answers and seal key belong together. It is made in passing, until its result is final.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use solekey_core::{
    Delay, Moment, StoreTime, mutant,
    ports::{Registration, StoreIdentity},
};

use uuid::Uuid;

use super::{keys::SealKeys, sealer::Sealer};
use crate::process::Process;

/// The check that store, answers and seal key belong together, and its result so far.
pub(crate) struct BackendCheck {
    process: Arc<Process>,
    sealer: Arc<Sealer>,
    /// The store has returned its id and holds our seal check; the answers are registered for it.
    settled: AtomicBool,
    fault: Mutex<Option<Mistake>>,
    /// The last try, so that an outage is not made worse by further ones.
    last_try: Mutex<Option<Moment>>,
    /// The store's seal check, as last read.
    pinned: Mutex<String>,
    /// It was reported that the store is another one.
    replaced: AtomicBool,
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

impl BackendCheck {
    pub(crate) fn new(process: Arc<Process>, sealer: Arc<Sealer>) -> Self {
        Self {
            process,
            sealer,
            settled: AtomicBool::default(),
            fault: Mutex::default(),
            last_try: Mutex::default(),
            pinned: Mutex::default(),
            replaced: AtomicBool::default(),
        }
    }

    pub(crate) fn fault(&self) -> Option<Mistake> {
        lock(&self.fault).filter(|_| !mutant("stranger_is_a_member"))
    }

    pub(crate) fn is_settled(&self) -> bool {
        self.settled.load(Relaxed)
    }

    /// The store's seal check, as last read; empty before.
    pub(crate) fn pinned(&self) -> String {
        lock(&self.pinned).clone()
    }

    /// Tries to settle the check where it is open and the last try is long enough ago. Asks nobody once it is settled.
    ///
    /// # Errors
    /// The mistake found, by this try or an earlier one.
    pub(crate) async fn ensure(&self) -> Result<(), Mistake> {
        if !self.is_settled() && self.take_turn(self.process.now()) {
            self.run().await;
        }
        self.fault().map_or(Ok(()), Err)
    }

    /// Reads the store's id, unless it is known: fingerprints made before match nothing later. Returns whether it is known.
    pub(crate) async fn know_store(&self) -> bool {
        if self.sealer.store().is_none()
            && let Ok(Ok(identity)) =
                tokio::time::timeout(IDENTITY_TIMEOUT, self.process.store().identity()).await
        {
            self.sealer.set_store(identity.id);
        }
        self.sealer.store().is_some()
    }

    /// Returns whether a store with this id is another one than this process began with: it may have lost what it held.
    pub(crate) fn is_replaced(&self, id: Uuid) -> bool {
        let is_replaced =
            self.sealer.store().is_some_and(|known| known != id) && !mutant("lost_store_is_the_same");
        if is_replaced && !self.replaced.swap(true, Relaxed) {
            tracing::warn!(
                "the store has another identity than at the start of this process: it has lost what it held, or is another one; this process goes on, and one that starts refreshes nothing until somebody decides which store's answers count"
            );
        }
        is_replaced
    }

    /// Returns whether that was found before.
    pub(crate) fn was_replaced(&self) -> bool {
        self.replaced.load(Relaxed)
    }

    /// Opens the check again: the location of answers may have lost its data, and is registered anew before the next
    /// flight.
    pub(crate) fn reopen(&self) {
        self.settled.store(false, Relaxed);
    }

    /// Makes the check now.
    pub(crate) async fn run(&self) {
        match tokio::time::timeout(PATIENCE, self.try_once()).await {
            Ok(Some(fault)) => {
                self.set_fault(fault);
                self.settled.store(fault.is_none(), Relaxed);
            }
            Ok(None) | Err(_) => {
                tracing::debug!(why = %Delay::StoreDown, "backend check not settled yet");
            }
        }
    }

    /// Returns `None` where the result cannot be had now.
    async fn try_once(&self) -> Option<Option<Mistake>> {
        let (store, keys) = (self.process.store(), self.sealer.keys());
        let identity = store.identity().await.ok()?;
        self.sealer.set_store(identity.id);
        let check = keys.check(identity.id);
        let pinned = store.pin(SEAL_CHECK, check.as_bytes()).await.ok()?;
        let pinned = String::from_utf8_lossy(&pinned).into_owned();
        if !keys.accepts(&pinned, identity.id) {
            let clear = keys.is_sealing() && SealKeys::none().accepts(&pinned, identity.id);
            return Some(Some(if clear { Mistake::InClear } else { Mistake::SealKey }));
        }
        *lock(&self.pinned) = pinned;
        let request = registration(identity, check);
        let registering = self.process.answers().register(&request);
        let registered = tokio::time::timeout(REGISTERING, registering).await.ok()?.ok()?;
        let registered = self.believed(registered, request).await?;
        // What is claimed before that is not vouched for: were its owner killed, its doubt would last as long as answers are
        // kept.
        tokio::time::sleep(registered.since.since(identity.now).min(REGISTERING)).await;
        // A store has one seal, which its own check has shown; the check in the answers is as old as their registration.
        Some((registered.store != identity.id).then_some(Mistake::Store))
    }

    /// The registration found, or one that replaces it: where nobody with the key wrote it, or it is older than one that the
    /// store remembers, somebody put it there who wants to vouch for what was deleted.
    async fn believed(&self, found: Registration, request: Registration) -> Option<Registration> {
        let keys = self.sealer.keys();
        if !keys.is_sealing() {
            return Some(found);
        }
        let known = self.known_since().await?;
        let (proven, foreign) = (keys.proves(&found), found.store != request.store);
        if foreign && (proven || known == StoreTime::default()) {
            return Some(found);
        }
        let replaced = found.since < known && !mutant("older_registration_is_believed");
        if proven && !foreign && !replaced {
            self.remember_since(known, found.since).await?;
            return Some(found);
        }
        tracing::warn!(
            "the registration of the answers is not the one that was made; what is missing there is doubt for every attempt made before now"
        );
        let identity = self.process.store().identity().await.ok()?;
        let anew = registration(identity, request.seal_check);
        let registering = self.process.answers().register_anew(&anew);
        tokio::time::timeout(REGISTERING, registering).await.ok()?.ok()?;
        self.remember_since(known, anew.since).await?;
        tokio::time::sleep(REGISTERING).await;
        Some(anew)
    }

    /// The time of the newest registration, as the store remembers it. Files of one host have their own, and who can write
    /// those can do worse.
    async fn known_since(&self) -> Option<StoreTime> {
        if !self.process.shares_answers() {
            return Some(StoreTime::default());
        }
        let pinned = self.process.store().pin(ANSWERS_SINCE, b"0").await.ok()?;
        let micros = String::from_utf8_lossy(&pinned).parse().unwrap_or_default();
        Some(StoreTime::from_micros(micros))
    }

    async fn remember_since(&self, known: StoreTime, since: StoreTime) -> Option<()> {
        if since <= known || !self.process.shares_answers() {
            return Some(());
        }
        let text = |time: StoreTime| time.as_micros().to_string().into_bytes();
        self.process.store().repin(ANSWERS_SINCE, &text(known), &text(since)).await.ok().map(drop)
    }

    /// Proves the registration by the first key, where another one proves it.
    async fn move_registration(&self, identity: StoreIdentity) -> Option<()> {
        let (keys, answers) = (self.sealer.keys(), self.process.answers());
        let request = registration(identity, keys.check(identity.id));
        let found = answers.register(&request).await.ok()?;
        if found.store == identity.id && keys.proves(&found) && !keys.is_current_proof(&found) {
            let moved = Registration { seal_check: request.seal_check, ..found };
            answers.register_anew(&moved).await.ok()?;
        }
        Some(())
    }

    /// Moves the store's seal check from `seen` to the first key: everything is sealed by it now, and the store accepts no
    /// ring without it from here on. Returns whether that is written.
    pub(crate) async fn move_seal_check(&self, seen: &str) -> bool {
        let store = self.process.store();
        let Ok(identity) = store.identity().await else { return false };
        let check = self.sealer.keys().check(identity.id);
        let moved = store.repin(SEAL_CHECK, seen.as_bytes(), check.as_bytes()).await;
        let Ok(pinned) = moved else { return false };
        let is_ours = pinned == check.as_bytes() && self.move_registration(identity).await.is_some();
        // Else somebody with another first key has moved it meanwhile: the next walk has read theirs.
        *lock(&self.pinned) = String::from_utf8_lossy(&pinned).into_owned();
        is_ours
    }

    fn set_fault(&self, fault: Option<Mistake>) {
        let before = std::mem::replace(&mut *lock(&self.fault), fault);
        if let Some(mistake) = fault.filter(|_| before != fault) {
            tracing::error!(
                field = mistake.field(),
                expected = mistake.expected(),
                "store, answers and seal key do not belong together; nothing is refreshed until the configuration is corrected"
            );
        }
    }

    fn take_turn(&self, now: Moment) -> bool {
        let mut last_try = lock(&self.last_try);
        let due = last_try.is_none_or(|last| now.since(last) >= TRY_PAUSE);
        if due {
            *last_try = Some(now);
        }
        due
    }
}

/// A registration that is made now. What was lost between reading the store's time and registering is not vouched for.
fn registration(identity: StoreIdentity, seal_check: String) -> Registration {
    let since = identity.now + REGISTERING;
    Registration { store: identity.id, seal_check, since, proof: String::new() }
}

fn lock<T>(value: &Mutex<T>) -> MutexGuard<'_, T> {
    value.lock().unwrap_or_else(PoisonError::into_inner)
}

const SEAL_CHECK: &str = "seal_check";
/// The name under which the store remembers the time of the newest registration.
const ANSWERS_SINCE: &str = "answers_since";
const TRY_PAUSE: Duration = Duration::from_secs(1);
/// Bounds the read of the store's id: somebody waits for it.
const IDENTITY_TIMEOUT: Duration = Duration::from_secs(1);
/// Bounds one whole try.
const PATIENCE: Duration = Duration::from_secs(3);
/// Bounds the registration, and is how long a newly registered location of answers is not yet believed.
const REGISTERING: Duration = Duration::from_millis(500);

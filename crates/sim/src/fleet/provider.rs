//! The provider: knows which token is good for what, and is the referee.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use solekey_core::Account;

use super::setup::{Class, Setup};

/// The outcome of a presentation.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Seen {
    /// A new pair for a token that was not used before.
    Rotated,
    /// A new access token; the refresh token stays.
    Renewed,
    /// A token that was used before, accepted by the rules.
    Replayed,
    /// Unknown, or of a grant that has ended.
    Refused,
    /// Used before; only this one is refused.
    Spent,
    /// Used before; the grant has just been revoked for it.
    Burned,
}

impl Seen {
    /// Returns whether there was a pair in it.
    pub fn is_pair(self) -> bool {
        matches!(self, Self::Rotated | Self::Renewed | Self::Replayed)
    }
}

/// A pair, and how long the access token lives.
#[derive(Clone, Debug)]
pub(crate) struct Pair {
    pub(crate) access: Arc<str>,
    pub(crate) refresh: Arc<str>,
}

/// Every grant there ever was.
pub(crate) struct Provider {
    class: Class,
    lifetime: Duration,
    rotation_ends_access: bool,
    newest_sibling_only: bool,
    same_access: bool,
    families: Vec<Family>,
    refresh: BTreeMap<Arc<str>, Refresh>,
    access: BTreeMap<Arc<str>, Access>,
    minted: usize,
    /// The provider fails until then.
    pub(crate) down_until: Duration,
    /// The provider does not know our client until then.
    pub(crate) stranger_until: Duration,
    /// The provider wants a nonce, whatever it is sent, until then.
    pub(crate) nonce_until: Duration,
    /// The provider does not know our client when it comes for this account.
    pub(crate) estranged: Option<Account>,
    /// Answers that nobody understood.
    garbled: u8,
}

struct Family {
    account: Account,
    alive: bool,
}

struct Refresh {
    family: usize,
    issued: Duration,
    /// First presented.
    used: Option<Duration>,
    parent: Option<Arc<str>>,
    successor: Option<Arc<str>>,
    successor_used: bool,
    /// A sibling took its place.
    superseded: bool,
}

struct Access {
    family: usize,
    refresh: Arc<str>,
    /// The time at which the resource stops taking it.
    ends: Duration,
    /// The end that its holder was given; `None` where none was.
    answer: Option<Duration>,
    response: bool,
    issued: Duration,
    rejected: bool,
}

/// The truth about an access token.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AccessTruth {
    pub(crate) honoured: bool,
    pub(crate) own: bool,
    pub(crate) overdue: Option<Duration>,
}

impl Provider {
    pub(crate) fn new(setup: &Setup) -> Self {
        Self {
            class: setup.class,
            lifetime: setup.lifetime,
            rotation_ends_access: setup.rotation_ends_access,
            newest_sibling_only: setup.newest_sibling_only,
            same_access: setup.same_access,
            families: Vec::new(),
            refresh: BTreeMap::new(),
            access: BTreeMap::new(),
            minted: 0,
            down_until: Duration::ZERO,
            stranger_until: Duration::ZERO,
            nonce_until: Duration::ZERO,
            estranged: None,
            garbled: 0,
        }
    }

    /// Returns whether another answer may be one that nobody understands: each pause after one is longer than the last.
    pub(crate) fn may_garble(&mut self) -> bool {
        self.garbled += 1;
        self.garbled <= MOST_GARBLED
    }

    pub(crate) fn heal(&mut self) {
        self.down_until = Duration::ZERO;
        self.stranger_until = Duration::ZERO;
        self.nonce_until = Duration::ZERO;
        self.estranged = None;
        // Nobody comes to rest who is given for ever what nobody takes.
        self.same_access = false;
    }

    /// The time for which an access token still lives.
    pub(crate) fn left(&self, access: &str, now: Duration) -> Duration {
        self.access.get(access).map_or(self.lifetime, |token| token.ends.saturating_sub(now))
    }

    /// A person logs in at the provider.
    pub(crate) fn grant(&mut self, account: &Account, now: Duration, lifetime: Duration) -> Pair {
        self.families.push(Family { account: account.clone(), alive: true });
        let refresh = self.mint_refresh(self.families.len() - 1, None, now);
        let access = self.mint_access(&refresh, now, lifetime);
        self.say(&access, Some(lifetime), now);
        Pair { access, refresh }
    }

    /// The person takes the grant back at the provider.
    pub(crate) fn withdraw(&mut self, account: &Account) {
        for family in self.families.iter_mut().filter(|family| family.account == *account) {
            family.alive = false;
        }
    }

    /// The outcome that presenting the token now would have.
    pub(crate) fn would(&self, token: &str, now: Duration) -> Seen {
        let Some(known) = self.refresh.get(token) else { return Seen::Refused };
        if !self.families[known.family].alive || known.superseded {
            return Seen::Refused;
        }
        let Some(used) = known.used else { return self.first_use(known, now) };
        match self.class {
            Class::NonRotating => Seen::Renewed,
            Class::OldStaysValid | Class::Timer(_) => Seen::Replayed,
            Class::Grace(window) if now.saturating_sub(used) <= window => Seen::Replayed,
            Class::UntilUsed if !known.successor_used => Seen::Replayed,
            Class::Strict => Seen::Spent,
            Class::Grace(_) | Class::UntilUsed | Class::StrictFamily => Seen::Burned,
        }
    }

    fn first_use(&self, known: &Refresh, now: Duration) -> Seen {
        match self.class {
            Class::NonRotating => Seen::Renewed,
            Class::Timer(period) if now.saturating_sub(known.issued) < period => Seen::Renewed,
            _ => Seen::Rotated,
        }
    }

    /// Processes one presentation.
    pub(crate) fn present(&mut self, token: &str, now: Duration) -> (Seen, Option<Pair>) {
        let seen = self.would(token, now);
        let family = self.refresh.get(token).map(|known| known.family);
        let Some(family) = family.filter(|_| seen != Seen::Refused) else { return (seen, None) };
        self.mark_used(token);
        let refresh = match seen {
            Seen::Refused | Seen::Spent => return (seen, None),
            Seen::Burned => {
                self.families[family].alive = false;
                return (seen, None);
            }
            Seen::Renewed => token.into(),
            Seen::Replayed if matches!(self.class, Class::Timer(_)) => self.newest_after(token),
            Seen::Rotated | Seen::Replayed => self.replace(family, token, now),
        };
        if self.rotation_ends_access && seen == Seen::Rotated {
            self.access.values_mut().filter(|access| access.family == family).for_each(|access| {
                access.rejected = true;
            });
        }
        let access = match self.again(family, now) {
            Some(access) => access,
            None => self.mint_access(&refresh, now, self.lifetime),
        };
        (seen, Some(Pair { access, refresh }))
    }

    /// The access token that was made last, by providers who hand it out as long as half of it is left. Whatever its
    /// resource thinks of it: whoever mints tokens is not who checks them.
    fn again(&self, family: usize, now: Duration) -> Option<Arc<str>> {
        let lives = |token: &Access| now + self.lifetime / 2 < token.ends;
        let made = self.access.iter().filter(|(_, token)| token.family == family);
        let (access, last) = made.max_by_key(|(_, token)| token.issued)?;
        (self.same_access && lives(last)).then(|| Arc::clone(access))
    }

    fn replace(&mut self, family: usize, token: &str, now: Duration) -> Arc<str> {
        let earlier = self.refresh.get(token).and_then(|known| known.successor.clone());
        if self.newest_sibling_only
            && !matches!(self.class, Class::OldStaysValid)
            && let Some(sibling) = earlier.and_then(|earlier| self.refresh.get_mut(&earlier))
        {
            sibling.superseded = sibling.used.is_none();
        }
        let parent: Arc<str> = token.into();
        let minted = self.mint_refresh(family, Some(parent), now);
        if let Some(known) = self.refresh.get_mut(token) {
            known.used.get_or_insert(now);
            known.successor = Some(Arc::clone(&minted));
        }
        minted
    }

    fn newest_after(&self, token: &str) -> Arc<str> {
        let mut newest: Arc<str> = token.into();
        while let Some(next) = self.refresh.get(&newest).and_then(|known| known.successor.clone()) {
            newest = next;
        }
        newest
    }

    /// Whoever holds a token that is used did receive it.
    fn mark_used(&mut self, token: &str) {
        let parent = self.refresh.get(token).and_then(|known| known.parent.clone());
        if let Some(parent) = parent.and_then(|parent| self.refresh.get_mut(&parent)) {
            parent.successor_used = true;
        }
    }

    fn mint_refresh(&mut self, family: usize, parent: Option<Arc<str>>, now: Duration) -> Arc<str> {
        self.minted += 1;
        let id = self.families[family].account.id();
        let token: Arc<str> = format!("{SECRET}rt-{id}-{family}-{}", self.minted).into();
        let known = Refresh {
            family,
            issued: now,
            used: None,
            parent,
            successor: None,
            successor_used: false,
            superseded: false,
        };
        self.refresh.insert(Arc::clone(&token), known);
        token
    }

    fn mint_access(&mut self, refresh: &Arc<str>, now: Duration, lifetime: Duration) -> Arc<str> {
        self.minted += 1;
        let family = self.refresh.get(refresh).map_or(0, |known| known.family);
        let id = self.families[family].account.id();
        let token: Arc<str> = format!("{SECRET}at-{id}-{family}-{}", self.minted).into();
        let refresh = Arc::clone(refresh);
        let access = Access {
            family,
            refresh,
            ends: now + lifetime,
            answer: None,
            response: false,
            issued: now,
            rejected: false,
        };
        self.access.insert(Arc::clone(&token), access);
        token
    }

    /// Records the lifetime in the answer, counted from `now`.
    pub(crate) fn say(&mut self, access: &str, lifetime: Option<Duration>, now: Duration) {
        if let Some(token) = self.access.get_mut(access) {
            // The latest end given for a token counts; without one there is none.
            let end = lifetime.map(|lifetime| now + lifetime);
            token.answer =
                if token.response { token.answer.zip(end).map(|(was, is)| was.max(is)) } else { end };
            token.response = true;
        }
    }

    /// A document with this token was logged in: its word counts anew.
    pub(crate) fn say_at_least(&mut self, access: &str, lifetime: Duration, now: Duration) {
        if let Some(token) = self.access.get_mut(access) {
            token.answer = token.answer.max(Some(now + lifetime));
        }
    }

    /// The time for which the token still serves its holder, by the end it was given.
    pub(crate) fn serves_for(&self, account: &Account, access: &str, now: Duration) -> Duration {
        let token = self.access.get(access).filter(|token| self.families[token.family].account == *account);
        let end = token.filter(|token| !token.rejected).and_then(|token| token.answer);
        end.map_or(Duration::ZERO, |end| end.saturating_sub(now))
    }

    /// A caller brings the token to the resource.
    pub(crate) fn use_access(&mut self, access: &str, now: Duration) -> bool {
        let Some(token) = self.access.get(access) else { return false };
        let honoured = self.honours(token, now);
        if honoured && self.class == Class::UntilUsed {
            let refresh = Arc::clone(&token.refresh);
            self.mark_used(&refresh);
        }
        honoured
    }

    /// The resource stops taking the token before its end.
    pub(crate) fn reject(&mut self, access: &str) {
        if let Some(token) = self.access.get_mut(access) {
            token.rejected = true;
        }
    }

    pub(crate) fn truth(&self, account: &Account, access: &str, now: Duration) -> AccessTruth {
        let Some(token) = self.access.get(access) else {
            return AccessTruth { honoured: false, own: false, overdue: None };
        };
        // Without a word about its end a token is served for a day at most.
        let end = token.answer.unwrap_or(token.issued + solekey_core::UNKNOWN_EXPIRY_CAP);
        AccessTruth {
            honoured: self.honours(token, now),
            own: self.families[token.family].account == *account,
            overdue: now.checked_sub(end).filter(|by| !by.is_zero()),
        }
    }

    /// The grant a token belongs to.
    pub(crate) fn family_of(&self, token: &str) -> Option<usize> {
        self.refresh.get(token).map(|known| known.family)
    }

    fn honours(&self, token: &Access, now: Duration) -> bool {
        !token.rejected && now < token.ends && self.families[token.family].alive
    }
}

/// The prefix of every token of the simulated provider, so that it can be found in other bytes.
pub(crate) const SECRET: &str = "SECRET-";

/// After two of them a provider is tried again within an hour, which a world has.
const MOST_GARBLED: u8 = 2;

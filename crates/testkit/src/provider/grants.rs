//! The server's memory: families of refresh tokens, and the access tokens minted from them.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use solekey_core::mutant;

use super::access::AccessFormat;
use super::pair::Pair;
use super::replay::{Leniency, Replay};

/// Every grant the server knows. Pure state: the time is an argument.
pub(super) struct Grants {
    rules: Rules,
    families: Vec<Family>,
    refresh: HashMap<Arc<str>, RefreshToken>,
    access: HashMap<Arc<str>, AccessToken>,
}

/// The rules for minting and replacing tokens.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules {
    pub(super) replay: Replay,
    pub(super) lifetime: Duration,
    pub(super) timer_period: Duration,
    pub(super) rotation_ends_access: bool,
    pub(super) format: AccessFormat,
}

struct Family {
    account: String,
    holder: Holder,
    standing: Standing,
    minted: u64,
    newest: Option<Arc<str>>,
    /// Oldest first; see [`MAX_SPENT`].
    refresh: VecDeque<Arc<str>>,
    /// Oldest first; see [`MAX_ACCESS`].
    access: VecDeque<Arc<str>>,
}

/// The keys that a presentation was made with, or that a family is bound to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Holder {
    /// The thumbprint of the key that possession was proved of.
    pub(super) key: Option<String>,
    /// The name of the client's key.
    pub(super) client_key: Option<String>,
}

/// Which of them is another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OtherKey {
    Proof,
    Client,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Standing {
    Alive,
    /// Revoked because a spent token came back.
    Burned,
    /// Revoked by the account's owner.
    Withdrawn,
}

struct RefreshToken {
    family: usize,
    generation: u64,
    issued: Duration,
    parent: Option<Arc<str>>,
    /// The time at which a newer token replaced it.
    replaced: Option<Duration>,
    /// The newest token minted from this one.
    successor: Option<Arc<str>>,
    /// True if any successor has been used.
    successor_used: bool,
    /// A newer sibling took the place of this one before it was presented.
    superseded: bool,
}

struct AccessToken {
    family: usize,
    refresh: Arc<str>,
    expires: Duration,
    rejected: bool,
}

/// The grant to which a presented token belongs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) account: String,
    pub(super) family: u64,
    pub(super) generation: u64,
    /// The token was replaced, and presenting it now does harm.
    pub(super) spent: bool,
}

/// The outcome of an exchange.
#[derive(Debug)]
pub(super) enum Outcome {
    Rotated(Pair),
    /// New access token, the refresh token stays.
    Renewed(Pair),
    /// A replaced token, accepted by the rules of its class.
    Replayed(Pair),
    /// Unknown, superseded or withdrawn.
    Refused,
    /// Spent; the family survives.
    Reused,
    /// Spent; the family has just been revoked.
    Burned,
}

impl Grants {
    pub(super) fn new(rules: Rules) -> Self {
        Self { rules, families: Vec::new(), refresh: HashMap::new(), access: HashMap::new() }
    }

    /// Starts a family, as a login does.
    pub(super) fn grant(&mut self, account: &str, now: Duration) -> Pair {
        let family = self.families.len();
        self.families.push(Family {
            account: account.to_owned(),
            holder: Holder::default(),
            standing: Standing::Alive,
            minted: 0,
            newest: None,
            refresh: VecDeque::new(),
            access: VecDeque::new(),
        });
        self.mint(family, None, now)
    }

    /// Every token of the account that is still known, of all its families.
    pub(super) fn tokens_of(&self, account: &str) -> Vec<String> {
        let families = self.families.iter().filter(|family| family.account == account);
        families.flat_map(|family| family.refresh.iter().chain(&family.access)).map(<_>::to_string).collect()
    }

    pub(super) fn read(&self, token: &str, now: Duration) -> Option<Seen> {
        let known = self.refresh.get(token)?;
        Some(Seen {
            account: self.families[known.family].account.clone(),
            family: known.family as u64,
            generation: known.generation,
            spent: known.replaced.is_some() && self.leniency(known, now) != Leniency::Accepted,
        })
    }

    /// Returns whether the token's family is bound to other keys than these.
    pub(super) fn bound_to_another(&self, token: &str, holder: &Holder) -> Option<OtherKey> {
        let bound = &self.families[self.refresh.get(token)?.family].holder;
        let differs = |bound: &Option<String>, shown: &Option<String>| bound.is_some() && bound != shown;
        if differs(&bound.key, &holder.key) && !mutant("grant_is_not_bound_to_its_key") {
            return Some(OtherKey::Proof);
        }
        differs(&bound.client_key, &holder.client_key).then_some(OtherKey::Client)
    }

    /// Binds the token's family to these keys, where it is not bound yet.
    pub(super) fn bind(&mut self, token: &str, holder: &Holder) {
        let Some(known) = self.refresh.get(token) else { return };
        let bound = &mut self.families[known.family].holder;
        bound.key = bound.key.take().or_else(|| holder.key.clone());
        bound.client_key = bound.client_key.take().or_else(|| holder.client_key.clone());
    }

    /// Processes one presentation.
    pub(super) fn present(&mut self, token: &str, now: Duration) -> Outcome {
        let Some((token, known)) = self.refresh.get_key_value(token) else { return Outcome::Refused };
        let (token, family) = (token.clone(), known.family);
        let spent = known.replaced.is_some().then(|| self.leniency(known, now));
        if self.families[family].standing != Standing::Alive {
            let harmful = spent.is_some_and(|leniency| leniency != Leniency::Accepted);
            return if harmful { Outcome::Reused } else { Outcome::Refused };
        }
        match spent {
            None if known.superseded => Outcome::Refused,
            None => self.exchange(family, &token, now),
            Some(Leniency::Accepted) => Outcome::Replayed(self.replay(family, &token, now)),
            Some(Leniency::Refused) => Outcome::Reused,
            Some(Leniency::Revokes) => {
                self.families[family].standing = Standing::Burned;
                Outcome::Burned
            }
        }
    }

    /// Returns whether the access token works, without using it.
    pub(super) fn accepts(&self, access: &str, now: Duration) -> bool {
        self.access.get(access).is_some_and(|token| {
            !token.rejected && now < token.expires && self.families[token.family].standing == Standing::Alive
        })
    }

    /// Uses the access token at the resource.
    pub(super) fn use_access(&mut self, access: &str, now: Duration) -> bool {
        if !self.accepts(access, now) {
            return false;
        }
        if self.rules.replay == Replay::UntilUsed
            && let Some(refresh) = self.access.get(access).map(|token| token.refresh.clone())
        {
            self.mark_used(&refresh);
        }
        true
    }

    pub(super) fn reject_access(&mut self, access: &str) -> bool {
        self.access.get_mut(access).map(|token| token.rejected = true).is_some()
    }

    /// Withdraws every grant of the account, as its owner may.
    pub(super) fn withdraw(&mut self, account: &str) {
        let alive = |family: &&mut Family| family.account == account && family.standing == Standing::Alive;
        self.families.iter_mut().filter(alive).for_each(|family| family.standing = Standing::Withdrawn);
    }

    /// The pair that a client of this account ought to hold: the newest of its newest family.
    pub(super) fn newest(&self, account: &str) -> Option<Pair> {
        let family = self.families.iter().rev().find(|family| family.account == account)?;
        Some(Pair {
            access_token: family.access.back()?.to_string(),
            refresh_token: family.newest.as_deref()?.to_owned(),
            expires_in: self.rules.lifetime,
        })
    }

    fn leniency(&self, known: &RefreshToken, now: Duration) -> Leniency {
        let age = now.saturating_sub(known.replaced.unwrap_or(now));
        self.rules.replay.leniency(age, known.successor_used)
    }

    /// First use of a living token.
    fn exchange(&mut self, family: usize, token: &Arc<str>, now: Duration) -> Outcome {
        self.mark_used(token);
        if self.keeps(token, now) {
            return Outcome::Renewed(self.renew(family, token, now));
        }
        if self.rules.rotation_ends_access {
            self.forget_access(family);
        }
        Outcome::Rotated(self.mint(family, Some(token), now))
    }

    /// Returns whether this exchange leaves the refresh token as it is.
    fn keeps(&self, token: &str, now: Duration) -> bool {
        match self.rules.replay {
            Replay::NonRotating => true,
            Replay::Timer => self
                .refresh
                .get(token)
                .is_some_and(|known| now.saturating_sub(known.issued) < self.rules.timer_period),
            _ => false,
        }
    }

    fn replay(&mut self, family: usize, token: &Arc<str>, now: Duration) -> Pair {
        if self.rules.replay == Replay::Timer
            && let Some(newest) = self.families[family].newest.clone()
        {
            return self.renew(family, &newest, now);
        }
        let earlier = self.refresh.get(token).and_then(|known| known.successor.clone());
        if self.rules.replay.newest_sibling_only()
            && let Some(sibling) = earlier.and_then(|earlier| self.refresh.get_mut(&earlier))
        {
            sibling.superseded = true;
        }
        self.mint(family, Some(token), now)
    }

    /// Notes that `token` is in use: whoever still holds its parent did receive an answer.
    fn mark_used(&mut self, token: &str) {
        let parent = self.refresh.get(token).and_then(|known| known.parent.clone());
        if let Some(parent) = parent.and_then(|parent| self.refresh.get_mut(&parent)) {
            parent.successor_used = true;
        }
    }

    /// Mints a pair; the refresh token takes the place of `parent`.
    fn mint(&mut self, family: usize, parent: Option<&Arc<str>>, now: Duration) -> Pair {
        let token: Arc<str> = format!("rt-{}", uuid::Uuid::new_v4().simple()).into();
        if let Some(replaced) = parent.and_then(|parent| self.refresh.get_mut(parent)) {
            replaced.replaced.get_or_insert(now);
            replaced.successor = Some(token.clone());
        }
        let home = &mut self.families[family];
        let generation = home.minted;
        home.minted += 1;
        home.newest = Some(token.clone());
        home.refresh.push_back(token.clone());
        if home.refresh.len() > MAX_SPENT
            && let Some(oldest) = home.refresh.pop_front()
        {
            self.refresh.remove(&oldest);
        }
        let known = RefreshToken {
            family,
            generation,
            issued: now,
            parent: parent.cloned(),
            replaced: None,
            successor: None,
            successor_used: false,
            superseded: false,
        };
        self.refresh.insert(token.clone(), known);
        self.renew(family, &token, now)
    }

    /// Mints an access token for an existing refresh token.
    fn renew(&mut self, family: usize, refresh: &Arc<str>, now: Duration) -> Pair {
        let access: Arc<str> = self.rules.format.mint(self.rules.lifetime).into();
        let expires = now + self.rules.lifetime;
        let token = AccessToken { family, refresh: refresh.clone(), expires, rejected: false };
        self.access.insert(access.clone(), token);
        let live = &mut self.families[family].access;
        live.push_back(access.clone());
        if live.len() > MAX_ACCESS
            && let Some(oldest) = live.pop_front()
        {
            self.access.remove(&oldest);
        }
        Pair {
            access_token: access.to_string(),
            refresh_token: refresh.to_string(),
            expires_in: self.rules.lifetime,
        }
    }

    fn forget_access(&mut self, family: usize) {
        for access in self.families[family].access.drain(..) {
            self.access.remove(&access);
        }
    }
}

/// Refresh tokens remembered per family. Enough for days of a demo; an older one is refused as unknown.
const MAX_SPENT: usize = 65_536;

/// Access tokens that live side by side in one family; real servers cap them as well, and the oldest dies first.
const MAX_ACCESS: usize = 64;

//! The three scripts, one round trip each.

use std::sync::Arc;
use std::time::{Duration, Instant};

use solekey_redis_link::{LinkError, RedisLink, Script, ScriptArgs, Trips, script_mutant};

use crate::lease::{Acquired, Fence, LeaseToken, Released, Renewed};
use crate::options::LockOptions;
use crate::server_clock::{Sample, ServerClock};

static ACQUIRE: Script = Script::new(include_str!("../lua/acquire.lua")).with_mutants(&[
    script_mutant("incr_fence", "max(last + 1, now, floor + 1)", "last + 1"),
    script_mutant("floor_of_the_fence_is_ignored", "max(last + 1, now, floor + 1)", "max(last + 1, now)"),
    script_mutant("acquire_forgets_its_token", "owner == token and 'granted' or 'busy'", "'busy'"),
    script_mutant("late_acquire_is_made", "if not_after > 0 and now > not_after then", "if false then"),
    script_mutant(
        "acquire_overtaken_by_its_release",
        "if state == ' free ' and owner == token then",
        "if false then",
    ),
    script_mutant(
        "redis_lease_waits_for_a_clock_that_stepped_back",
        "if ends and ends > now + lasts * 1000 then",
        "if false then",
    ),
]);

static RENEW: Script = Script::new(include_str!("../lua/renew.lua")).with_mutants(&[
    script_mutant(
        "renewal_creates",
        "if not value then",
        "if not value then value = string.rep('0', 15) .. '1 held ' .. token .. string.format(' %.0f', now + ttl * 1000) end if false then",
    ),
    script_mutant("renewal_of_any_token", "or string.sub(value, 23, 58) ~= token", ""),
    script_mutant("renewal_of_what_has_ended", "or now >= ends then", "then"),
]);

static RELEASE: Script = Script::new(include_str!("../lua/release.lua")).with_mutants(&[script_mutant(
    "release_without_owner_check",
    "if sub(value, 23, 58) ~= token then",
    "if false then",
)]);

/// The scripts over one link, and the estimate of the server's clock that their replies give.
#[derive(Clone, Debug)]
pub(crate) struct Verbs {
    pub(crate) link: RedisLink,
    trips: Trips,
    /// The arguments that all acquires have in common, and all releases.
    acquires: Arc<ScriptArgs>,
    releases: Arc<ScriptArgs>,
    pub(crate) options: Arc<LockOptions>,
    clock: Arc<ServerClock>,
}

impl Verbs {
    pub(crate) fn new(link: RedisLink, options: LockOptions) -> Self {
        let tombstone = millis(options.tombstone.min(LONGEST));
        let channel = options.channel.as_deref().unwrap_or_default();
        Self {
            trips: link.trips(),
            acquires: Arc::new(ScriptArgs::new().arg(tombstone)),
            releases: Arc::new(ScriptArgs::new().arg(tombstone).arg(channel)),
            link,
            options: Arc::new(options),
            clock: Arc::default(),
        }
    }

    /// The server's time `within` from now, in µs; 0 while its clock is unknown.
    pub(crate) fn not_after(&self, within: Duration) -> u64 {
        self.clock.latest_at(Instant::now() + within, self.link.state().epoch)
    }

    pub(crate) async fn acquire(
        &self,
        key: &str,
        token: LeaseToken,
        ttl: Duration,
        floor: u64,
        not_after: u64,
        timeout: Duration,
    ) -> Result<Acquired, LinkError> {
        check(ttl)?;
        let own = || call(key, token).arg(millis(ttl)).arg(floor).arg(not_after);
        let sent = Instant::now();
        let reply = self.trips.run_together(&ACQUIRE, &self.acquires, own, timeout).await?;
        refusal(&reply)?;
        let (verdict, [fence, left, secs, micros]) =
            words(&reply).ok_or(LinkError::Shape { expected: "a verdict and four numbers" })?;
        self.observe(sent, secs, micros);
        let remaining = Duration::from_millis(left);
        match (verdict, Fence::new(fence)) {
            ("granted", Some(fence)) => Ok(Acquired::Granted { fence, remaining }),
            ("busy", _) => Ok(Acquired::Busy { remaining }),
            ("late", _) => Ok(Acquired::Late),
            _ => Err(LinkError::Shape { expected: "granted, busy or late" }),
        }
    }

    pub(crate) async fn renew(
        &self,
        key: &str,
        token: LeaseToken,
        ttl: Duration,
        not_after: u64,
    ) -> Result<Renewed, LinkError> {
        check(ttl)?;
        let tombstone = self.options.tombstone.min(LONGEST);
        let args = call(key, token).arg(millis(ttl)).arg(not_after).arg(millis(tombstone));
        let sent = Instant::now();
        let reply: String = self.trips.run(&RENEW, args, self.link.timeout()).await?;
        let (verdict, [secs, micros]) =
            words(&reply).ok_or(LinkError::Shape { expected: "a verdict and two numbers" })?;
        self.observe(sent, secs, micros);
        match verdict {
            "renewed" => Ok(Renewed::Renewed),
            "lost" => Ok(Renewed::Lost),
            "late" => Ok(Renewed::Late),
            _ => Err(LinkError::Shape { expected: "renewed, lost or late" }),
        }
    }

    pub(crate) async fn release(&self, key: &str, token: LeaseToken) -> Result<Released, LinkError> {
        let (own, timeout) = (|| call(key, token), self.link.timeout());
        let reply = self.trips.run_together(&RELEASE, &self.releases, own, timeout).await?;
        match reply.as_str() {
            "1" => Ok(Released::Released),
            "0" => Ok(Released::Lost),
            _ => Err(LinkError::Shape { expected: "0 or 1" }),
        }
    }

    fn observe(&self, sent: Instant, secs: u64, micros: u64) {
        let server_us = secs * 1_000_000 + micros;
        let epoch = self.link.state().epoch;
        self.clock.observe(Sample { sent, received: Instant::now(), server_us, epoch });
    }
}

/// The first words of each of the scripts.
fn call(key: &str, token: LeaseToken) -> ScriptArgs {
    let mut text = uuid::Uuid::encode_buffer();
    ScriptArgs::new().key(key).arg(&*token.as_uuid().as_hyphenated().encode_lower(&mut text))
}

/// A number that the server cannot take would end the script for all who share it.
fn check(ttl: Duration) -> Result<(), LinkError> {
    if ttl <= LONGEST {
        return Ok(());
    }
    Err(LinkError::NotApplied { why: "ttl: expected at most a year".into() })
}

/// Returns whether an acquire has certainly left no lease behind.
pub(crate) fn wrote_nothing(error: &LinkError) -> bool {
    let refused = matches!(error, LinkError::Refused { code, .. } if REFUSALS.contains(&code.as_str()));
    refused || error.is_not_applied()
}

/// Reads a refusal: it concerns one lease, so it stands in that lease's line, in the form of a server's error.
fn refusal(line: &str) -> Result<(), LinkError> {
    let Some((code, message)) = line.strip_prefix("refused ").and_then(|rest| rest.split_once(' ')) else {
        return Ok(());
    };
    Err(LinkError::Refused { code: code.to_owned(), message: message.to_owned() })
}

/// A verdict and the numbers behind it.
fn words<const N: usize>(reply: &str) -> Option<(&str, [u64; N])> {
    let mut words = reply.split(' ');
    let verdict = words.next()?;
    let mut numbers = [0; N];
    for number in &mut numbers {
        *number = words.next()?.parse().ok()?;
    }
    Some((verdict, numbers))
}

/// The refusals that the script itself raises before it has written anything.
const REFUSALS: [&str; 2] = ["NOTALEASE", "FENCESPENT"];
/// No lease lasts longer, and no fence outlives its lease for longer.
const LONGEST: Duration = Duration::from_secs(366 * 24 * 60 * 60);

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

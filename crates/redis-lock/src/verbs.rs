//! The three scripts, one round trip each.

use std::sync::Arc;
use std::time::{Duration, Instant};

use solekey_redis_link::{LinkError, RedisLink, Script, script_mutant};

use crate::lease::{Acquired, Fence, LeaseToken, Released, Renewed};
use crate::options::LockOptions;
use crate::server_clock::{Sample, ServerClock};

static ACQUIRE: Script = Script::new(include_str!("../lua/acquire.lua")).with_mutants(&[
    script_mutant("incr_fence", "fence = math.max(fence + 1, now, floor + 1)", "fence = fence + 1"),
    script_mutant(
        "floor_of_the_fence_is_ignored",
        "math.max(fence + 1, now, floor + 1)",
        "math.max(fence + 1, now)",
    ),
    script_mutant("acquire_forgets_its_token", "owner == token and 'granted' or 'busy'", "'busy'"),
    script_mutant("late_acquire_is_made", "if not_after > 0 and now > not_after then", "if false then"),
    script_mutant(
        "acquire_overtaken_by_its_release",
        "if state == 'free' and owner == token then",
        "if false then",
    ),
]);

static RENEW: Script = Script::new(include_str!("../lua/renew.lua")).with_mutants(&[
    script_mutant(
        "renewal_creates",
        "if not value then",
        "if not value then value = '1 held ' .. ARGV[1] .. ' ' .. string.format('%.0f', now + ttl * 1000) end if false then",
    ),
    script_mutant("renewal_of_any_token", "or owner ~= ARGV[1]", ""),
]);

static RELEASE: Script = Script::new(include_str!("../lua/release.lua")).with_mutants(&[script_mutant(
    "release_without_owner_check",
    "if owner ~= ARGV[1] then",
    "if false then",
)]);

/// The scripts over one link, and what their replies tell about the server's clock.
#[derive(Clone, Debug)]
pub(crate) struct Verbs {
    pub(crate) link: RedisLink,
    pub(crate) options: Arc<LockOptions>,
    clock: Arc<ServerClock>,
}

impl Verbs {
    pub(crate) fn new(link: RedisLink, options: LockOptions) -> Self {
        Self { link, options: Arc::new(options), clock: Arc::default() }
    }

    /// The server's time `within` from now, in µs; 0 while its clock is unknown.
    pub(crate) fn not_after(&self, within: Duration) -> u64 {
        self.clock.latest_at(Instant::now() + within, self.link.state().epoch)
    }

    pub(crate) async fn acquire(
        &self,
        link: &RedisLink,
        key: &str,
        token: LeaseToken,
        ttl: Duration,
        floor: u64,
        not_after: u64,
    ) -> Result<Acquired, LinkError> {
        let call = link.script(&ACQUIRE).key(key).arg(text(token)).arg(millis(ttl)).arg(floor).arg(not_after);
        let call = call.arg(millis(self.options.tombstone));
        let sent = Instant::now();
        let (verdict, fence, left, now): (String, u64, u64, u64) = call.run().await?;
        self.observe(sent, now);
        let remaining = Duration::from_millis(left);
        match (verdict.as_str(), Fence::new(fence)) {
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
        let call = self.link.script(&RENEW).key(key).arg(text(token)).arg(millis(ttl)).arg(not_after);
        let call = call.arg(millis(self.options.tombstone));
        let sent = Instant::now();
        let (verdict, now): (String, u64) = call.run().await?;
        self.observe(sent, now);
        match verdict.as_str() {
            "renewed" => Ok(Renewed::Renewed),
            "lost" => Ok(Renewed::Lost),
            "late" => Ok(Renewed::Late),
            _ => Err(LinkError::Shape { expected: "renewed, lost or late" }),
        }
    }

    pub(crate) async fn release(&self, key: &str, token: LeaseToken) -> Result<Released, LinkError> {
        let LockOptions { tombstone, channel, step_allowance: _ } = &*self.options;
        let channel = channel.as_deref().unwrap_or_default();
        let call = self.link.script(&RELEASE).key(key).arg(text(token)).arg(millis(*tombstone));
        let owned: bool = call.arg(channel).arg(key).run().await?;
        Ok(if owned { Released::Released } else { Released::Lost })
    }

    fn observe(&self, sent: Instant, server_us: u64) {
        let epoch = self.link.state().epoch;
        self.clock.observe(Sample { sent, received: Instant::now(), server_us, epoch });
    }
}

fn text(token: LeaseToken) -> String {
    token.as_uuid().to_string()
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

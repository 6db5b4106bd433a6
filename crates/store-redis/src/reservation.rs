//! Each refresh token of a provider belongs to one account, unless an operator insists.
//!
//! A token's key lists the accounts that hold or have presented it. An account enters itself *before* its row takes the
//! token, so that of two logins at once one is refused. What a crash in between leaves is an entry without a row that
//! knows the token; it is struck out by the next login that meets it, once it is too old to be somebody's work in progress.
//! A row is never lost for it.

use std::time::Duration;

use solekey_core::{Account, AccountKey, Fingerprint, StoreTime};
use solekey_redis_link::{Cmd, LinkError, RedisLink, Script, ScriptArgs, Value, cmd};

use crate::{fields::Fields, names::Names, trouble::decode};

/// What came of reserving a token.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Reservation {
    /// Our entry; `None` when somebody else is there, or there is no token.
    pub(crate) entry: Option<Entry>,
    /// Somebody else is there, and we did not insist.
    pub(crate) elsewhere: bool,
    /// The row must have taken the token by then: later, others may have struck the entry out.
    pub(crate) not_after: StoreTime,
}

/// An account's entry at a token.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Entry {
    /// The token.
    pub(crate) token: Fingerprint,
    /// The microsecond at which it was entered last.
    at: u64,
}

impl Reservation {
    /// For a login without a refresh token.
    pub(crate) const NONE: Self =
        Self { entry: None, elsewhere: false, not_after: StoreTime::from_micros(1 << 53) };

    fn of(token: Fingerprint, Answer { entered, now, .. }: &Answer) -> Self {
        let entry = entered.then_some(Entry { token, at: *now });
        Self { entry, elsewhere: !entered, not_after: StoreTime::from_micros(*now) + GOOD_FOR }
    }
}

/// What the script says.
struct Answer {
    entered: bool,
    now: u64,
    others: Vec<Other>,
}

impl Answer {
    fn read(reply: Value) -> Result<Self, LinkError> {
        let (entered, now, others): (bool, u64, Vec<(String, u64)>) = decode(reply)?;
        let others = others.into_iter().filter_map(|(other, at)| Some((AccountKey::parse(&other)?, at)));
        Ok(Self { entered, now, others: others.collect() })
    }
}

/// Another account at a token, and when it entered.
type Other = (AccountKey, u64);

/// Enters the account at the token, unless others are there. One who insists enters beside them.
pub(crate) async fn reserve(
    link: &RedisLink,
    names: &Names,
    account: &Account,
    token: Fingerprint,
    insist: bool,
) -> Result<Reservation, LinkError> {
    let key = names.token(account.provider(), token);
    let mut answer = enter(link, &key, account, insist).await?;
    if !answer.entered && strike_out(link, names, &key, token, &answer).await? {
        answer = enter(link, &key, account, insist).await?;
    }
    Ok(Reservation::of(token, &answer))
}

/// The script call that enters the account beside whoever is there: for a token that the provider has just given it.
pub(crate) fn insisting(
    names: &Names,
    account: &Account,
    token: Fingerprint,
) -> (&'static Script, ScriptArgs) {
    let key = names.token(account.provider(), token);
    (&RESERVE, ScriptArgs::new().key(key).arg(account.key().to_string()).arg(1))
}

/// What came of that call.
pub(crate) fn insisted(token: Fingerprint, reply: Value) -> Result<Reservation, LinkError> {
    Ok(Reservation::of(token, &Answer::read(reply)?))
}

/// The script call that takes an entry back which no row stands behind, unless the account has entered again since.
pub(crate) fn withdrawing(names: &Names, account: &Account, entry: Entry) -> (&'static Script, ScriptArgs) {
    let key = names.token(account.provider(), entry.token);
    (&AMEND, ScriptArgs::new().key(key).arg(account.key().to_string()).arg(entry.at).arg(""))
}

/// The command that takes the account's entry away.
pub(crate) fn releasing(names: &Names, account: &Account, token: Fingerprint) -> Cmd {
    let mut command = cmd("ZREM");
    command.arg(names.token(account.provider(), token)).arg(account.key().to_string());
    command
}

async fn enter(link: &RedisLink, key: &str, account: &Account, insist: bool) -> Result<Answer, LinkError> {
    let call = link.script(&RESERVE).key(key).arg(account.key().to_string()).arg(u8::from(insist));
    Answer::read(call.run().await?)
}

/// Removes entries that no row stands behind; whether any was removed.
async fn strike_out(
    link: &RedisLink,
    names: &Names,
    key: &str,
    token: Fingerprint,
    Answer { now, others, .. }: &Answer,
) -> Result<bool, LinkError> {
    let mut struck_out = false;
    for (other, at) in others {
        if Duration::from_micros(now.saturating_sub(*at)) <= ABANDONED {
            continue;
        }
        if knows(link, names, *other, token).await? {
            continue;
        }
        let call = link.script(&AMEND).key(key).arg(other.to_string()).arg(*at).arg("");
        struck_out |= call.run::<bool>().await?;
    }
    Ok(struck_out)
}

/// Whether the account's row holds the token or remembers having presented it.
async fn knows(
    link: &RedisLink,
    names: &Names,
    account: AccountKey,
    token: Fingerprint,
) -> Result<bool, LinkError> {
    let mut row = cmd("HGETALL");
    row.arg(names.row(account));
    Ok(Fields::new(link.query(&row).await?).knows(token))
}

/// Removes or moves an entry of a sorted set unless somebody else was there first.
pub(crate) static AMEND: Script = Script::new(include_str!("../lua/amend.lua"));
static RESERVE: Script = Script::new(include_str!("../lua/reserve.lua"));

/// How long after entering a login may still be executed.
const GOOD_FOR: Duration = Duration::from_secs(30);

/// Entries of this age are nobody's work in progress: twice [`GOOD_FOR`], against steps of the server's clock.
const ABANDONED: Duration = Duration::from_secs(60);

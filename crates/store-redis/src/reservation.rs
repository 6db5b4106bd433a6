//! Each refresh token belongs to one account, unless an operator insists.
//!
//! A token's key lists the accounts that hold or have presented it, until their rows list it no more; the archive next
//! to it has those that were presented from then on. An account enters itself *before* its row takes the
//! token, so that of two logins at once one is refused. What a crash in between leaves is an entry without a row that
//! knows the token; it is struck out by the next login that meets it, once it is too old to be somebody's work in
//! progress. A row is never lost for it.

use std::time::Duration;

use solekey_core::{Account, AccountKey, Fingerprint, StoreTime, mutant};
use solekey_redis_link::{LinkError, Pipeline, RedisLink, Script, ScriptArgs, Value, script_mutant};

use crate::{
    names::Names,
    reply::{Released, Reply},
    trouble::decode,
};

/// The outcome of reserving a token.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Reservation {
    /// Our entry; `None` when somebody else is there, or there is no token.
    pub(crate) entry: Option<Entry>,
    /// Somebody else is there, or the token is spent, and we did not insist.
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

/// The reply of the script.
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

/// Enters the account at the token, unless others are there. An insisting one enters in addition to them.
pub(crate) async fn reserve(
    link: &RedisLink,
    names: &Names,
    account: &Account,
    token: Fingerprint,
    insist: bool,
) -> Result<Reservation, LinkError> {
    let args = entering(names, account, token, insist);
    let mut answer = enter(link, args.clone()).await?;
    if !answer.entered {
        let ignored = strike_out(link, names, token, &answer).await?;
        if !ignored.is_empty() {
            answer = enter(link, ignored.into_iter().fold(args, ScriptArgs::arg)).await?;
        }
    }
    Ok(Reservation::of(token, &answer))
}

/// The script call that enters the account in addition to all that are there: for a token that the provider has just
/// given it.
pub(crate) fn insisting(
    names: &Names,
    account: &Account,
    token: Fingerprint,
) -> (&'static Script, ScriptArgs) {
    (&RESERVE, entering(names, account, token, true))
}

/// The outcome of that call.
pub(crate) fn insisted(token: Fingerprint, reply: Value) -> Result<Reservation, LinkError> {
    Ok(Reservation::of(token, &Answer::read(reply)?))
}

/// The script call that takes an entry back which the row does not stand behind, unless the account has entered again
/// since.
pub(crate) fn withdrawing(
    names: &Names,
    account: &Account,
    entry: Entry,
    row: &Reply,
) -> (&'static Script, ScriptArgs) {
    let key = names.token(entry.token);
    let args = ScriptArgs::new().key(key).arg(account.key().to_string()).arg(entry.at);
    (&AMEND, args.arg(withdrawn(row, entry.token)))
}

/// The score that stays of such an entry: nothing, or the mark of a token that was only held.
fn withdrawn(row: &Reply, token: Fingerprint) -> &'static str {
    if row.left(token) && !mutant("redis_withdrawal_takes_the_mark") { HELD_ONLY } else { "" }
}

/// The script call that takes the account's entry away, and puts a spent token into the archive.
pub(crate) fn releasing(
    names: &Names,
    account: &Account,
    Released { token, spent_until, at }: Released,
) -> (&'static Script, ScriptArgs) {
    let keys = ScriptArgs::new().key(names.token(token)).key(names.share_of_archive(token));
    let until = spent_until.map(|day| day.to_string()).unwrap_or_default();
    let args = keys.arg(account.key().to_string()).arg(at.as_micros()).arg(token.to_string()).arg(until);
    (&RELEASE, args)
}

fn entering(names: &Names, account: &Account, token: Fingerprint, insist: bool) -> ScriptArgs {
    let keys = ScriptArgs::new().key(names.token(token)).key(names.share_of_archive(token));
    keys.arg(account.key().to_string()).arg(u8::from(insist)).arg(token.to_string())
}

/// Removes entries that no row stands behind. Returns their accounts, and those with a row that does not know the token
/// any more.
async fn strike_out(
    link: &RedisLink,
    names: &Names,
    token: Fingerprint,
    Answer { now, others, .. }: &Answer,
) -> Result<Vec<String>, LinkError> {
    let key = names.token(token);
    let mut without_row = Vec::new();
    for (other, at) in others {
        if Duration::from_micros(now.saturating_sub(*at)) <= ABANDONED {
            continue;
        }
        let row = read_row(link, names, *other, token).await?;
        if row.knows() {
            continue;
        }
        if *at > 0 {
            let call = link.script(&AMEND).key(&key).arg(other.to_string()).arg(*at);
            let call = call.arg(withdrawn(&row, token));
            call.run::<bool>().await?;
        }
        without_row.push(other.to_string());
    }
    Ok(without_row)
}

async fn enter(link: &RedisLink, args: ScriptArgs) -> Result<Answer, LinkError> {
    let reply = link.pipeline(&Pipeline::new().script(&RESERVE, args)).await?.pop();
    Answer::read(reply.unwrap_or(Ok(Value::Nil))?)
}

/// The account's row, and whether it knows the token.
async fn read_row(
    link: &RedisLink,
    names: &Names,
    account: AccountKey,
    token: Fingerprint,
) -> Result<Reply, LinkError> {
    let call = link.script(&KNOWS).key(names.row(account)).key(names.archive(account));
    Reply::read(call.arg("").arg(token.to_string()).run().await?)
}

/// Removes or moves an entry of a sorted set unless somebody else was there first.
pub(crate) static AMEND: Script = Script::new(include_str!("../lua/amend.lua"));
static RESERVE: Script =
    Script::new(concat!(include_str!("../lua/spent.lua"), include_str!("../lua/reserve.lua"))).with_mutants(
        &[script_mutant(
            "redis_archive_of_others_is_not_asked",
            "or ARGV[2] ~= '1' and archived",
            "or false and archived",
        )],
    );
static RELEASE: Script =
    Script::new(concat!(include_str!("../lua/spent.lua"), include_str!("../lua/release.lua"))).with_mutants(
        &[script_mutant("redis_release_does_not_archive", "if is_spent and not", "if false and not")],
    );
static KNOWS: Script = row_script!("knows.lua");

/// What an entry is counted as whose row was deleted while it held the token.
const HELD_ONLY: &str = "0";

/// The longest time after entering that a login may still be executed.
const GOOD_FOR: Duration = Duration::from_secs(30);

/// Entries of this age are nobody's work in progress: twice [`GOOD_FOR`], against steps of the server's clock.
const ABANDONED: Duration = Duration::from_secs(60);
const _: () = assert!(2 * GOOD_FOR.as_secs() <= ABANDONED.as_secs());

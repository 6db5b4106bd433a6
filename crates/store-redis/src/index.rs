//! The indexes of all accounts, and of the times at which they are due.
//!
//! Both indexes are keys of their own, written after the row. What a crash in between loses, [`rebuild`] finds again;
//! an entry that comes too early is noticed at the row and corrected.

use std::{collections::HashSet, time::Duration};

use solekey_core::{Account, AccountKey, StoreTime};
use solekey_redis_link::{
    Cmd, LinkError, Pipeline, RedisLink, Script, ScriptArgs, Value, cmd, script_mutant,
};

use crate::{
    fields::Fields,
    labels::Labels,
    names::Names,
    primary::{of_primary, probe},
    reservation::AMEND,
    trouble::{decode, micros},
};

/// The commands that bring both indexes up to the row.
pub(crate) fn entering(names: &Names, account: &Account, due_at: Option<StoreTime>) -> [Cmd; 2] {
    let key = account.key().to_string();
    let index = names.due(account.provider());
    let due = if let Some(at) = due_at {
        let mut due = cmd("ZADD");
        due.arg(index).arg(at.as_micros()).arg(key);
        due
    } else {
        let mut never = cmd("ZREM");
        never.arg(index).arg(key);
        never
    };
    [existing(names, account.key()), due]
}

fn existing(names: &Names, account: AccountKey) -> Cmd {
    let mut exists = cmd("ZADD");
    exists.arg(names.accounts()).arg(0).arg(account.to_string());
    exists
}

/// Takes accounts whose time has come, earliest first, pushing index and rows forward.
pub(crate) async fn take(
    link: &RedisLink,
    names: &Names,
    labels: &Labels,
    provider: &str,
    hold: Duration,
    limit: usize,
) -> Result<Vec<Account>, LinkError> {
    let (mut taken, index) = (Vec::new(), names.due(provider));
    // A hold that is over before the last round makes accounts due once more.
    let mut seen = HashSet::new();
    for _ in 0..ROUNDS {
        let wanted = limit.saturating_sub(taken.len()).min(BATCH);
        if wanted == 0 {
            break;
        }
        let call = link.script(&TAKE).key(&index).key(names.due_clock(provider));
        let call = call.arg(micros(hold)).arg(wanted);
        let (pushed, mut accounts): (u64, Vec<String>) = call.run().await?;
        let asked = accounts.len();
        // After a step back an entry may come up both as due and as one to be read.
        let mut here = HashSet::new();
        accounts.retain(|account| !seen.contains(account) && here.insert(account.clone()));
        let ours = hide_rows(link, names, labels, hold, (&index, pushed), &accounts).await?;
        // One that was not due yet may be by now: its entry has been pushed again, and its row is to be held again.
        seen.extend(ours.iter().map(|account| account.key().to_string()));
        taken.extend(ours);
        if asked < wanted {
            break;
        }
    }
    Ok(taken)
}

/// Lets the rows decide: what is due there and was not taken by somebody else is ours.
async fn hide_rows(
    link: &RedisLink,
    names: &Names,
    labels: &Labels,
    hold: Duration,
    (index, pushed): (&str, u64),
    accounts: &[String],
) -> Result<Vec<Account>, LinkError> {
    let keys: Vec<AccountKey> = accounts.iter().filter_map(|account| AccountKey::parse(account)).collect();
    let holds = keys.iter().fold(Pipeline::new(), |pipeline, key| {
        pipeline.script(&HOLD, ScriptArgs::new().key(names.row(*key)).arg("").arg(micros(hold)))
    });
    let (mut taken, mut amends) = (Vec::new(), Pipeline::new());
    for (key, reply) in keys.iter().zip(link.pipeline(&holds).await?) {
        let Some((ours, due, name)) = held(reply?)? else { continue };
        let args = ScriptArgs::new().key(index).arg(key.to_string()).arg(pushed).arg(due);
        amends = amends.script(&AMEND, args);
        if ours {
            taken.extend(labels.read(*key, &name));
        }
    }
    // The rows are held already; an index left behind them is corrected when its entry comes up again.
    let _ = link.pipeline(&amends).await;
    Ok(taken)
}

/// Whether the row is ours, when it is due and its name; nothing of a row that a newer version wrote.
fn held(reply: Value) -> Result<Option<(bool, String, Vec<u8>)>, LinkError> {
    match &reply {
        Value::Array(parts) if parts.len() == HELD_PARTS => decode(reply).map(Some),
        _ => Ok(None),
    }
}

/// One page of account keys after `cursor`.
pub(crate) async fn page(
    link: &RedisLink,
    names: &Names,
    cursor: Option<AccountKey>,
    limit: usize,
) -> Result<Vec<AccountKey>, LinkError> {
    let from = cursor.map_or_else(|| "-".to_owned(), |after| format!("({after}"));
    let mut range = cmd("ZRANGEBYLEX");
    range.arg(names.accounts()).arg(from).arg("+").arg("LIMIT").arg(0).arg(limit);
    let replies = link.pipeline(&Pipeline::new().cmd(probe(names.accounts())).cmd(range)).await?;
    let [probed, keys]: [Result<Value, LinkError>; 2] =
        replies.try_into().map_err(|_| LinkError::Shape { expected: "one reply per command" })?;
    of_primary(probed)?;
    let keys: Vec<String> = decode(keys?)?;
    Ok(keys.iter().filter_map(|key| AccountKey::parse(key)).collect())
}

/// The rows of these accounts.
pub(crate) async fn rows(
    link: &RedisLink,
    names: &Names,
    accounts: &[AccountKey],
) -> Result<Vec<Fields>, LinkError> {
    let all = accounts.iter().fold(Pipeline::new(), |pipeline, account| {
        let mut all = cmd("HGETALL");
        all.arg(names.row(*account));
        pipeline.cmd(all)
    });
    let replies = link.pipeline(&all).await?;
    replies.into_iter().map(|reply| Ok(Fields::new(decode(reply?)?))).collect()
}

/// Walks over all rows and enters each into the indexes where it is missing or comes too late there; returns how
/// many rows there are.
pub(crate) async fn rebuild(link: &RedisLink, names: &Names, labels: &Labels) -> Result<u64, LinkError> {
    let (mut cursor, mut rows) = (0_u64, 0);
    loop {
        let mut scan = cmd("SCAN");
        scan.arg(cursor).arg("MATCH").arg(names.all_rows()).arg("COUNT").arg(SCANNED);
        let (next, keys): (u64, Vec<String>) = link.query(&scan).await?;
        for keys in keys.chunks(BATCH) {
            rows += re_enter(link, names, labels, keys).await?;
        }
        if next == 0 {
            return Ok(rows);
        }
        cursor = next;
    }
}

async fn re_enter(
    link: &RedisLink,
    names: &Names,
    labels: &Labels,
    keys: &[String],
) -> Result<u64, LinkError> {
    let accounts: Vec<AccountKey> = keys.iter().filter_map(|key| names.account_of(key)).collect();
    let due = accounts.iter().fold(Pipeline::new(), |pipeline, account| {
        let mut due = cmd("HMGET");
        due.arg(names.row(*account)).arg("due_at").arg("name");
        pipeline.cmd(due)
    });
    let mut enter = Pipeline::new();
    for (key, reply) in accounts.iter().zip(link.pipeline(&due).await?) {
        enter = enter.cmd(existing(names, *key));
        let (due, name): (Option<u64>, Option<Vec<u8>>) = decode(reply?)?;
        let named = due.zip(name.and_then(|name| labels.read(*key, &name)));
        if let Some((due, account)) = named {
            let mut earlier = cmd("ZADD");
            // Never later: somebody may have entered an earlier time since the row was read.
            earlier.arg(names.due(account.provider())).arg("LT").arg(due).arg(key.to_string());
            enter = enter.cmd(earlier);
        }
    }
    link.pipeline(&enter).await?.into_iter().collect::<Result<Vec<Value>, _>>()?;
    Ok(accounts.len() as u64)
}

static TAKE: Script = Script::new(include_str!("../lua/take.lua")).with_mutants(&[script_mutant(
    "redis_index_waits_for_a_clock_that_stepped_back",
    "if stepped then step = now end",
    "",
)]);
static HOLD: Script = row_script!("hide_until.lua").with_mutants(&[script_mutant(
    "redis_takes_rows_of_newer_versions",
    "if tonumber(row.format or '0') > FORMAT then",
    "if false then",
)]);

/// What the script answers about a row that it can read.
const HELD_PARTS: usize = 3;

/// Rows per round trip: a few hundred kilobytes at most with ordinary credentials.
pub(crate) const BATCH: usize = 100;

/// Rounds of one call that may come up with nothing but entries ahead of their rows; the next call goes on.
const ROUNDS: usize = 16;

/// Keys read per step of a scan: well below a millisecond of the server's time.
const SCANNED: usize = 1_000;

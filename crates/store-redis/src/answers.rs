//! Answers in Redis.

use std::collections::HashMap;

use async_trait::async_trait;
use solekey_core::{
    Account, Answer, AnswerNote, ClaimId, Found, Generation, InputError, KEEP_ANSWERS, Sealed, StoreTime,
    mutant,
    ports::{Answers, Registration, Trouble},
};
use solekey_redis_link::{Eviction, LinkError, Pipeline, RedisLink, Script, Value, cmd, script_mutant};

use crate::{
    names::Names,
    primary::{of_primary, probe},
    trouble::{Garbled, decode, of_change, of_read},
};

/// The second location of every rotated pair, in Redis.
///
/// An account's answers are one hash, kept for [`KEEP_ANSWERS`] after the last of them was written: the two newest, and
/// in addition the two newest that were not understood. The registration is a key of its own without an
/// end.
#[derive(Clone, Debug)]
pub struct RedisAnswers {
    link: RedisLink,
    names: Names,
}

impl RedisAnswers {
    /// A location of answers whose keys begin with `prefix`.
    ///
    /// # Errors
    /// The prefix is empty, too long, or holds characters that mean something in key patterns.
    pub fn new(link: RedisLink, prefix: &str) -> Result<Self, InputError> {
        Ok(Self { link, names: Names::new(prefix)? })
    }

    async fn contents(&self, account: &Account) -> Result<Contents, LinkError> {
        let mut all = cmd("HGETALL");
        all.arg(self.names.answers(account.key()));
        let mut registration = cmd("GET");
        registration.arg(self.names.registration());
        let probe = probe(self.names.registration());
        // The registration is read second. Were the location to lose its data and be registered anew in between, the
        // new registration's time would show that what is missing may have been lost; the old one would vouch for it.
        let pipeline = Pipeline::new().cmd(probe).cmd(all).cmd(registration).cmd(cmd("TIME"));
        let replies: [Result<Value, LinkError>; 4] = self
            .link
            .pipeline(&pipeline)
            .await?
            .try_into()
            .map_err(|_| LinkError::Shape { expected: "one reply per command" })?;
        let [probed, answers, registration, time] = replies;
        of_primary(probed)?;
        let (answers, registration, time) = (answers?, registration?, time?);
        let (secs, micros): (u64, u64) = decode(time)?;
        let now = StoreTime::from_micros(secs * 1_000_000 + micros);
        Ok(Contents { answers: decode(answers)?, registration: decode(registration)?, now })
    }
}

/// The contents found in one round trip.
struct Contents {
    answers: HashMap<String, Vec<u8>>,
    registration: Option<Vec<u8>>,
    now: StoreTime,
}

#[async_trait]
impl Answers for RedisAnswers {
    async fn write(&self, account: &Account, answer: &Answer) -> Result<(), Trouble> {
        let Answer { note, payload } = answer;
        let kind = if is_usable(note) { USABLE } else { UNUSABLE };
        let call = self
            .link
            .script(&WRITE)
            .key(self.names.answers(account.key()))
            .arg(digits(note.attempt))
            .arg(note.claim.to_string())
            .arg(kind)
            .arg(serde_json::to_vec(note).map_err(Trouble::not_applied)?)
            .arg(payload.as_bytes())
            .arg(KEEP_ANSWERS.as_millis() as u64);
        call.run::<i64>().await.map(drop).map_err(of_change)
    }

    async fn newest(&self, account: &Account) -> Result<Found, Trouble> {
        let Contents { answers, registration, now } = self.contents(account).await.map_err(of_read)?;
        let registration =
            registration.ok_or_else(|| Trouble::not_applied("this location of answers is not registered"))?;
        let Registration { since, .. } =
            serde_json::from_slice(&registration).map_err(Trouble::not_applied)?;
        let (mut newest, mut unread): (Option<Answer>, Option<Answer>) = (None, None);
        for value in answers.values() {
            // One that cannot be read is doubt, not absence.
            let answer = read(value, now).ok_or_else(|| Trouble::not_applied(Garbled { what: "answer" }))?;
            let best = if is_usable(&answer.note) { &mut newest } else { &mut unread };
            if best.as_ref().is_none_or(|best| name(&best.note) < name(&answer.note)) {
                *best = Some(answer);
            }
        }
        let of = |answer: &Option<Answer>| answer.as_ref().map(|answer| name(&answer.note));
        let unread = unread.filter(|answer| Some(name(&answer.note)) > of(&newest));
        // An account's answers are one value: where there is one, none was evicted since it was written.
        let evicted = newest.is_none() && unread.is_none() && self.link.eviction() == Eviction::Possible;
        let kept_since = if evicted && !mutant("evicting_location_vouches") { NEVER } else { since };
        Ok(Found { newest, unread, kept_since })
    }

    async fn reseal(
        &self,
        account: &Account,
        attempt: Generation,
        claim: ClaimId,
        payload: &Sealed,
    ) -> Result<(), Trouble> {
        let call = self.link.script(&RESEAL).key(self.names.answers(account.key()));
        let call = call.arg(digits(attempt)).arg(claim.to_string()).arg(payload.as_bytes());
        call.run::<i64>().await.map(drop).map_err(of_change)
    }

    async fn erase(&self, account: &Account, before: Generation) -> Result<(), Trouble> {
        let call = self.link.script(&ERASE).key(self.names.answers(account.key())).arg(digits(before));
        call.run::<i64>().await.map(drop).map_err(of_change)
    }

    async fn register(&self, registration: &Registration) -> Result<Registration, Trouble> {
        let text = serde_json::to_vec(registration).map_err(Trouble::not_applied)?;
        let call = self.link.script(&REGISTER).key(self.names.registration()).arg(text);
        let there: Vec<u8> = call.run().await.map_err(of_change)?;
        if let Ok(there) = serde_json::from_slice(&there) {
            return Ok(there);
        }
        self.register_anew(registration).await?;
        Ok(registration.clone())
    }

    async fn register_anew(&self, registration: &Registration) -> Result<(), Trouble> {
        let text = serde_json::to_vec(registration).map_err(Trouble::not_applied)?;
        let mut set = cmd("SET");
        set.arg(self.names.registration()).arg(text);
        self.link.query::<Value>(&set).await.map(drop).map_err(of_change)
    }
}

/// Reads what the script wrote: kind, time and length of the note on a line, then note and payload.
fn read(value: &[u8], now: StoreTime) -> Option<Answer> {
    let end = value.iter().position(|byte| *byte == b'\n')?;
    let mut words = std::str::from_utf8(&value[..end]).ok()?.split(' ');
    let _kind = words.next()?;
    let written = StoreTime::from_micros(words.next()?.parse().ok()?);
    let (note, payload) = value[end + 1..].split_at_checked(words.next()?.parse().ok()?)?;
    let note: AnswerNote = serde_json::from_slice(note).ok()?;
    let note = AnswerNote { content: note.content.aged(now.since(written)), ..note };
    Some(Answer { note, payload: Sealed::new(payload.to_vec()) })
}

fn name(note: &AnswerNote) -> (Generation, solekey_core::ClaimId) {
    (note.attempt, note.claim)
}

/// All generations in as many digits, so that their texts have the order of their numbers.
fn digits(generation: Generation) -> String {
    format!("{:020}", generation.get())
}

fn is_usable(note: &AnswerNote) -> bool {
    note.content.is_usable()
}

static WRITE: Script = Script::new(include_str!("../lua/write_answer.lua")).with_mutants(&[
    script_mutant("answer_is_overwritten", "if redis.call('HEXISTS', KEYS[1], name) == 0 then", "do"),
    script_mutant("newest_answer_is_dropped", "return a > b", "return a < b"),
]);
static RESEAL: Script = Script::new(include_str!("../lua/reseal_answer.lua"));
static ERASE: Script = Script::new(include_str!("../lua/erase_answers.lua"));
static REGISTER: Script = Script::new(include_str!("../lua/register.lua"));

/// A time since which no location keeps everything.
const NEVER: StoreTime = StoreTime::from_micros(u64::MAX);
const USABLE: &str = "u";
const UNUSABLE: &str = "x";

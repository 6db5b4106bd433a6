//! Answers in Redis.

use std::collections::HashMap;

use async_trait::async_trait;
use solekey_core::{
    Account, Answer, AnswerNote, ClaimId, Content, Found, Generation, InputError, KEEP_ANSWERS, Sealed,
    StoreTime,
    ports::{Answers, Enrolment, Trouble},
};
use solekey_redis_link::{LinkError, Pipeline, RedisLink, Script, Value, cmd, script_mutant};

use crate::{
    names::Names,
    trouble::{Garbled, decode, of_change, of_read},
};

/// The second place of every rotated pair, in Redis.
///
/// An account's answers are one hash, kept for [`KEEP_ANSWERS`] after the last of them was written: the two newest, and beside
/// them the two newest without a usable token, for the operator. The enrolment is a key of its own without an end.
#[derive(Clone, Debug)]
pub struct RedisAnswers {
    link: RedisLink,
    names: Names,
}

impl RedisAnswers {
    /// A place of answers whose keys begin with `prefix`.
    ///
    /// # Errors
    /// The prefix is empty, too long, or holds characters that mean something in key patterns.
    pub fn new(link: RedisLink, prefix: &str) -> Result<Self, InputError> {
        Ok(Self { link, names: Names::new(prefix)? })
    }

    async fn look(&self, account: &Account) -> Result<Look, LinkError> {
        let mut all = cmd("HGETALL");
        all.arg(self.names.answers(account.key()));
        let mut enrolment = cmd("GET");
        enrolment.arg(self.names.enrolment());
        // The enrolment is read second. Were the place to lose its data and be enrolled anew in between, the new
        // enrolment's time would say that what is missing may have been lost; the old one would vouch for it.
        let pipeline = Pipeline::new().cmd(all).cmd(enrolment).cmd(cmd("TIME"));
        let replies: Vec<Value> =
            self.link.pipeline(&pipeline).await?.into_iter().collect::<Result<_, _>>()?;
        let [answers, enrolment, time] =
            replies.try_into().map_err(|_| LinkError::Shape { expected: "one reply per command" })?;
        let (secs, micros): (u64, u64) = decode(time)?;
        let now = StoreTime::from_micros(secs * 1_000_000 + micros);
        Ok(Look { answers: decode(answers)?, enrolment: decode(enrolment)?, now })
    }
}

/// What one round trip shows.
struct Look {
    answers: HashMap<String, Vec<u8>>,
    enrolment: Option<Vec<u8>>,
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
        let Look { answers, enrolment, now } = self.look(account).await.map_err(of_read)?;
        let enrolment =
            enrolment.ok_or_else(|| Trouble::not_applied("this place of answers is not enrolled"))?;
        let Enrolment { since, .. } = serde_json::from_slice(&enrolment).map_err(Trouble::not_applied)?;
        let mut newest: Option<Answer> = None;
        for value in answers.values() {
            // One that cannot be read is doubt, not absence.
            let answer = read(value, now).ok_or_else(|| Trouble::not_applied(Garbled { what: "answer" }))?;
            let newer = newest.as_ref().is_none_or(|newest| name(&newest.note) < name(&answer.note));
            if is_usable(&answer.note) && newer {
                newest = Some(answer);
            }
        }
        Ok(Found { newest, kept_since: since })
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

    async fn enrol(&self, enrolment: &Enrolment) -> Result<Enrolment, Trouble> {
        let text = serde_json::to_vec(enrolment).map_err(Trouble::not_applied)?;
        let call = self.link.script(&ENROL).key(self.names.enrolment()).arg(text);
        let there: Vec<u8> = call.run().await.map_err(of_change)?;
        serde_json::from_slice(&there).map_err(Trouble::not_applied)
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
    !matches!(note.content, Content::Unusable)
}

static WRITE: Script = Script::new(include_str!("../lua/write_answer.lua")).with_mutants(&[
    script_mutant("answer_is_overwritten", "if redis.call('HEXISTS', KEYS[1], name) == 0 then", "do"),
    script_mutant("newest_answer_is_dropped", "return a > b", "return a < b"),
]);
static RESEAL: Script = Script::new(include_str!("../lua/reseal_answer.lua"));
static ERASE: Script = Script::new(include_str!("../lua/erase_answers.lua"));
static ENROL: Script = Script::new(include_str!("../lua/enrol.lua"));

const USABLE: &str = "u";
const UNUSABLE: &str = "x";

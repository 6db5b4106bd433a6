//! The calls that travel in one round trip, and the way from a reply to its call.

use std::sync::Arc;

use redis::{Cmd, Value};

use crate::error::LinkError;
use crate::link::RedisLink;
use crate::pipeline::Pipeline;
use crate::reply::decode;
use crate::script::{Script, ScriptArgs};

use super::{SHORT, Seen};

/// The call of one caller.
#[derive(Debug)]
pub(super) enum Call {
    /// The value under a key, and the server's time.
    Get(String),
    /// A script of its own.
    Script(Cmd),
    /// A share in a script for many.
    Share(Share),
}

/// The share of one caller in a script that takes many keys.
#[derive(Debug)]
pub(super) struct Share {
    pub(super) script: &'static Script,
    /// The first arguments, the same for all.
    pub(super) common: Arc<ScriptArgs>,
    /// The key and what follows the common arguments.
    pub(super) own: ScriptArgs,
}

/// One round trip: scripts, then scripts for many, then what is read and the time.
#[derive(Default)]
pub(super) struct Load {
    scripts: Pipeline,
    shared: Vec<Crowd>,
    keys: Vec<String>,
}

/// Shares of one script.
struct Crowd {
    script: &'static Script,
    common: Arc<ScriptArgs>,
    own: Vec<ScriptArgs>,
}

/// The position at which a call's reply will be found.
pub(super) enum ReplyIndex {
    Script(usize),
    Share { script: usize, line: usize },
    Get(usize),
}

impl Load {
    pub(super) fn take(&mut self, call: Call) -> ReplyIndex {
        match call {
            Call::Get(key) => {
                self.keys.push(key);
                ReplyIndex::Get(self.keys.len() - 1)
            }
            Call::Script(command) => {
                self.scripts.push(command);
                ReplyIndex::Script(self.scripts.len() - 1)
            }
            Call::Share(share) => self.share(share),
        }
    }

    fn share(&mut self, share: Share) -> ReplyIndex {
        let Share { script, common, own } = share;
        if let Some(at) = self.shared.iter().position(|crowd| crowd.takes(script, &common)) {
            let crowd = &mut self.shared[at].own;
            crowd.push(own);
            return ReplyIndex::Share { script: at, line: crowd.len() - 1 };
        }
        self.shared.push(Crowd { script, common, own: vec![own] });
        ReplyIndex::Share { script: self.shared.len() - 1, line: 0 }
    }

    pub(super) async fn travel(self, link: &RedisLink) -> Result<Unloaded, LinkError> {
        let Self { scripts: mut pipeline, shared, keys } = self;
        let (scripts, reads) = (pipeline.len(), !keys.is_empty());
        for Crowd { script, common, own } in shared {
            pipeline.push(ScriptArgs::together(&common, &own, "EVALSHA", script.hash()));
        }
        if reads {
            pipeline.push(many("MGET", &keys));
            // Asked for second: what is left of something is never overstated.
            pipeline.push(redis::cmd("TIME"));
        }
        let mut replies = link.pipeline(&pipeline).await?;
        let read = if reads { Read::new(replies.pop(), replies.pop()) } else { Err(SHORT) };
        let lines = replies.split_off(scripts.min(replies.len())).into_iter();
        let lines = lines.map(|reply| lines_of(reply?)).collect();
        Ok(Unloaded { scripts: replies.into_iter().map(Some).collect(), lines, read })
    }
}

impl Crowd {
    fn takes(&self, script: &'static Script, common: &Arc<ScriptArgs>) -> bool {
        std::ptr::eq(self.script, script) && (Arc::ptr_eq(&self.common, common) || self.common == *common)
    }
}

/// The reply to one caller.
#[derive(Clone, Debug)]
pub(super) enum CallReply {
    Value(Seen),
    Reply(Value),
    Line(String),
}

/// The replies of a round trip.
pub(super) struct Unloaded {
    scripts: Vec<Option<Result<Value, LinkError>>>,
    lines: Vec<Result<Vec<String>, LinkError>>,
    read: Result<Read, LinkError>,
}

impl Unloaded {
    /// The reply to the call at this place.
    pub(super) fn at(&mut self, place: ReplyIndex) -> Result<CallReply, LinkError> {
        match place {
            ReplyIndex::Script(at) => {
                let reply = self.scripts.get_mut(at).and_then(Option::take).unwrap_or(Err(SHORT));
                reply.map(CallReply::Reply)
            }
            ReplyIndex::Share { script, line } => {
                let lines =
                    self.lines.get_mut(script).ok_or(SHORT)?.as_mut().map_err(|error| error.clone())?;
                Ok(CallReply::Line(std::mem::take(lines.get_mut(line).ok_or(SHORT)?)))
            }
            ReplyIndex::Get(at) => {
                let Read { values, now_us } = self.read.as_mut().map_err(|error| error.clone())?;
                let value = values.get_mut(at).ok_or(SHORT)?.take();
                Ok(CallReply::Value(Seen { value, now_us: *now_us }))
            }
        }
    }
}

/// The values under the keys, and the server's time.
struct Read {
    values: Vec<Option<Vec<u8>>>,
    now_us: u64,
}

type Reply = Option<Result<Value, LinkError>>;

impl Read {
    fn new(time: Reply, values: Reply) -> Result<Self, LinkError> {
        let (secs, micros): (u64, u64) = decode(time.unwrap_or(Err(SHORT))?)?;
        Ok(Self { values: decode(values.unwrap_or(Err(SHORT))?)?, now_us: secs * 1_000_000 + micros })
    }
}

fn lines_of(reply: Value) -> Result<Vec<String>, LinkError> {
    let text: String = decode(reply)?;
    Ok(text.split('\n').map(str::to_owned).collect())
}

fn many(verb: &str, keys: &[String]) -> Cmd {
    let mut command = redis::cmd(verb);
    command.arg(keys);
    command
}

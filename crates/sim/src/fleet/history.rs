//! The history of a fleet, in order.

use std::{collections::BTreeMap, fmt::Write as _, sync::Arc, time::Duration};

use solekey_core::{
    Account, AnswerNote, Claim, ClaimId, Commit, Content, Decision, Delay, Fence, Generation, Login, Open,
    Revocation, Row, Settle, StoreTime,
};

use super::provider::Seen;

/// One thing that happened.
#[derive(Clone, Debug)]
pub struct Event {
    /// True time since the beginning.
    pub at: Duration,
    /// The process that did it, or to which it happened.
    /// What.
    pub who: Who,
    /// The event.
    pub what: What,
}

/// Somebody in a history.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Who {
    /// Nobody in particular.
    World,
    /// The provider.
    Provider,
    /// A process: the replica and which of its lives.
    Process(usize, u32),
}

/// A fault that struck one call.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Fault {
    /// The server.
    pub line: &'static str,
    /// The operation.
    pub operation: &'static str,
    /// The kind of fault.
    pub kind: &'static str,
}

/// Something that happened.
#[derive(Clone, Debug)]
pub enum What {
    /// A process was built.
    Built,
    /// A process died without a word.
    Crashed,
    /// A process was stopped for that long.
    Paused(Duration),
    /// A process begins to end.
    Draining,
    /// A process sets out to open an attempt.
    Claiming {
        /// Whose.
        account: Account,
        /// Under which name.
        id: ClaimId,
    },
    /// A process was shut down.
    ShutDown {
        /// The time it was given.
        bound: Duration,
        /// The time it took.
        took: Duration,
        /// The refreshes it left in doubt.
        in_doubt: usize,
    },
    /// A call went wrong.
    Struck(Fault),
    /// A move of the nemesis.
    Nemesis(&'static str, String),
    /// A change reached the store.
    Changed(Box<Changed>),
    /// The store forgot what happened since a backup.
    WentBack,
    /// A lease was granted.
    Granted {
        /// Whose.
        account: Account,
        /// Its fence.
        fence: Fence,
        /// Its name.
        token: ClaimId,
    },
    /// A lease was asked back.
    Released {
        /// Whose.
        account: Account,
        /// By which name.
        token: ClaimId,
    },
    /// All leases are gone, fences too.
    LeasesLost,
    /// An answer lies in its place.
    Written {
        /// Whose.
        account: Account,
        /// Which.
        note: AnswerNote,
    },
    /// The place of answers started empty.
    AnswersLost,
    /// A process has a token to publish.
    Offered {
        /// Whose.
        account: Account,
        /// Which.
        generation: Generation,
    },
    /// Something reached the shared cache.
    Published {
        /// Whose.
        account: Account,
        /// The generation offered.
        generation: Generation,
        /// The generation known before.
        before: Option<Generation>,
        /// The generation known after.
        after: Option<Generation>,
        /// With a token.
        token: bool,
        /// As deleted.
        gone: bool,
        /// With a verdict.
        verdict: bool,
    },
    /// The shared cache was emptied.
    SharedCacheLost,
    /// A request to the token endpoint left.
    Sent(Request),
    /// The endpoint processed a request.
    Processed {
        /// Which.
        request: usize,
        /// The token.
        token: Arc<str>,
        /// Its outcome.
        seen: Seen,
        /// The location of another pair of the same grant that worked until then.
        living: Option<&'static str>,
        /// The true time at which the new access token ends by the answer's word; none where it gave none.
        ends: Option<Duration>,
    },
    /// A request could not be sent.
    NotSent {
        /// Whose.
        account: Account,
    },
    /// A process learnt that the row went past its answer.
    Overtaken {
        /// Whose.
        account: Account,
        /// Its attempt.
        attempt: Generation,
    },
    /// A request ended without being processed.
    Dropped {
        /// Which.
        request: usize,
    },
    /// A process read the endpoint's response.
    Heard {
        /// Which request.
        request: usize,
        /// Whose.
        account: Account,
        /// Which attempt.
        attempt: Option<Generation>,
        /// In a word.
        response: String,
        /// The new pair in it.
        pair: bool,
    },
    /// A caller asked.
    Asked {
        /// Which call.
        call: usize,
        /// About whom.
        account: Account,
        /// What.
        ask: CallerRequest,
        /// The generation it speaks of: of the token it reports, or of what a person saw.
        named: Option<Generation>,
        /// The longest it may take.
        bound: Duration,
    },
    /// A caller was answered.
    Answered {
        /// Which call.
        call: usize,
        /// About whom.
        account: Account,
        /// With what.
        answer: Delivered,
    },
    /// A caller went away.
    Left {
        /// Which call.
        call: usize,
    },
    /// No more faults.
    Healed,
    /// Everybody has come to rest, and everything takes its usual time from now on.
    Calm,
    /// A process reads the shared cache.
    ReadSharedCache {
        /// Whose place.
        account: Account,
    },
    /// An account came to rest after the faults.
    AtRest {
        /// Whose.
        account: Account,
        /// The way it settled.
        settled: Settled,
        /// After that long.
        after: Duration,
        /// The longest that may take.
        bound: Duration,
    },
    /// The content of each location at the very end.
    Kept {
        /// Whose.
        account: Account,
        /// The row's generation.
        row: Generation,
        /// The row is a tombstone.
        gone: bool,
        /// The generation that the shared cache knows.
        shared_cache: Option<Generation>,
        /// The token in the shared cache.
        token: Option<Generation>,
        /// The answers.
        answers: Vec<Generation>,
    },
    /// A lease, an attempt or a task was left at the end.
    LeftOver(String),
    /// Bytes that are shared held a token in clear.
    SecretSeen(&'static str),
}

/// A change that reached the store.
#[derive(Clone, Debug)]
pub struct Changed {
    /// Whose.
    pub account: Account,
    /// The content at that time.
    pub shown: Shown,
    /// The row before.
    pub before: Option<Row>,
    /// The row after.
    pub after: Option<Row>,
    /// The refresh token before, where it can be read.
    pub had: Option<Arc<str>>,
    /// The refresh token after, where it can be read.
    pub has: Option<Arc<str>>,
    /// True if the provider would take the refresh token after; none where it cannot be read.
    pub works: Option<bool>,
    /// The reason why not, if not.
    pub refused: Option<&'static str>,
    /// The store's time.
    pub now: StoreTime,
}

/// A request to the store.
#[derive(Clone, Copy, Debug)]
pub enum Shown {
    /// To open an attempt.
    Claim(Claim),
    /// To put an answer into the row.
    Commit(Commit),
    /// To end an attempt.
    Settle(Settle),
    /// To take a login in.
    Login(Login),
    /// To leave a tombstone.
    Delete(ClaimId),
}

/// A request to the token endpoint.
#[derive(Clone, Debug)]
pub struct Request {
    /// Its number.
    pub number: usize,
    /// Whose.
    pub account: Account,
    /// The attempt, as its process named it.
    pub attempt: Option<Generation>,
    /// The refresh token presented.
    pub token: Arc<str>,
    /// The row's refresh token at that moment, where it can be read.
    pub row_token: Option<Arc<str>>,
    /// The time that it may take.
    pub timeout: Duration,
}

/// A caller's request.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum CallerRequest {
    /// A token.
    Token,
    /// A token instead of one that its resource refused.
    Rejected,
    /// A token instead of one that works.
    FalselyRejected,
    /// A token instead of a string.
    StaleString,
    /// A refresh.
    Refresh,
    /// A login.
    Login,
    /// A login with the token the account has, perhaps with another key next to it.
    LoginSame,
    /// A login with the token of another account.
    LoginOther,
    /// A login with a spent token.
    LoginSpent,
    /// A login with a spent token, on purpose.
    LoginAcceptSpent,
    /// A delete.
    Delete,
    /// The state.
    State,
    /// A token of an account that never was.
    Stranger,
}

/// A caller's answer.
#[derive(Clone, Debug)]
pub enum Delivered {
    /// A token.
    Token(TokenTruth),
    /// Come back later; how long the token in the row could be served yet.
    RetryAt(Delay, Duration),
    /// Log in; as before.
    LogIn(Revocation, Duration),
    /// No such account.
    Unknown,
    /// The process is ending.
    ShuttingDown,
    /// The process does not belong here.
    Misconfigured,
    /// Something that is no token, in a word.
    Done(String),
    /// A failure that callers should never see here.
    Failed(String),
}

/// The truth about a token that was handed out.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct TokenTruth {
    /// The token.
    pub token: Arc<str>,
    /// Its generation, as it says.
    pub generation: Generation,
    /// It says that a refresh is overdue.
    pub stale: bool,
    /// It was issued to this account.
    pub own: bool,
    /// The end it was issued with, or the cap where none was given, has passed by that much.
    pub overdue: Option<Duration>,
    /// The resource takes it.
    pub honoured: bool,
    /// The caller has reported this very token.
    pub reported: bool,
    /// The caller has reported a newer one.
    pub older: bool,
}

/// The way an account came to rest.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Settled {
    /// Its token works.
    Fresh,
    /// It needs a login, and the provider agrees.
    LogIn(Revocation),
    /// It needs a login although its token would still work: why that is right.
    LogInExpected(&'static str),
    /// It needs a login although its refresh token works.
    LogInUnfounded(Revocation),
    /// It is deleted, or never was.
    Gone,
    /// It is in doubt, and the location of answers has lost what could resolve it: it waits for as long as answers are kept.
    AnswersUnvouched,
    /// As before, and only a person who asked for a refresh got it there.
    ByOperator(Box<Settled>),
    /// It did not come to rest.
    Stuck(String),
}

/// The events, in order.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// The events.
    pub events: Vec<Event>,
    /// The store's time at the beginning, from which numbers are shown.
    pub base: u64,
}

impl History {
    /// The history as lines; ids, which are random, are numbered in the order of their appearance.
    pub fn lines(&self) -> Vec<String> {
        let mut names = Names { ids: BTreeMap::new(), base: self.base };
        self.events.iter().map(|event| names.line(event)).collect()
    }
}

struct Names {
    ids: BTreeMap<ClaimId, usize>,
    base: u64,
}

impl Names {
    fn line(&mut self, event: &Event) -> String {
        let Event { at, who, what } = event;
        let who = match who {
            Who::World => "world".to_owned(),
            Who::Provider => "provider".to_owned(),
            Who::Process(replica, life) => format!("P{replica}.{life}"),
        };
        format!("{:>10.3} {who:<8} {}", at.as_secs_f64(), self.what(what))
    }

    fn what(&mut self, what: &What) -> String {
        match what {
            What::Built => "is up".into(),
            What::Crashed => "dies".into(),
            What::Paused(span) => format!("is stopped for {span:?}"),
            What::Draining => "begins to end".into(),
            What::Claiming { account, id } => format!("sets out to claim {} {}", account.id(), self.id(*id)),
            What::ShutDown { bound, took, in_doubt } => {
                format!("shut down in {took:?} of {bound:?}, {in_doubt} in doubt")
            }
            What::Struck(Fault { line, operation, kind }) => format!("  {line}.{operation}: {kind}"),
            What::Nemesis(kind, detail) => format!("*** {kind} {detail}"),
            What::Changed(changed) => self.changed(changed),
            What::WentBack => "*** the store went back".into(),
            What::Granted { account, fence, token } => {
                format!("lease of {} granted {} {}", account.id(), self.id(*token), self.number(fence.get()))
            }
            What::Released { account, token } => {
                format!("lease of {} released {}", account.id(), self.id(*token))
            }
            What::LeasesLost => "*** leases lost".into(),
            What::Written { account, note } => {
                let kind = match note.content {
                    Content::Rotated(_) => "pair",
                    Content::LoggedIn(_) => "login",
                    Content::Deleted => "delete",
                    Content::Unread => "unread",
                };
                format!(
                    "answer of {}: {kind} {} {}",
                    account.id(),
                    self.generation(note.attempt),
                    self.id(note.claim)
                )
            }
            What::AnswersLost => "*** answers lost".into(),
            What::Published { account, generation, before, after, token, gone, verdict } => format!(
                "shared cache of {}: {} offered (token {token}, verdict {verdict}, gone {gone}), {} -> {}",
                account.id(),
                self.generation(*generation),
                self.maybe(*before),
                self.maybe(*after)
            ),
            What::Offered { account, generation } => {
                format!("offers {} of {}", self.generation(*generation), account.id())
            }
            What::SharedCacheLost => "*** shared cache lost".into(),
            What::Sent(Request { number, account, attempt, token, row_token, .. }) => format!(
                "request {number} of {} for {}: presents {token} (row has {})",
                account.id(),
                self.maybe(*attempt),
                row_token.as_deref().unwrap_or("?")
            ),
            What::Processed { request, token, seen, living, .. } => {
                format!("request {request}: {token} -> {seen:?}, living pair: {living:?}")
            }
            What::NotSent { account } => format!("nothing sent for {}", account.id()),
            What::Overtaken { account, attempt } => {
                format!("{} of {} was overtaken", self.generation(*attempt), account.id())
            }
            What::Dropped { request } => format!("request {request} lost"),
            What::Heard { request, response, .. } => format!("request {request} answered: {response}"),
            What::Asked { call, account, ask, named, .. } => {
                format!("call {call} of {}: {ask:?} {}", account.id(), self.maybe(*named))
            }
            What::Answered { call, answer, .. } => format!("call {call}: {}", self.answer(answer)),
            What::Left { call } => format!("call {call} dropped"),
            What::Healed => "*** healed".into(),
            What::Calm => "*** calm".into(),
            What::ReadSharedCache { account } => format!("reads the shared cache of {}", account.id()),
            What::AtRest { account, settled, after, bound } => {
                format!("{} at rest: {settled:?} after {after:?} of {bound:?}", account.id())
            }
            What::Kept { account, row, gone, shared_cache, token, answers } => format!(
                "{}: row {} (gone {gone}), shared cache {} with token {}, answers {}",
                account.id(),
                self.generation(*row),
                self.maybe(*shared_cache),
                self.maybe(*token),
                answers.iter().map(|at| self.generation(*at)).collect::<Vec<_>>().join(" ")
            ),
            What::LeftOver(what) => format!("left over: {what}"),
            What::SecretSeen(place) => format!("a secret in clear: {place}"),
        }
    }

    fn answer(&mut self, answer: &Delivered) -> String {
        let Delivered::Token(truth) = answer else { return format!("{answer:?}") };
        let TokenTruth { token, generation, stale, honoured, overdue, .. } = truth;
        let overdue = overdue.map_or(String::new(), |by| format!(", overdue by {by:?}"));
        format!("{token} {} stale {stale}, honoured {honoured}{overdue}", self.generation(*generation))
    }

    fn changed(&mut self, changed: &Changed) -> String {
        let Changed { account, shown, before, after, has, refused, .. } = changed;
        let mut line = format!("{}: ", account.id());
        let asked = match shown {
            Shown::Claim(claim) => {
                let seen = claim.seen.map(|seen| self.id(seen)).unwrap_or_default();
                format!("claim {} from {} seen [{seen}]", self.id(claim.id), self.generation(claim.from))
            }
            Shown::Commit(commit) => format!(
                "commit {} {} from {}",
                self.id(commit.note.claim),
                self.generation(commit.note.attempt),
                self.generation(commit.note.made_from)
            ),
            Shown::Settle(settle) => {
                let decision =
                    settle.verdict.map(|verdict| format!("{:?}", verdict.decision)).unwrap_or_default();
                format!("settle {} from {} {decision}", self.id(settle.id), self.generation(settle.from))
            }
            Shown::Login(login) => format!("login {} accept_spent {}", self.id(login.id), login.accept_spent),
            Shown::Delete(id) => format!("delete {}", self.id(*id)),
        };
        line.push_str(&asked);
        if let Some(why) = refused {
            let _ = write!(line, ": {why}");
        }
        if before == after {
            line.push_str(" = no change");
            return line;
        }
        let row = after.as_ref().map(|row| self.row(row)).unwrap_or_default();
        let _ = write!(line, " => {row} {}", has.as_deref().unwrap_or(""));
        line
    }

    fn row(&mut self, row: &Row) -> String {
        let open = row.open.map(|open: Open| {
            format!(
                " open {} {} until {}",
                self.id(open.id),
                self.generation(open.attempt),
                self.number(open.until.as_micros())
            )
        });
        let verdict = row.current_verdict().map(|verdict| match verdict.decision {
            Decision::LogIn { why } => format!(" LOG IN ({why})"),
            Decision::NotBefore { at, why } => format!(" not before {} ({why})", self.number(at.as_micros())),
        });
        let gone = if row.is_gone() { " gone" } else { "" };
        format!(
            "{}{gone}{}{}",
            self.generation(row.generation),
            open.unwrap_or_default(),
            verdict.unwrap_or_default()
        )
    }

    fn id(&mut self, id: ClaimId) -> String {
        let next = self.ids.len() + 1;
        format!("#{}", self.ids.entry(id).or_insert(next))
    }

    fn maybe(&self, generation: Option<Generation>) -> String {
        generation.map_or("-".into(), |generation| self.generation(generation))
    }

    fn generation(&self, generation: Generation) -> String {
        if generation == Generation::ZERO {
            "g0".into()
        } else {
            format!("g{}", self.number(generation.get()))
        }
    }

    /// Numbers are microseconds of some clock: shown as seconds since the beginning.
    fn number(&self, number: u64) -> String {
        let sign = if number < self.base { "-" } else { "" };
        let off = number.abs_diff(self.base);
        format!("{sign}{}.{:06}", off / 1_000_000, off % 1_000_000)
    }
}

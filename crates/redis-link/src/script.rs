//! Lua scripts and their arguments.

use std::sync::OnceLock;

use redis::{Cmd, ToRedisArgs};

use crate::mutant::ScriptMutant;

/// The text of a Lua script; a `static` next to the code that calls it.
///
/// ```
/// use solekey_redis_link::Script;
///
/// static PUT_IF_NEWER: Script = Script::new("return redis.call('SET', KEYS[1], ARGV[1])");
/// assert_eq!(PUT_IF_NEWER.hash().len(), 40);
/// ```
#[derive(Debug)]
pub struct Script {
    text: &'static str,
    hash: OnceLock<String>,
    #[cfg(solekey_mutant)]
    mutants: &'static [ScriptMutant],
    #[cfg(solekey_mutant)]
    mutated: OnceLock<&'static str>,
}

impl Script {
    /// Names a script by its text; nothing is computed or sent yet.
    pub const fn new(text: &'static str) -> Self {
        Self {
            text,
            hash: OnceLock::new(),
            #[cfg(solekey_mutant)]
            mutants: &[],
            #[cfg(solekey_mutant)]
            mutated: OnceLock::new(),
        }
    }

    /// With known bugs, asleep; without them in ordinary builds.
    #[doc(hidden)]
    #[cfg(not(solekey_mutant))]
    pub const fn with_mutants(self, _mutants: &[ScriptMutant]) -> Self {
        self
    }

    /// With known bugs, asleep.
    #[doc(hidden)]
    #[cfg(solekey_mutant)]
    pub const fn with_mutants(mut self, mutants: &'static [ScriptMutant]) -> Self {
        self.mutants = mutants;
        self
    }

    /// The text as the server sees it.
    #[cfg(not(solekey_mutant))]
    pub fn text(&self) -> &'static str {
        self.text
    }

    /// The text as the server sees it, with the bug that is awake.
    #[cfg(solekey_mutant)]
    pub fn text(&self) -> &'static str {
        self.mutated.get_or_init(|| crate::mutant::mutated(self.text, self.mutants))
    }

    /// The SHA-1 under which a server caches the text, in hex.
    pub fn hash(&self) -> &str {
        self.hash.get_or_init(|| redis::Script::new(self.text()).get_hash().to_owned())
    }
}

/// The keys and arguments of one script call.
#[derive(Clone, Debug)]
pub struct ScriptArgs {
    /// Two commands without a verb: that is how the client library keeps arguments in one piece.
    keys: Cmd,
    args: Cmd,
    count: usize,
}

impl Default for ScriptArgs {
    fn default() -> Self {
        Self { keys: Cmd::with_capacity(1, 64), args: Cmd::with_capacity(6, 96), count: 0 }
    }
}

impl PartialEq for ScriptArgs {
    fn eq(&self, other: &Self) -> bool {
        simple(&self.keys).eq(simple(&other.keys)) && simple(&self.args).eq(simple(&other.args))
    }
}

impl ScriptArgs {
    /// No keys and no arguments yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a key, `KEYS[n]`.
    pub fn key(mut self, key: impl ToRedisArgs) -> Self {
        self.keys.arg(key);
        self.count = simple(&self.keys).count();
        self
    }

    /// Adds an argument, `ARGV[n]`.
    pub fn arg(mut self, arg: impl ToRedisArgs) -> Self {
        self.args.arg(arg);
        self
    }

    pub(crate) fn command(&self, verb: &str, script: &str) -> Cmd {
        Self::together(self, &[], verb, script)
    }

    /// One call with the keys of all, then the arguments of all, in order.
    pub(crate) fn together(common: &Self, own: &[Self], verb: &str, script: &str) -> Cmd {
        let all = || std::iter::once(common).chain(own);
        let mut command = redis::cmd(verb);
        command.arg(script).arg(all().map(|args| args.count).sum::<usize>());
        let (keys, args) =
            (all().flat_map(|args| simple(&args.keys)), all().flat_map(|args| simple(&args.args)));
        keys.chain(args).for_each(|word| {
            command.arg(word);
        });
        command
    }
}

fn simple(words: &Cmd) -> impl Iterator<Item = &[u8]> {
    words.args_iter().filter_map(|word| match word {
        redis::Arg::Simple(word) => Some(word),
        // A cursor, which nobody puts here.
        _ => None,
    })
}

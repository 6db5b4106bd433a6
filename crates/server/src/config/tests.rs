#![allow(clippy::unwrap_used)]

use std::{collections::BTreeSet, time::Duration};

use solekey::{
    Provider,
    core::{Account, InDoubt, Limits, Replay, Stale},
};
use solekey_providers::Preset;

use super::{keys::keys, *};
use crate::MirrorFile;

const ACME: &str =
    "[[provider]]\nname = \"acme\"\ntoken_url = \"http://127.0.0.1:9/t\"\nclient_id = \"gateway\"\n";

/// The sample of the design.
const SAMPLE: &str = r#"
listen = "127.0.0.1:8750"                            # or "unix:/run/solekey.sock"
[redis]
url = "redis://127.0.0.1:6379"                       # leave the table out for the embedded mode
[store]
url = "postgres://solekey@db/solekey"                # or "redis", or "sqlite://solekey.db" (one host)
[seal]
key_env = "SOLEKEY_SEAL_KEY"                         # key ring "id:base64[,id:base64]", the first seals
[[provider]]
name = "codex"
preset = "codex"                                     # every key below can override a preset
[[provider]]
name = "acme"
token_url = "https://auth.acme.example/token"
client_id = "gateway"
client_auth = "none"                                 # none | basic | post; secret through client_secret_env
body = "form"                                        # form | json
replay = "strict_family"
grace = "30s"                                        # with replay = "grace"
refresh_ahead = "10m"
exchange_timeout = "10s"
not_processed = [429]                                # statuses that mean "token not consumed"
on_lock_held = "wait_for_cache"
max_wait = "8s"
"#;

const RING: &str = "a:AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";

fn environment<const N: usize>(variables: [(&str, &str); N]) -> Environment {
    variables.into_iter().collect()
}

fn parse(text: &str) -> Result<Config, ConfigError> {
    Config::parse(text, &Environment::default())
}

fn acme(more: &str) -> Result<Config, ConfigError> {
    parse(&format!("{ACME}{more}"))
}

/// The key that is refused.
fn refused(result: Result<Config, ConfigError>) -> String {
    let error = result.expect_err("refused");
    error.field().unwrap_or_else(|| panic!("{error}")).to_owned()
}

fn policy(config: &Config) -> solekey::core::Policy {
    *config.providers[0].provider.policy()
}

#[test]
fn the_sample_of_the_design_is_taken_as_it_is() {
    let config = Config::parse(SAMPLE, &environment([("SOLEKEY_SEAL_KEY", RING)])).unwrap();
    assert_eq!(config.provider_names(), ["codex", "acme"]);
    assert_eq!(config.coordination(), "redis and postgres");
    assert!(config.seal.is_sealing());
    assert_eq!(config.warnings(), Vec::<String>::new());
}

#[test]
fn seven_keys_are_enough_and_two_do() {
    let config = parse("[[provider]]\nname = \"codex\"\npreset = \"codex\"").unwrap();
    assert_eq!(config.listen().to_string(), "127.0.0.1:8750");
    assert_eq!(config.coordination(), "embedded");
    assert_eq!(policy(&config).replay(), Replay::STRICT_FAMILY);
}

#[test]
fn replicas_on_several_hosts_need_postgres_or_redis_and_may_have_both() {
    for (head, coordination) in [
        ("[redis]\nurl = \"redis://h\"", "redis"),
        ("[redis]\nurl = \"redis://h\"\n[store]\nurl = \"postgres://db/x\"", "redis and postgres"),
        ("[store]\nurl = \"postgresql://db/x\"", "postgres"),
    ] {
        let config = parse(&format!("{head}\n{ACME}")).unwrap();
        assert_eq!(config.coordination(), coordination);
        assert_eq!(config.warnings().is_empty(), coordination != "redis");
    }
}

#[test]
fn an_unknown_key_is_named_with_its_path_and_the_known_ones() {
    for (text, field) in [
        (format!("listn = \"x\"\n{ACME}"), "listn"),
        (format!("{ACME}max_wiat = \"8s\""), "provider.acme.max_wiat"),
        (format!("{ACME}lease.tll = \"8s\""), "provider.acme.lease.tll"),
        (format!("{ACME}[redis]\nurl = \"redis://h\"\npoll = 1"), "redis.poll"),
        (format!("{ACME}[metrics]\non = true"), "metrics"),
    ] {
        assert_eq!(refused(parse(&text)), field);
    }
    let error = acme("max_wiat = \"8s\"").unwrap_err().to_string();
    assert!(error.contains("a known key: one of `name`, `preset`"), "{error}");
    let provider = &keys().provider;
    let names: BTreeSet<_> = provider.iter().map(|key| key.path.split('.').next().unwrap()).collect();
    assert!(names.iter().all(|name| error.contains(name)), "{error}");
    assert_eq!(error.matches('`').count() / 2, names.len(), "{error}");
    assert_eq!(
        keys().variable_of_provider().count() + 1,
        provider.len(),
        "every key but the name can come from the environment"
    );
}

#[test]
fn values_that_cannot_work_are_refused_by_key() {
    for (more, field) in [
        ("max_wait = \"301s\"", "max_wait"),
        ("max_wait = 8", "max_wait"),
        ("max_wait = \"8\"", "max_wait"),
        ("skew = \"10m\"\nrefresh_ahead = \"10m\"", "skew"),
        ("refresh_ahead = \"0s\"", "skew"),
        ("lease.ttl = \"9s\"", "lease.ttl"),
        ("quarantine = \"9s\"", "quarantine"),
        ("exchange_timeout = \"0s\"", "exchange_timeout"),
        ("preset = \"codecs\"", "preset"),
        ("replay = \"lenient\"", "replay"),
        ("replay = \"grace\"", "grace"),
        ("client_auth = \"basic\"", "client_secret_env"),
        ("client_auth = \"post\"\nclient_secret_env = \"ABSENT\"", "client_secret_env"),
        ("body = \"xml\"", "body"),
        ("not_processed = [200]", "not_processed"),
        ("not_processed = 429", "not_processed"),
        ("on_lock_held = \"panic\"", "on_lock_held"),
        ("in_doubt = \"guess\"", "in_doubt"),
        ("stale = \"maybe\"", "stale"),
        ("assumed_lifetime = \"2d\"", "assumed_lifetime"),
        ("refresh_life = \"1m\"", "refresh_life"),
        ("fallback_client_id = \"gateway\"", "fallback_client_id"),
        ("fallback_client_secret_env = \"X\"", "fallback_client_id"),
        ("accept_loss = \"yes\"", "accept_loss"),
    ] {
        assert_eq!(refused(acme(more)), format!("provider.acme.{field}"), "{more}");
    }
    for (text, field) in [
        ("", "provider"),
        ("[[provider]]\npreset = \"codex\"", "provider.0.name"),
        ("[[provider]]\nname = \"\"\npreset = \"codex\"", "provider.name"),
        ("[[provider]]\nname = \"a\\nb\"\npreset = \"codex\"", "provider.?.name"),
        ("[[provider]]\nname = \"x\"", "provider.x.token_url"),
        ("[provider]\nname = \"x\"", "provider"),
        ("listen = \"0.0.0.0:1\"", "listen"),
        ("listen = 8750", "listen"),
        ("[redis]\nprefix = \"x\"", "redis.url"),
        ("[store]\nurl = \"redis\"", "store.url"),
        ("[store]\nurl = \"postgres:db/solekey\"", "store.url"),
        ("state_dir = \"a\"\n[store]\nstate_dir = \"b\"", "store.state_dir"),
        ("[seal]\nkey_env = \"ABSENT\"", "seal.key_env"),
    ] {
        let codex = "[[provider]]\nname = \"codex\"\npreset = \"codex\"\n";
        let whole = if text.is_empty() || text.contains("provider") {
            text.to_owned()
        } else {
            format!("{text}\n{codex}")
        };
        assert_eq!(refused(parse(&whole)), field, "{text}");
    }
    assert_eq!(refused(parse(&format!("{ACME}{ACME}"))), "provider.acme.name");
    let plain = ACME.replace("127.0.0.1", "auth.example");
    assert_eq!(refused(parse(&plain)), "provider.acme.token_url", "plain http is for loopback only");
}

#[test]
fn a_file_that_is_no_toml_is_refused_by_line_and_a_missing_one_by_path() {
    let error = parse("listen = \"127.0.0.1:1\"\n\nmax_wait = [").unwrap_err().to_string();
    assert!(error.starts_with("line 3"), "{error}");
    let missing = Config::load(Some(Path::new("no/such/solekey.toml")), &Environment::default());
    assert!(missing.unwrap_err().to_string().contains("no/such/solekey.toml"));
}

#[test]
fn a_value_is_never_quoted_for_it_may_be_a_password() {
    let environment = environment([("SOLEKEY_SEAL_KEY", "a:hush")]);
    for text in [
        "redis = \"redis://:hush@h\"",
        "redis = [\"hush expected hush\"]",
        "[redis]\nurl = \"redis://:hush@h\"\nprefix = 1",
        "[store]\nurl = \"postgres:u:hush@db/x\"",
        "[redis]\nurl = [\"redis://:hush@h\"]",
        "[redis]\nurl = \"redis://:hush@h",
        ACME,
    ] {
        let error = Config::parse(text, &environment).expect_err(text);
        assert!(!format!("{error} {error:?}").contains("hush"), "{error:?}");
    }
}

#[test]
fn expert_keys_reach_the_policy() {
    let more = r#"
        replay = "grace"
        grace = "30s"
        refresh_ahead = "20m"
        exchange_timeout = "2s"
        max_wait = "500ms"
        lease.ttl = "30s"
        quarantine = "40s"
        skew = "90s"
        in_doubt = "ask_login"
        stale = "refuse"
    "#;
    let policy = policy(&acme(more).unwrap());
    assert_eq!(policy.replay(), Replay::grace(Duration::from_secs(30)));
    assert_eq!(policy.exchange_timeout(), Duration::from_secs(2));
    assert_eq!(policy.max_wait(), Duration::from_millis(500));
    assert_eq!(policy.lease_ttl(), Duration::from_secs(30));
    assert_eq!(policy.span(), Duration::from_secs(40));
    assert_eq!((policy.in_doubt(), policy.stale()), (InDoubt::AskLogin, Stale::Refuse));
}

#[test]
fn waiting_and_refusing_have_several_spellings() {
    let (none, some) = (Duration::ZERO, Duration::from_secs(8));
    for (more, max_wait, stale) in [
        ("", some, Stale::Serve),
        ("on_lock_held = \"wait_for_cache\"", some, Stale::Serve),
        ("on_lock_held = \"use_existing\"", none, Stale::Serve),
        ("on_lock_held = \"use_existing\"\nmax_wait = \"3s\"", none, Stale::Serve),
        ("on_lock_held = \"fail\"", none, Stale::Refuse),
        ("stale = \"refuse\"", some, Stale::Refuse),
        ("on_refresh_error = \"return_error\"", some, Stale::Refuse),
        ("on_refresh_error = \"use_existing\"", some, Stale::Serve),
    ] {
        let policy = policy(&acme(more).unwrap());
        assert_eq!((policy.max_wait(), policy.stale()), (max_wait, stale), "{more}");
    }
}

/// S-T31.
#[test]
fn a_preset_brings_what_gateways_gave_to_those_who_wait_and_every_part_can_be_replaced() {
    let (none, some) = (Duration::ZERO, Duration::from_secs(8));
    for (preset, more, max_wait, stale) in [
        ("codex", "", some, Stale::Serve),
        ("claude", "", some, Stale::Serve),
        ("grok", "", some, Stale::Refuse),
        ("gemini", "", none, Stale::WhileRefreshing),
        ("antigravity", "", none, Stale::WhileRefreshing),
        ("gemini", "max_wait = \"3s\"", Duration::from_secs(3), Stale::WhileRefreshing),
        ("gemini", "on_lock_held = \"wait_for_cache\"", some, Stale::WhileRefreshing),
        ("gemini", "on_refresh_error = \"return_error\"", none, Stale::WhileRefreshing),
        ("gemini", "on_refresh_error = \"use_existing\"", none, Stale::Serve),
        ("gemini", "on_lock_held = \"fail\"", none, Stale::Refuse),
        ("gemini", "stale = \"refuse\"", none, Stale::Refuse),
        ("codex", "on_refresh_error = \"return_error\"", some, Stale::Refuse),
        (
            "codex",
            "on_refresh_error = \"return_error\"\non_lock_held = \"use_existing\"",
            none,
            Stale::WhileRefreshing,
        ),
        ("grok", "stale = \"serve\"\nmax_wait = \"2s\"", Duration::from_secs(2), Stale::Serve),
        ("codex", "stale = \"while_refreshing\"", some, Stale::WhileRefreshing),
    ] {
        let text =
            format!("[[provider]]\nname = \"p\"\npreset = \"{preset}\"\nclient_secret_env = \"S\"\n{more}");
        let text = if ["gemini", "antigravity"].contains(&preset) {
            text
        } else {
            text.replace("client_secret_env = \"S\"\n", "")
        };
        let policy = policy(&Config::parse(&text, &environment([("S", "hush")])).unwrap());
        assert_eq!((policy.max_wait(), policy.stale()), (max_wait, stale), "{preset} {more}");
    }
}

#[test]
fn lifetimes_come_from_the_preset_and_can_be_replaced() {
    let github =
        "[[provider]]\nname = \"g\"\npreset = \"github\"\nclient_id = \"c\"\nclient_secret_env = \"S\"\n";
    let lives = |more: &str| {
        let policy =
            policy(&Config::parse(&format!("{github}{more}"), &environment([("S", "hush")])).unwrap());
        (
            policy.assumed_lifetime().as_secs() / 3600,
            policy.refresh_life().map(|life| life.as_secs() / 86_400),
        )
    };
    assert_eq!(lives(""), (8, Some(180)));
    assert_eq!(lives("assumed_lifetime = \"1h\"\nrefresh_life = \"90d\""), (1, Some(90)));
    let known = policy(&acme("").unwrap());
    assert_eq!((known.assumed_lifetime(), known.refresh_life()), (Duration::from_mins(30), None));
}

#[test]
fn what_a_preset_cannot_know_is_requested_by_name() {
    let environment = environment([("S", "hush")]);
    for (preset, more, field) in [
        ("github", "client_id = \"c\"", "client_secret_env"),
        ("gemini", "", "client_secret_env"),
        ("notion", "client_secret_env = \"S\"", "client_id"),
        ("keycloak", "client_id = \"c\"", "token_url"),
        ("entra", "client_id = \"c\"\nclient_secret_env = \"S\"", "token_url"),
    ] {
        let text = format!("[[provider]]\nname = \"p\"\npreset = \"{preset}\"\n{more}");
        assert_eq!(refused(Config::parse(&text, &environment)), format!("provider.p.{field}"), "{preset}");
    }
    for preset in ["github", "notion", "gemini", "hubspot"] {
        let text = format!(
            "[[provider]]\nname = \"p\"\npreset = \"{preset}\"\nclient_id = \"c\"\nclient_secret_env = \"S\""
        );
        assert!(Config::parse(&text, &environment).is_ok(), "{preset} knows where a secret goes");
    }
}

#[test]
fn a_preset_alone_is_the_same_provider_here_and_in_the_library() {
    for Preset { name, .. } in Preset::all() {
        let here = parse(&format!("[[provider]]\nname = \"{name}\"\npreset = \"{name}\""));
        let (here, library) = match (here, Provider::preset(name)) {
            (Ok(here), library) => {
                let library = library.unwrap_or_else(|error| panic!("{name}: {error}"));
                (format!("{:?}", here.providers[0].provider), format!("{library:?}"))
            }
            (here, library) => {
                let (here, library) = (refused(here), library.unwrap_err().field().to_owned());
                // The sidecar has secrets and keys from the environment, and demands them first.
                let here = here.trim_start_matches(&format!("provider.{name}.")).to_owned();
                assert!(here.ends_with("_env") || here == library, "{name}: {here}, {library}");
                continue;
            }
        };
        assert_eq!(here, library);
    }
}

#[test]
fn an_explicit_client_auth_wins_over_what_the_preset_demands() {
    let public = "[[provider]]\nname = \"g\"\npreset = \"gemini\"\nclient_auth = \"none\"";
    assert!(parse(public).is_ok());
}

#[test]
fn a_short_refresh_ahead_brings_its_own_skew() {
    assert!(acme("refresh_ahead = \"30s\"").is_ok());
}

#[test]
fn the_environment_overrides_the_file() {
    let environment = environment([
        ("SOLEKEY_LISTEN", "127.0.0.1:1"),
        ("SOLEKEY_REDIS_URL", "redis://h"),
        ("SOLEKEY_STORE_URL", "sqlite://x.db"),
        ("SOLEKEY_PROVIDER_ACME_MAX_WAIT", "3s"),
        ("SOLEKEY_PROVIDER_ACME_LEASE_TTL", "77s"),
        ("SOLEKEY_PROVIDER_ACME_NOT_PROCESSED", "429, 503"),
        ("SOLEKEY_PROVIDER_ACME_ACCEPT_LOSS", "true"),
        ("SOLEKEY_PROVIDER_ACME_SCOPE", ""),
        ("SOLEKEY_UNRELATED", "x"),
    ]);
    let config = Config::parse(&format!("{ACME}max_wait = \"8s\""), &environment).unwrap();
    assert_eq!(config.listen().to_string(), "127.0.0.1:1");
    assert_eq!(config.coordination(), "redis and sqlite");
    assert_eq!(policy(&config).max_wait(), Duration::from_secs(3));
    assert_eq!(policy(&config).lease_ttl(), Duration::from_secs(77));
    assert!(config.providers[0].accepts_loss);
}

#[test]
fn names_with_dashes_and_names_within_names_are_distinguished() {
    let text = format!("{ACME}{}", ACME.replace("acme", "acme-eu"));
    let environment = environment([("SOLEKEY_PROVIDER_ACME_EU_MAX_WAIT", "3s")]);
    let config = Config::parse(&text, &environment).unwrap();
    let waits: Vec<_> =
        config.providers.iter().map(|known| known.provider.policy().max_wait().as_secs()).collect();
    assert_eq!(waits, [8, 3]);
}

/// S-T90.
#[test]
fn what_all_replicas_start_is_clamped_and_may_be_nothing() {
    let limits = |more: &str| acme(more).unwrap().providers[0].provider.limits();
    assert_eq!(limits(""), Some(Limits::DEFAULT));
    assert_eq!(limits("refresh_rate = 20\nrefresh_concurrency = 2"), Some(Limits::new(20, 2)));
    let most = Some(Limits::new(Limits::MAX_RATE, Limits::MAX_PERMITS));
    assert_eq!(limits("refresh_rate = 4000000000\nrefresh_concurrency = 4000000000"), most);
    assert_eq!(limits("refresh_concurrency = 0"), Some(Limits::new(Limits::DEFAULT.rate(), 1)));
    assert_eq!(limits("refresh_rate = 0"), None, "only what is asked for is refreshed");
    let environment = environment([("SOLEKEY_PROVIDER_ACME_REFRESH_RATE", "7")]);
    let config = Config::parse(ACME, &environment).unwrap();
    assert_eq!(config.providers[0].provider.limits().map(Limits::rate), Some(7));
}

#[test]
fn a_provider_may_come_from_the_environment_alone() {
    let environment = environment([
        ("SOLEKEY_PROVIDER_CODEX_PRESET", "codex"),
        ("SOLEKEY_PROVIDER_MY_OWN_CLIENT_ID", "gateway"),
        ("SOLEKEY_PROVIDER_MY_OWN_TOKEN_URL", "https://auth.example/token"),
    ]);
    let config = Config::parse("", &environment).unwrap();
    assert_eq!(config.provider_names(), ["codex", "my_own"]);
}

#[test]
fn a_variable_that_means_nothing_is_refused_by_name() {
    for (variable, value, field) in [
        ("SOLEKEY_PROVIDER_ACME_MAX_WIAT", "3s", "SOLEKEY_PROVIDER_ACME_MAX_WIAT"),
        ("SOLEKEY_PROVIDER_MAX_WAIT", "3s", "SOLEKEY_PROVIDER_MAX_WAIT"),
        ("SOLEKEY_PROVIDER_ACNE_MAX_WAIT", "3s", "SOLEKEY_PROVIDER_ACNE_*"),
        ("SOLEKEY_PROVIDER_ACME_NOT_PROCESSED", "x", "SOLEKEY_PROVIDER_ACME_NOT_PROCESSED"),
        ("SOLEKEY_PROVIDER_ACME_REFRESH_RATE", "fast", "SOLEKEY_PROVIDER_ACME_REFRESH_RATE"),
        ("SOLEKEY_STORE_ACCEPT_LOSS", "1", "SOLEKEY_STORE_ACCEPT_LOSS"),
        ("SOLEKEY_PROVIDER_ACME_MAX_WAIT", "x", "provider.acme.max_wait"),
    ] {
        assert_eq!(refused(Config::parse(ACME, &environment([(variable, value)]))), field);
    }
    let pairs = format!("{}{}", ACME.replace("acme", "a-b"), ACME.replace("acme", "a.b"));
    let both = environment([("SOLEKEY_PROVIDER_A_B_MAX_WAIT", "3s")]);
    assert_eq!(refused(Config::parse(&pairs, &both)), "SOLEKEY_PROVIDER_A_B_MAX_WAIT");
}

#[test]
fn redis_alone_is_warned_about_where_a_lost_rotation_burns_the_account() {
    let redis = "[redis]\nurl = \"redis://h\"\n";
    let warned = |text: &str| parse(&format!("{redis}{text}")).unwrap().warnings();
    assert_eq!(warned(ACME).len(), 1);
    assert!(warned(ACME)[0].contains("provider.acme"));
    assert!(warned(&format!("[store]\naccept_loss = true\n{ACME}")).is_empty());
    assert!(warned(&format!("{ACME}accept_loss = true")).is_empty());
    assert!(warned(&format!("{ACME}replay = \"strict\"")).is_empty());
    assert!(warned(&format!("[store]\nurl = \"sqlite://x.db\"\n{ACME}")).is_empty());
}

#[test]
fn the_seal_key_is_found_and_checked() {
    let sealed = |text: &str, ring: &str| Config::parse(text, &environment([("SOLEKEY_SEAL_KEY", ring)]));
    assert!(sealed(ACME, RING).unwrap().seal.is_sealing(), "a key that is there is used");
    assert!(!sealed(ACME, "").unwrap().seal.is_sealing());
    assert_eq!(refused(sealed(ACME, "a:AAAA")), "seal.key");
    let named = format!("[seal]\nkey_env = \"RING\"\n{ACME}");
    assert!(Config::parse(&named, &environment([("RING", RING)])).unwrap().seal.is_sealing());
    assert_eq!(refused(sealed(&named, RING)), "seal.key_env");
}

#[test]
fn nothing_secret_is_printed() {
    let environment = environment([("S", "hush"), ("SOLEKEY_REDIS_URL", "redis://:hush@h")]);
    let text = format!("{ACME}client_auth = \"basic\"\nclient_secret_env = \"S\"");
    let config = Config::parse(&text, &environment).unwrap();
    assert!(!format!("{config:?} {environment:?}").contains("hush"));
}

#[test]
fn the_project_of_google_accounts_is_queried_where_that_is_configured() {
    let google = |preset: &str, more: &str| {
        let text = format!("[[provider]]\nname = \"google\"\nclient_id = \"c\"\n{preset}{more}");
        Config::parse(&text, &Environment::from_iter([("SECRET", "hush".to_owned())]))
    };
    let on = "code_assist_project = true\n";
    for preset in ["gemini", "antigravity"] {
        let preset = format!("preset = \"{preset}\"\nclient_secret_env = \"SECRET\"\n");
        assert!(google(&preset, "").unwrap().providers[0].project.is_none());
        assert!(google(&preset, on).unwrap().providers[0].project.is_some());
    }
    let other = google("token_url = \"https://auth.example/token\"\n", on).unwrap_err();
    assert_eq!(other.field(), Some("provider.google.code_assist_project"));
}

#[test]
fn a_mirror_names_its_account_and_its_file() {
    let mirror = |more: &str, home: &str| {
        let text = format!(
            "{}\n[[mirror]]\n{more}",
            "[[provider]]\nname = \"acme\"\ntoken_url = \"https://a.example/t\"\nclient_id = \"c\""
        );
        Config::parse(&text, &environment([("HOME", home)]))
    };
    let whole = "provider = \"acme\"\naccount = \"alice\"\npath = \"~/.codex/auth.json\"";
    let config = mirror(whole, "/home/alice").unwrap();
    let alice = MirrorFile::new(Account::new("acme", "alice").unwrap(), "/home/alice/.codex/auth.json");
    assert_eq!(config.mirrors, MirrorFiles::new([alice.clone()]).unwrap());
    let [in_a, in_b] = ["a", "b"].map(|field| format!("{whole}\nfield = \"{field}\""));
    let config = mirror(&format!("{in_a}\n[[mirror]]\n{in_b}"), "/home/alice").unwrap();
    let fields = [alice.clone().in_field("a"), alice.in_field("b")];
    assert_eq!(config.mirrors, MirrorFiles::new(fields).unwrap());
    for (more, home, field) in [
        (whole.replace("acme", "other"), "/h", "mirror.provider"),
        (whole.replace("alice", ""), "/h", "mirror.account"),
        (whole.replace("~/", ""), "/h", "mirror.path"),
        (whole.to_owned(), "", "mirror.path"),
        (format!("{whole}\n[[mirror]]\n{whole}"), "/h", "mirror.path"),
        (format!("{in_a}\n[[mirror]]\n{in_a}"), "/h", "mirror.path"),
        (format!("{in_a}\n[[mirror]]\n{whole}"), "/h", "mirror.path"),
        (format!("{whole}\nfield = \"\""), "/h", "mirror.field"),
        (whole.replace("path", "file"), "/h", "mirror.0.file"),
        ("provider = \"acme\"\npath = \"/a\"".to_owned(), "/h", "mirror.0.account"),
    ] {
        let error = mirror(&more, home).unwrap_err();
        assert_eq!(error.field(), Some(field), "{more}");
    }
}

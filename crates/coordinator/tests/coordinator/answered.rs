//! What a provider answered instead of tokens is shown to people.

use std::time::Duration;

use solekey::TokenError;
use solekey_core::Delay;

use crate::fixture::{Script, World};

const BRIEF: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn the_last_answer_that_was_no_success_is_in_the_error_and_in_explain_until_a_success() {
    let world = World::new();
    let account = world.log_in("a", BRIEF).await;
    tokio::time::sleep(2 * BRIEF).await;
    let replica = world.replica().await;
    let mut pause = Duration::from_secs(1);
    for (script, reason, delay) in [
        (Script::Answer(301, ""), "301 redirect to nowhere", Delay::ProviderDown),
        (Script::Answer(401, "{}"), "401 without an error code", Delay::ProviderDown),
        (Script::Answer(403, "<html>blocked</html>"), "403 without JSON", Delay::ProviderDown),
        (Script::Answer(400, r#"{"error":"flow_expired"}"#), "400 flow_expired", Delay::ProviderDown),
        (Script::Later(1), "429 without JSON", Delay::RateLimited),
    ] {
        world.provider.script([script]);
        let error = replica.token_within(&account, Duration::from_millis(300)).await.unwrap_err();
        assert!(matches!(&error, TokenError::RetryAt { why, .. } if *why == delay), "{error:?}");
        assert!(error.to_string().ends_with(&format!("(the provider's last answer: {reason})")), "{error}");
        let here = replica.explain(&account).await.unwrap();
        assert_eq!(here.here.answered.as_ref().unwrap().reason, reason);
        assert!(here.story.iter().any(|line| line.contains(reason)), "{:?}", here.story);
        pause *= 4;
        tokio::time::sleep(pause).await;
    }
    world.provider.script([]);
    replica.token(&account).await.unwrap();
    assert_eq!(replica.explain(&account).await.unwrap().here.answered, None);
}

#[tokio::test(start_paused = true)]
async fn a_delay_that_is_not_the_providers_names_no_answer() {
    let world = World::new();
    let account = world.log_in("a", BRIEF).await;
    tokio::time::sleep(2 * BRIEF).await;
    let replica = world.replica().await;
    world.provider.script([Script::Answer(403, "<html>blocked</html>")]);
    replica.token_within(&account, BRIEF).await.unwrap_err();
    tokio::time::sleep(Duration::from_secs(600)).await;
    world.store.faults().leave();
    let error = replica.token_within(&account, 10 * BRIEF).await.unwrap_err();
    assert_eq!(error.to_string(), "refresh unavailable: the store is unavailable");
}

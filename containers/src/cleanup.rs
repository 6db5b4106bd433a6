//! The removal of containers when the tests that started them end.

use std::{panic::AssertUnwindSafe, time::Duration};

use testcontainers::runners::AsyncRunner as _;
use testcontainers_modules::redis::Redis;

use crate::{engine::containers_of, image::named};

#[tokio::test(flavor = "multi_thread")]
async fn a_container_is_gone_after_its_test_panicked() {
    let owner = uuid::Uuid::new_v4().to_string();
    let (known, task) = (owner.clone(), owner.clone());
    let panicked = tokio::spawn(async move {
        let _redis =
            named(Redis::default(), "SOLEKEY_TEST_REDIS_IMAGE", &task).start().await.expect("starts");
        assert_eq!(AssertUnwindSafe(containers_of(&known)).await, 1);
        panic!("a planned panic");
    });
    let error = panicked.await.expect_err("panics").into_panic();
    assert_eq!(error.downcast_ref::<&str>(), Some(&"a planned panic"));
    for _ in 0..TRIES {
        if containers_of(&owner).await == 0 {
            return;
        }
        tokio::time::sleep(PAUSE).await;
    }
    panic!("the container is still there");
}

/// Together a minute: an engine takes its time to stop a server.
const TRIES: u32 = 120;
const PAUSE: Duration = Duration::from_millis(500);

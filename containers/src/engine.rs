//! The engine's own list of containers.

use tokio::process::Command;

use crate::image::LABEL;

/// Returns the number of containers of this owner, running or not.
pub(crate) async fn containers_of(owner: &str) -> usize {
    let filter = format!("label={LABEL}={owner}");
    let listed = Command::new("docker").args(["ps", "--all", "--quiet", "--filter", &filter]).output().await;
    let listed = listed.expect("docker on PATH");
    assert!(listed.status.success(), "{listed:?}");
    String::from_utf8(listed.stdout).expect("text").lines().count()
}

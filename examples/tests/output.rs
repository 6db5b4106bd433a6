//! Programs that end by themselves.

use std::process::Output;

use solekey_testkit::wait;
use tokio::process::Command;

/// The result of `future`, which has to end.
pub(crate) async fn within<T>(future: impl Future<Output = T>) -> T {
    wait::within("what a program does", future).await
}

/// The output of the program; it has to succeed.
pub(crate) async fn output_of(program: &str, arguments: &[&str]) -> String {
    let output = run(program, arguments).await;
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program}: {}: {complaint}", output.status);
    String::from_utf8(output.stdout).unwrap()
}

/// The error output of the program; it must not succeed.
pub(crate) async fn refused(program: &str) -> String {
    let output = run(program, &[]).await;
    assert!(!output.status.success(), "{program}");
    String::from_utf8(output.stderr).unwrap()
}

async fn run(program: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new(program);
    command.args(arguments).env_remove("REDIS_URL").kill_on_drop(true);
    within(command.output()).await.unwrap()
}

use solekey::{DEFAULT_DRAIN, Provider, Solekey, core::Account};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let api = std::env::args().nth(1).ok_or("the URL of an API")?;
    let solekey = Solekey::embedded("solekey.db").provider(Provider::preset("codex")?).build().await?;

    let alice = Account::new("codex", "alice")?;
    solekey.login(&alice, &std::fs::read("auth.json")?, false).await?;

    let token = solekey.token(&alice).await?;
    let request = reqwest::Client::new().get(api).header("authorization", token.bearer());
    let answer = request.send().await?;
    println!("{}", answer.status());
    if let Some(evidence) = token.rejected_by(answer.status(), answer.headers()) {
        // One refresh serves all replicas that report this token.
        let _another = solekey.token_after_rejection(&alice, evidence).await?;
    }
    solekey.shutdown(DEFAULT_DRAIN).await;
    Ok(())
}

//! Logging accounts in, showing and deleting them.

use axum::{
    Json,
    body::Body,
    extract::State,
    response::{IntoResponse as _, Response},
};
use http::{StatusCode, Uri};
use serde::Serialize;
use solekey::{AccountError, AccountPage, Login, Solekey, TokenError, core::Generation};

use super::{Shared, account_path::AccountPath, body, failure::Failure, query::Query};

#[derive(Serialize)]
struct LoggedIn {
    /// `new` or `unchanged`.
    login: &'static str,
    generation: Generation,
}

pub(super) async fn login(
    State(api): Shared,
    AccountPath(account): AccountPath,
    uri: Uri,
    body: Body,
) -> Result<Response, Failure> {
    let accept_spent = Query::of(&uri, &["accept_spent"])?.flag("accept_spent")?;
    let document = body::read(body).await?;
    let (status, login, generation) = match api.solekey.login(&account, &document, accept_spent).await? {
        Login::New { generation } => (StatusCode::CREATED, "new", generation),
        Login::Same { generation } => (StatusCode::OK, "unchanged", generation),
        Login::AlreadyPresented => return Err(Failure::already_presented()),
        _ => return Err(Failure::internal()),
    };
    Ok((status, Json(LoggedIn { login, generation })).into_response())
}

pub(super) async fn show(
    State(api): Shared,
    AccountPath(account): AccountPath,
    uri: Uri,
) -> Result<Response, Failure> {
    if Query::of(&uri, &["explain"])?.flag("explain")? {
        return Ok(Json(api.solekey.explain(&account).await?).into_response());
    }
    Ok(Json(api.solekey.state(&account).await?).into_response())
}

pub(super) async fn delete(
    State(api): Shared,
    AccountPath(account): AccountPath,
    uri: Uri,
) -> Result<StatusCode, Failure> {
    Query::none(&uri)?;
    api.solekey.delete(&account).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn list(State(api): Shared, uri: Uri) -> Result<Json<AccountPage>, Failure> {
    let query = Query::of(&uri, &["provider", "cursor", "limit"])?;
    let provider = query.text("provider");
    if provider.is_some_and(|name| !api.providers.iter().any(|known| known == name)) {
        return Err(TokenError::UnknownProvider.into());
    }
    let limit = limit(query.text("limit"))?;
    let cursor = query.text("cursor");
    match api.solekey.list(provider, cursor, limit).await {
        Ok(page) => Ok(Json(page)),
        Err(AccountError::Store(_)) if cursor.is_some() && answers_without_cursor(&api.solekey).await => {
            Err(Failure::invalid("cursor", "what the previous page said"))
        }
        Err(error) => Err(error.into()),
    }
}

/// Stores do not tell a cursor they cannot read from other trouble; trying without it does.
async fn answers_without_cursor(solekey: &Solekey) -> bool {
    solekey.list(None, None, 1).await.is_ok()
}

fn limit(text: Option<&str>) -> Result<usize, Failure> {
    let Some(text) = text else { return Ok(DEFAULT_LIMIT) };
    let limit = text.parse().ok().filter(|limit| (1..=MAX_LIMIT).contains(limit));
    limit.ok_or_else(|| Failure::invalid("limit", format!("1 to {MAX_LIMIT}")))
}

const DEFAULT_LIMIT: usize = 100;
/// A page of a few hundred kilobytes.
const MAX_LIMIT: usize = 1000;

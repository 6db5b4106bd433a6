//! Logging accounts in, showing and deleting them.

use std::time::{Duration, SystemTime};

use axum::{
    Json,
    body::Body,
    extract::State,
    response::{IntoResponse as _, Response},
};
use http::{HeaderName, HeaderValue, StatusCode, Uri, header};
use serde::Serialize;
use solekey::{AccountError, AccountPage, Login, LoginOptions, Solekey, TokenError, core::Generation};

use super::{Shared, account_path::AccountPath, body, failure::Failure, query::Query};

#[derive(Serialize)]
struct LoggedIn {
    /// `new`, `amended` or `unchanged`.
    login: &'static str,
    generation: Generation,
}

pub(super) async fn login(
    State(api): Shared,
    AccountPath(account): AccountPath,
    uri: Uri,
    body: Body,
) -> Result<Response, Failure> {
    let query = Query::of(&uri, &["accept_spent", "accept_lesser", "written_at"])?;
    let options = LoginOptions {
        accept_spent: query.flag("accept_spent")?,
        accept_lesser: query.flag("accept_lesser")?,
        written: query.text("written_at").map(written_at).transpose()?,
    };
    let document = body::read_document(body).await?;
    let (status, login, generation) = match api.solekey.login_with(&account, &document, options).await? {
        Login::New { generation } => (StatusCode::CREATED, "new", generation),
        Login::Amended { generation } => (StatusCode::OK, "amended", generation),
        Login::Lesser => return Err(Failure::lesser()),
        Login::Same { generation } => (StatusCode::OK, "unchanged", generation),
        Login::AlreadyPresented => return Err(Failure::already_presented()),
        _ => return Err(Failure::internal()),
    };
    Ok((status, Json(LoggedIn { login, generation })).into_response())
}

/// The time at which the file of a document was written, in seconds since 1970.
fn written_at(text: &str) -> Result<SystemTime, Failure> {
    let at = text.parse().ok().and_then(|secs| SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(secs)));
    at.ok_or_else(|| Failure::invalid("written_at", "seconds since 1970, a whole number"))
}

/// Gives the document back, its tokens included, with its end as it is by now.
pub(super) async fn export(
    State(api): Shared,
    AccountPath(account): AccountPath,
    uri: Uri,
    body: Body,
) -> Result<Response, Failure> {
    Query::none(&uri)?;
    if !body::read(body).await?.is_empty() {
        return Err(Failure::invalid("document", "no body"));
    }
    let exported = api.solekey.export(&account).await?;
    let credential = exported.expose_credential()?.with_end(exported.expires_at(), SystemTime::now());
    tracing::info!(account = %account.key(), "the credential was exported, its tokens included");
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (HeaderName::from_static("x-shape"), HeaderValue::from_static(credential.shape().name())),
    ];
    Ok((headers, credential.document().render().to_owned()).into_response())
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
            Err(Failure::invalid("cursor", "what the previous page returned"))
        }
        Err(error) => Err(error.into()),
    }
}

/// Returns whether the store answers without a cursor: stores do not distinguish a cursor that they cannot read from
/// other failures.
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

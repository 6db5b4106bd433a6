//! Reading what a server answers.

use bytes::{Bytes, BytesMut};
use reqwest::Response;

/// The whole body, or nothing when there is more of it than `most` bytes.
pub(crate) async fn read(response: &mut Response, most: usize) -> Result<Option<Bytes>, reqwest::Error> {
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > most {
            return Ok(None);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Some(body.freeze()))
}

/// The error without the URL: reqwest puts it first, and the causes hold the rest.
pub(crate) fn causes(error: &reqwest::Error) -> String {
    let mut causes = Vec::new();
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        causes.push(cause.to_string());
        next = cause.source();
    }
    if causes.is_empty() { "the exchange failed".to_owned() } else { causes.join(": ") }
}

/// The largest part of an answer that is read; real ones are below 16 KiB.
pub const MAX_BODY_BYTES: usize = 1024 * 1024;

//! Bodies of requests.

use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http_body_util::BodyExt as _;
use solekey::core::{Document, Generation, InputError, MAX_DOCUMENT_BYTES, Secret, secret};
use tokio::sync::Semaphore;

use super::failure::Failure;

/// Reads the document of a login, of at most [`MAX_DOCUMENT_BYTES`]. A few are read at a time: each may be megabytes.
pub(super) async fn read_document(body: Body) -> Result<Bytes, Failure> {
    static READERS: Semaphore = Semaphore::const_new(MAX_READERS);
    let reading = async {
        let _permit = READERS.acquire().await.map_err(|_| Failure::internal())?;
        collect(body, MAX_DOCUMENT_BYTES, "4 MiB").await
    };
    tokio::time::timeout(PATIENCE, reading).await.unwrap_or_else(|_| Err(Failure::timeout()))
}

/// Reads a body of at most [`MAX_BODY_BYTES`].
///
/// What is over it is read on for a while and dropped: a client that is still sending would otherwise find its
/// connection reset instead of an answer.
pub(super) async fn read(body: Body) -> Result<Bytes, Failure> {
    tokio::time::timeout(PATIENCE, collect(body, MAX_BODY_BYTES, "64 KiB"))
        .await
        .unwrap_or_else(|_| Err(Failure::timeout()))
}

async fn collect(mut body: Body, most: usize, shown: &str) -> Result<Bytes, Failure> {
    let mut bytes = Vec::new();
    let mut seen = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Failure::invalid(DOCUMENT, "a whole body"))?;
        let Ok(data) = frame.into_data() else { continue };
        seen += data.len();
        if seen <= most {
            bytes.extend_from_slice(&data);
        } else if seen > MAX_DRAINED_BYTES {
            break;
        }
    }
    if seen > most {
        return Err(Failure::invalid(DOCUMENT, format!("at most {shown}")));
    }
    Ok(bytes.into())
}

/// A JSON object with these keys and no others.
pub(super) struct Fields(Document);

impl Fields {
    pub(super) fn parse(body: &[u8], known: &[&str]) -> Result<Self, InputError> {
        let document = Document::parse(body)?;
        let unknown = document.names().find(|name| !known.contains(name)).map(str::to_owned);
        match unknown {
            Some(name) if name.len() <= 64 => {
                Err(InputError::new(name, format!("one of {}", known.join(", "))))
            }
            Some(_) => Err(InputError::new(DOCUMENT, format!("one of {}", known.join(", ")))),
            None => Ok(Self(document)),
        }
    }

    /// A string, not empty; `null` counts as absent.
    pub(super) fn secret(&self, name: &str) -> Result<Option<Secret>, InputError> {
        let Some(raw) = self.raw(name) else { return Ok(None) };
        let text: String = serde_json::from_str(raw).map_err(|_| InputError::new(name, "a string"))?;
        if text.is_empty() {
            return Err(InputError::new(name, "a string that is not empty"));
        }
        Ok(Some(secret(text)))
    }

    /// A generation; `null` counts as absent.
    pub(super) fn generation(&self, name: &str) -> Result<Option<Generation>, InputError> {
        let Some(raw) = self.raw(name) else { return Ok(None) };
        let number = serde_json::from_str(raw).map_err(|_| InputError::new(name, "a whole number"))?;
        Ok(Some(Generation::new(number)))
    }

    fn raw(&self, name: &str) -> Option<&str> {
        self.0.raw(name).filter(|raw| *raw != "null")
    }
}

const DOCUMENT: &str = "document";
/// A few kilobytes: whoever needs longer is not sending. Near the most connections it may end earlier.
const PATIENCE: Duration = Duration::from_secs(30);
/// The JSON of every other request is a line.
const MAX_BODY_BYTES: usize = 64 * 1024;
/// 128 MiB of documents.
const MAX_READERS: usize = 32;
const MAX_DRAINED_BYTES: usize = 16 * 1024 * 1024;

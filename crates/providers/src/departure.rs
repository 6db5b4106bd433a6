//! A body that is not sent any more once its time is over.
//!
//! Connecting takes time, and a process may be stopped in it. The last check is where the body is handed to the connection:
//! nothing of the token has left before that.

use std::{
    fmt,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use solekey_core::mutant;

use crate::patience::Since;

/// The body of one request, sent within its time or not at all.
pub(crate) struct Departure {
    body: Option<Bytes>,
    began: Since,
    within: Duration,
    refused: Refused,
}

/// True once the body was not sent.
#[derive(Debug, Clone, Default)]
pub(crate) struct Refused(Arc<AtomicBool>);

/// The request came too late to its connection.
#[derive(Debug)]
pub(crate) struct TooLate;

impl Departure {
    pub(crate) fn new(body: Bytes, began: Since, within: Duration, refused: &Refused) -> Self {
        Self { body: Some(body), began, within, refused: refused.clone() }
    }
}

impl Refused {
    pub(crate) fn is_true(&self) -> bool {
        self.0.load(Relaxed)
    }
}

impl Body for Departure {
    type Data = Bytes;
    type Error = TooLate;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, TooLate>>> {
        let this = self.get_mut();
        let Some(body) = this.body.take() else { return Poll::Ready(None) };
        if this.began.elapsed() > this.within && !mutant("request_leaves_after_its_time") {
            this.refused.0.store(true, Relaxed);
            return Poll::Ready(Some(Err(TooLate)));
        }
        Poll::Ready(Some(Ok(Frame::data(body))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.body.as_ref().map_or(0, |body| body.len() as u64))
    }
}

impl fmt::Display for TooLate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the time was over before the request could be sent")
    }
}

impl std::error::Error for TooLate {}

#[cfg(test)]
mod tests {
    use super::*;

    fn poll(within: Duration) -> (bool, Refused) {
        let refused = Refused::default();
        let mut body = Departure::new(Bytes::from_static(b"token"), Since::now(), within, &refused);
        let frame = Pin::new(&mut body).poll_frame(&mut Context::from_waker(std::task::Waker::noop()));
        (matches!(frame, Poll::Ready(Some(Ok(_)))), refused)
    }

    #[test]
    fn a_body_leaves_within_its_time_and_not_after_it() {
        let (left, refused) = poll(Duration::from_secs(3600));
        assert!(left && !refused.is_true());
        let (left, refused) = poll(Duration::ZERO);
        assert!(!left && refused.is_true());
    }
}

//! One connection, from its first byte to its end.

use std::{convert::Infallible, pin::pin, sync::Arc, time::Duration};

use http::{HeaderValue, Response, header};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use solekey::core::mutant;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

use super::{
    bodies::{AnswerBody, RequestBody},
    limits::Limits,
    slots::Slot,
    stream::WatchedStream,
};
use crate::{
    api::HttpApi,
    guard::{Admission, is_about_health},
};

/// What the requests of a connection are answered with.
pub(super) struct Answering {
    pub(super) api: HttpApi,
    pub(super) by: Admission,
    pub(super) slot: Slot,
}

impl Answering {
    /// Serves until the other side closes or is too slow, somebody else needs the slot, or this process ends.
    pub(super) async fn serve<I>(self, stream: I, limits: Limits, closing: CancellationToken)
    where
        I: AsyncRead + AsyncWrite + Unpin + 'static,
    {
        let answering = Arc::new(self);
        let slot = &answering.slot;
        let stream = WatchedStream::new(stream, Arc::clone(slot.activity()), limits);
        let service = service_fn(|request| {
            // Before the answer is polled for the first time, hyper reads on, and may find that the client is done.
            answering.slot.activity().begin_request();
            Arc::clone(&answering).answer(request)
        });
        let serving = http1::Builder::new()
            // The stream has deadlines of its own.
            .header_read_timeout(None)
            .max_buf_size(MAX_HEAD_BYTES)
            .serve_connection(TokioIo::new(stream), service);
        let mut serving = pin!(serving);
        let ended = tokio::select! {
            ended = serving.as_mut() => ended,
            () = closing.cancelled() => {
                if !mutant("idle_connections_hold_up_the_end") {
                    serving.as_mut().graceful_shutdown();
                }
                serving.await
            }
            () = slot.wanted() => {
                let activity = slot.activity();
                if activity.waiting().is_some() && !activity.is_parked() {
                    tracing::debug!("a connection made room for another one");
                    return;
                }
                // A request has come in the meantime: it is the last one.
                serving.as_mut().graceful_shutdown();
                serving.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(error = &error as &dyn std::error::Error, "a connection broke");
        }
    }

    async fn answer(
        self: Arc<Self>,
        request: http::Request<Incoming>,
    ) -> Result<Response<AnswerBody>, Infallible> {
        let activity = self.slot.activity();
        let mut response = if is_about_health(request.uri().path()) || self.has_room().await {
            let request = request.map(|body| RequestBody::watched(body, Arc::clone(activity)));
            self.api.answer(request, self.by).await
        } else {
            HttpApi::overloaded().await
        };
        if self.slot.is_reserve() {
            // Whoever stays in the reserve keeps it from others.
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        Ok(response.map(|body| AnswerBody::new(body, Arc::clone(activity))))
    }

    /// Waits a little for room, unless there is some. In the meantime a request about health may need the place.
    async fn has_room(&self) -> bool {
        let (began, activity) = (Instant::now(), self.slot.activity());
        let has_room = loop {
            let now = Instant::now();
            if self.slot.is_answered(now) {
                break true;
            }
            if now.saturating_duration_since(began) >= ROOM_PATIENCE {
                break false;
            }
            activity.park(Some(began));
            tokio::select! {
                biased;
                () = self.slot.wanted() => break false,
                () = sleep(ROOM_PAUSE) => {}
            }
        };
        activity.park(None);
        has_room
    }
}

/// Long enough for those who keep us waiting in the middle of a request to be ended.
const ROOM_PATIENCE: Duration = Duration::from_secs(2);
const ROOM_PAUSE: Duration = Duration::from_millis(25);
/// Far more than any gateway sends; hyper's own bound would be 400 KiB for each connection.
const MAX_HEAD_BYTES: usize = 64 * 1024;

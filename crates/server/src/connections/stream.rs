//! A connection's stream, which notes what happens on it and does not wait for ever.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use solekey::core::mutant;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep_until},
};

use super::{activity::Activity, limits::Limits};

/// A stream that fails as timed out where its other side sends, or takes, nothing for too long. Its end is read when the
/// request before it has been answered: whoever has asked may be done with sending.
pub(super) struct WatchedStream<S> {
    stream: S,
    activity: Arc<Activity>,
    limits: Limits,
    reading: Pin<Box<Sleep>>,
    writing: Pin<Box<Sleep>>,
}

impl<S> WatchedStream<S> {
    pub(super) fn new(stream: S, activity: Arc<Activity>, limits: Limits) -> Self {
        let timer = || Box::pin(sleep_until(Instant::now()));
        Self { stream, activity, limits, reading: timer(), writing: timer() }
    }

    /// Passes on what became of a write.
    fn noted<T>(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.activity.written();
            return written;
        }
        let deadline = self.activity.write_deadline(Instant::now(), self.limits.write);
        if mutant("answers_wait_for_ever") {
            return Poll::Pending;
        }
        until(&mut self.writing, deadline, cx)
    }
}

/// Is pending until the deadline, and then timed out.
fn until<T>(timer: &mut Pin<Box<Sleep>>, deadline: Instant, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
    if timer.deadline() != deadline {
        timer.as_mut().reset(deadline);
    }
    ready!(timer.as_mut().poll(cx));
    Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
}

impl<S: AsyncRead + Unpin> AsyncRead for WatchedStream<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        let read = Pin::new(&mut this.stream).poll_read(cx, buf);
        if read.is_ready() {
            let is_end = matches!(read, Poll::Ready(Ok(()))) && buf.filled().len() == before;
            if is_end && this.activity.half_close(Instant::now(), cx.waker()) {
                return Poll::Pending;
            }
            if buf.filled().len() > before {
                this.activity.read(Instant::now());
            }
            return read;
        }
        match this.activity.read_deadline(&this.limits, cx.waker()) {
            Some(deadline) => until(&mut this.reading, deadline, cx),
            None => Poll::Pending,
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for WatchedStream<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write(cx, bytes);
        this.noted(cx, written)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write_vectored(cx, parts);
        this.noted(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

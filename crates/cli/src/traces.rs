//! Traces over OTLP, for whoever runs a collector.

use std::time::Duration;

use anyhow::Context as _;
use bytes::{Bytes, BytesMut};
use http::{Request, Response};
use opentelemetry::{KeyValue, trace::TracerProvider as _};
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_otlp::{Protocol, RetryPolicy, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::{Resource, trace::SdkTracerProvider};
use tokio::runtime::Handle;
use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::{Layer, filter::filter_fn, registry::LookupSpan};
use url::Url;

/// Sends spans to the collector, from a thread of its own.
pub(crate) struct Traces(SdkTracerProvider);

impl Traces {
    /// Sends to `{endpoint}/v1/traces`. A collector that is away is no error: spans are lost then.
    pub(crate) fn start(endpoint: &str, runtime: &Handle) -> anyhow::Result<Self> {
        let url = traces_url(endpoint)?;
        let client = reqwest::Client::builder()
            .timeout(EXPORT)
            .redirect(reqwest::redirect::Policy::none())
            // As everywhere: what the environment says about proxies is meant for other programs.
            .no_proxy()
            .build()
            .context("--otlp-endpoint: no client for it")?;
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(Courier { client, runtime: runtime.clone() })
            .with_endpoint(url)
            .with_protocol(Protocol::HttpBinary)
            // Retries would sleep on the thread that has to flush at the end.
            .with_retry_policy(RetryPolicy::disabled())
            .build()
            .context("--otlp-endpoint: no exporter for it")?;
        let provider = SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(who_we_are());
        Ok(Self(provider.build()))
    }

    /// Receives our spans and of what is logged within them, whatever `SOLEKEY_LOG` says.
    pub(crate) fn layer<S: Subscriber + for<'span> LookupSpan<'span>>(&self) -> impl Layer<S> + use<S> {
        tracing_opentelemetry::layer()
            .with_tracer(self.0.tracer("solekey"))
            .with_location(false)
            .with_threads(false)
            .with_tracked_inactivity(false)
            .with_filter(filter_fn(is_ours))
    }

    /// Sends what is left, within [`FLUSH`]. The runtime has to be there still: requests run on it.
    pub(crate) fn flush(self) {
        if let Err(error) = self.0.shutdown_with_timeout(FLUSH) {
            tracing::debug!(error = &error as &dyn std::error::Error, "the last spans were not sent");
        }
    }
}

/// Returns whether a span is one of ours: other spans include those of the exporter's own requests.
fn is_ours(metadata: &Metadata<'_>) -> bool {
    metadata.target().starts_with("solekey") && *metadata.level() <= Level::INFO
}

fn who_we_are() -> Resource {
    let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
    let resource = Resource::builder().with_attribute(version);
    match std::env::var_os("OTEL_SERVICE_NAME") {
        Some(_) => resource.build(),
        None => resource.with_service_name("solekey").build(),
    }
}

fn traces_url(endpoint: &str) -> anyhow::Result<String> {
    let url = Url::parse(endpoint).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    // A URL may hold a password.
    let url = url.context("--otlp-endpoint: expected an http or https URL")?;
    Ok(format!("{}/v1/traces", url.as_str().trim_end_matches('/')))
}

/// Carries requests of the exporter's thread, which is none of the runtime's.
#[derive(Debug)]
struct Courier {
    client: reqwest::Client,
    runtime: Handle,
}

#[async_trait::async_trait]
impl HttpClient for Courier {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let client = self.client.clone();
        let sent = self.runtime.spawn(async move {
            let mut answer = client.execute(request.try_into()?).await?;
            let mut body = BytesMut::new();
            while let Some(chunk) = answer.chunk().await? {
                if body.len() + chunk.len() > MAX_ANSWER {
                    return Err(HttpError::from("the collector's answer is too long"));
                }
                body.extend_from_slice(&chunk);
            }
            Ok(Response::builder().status(answer.status()).body(body.freeze())?)
        });
        sent.await?
    }
}

/// For one batch: a collector is near, or of no use.
const EXPORT: Duration = Duration::from_secs(5);
/// In addition to the 25 s that the server takes to end, within the 30 s after which most supervisors kill.
const FLUSH: Duration = Duration::from_secs(2);
/// Responses of collectors are empty, or state in a sentence what was not accepted.
const MAX_ANSWER: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traces_have_a_path_of_their_own_below_the_endpoint() {
        for (endpoint, url) in [
            ("http://127.0.0.1:4318", "http://127.0.0.1:4318/v1/traces"),
            ("https://otel.example/solekey/", "https://otel.example/solekey/v1/traces"),
        ] {
            assert_eq!(traces_url(endpoint).expect("a URL"), url);
        }
    }

    #[test]
    fn what_is_no_url_is_refused_without_repeating_it() {
        for endpoint in ["collector:4317", "grpc://user:hunter2@collector", ""] {
            let error = traces_url(endpoint).expect_err("refused").to_string();
            assert!(error.starts_with("--otlp-endpoint: expected") && !error.contains("hunter2"), "{error}");
        }
    }
}

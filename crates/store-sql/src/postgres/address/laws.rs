//! Whatever stands in a URL, nothing of it that may be a secret is shown or logged.

use std::{
    error::Error,
    fmt::Write as _,
    io,
    sync::{Arc, Mutex},
};

use proptest::prelude::*;

use super::*;

/// Everything that can be had from an error.
fn shown(error: &(dyn Error + 'static)) -> String {
    let mut message = String::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let _ = write!(message, "{error} {error:?} {error:#?} ");
        next = error.source();
    }
    message
}

/// The text that is logged, by any code, while this is done.
fn logged(work: impl FnOnce()) -> String {
    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);
    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("nobody panics here").extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let lines = Lines::default();
    let writer = lines.clone();
    let everything = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    tracing::subscriber::with_default(everything, work);
    let lines = lines.0.lock().expect("nobody panics here").clone();
    String::from_utf8(lines).expect("text")
}

/// No word of ours.
fn secret() -> impl Strategy<Value = String> {
    "[a-z]{4}[A-Z0-9][a-zA-Z0-9]{6,20}"
}

/// The places where people put it.
const PLACES: &[&str] = &[
    "postgres://u@h/db?pasword=S",
    "postgres://u@h/db?S=S",
    "postgres://u@h/db?S",
    "postgres://u@h/db?password=a&S=b",
    "postgres://u@h/db?sslmode=S",
    "postgres://u@h/db?port=S",
    "postgres://u@h/db?hostaddr=S",
    "postgres://u@h/db?statement-cache-capacity=S",
    "postgres://u@h/db?options[S=S",
    "postgres://u@h/db#S",
    "postgres://u:S@h:port/db",
    "postgres://u:12?S=x@h/db",
    "postgres:u:S@h/db",
    "S://h/db",
    "S",
];

fn url(secret: &str) -> impl Strategy<Value = String> + use<> {
    let secret = secret.to_owned();
    proptest::sample::select(PLACES).prop_map(move |place| place.replace('S', &secret))
}

fn case() -> impl Strategy<Value = (String, String)> {
    secret().prop_flat_map(|secret| (Just(secret.clone()), url(&secret)))
}

proptest! {
    #![proptest_config(crate::laws::config())]

    #[test]
    fn a_url_is_refused_without_a_word_of_what_may_be_secret((secret, url) in case()) {
        let log = logged(|| {
            let error = read(&url).expect_err("not a URL of ours");
            let message = shown(&error);
            assert!(!message.contains(&secret), "{message}");
        });
        prop_assert_eq!(log, "");
    }

    #[test]
    fn nothing_is_logged_of_a_url_that_is_taken(secret in secret()) {
        let url = format!("postgres://u:{secret}@h/db?password={secret}&options[{secret}]={secret}");
        let log = logged(|| drop(read(&url).expect("a URL")));
        prop_assert_eq!(log, "");
    }

    #[test]
    fn whatever_is_written_there_the_reader_does_not_panic(query in ".*") {
        let _ = read(&format!("postgres://u@h/db?{query}"));
    }
}

/// Shows that the capture hears what there is to hear: what sqlx says when it is asked without us.
#[test]
fn sqlx_alone_would_log_an_unknown_parameter_with_its_value() {
    let log = logged(|| drop("postgres://u@h/db?pasword=hush".parse::<PgConnectOptions>()));
    assert!(log.contains("hush"), "{log}");
}

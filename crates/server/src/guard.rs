//! Who may ask: a page in a browser is on loopback, too, and is not trusted for that.
//!
//! A page can make the browser of its reader send requests to any address, and read the answers if it has its own name
//! resolve to loopback (DNS rebinding). It cannot choose what the browser says about it: `Host` has the name that the page
//! used, `Origin` and `Sec-Fetch-Site` where the request comes from. Programs that run here send none of the latter.

use http::{HeaderMap, HeaderName, Method, header, request::Parts};
use solekey::core::mutant;

use crate::hosts::{Authority, Hosts};

/// What admits the requests of a connection, before anything in them is read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Admission {
    /// The mode of the socket file. No page in a browser can connect to one.
    SocketFile,
    /// Nothing: any process of this host can connect to loopback, browsers included.
    Loopback,
}

/// The reason why a request is not answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Refused {
    /// It calls a host that is not this one, or none, or two.
    HostNotAllowed,
    /// A page of another site sent it.
    CrossSite,
    /// Its body is of a type that forms have.
    FormBody,
}

/// Decides on a request by its head alone.
pub(crate) fn admit(request: &Parts, by: Admission, hosts: &Hosts) -> Result<(), Refused> {
    if by == Admission::SocketFile || (request.method == Method::HEAD && mutant("head_is_not_guarded")) {
        return Ok(());
    }
    let called = called(request).filter(|called| hosts.contains(*called)).ok_or(Refused::HostNotAllowed)?;
    if is_about_health(request.uri.path()) {
        return Ok(());
    }
    if !is_of_this_site(&request.headers) || !origin_is_here(&request.headers, called, hosts) {
        return Err(Refused::CrossSite);
    }
    // Of the methods that pages can use without asking first, POST is the one with a body.
    if request.method == Method::POST && has_form_body(&request.headers) {
        return Err(Refused::FormBody);
    }
    Ok(())
}

/// The paths of supervisors, which name no account; also pages of other sites may request them.
pub(crate) fn is_about_health(path: &str) -> bool {
    ["/healthz", "/readyz", "/metrics"].contains(&path)
}

/// The host that is called: `Host` once, and a target that has a host of its own has the same.
fn called(request: &Parts) -> Option<Authority<'_>> {
    let called = Authority::parse(only(&request.headers, header::HOST)?)?;
    let default_port = if request.uri.scheme_str() == Some("https") { 443 } else { 80 };
    match request.uri.authority() {
        Some(target) if !Authority::parse(target.as_str())?.agrees(called, default_port) => None,
        _ => Some(called),
    }
}

/// To browsers all ports of localhost are one site, so that `same-site` may be any page that somebody serves here.
fn is_of_this_site(headers: &HeaderMap) -> bool {
    let is_fine = |site: &[u8]| {
        [&b"none"[..], b"same-origin"].contains(&site)
            || (site == b"same-site" && mutant("same_site_is_let_in"))
    };
    headers.get_all(SEC_FETCH_SITE).iter().all(|site| is_fine(site.as_bytes()))
}

/// Returns whether the request comes from a page of this very host and port, or from none: older browsers send `Origin`
/// and no `Sec-Fetch-Site`.
fn origin_is_here(headers: &HeaderMap, called: Authority<'_>, hosts: &Hosts) -> bool {
    headers.get_all(header::ORIGIN).iter().all(|origin| {
        let origin = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
        let Some((scheme, authority)) = origin else { return false };
        let default_port = if scheme == "https" { 443 } else { 80 };
        Authority::parse(authority).is_some_and(|origin| {
            let port = origin.port.unwrap_or(default_port);
            hosts.contains(origin) && called.port.is_none_or(|called| called == port)
        })
    })
}

/// The types of body that a page can send without the browser asking first.
fn has_form_body(headers: &HeaderMap) -> bool {
    headers.get_all(header::CONTENT_TYPE).iter().any(|kind| {
        let kind = kind.as_bytes().split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
        FORM_TYPES.iter().any(|form| kind.eq_ignore_ascii_case(form.as_bytes()))
    })
}

/// The text of a header that is there once.
fn only(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    if values.next().is_some() && !mutant("the_first_of_two_hosts_counts") {
        return None;
    }
    value.to_str().ok()
}

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
/// <https://fetch.spec.whatwg.org/#cors-safelisted-request-header>
const FORM_TYPES: [&str; 3] = ["application/x-www-form-urlencoded", "multipart/form-data", "text/plain"];

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use http::Request;

    use super::{
        Refused::{CrossSite, FormBody, HostNotAllowed},
        *,
    };

    /// Decides on a request with these headers.
    fn decided(method: &str, target: &str, headers: &[(&str, &str)]) -> Result<(), Refused> {
        by(Admission::Loopback, method, target, headers)
    }

    fn by(by: Admission, method: &str, target: &str, headers: &[(&str, &str)]) -> Result<(), Refused> {
        let request = Request::builder().method(method).uri(target);
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let hosts = vec!["solekey.internal".to_owned().try_into().unwrap()];
        admit(&request.body(()).unwrap().into_parts().0, by, &Hosts::new(hosts))
    }

    const TOKEN: &str = "/v1/accounts/acme/alice/token";

    #[test]
    fn a_foreign_host_is_refused_on_loopback() {
        for method in ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "PROPFIND"] {
            for target in [TOKEN, "/healthz", "/readyz", "/metrics", "/", "/nothing"] {
                let with = |host| decided(method, target, &[("host", host)]);
                assert_eq!(with("evil.example:8750"), Err(HostNotAllowed), "{method} {target}");
                assert_eq!(with("127.0.0.1:8750"), Ok(()), "{method} {target}");
                assert_eq!(with("solekey.internal"), Ok(()), "{method} {target}");
                assert_eq!(decided(method, target, &[]), Err(HostNotAllowed), "{method} {target}");
            }
        }
    }

    #[test]
    fn one_host_is_called_and_the_target_agrees() {
        let localhost = ("host", "localhost:8750");
        assert_eq!(decided("GET", TOKEN, &[localhost, localhost]), Err(HostNotAllowed));
        assert_eq!(decided("GET", TOKEN, &[localhost, ("host", "evil.example")]), Err(HostNotAllowed));
        for (target, expected) in [
            ("http://localhost:8750/healthz", Ok(())),
            ("http://LOCALHOST.:8750/healthz", Ok(())),
            ("http://localhost/healthz", Err(HostNotAllowed)),
            ("http://127.0.0.1:8750/healthz", Err(HostNotAllowed)),
            ("http://evil.example/healthz", Err(HostNotAllowed)),
            ("http://evil.example:8750/healthz", Err(HostNotAllowed)),
            ("http://user@localhost:8750/healthz", Err(HostNotAllowed)),
            ("localhost:8750", Ok(())),
            ("evil.example:443", Err(HostNotAllowed)),
            ("*", Ok(())),
        ] {
            assert_eq!(decided("GET", target, &[localhost]), expected, "{target}");
        }
        assert_eq!(decided("GET", "https://localhost/", &[("host", "localhost:443")]), Ok(()));
    }

    #[test]
    fn pages_of_other_sites_are_refused_everywhere_but_about_health() {
        for (name, value) in [
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
            ("sec-fetch-site", "Same-Origin"),
            ("sec-fetch-site", "none, cross-site"),
            ("sec-fetch-site", ""),
            ("origin", "https://evil.example"),
            ("origin", "null"),
            ("origin", ""),
            ("origin", "localhost:8750"),
            ("origin", "file://"),
            ("origin", "chrome-extension://abcdefghijklmnop"),
            ("origin", "http://localhost.evil.example:8750"),
            ("origin", "http://localhost:8750/path"),
            ("origin", "http://user@localhost:8750"),
            ("origin", "http://localhost:8750 http://evil.example"),
        ] {
            for method in ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"] {
                let headers = [("host", "localhost:8750"), (name, value)];
                assert_eq!(decided(method, TOKEN, &headers), Err(CrossSite), "{method} {name}: {value}");
                assert_eq!(decided(method, "/nothing", &headers), Err(CrossSite), "{method} {name}: {value}");
                assert_eq!(decided(method, "/healthz", &headers), Ok(()), "{method} {name}: {value}");
            }
        }
    }

    #[test]
    fn another_port_is_another_site() {
        let from = |host, origin| decided("POST", TOKEN, &[("host", host), ("origin", origin)]);
        assert_eq!(from("localhost:8750", "http://localhost:3000"), Err(CrossSite));
        assert_eq!(from("localhost:8750", "http://localhost"), Err(CrossSite));
        assert_eq!(from("localhost:8750", "http://localhost:8750"), Ok(()));
        assert_eq!(from("127.0.0.1:8750", "http://localhost:8750"), Ok(()));
        assert_eq!(from("solekey.internal:443", "https://solekey.internal"), Ok(()));
    }

    #[test]
    fn every_value_of_a_header_that_is_there_twice_counts() {
        for (name, fine, foreign) in [
            ("sec-fetch-site", "same-origin", "cross-site"),
            ("origin", "http://localhost:8750", "https://evil.example"),
        ] {
            for order in [[fine, foreign], [foreign, fine]] {
                let headers = [("host", "localhost:8750"), (name, order[0]), (name, order[1])];
                assert_eq!(decided("POST", TOKEN, &headers), Err(CrossSite), "{order:?}");
            }
        }
    }

    #[test]
    fn what_a_person_types_and_what_a_program_sends_is_let_in() {
        for headers in [&[][..], &[("sec-fetch-site", "none")], &[("sec-fetch-site", "same-origin")]] {
            let headers = [&[("host", "localhost:8750")], headers].concat();
            assert_eq!(decided("GET", TOKEN, &headers), Ok(()), "{headers:?}");
        }
    }

    #[test]
    fn a_body_as_forms_have_it_is_refused_where_a_page_could_post_it() {
        let of = |method, kind| decided(method, TOKEN, &[("host", "localhost"), ("content-type", kind)]);
        for kind in [
            "application/x-www-form-urlencoded",
            "Multipart/Form-Data; boundary=x",
            "text/plain",
            "TEXT/PLAIN;charset=UTF-8",
            " text/plain ; charset=utf-8",
        ] {
            assert_eq!(of("POST", kind), Err(FormBody), "{kind}");
            assert_eq!(of("PUT", kind), Ok(()), "{kind}");
        }
        for kind in ["application/json", "application/json; charset=utf-8", "application/octet-stream", ""] {
            assert_eq!(of("POST", kind), Ok(()), "{kind}");
        }
    }

    #[test]
    fn a_socket_file_is_exempt() {
        let headers = [("host", "evil.example"), ("origin", "https://evil.example"), ("sec-fetch-site", "x")];
        assert_eq!(by(Admission::SocketFile, "POST", TOKEN, &headers), Ok(()));
        assert_eq!(by(Admission::SocketFile, "POST", TOKEN, &[]), Ok(()));
    }
}

//! A real authorization server that nobody here wrote: django-oauth-toolkit, which rotates, and revokes the family of a
//! refresh token that comes back.
//!
//! `tests/dot` is the site: ordinary settings, and a [`referee`] before the token endpoint.

mod browser;
mod referee;
mod site;
mod visitors;

use reqwest::{Method, StatusCode};
use rustix::process::Signal;
use serde_json::json;
use solekey_testkit::redis::redis_for_tests;
use tempfile::TempDir;

pub(crate) use self::site::Site;
use self::{
    browser::grant,
    referee::{End, Presentation},
    site::{Tables, is_waived},
    visitors::Visitors,
};
use crate::{
    sidecar::{Sidecar, path},
    wait::eventually,
};

const ID: &str = "alice";
const REPLICAS: [&str; 3] = ["one", "two", "three"];

/// Three sidecars that share what `head` says and one folder, and the credential of a person's fresh login in one of
/// them.
async fn a_credential_outlives_its_expiries_and_a_killed_owner(through: &str, head: &str) {
    let site = Site::start().await;
    let folder = tempfile::tempdir().unwrap();
    let mut replicas = Vec::new();
    for name in REPLICAS {
        replicas.push((name, Sidecar::start(&site.settings(name, head), name, folder.path()).await));
    }
    let granted = grant(&site).await;
    let imported = replicas[0].1.import(ID, &granted.document).await;
    assert_eq!(imported.status, StatusCode::CREATED, "{imported:?}");

    let mut visitors = Visitors::start(&site, replicas.iter().map(|(name, sidecar)| (*name, sidecar)));
    // The first time with the token that was imported.
    for _ in 0..3 {
        visitors.everybody_is_served_anew().await;
    }
    let held = kill_an_owner(&site, &mut replicas, &mut visitors).await;
    for _ in 0..2 {
        visitors.everybody_is_served_anew().await;
    }
    assert_eq!(visitors.leave().await, 0, "visitors that have to log in");

    let survivor = &replicas[1].1;
    let seen = survivor.token(ID).await.body["generation"].as_u64().unwrap();
    let before = site.presentations().len();
    let refresh = json!({"generation": seen}).to_string();
    let last = survivor.ask(Method::POST, &format!("{}/refresh", path(ID)), &refresh).await;
    assert_eq!(last.status, StatusCode::OK, "{last:?}");
    // A token lives for six seconds: a machine that stands still for as long asks for the next one.
    eventually("the site accepts it", async || {
        let status = site.shown(survivor.token(ID).await.token()).await;
        if status == StatusCode::OK { Ok(()) } else { Err(status) }
    })
    .await;
    for (_, sidecar) in replicas {
        sidecar.stop().await;
    }
    let presentations = site.presentations();
    assert!(presentations.len() > before, "the last refresh was no presentation");
    assert_nothing_was_presented_twice(&presentations, granted.refresh_token, &held);
    let Tables { toolkit, families } = site.tables().await;
    let [family] = &families[..] else { panic!("one grant, one family: {families:?}") };
    assert_eq!((family.live, family.revoked), (1, presentations.len() - 1), "{presentations:#?}");
    println!(
        "real server dot {toolkit} | {through} | {} presentations | the family lives",
        presentations.len()
    );
}

/// Kills the replica whose presentation the referee holds; returns that presentation.
async fn kill_an_owner(
    site: &Site,
    replicas: &mut Vec<(&'static str, Sidecar)>,
    visitors: &mut Visitors,
) -> Presentation {
    site.hold_the_next_presentation();
    let held = eventually("a presentation is held", async || {
        site.presentations().into_iter().find(|presentation| presentation.held)
    });
    let held = held.await;
    let owner = replicas.iter().position(|(name, _)| held.replica.as_deref() == Some(*name)).unwrap();
    let (name, owner) = replicas.swap_remove(owner);
    visitors.desert(name);
    owner.signal(Signal::KILL);
    owner.end().await;
    let end = eventually("its request has an end", async || site.presentation(held.number).end).await;
    assert_eq!(end, End::Dropped);
    held
}

/// Each token that was handed out was presented once, in turn; the one whose request was dropped, unseen by anybody
/// behind the referee, once more by another replica.
fn assert_nothing_was_presented_twice(presentations: &[Presentation], first: String, dropped: &Presentation) {
    let mut handed_out = first;
    for presentation in presentations {
        assert_eq!(presentation.token, handed_out, "{presentations:#?}");
        match &presentation.end {
            Some(End::Dropped) => assert_eq!(presentation.number, dropped.number),
            Some(End::Answered { status: 200, minted: Some(minted), .. }) => handed_out.clone_from(minted),
            end => panic!("{end:?}: {presentations:#?}"),
        }
    }
    let retried = presentations.iter().find(|other| other.number == dropped.number + 1).expect("a retry");
    assert_ne!(retried.replica, dropped.replica);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_a_real_authorization_server_no_token_is_presented_twice_and_the_family_outlives_a_killed_owner() {
    if is_waived() {
        return;
    }
    let redis = redis_for_tests().await.unwrap();
    let head = format!("[redis]\nurl = \"{}\"\nprefix = \"{}\"", redis.url, redis.prefix);
    a_credential_outlives_its_expiries_and_a_killed_owner("redis", &head).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_a_real_authorization_server_the_family_outlives_a_killed_owner_without_redis() {
    if is_waived() {
        return;
    }
    a_credential_outlives_its_expiries_and_a_killed_owner("embedded", "").await;
}

/// The control: the same replicas under the same load, each with a store of its own. Without it nobody would know
/// whether referee and site notice anything.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_a_real_authorization_server_replicas_that_share_nothing_burn_the_family() {
    if is_waived() {
        return;
    }
    let site = Site::start().await;
    let granted = grant(&site).await;
    let folders = REPLICAS.map(|_| TempDir::new().unwrap());
    let mut replicas = Vec::new();
    for (name, folder) in REPLICAS.into_iter().zip(&folders) {
        let sidecar = Sidecar::start(&site.settings(name, ""), name, folder.path()).await;
        let imported = sidecar.import(ID, &granted.document).await;
        assert_eq!(imported.status, StatusCode::CREATED, "{imported:?}");
        replicas.push((name, sidecar));
    }
    let mut visitors = Visitors::start(&site, replicas.iter().map(|(name, sidecar)| (*name, sidecar)));
    visitors.every_caller_gets_log_in().await;
    for (_, sidecar) in replicas {
        sidecar.stop().await;
    }
    let presentations = site.presentations();
    let refused = presentations.iter().find(|presentation| {
        let again =
            |other: &Presentation| other.number < presentation.number && other.token == presentation.token;
        presentation.is_refused_as_spent() && presentations.iter().any(again)
    });
    assert!(refused.is_some(), "{presentations:#?}");
    let Tables { toolkit, families } = site.tables().await;
    let [family] = &families[..] else { panic!("one grant, one family: {families:?}") };
    assert_eq!(family.live, 0, "{presentations:#?}");
    println!(
        "real server dot {toolkit} | nothing shared | {} presentations | the family is revoked",
        presentations.len()
    );
}

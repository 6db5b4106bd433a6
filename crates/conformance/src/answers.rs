//! The cases that every answers adapter passes.

use std::time::Duration;

use solekey_core::{
    Account, Answer, AnswerNote, ClaimId, Content, Fingerprint, Found, Generation, NewFacts, Sealed,
    StoreTime,
    ports::{Answers, Registration},
};
use uuid::Uuid;

use crate::{
    Report, Subject, answers,
    case::{self, Case, cases},
    wait::until,
};

/// A place of answers to run the list over.
pub type AnswersSubject = Subject<dyn Answers>;

/// The list.
pub const CASES: &[Case<AnswersSubject>] = cases! { AnswersSubject =>
    answers: [
        cannot_be_read_from_a_location_that_is_not_registered,
        are_absent_where_nothing_was_written,
        come_back_as_they_were_written,
        are_never_overwritten,
        of_a_late_owner_leave_those_of_the_next,
        are_ordered_by_attempt_not_by_time,
        of_one_attempt_and_several_claims_are_kept_apart,
        that_nobody_understood_are_found_next_to_the_newest_usable_one,
        keep_the_two_newest,
        age,
        are_erased_before_a_generation,
        come_back_under_another_seal_as_they_were,
        survive_late_writes_of_older_ones,
        belong_to_one_account,
        written_at_once_are_all_taken,
        know_the_first_registration,
        are_registered_anew_where_the_registration_is_not_believed,
        are_probed_again_and_again_without_a_trace,
    ],
};

/// Runs the list over `adapter`; `build` makes a fresh, empty adapter, not registered, for each case.
///
/// # Panics
/// When a case fails: with the adapter's name and its own.
pub async fn run(adapter: &str, build: impl AsyncFn() -> AnswersSubject) -> Report {
    case::run("answers", adapter, CASES, build).await
}

const HOUR: Duration = Duration::from_secs(60 * 60);

async fn cannot_be_read_from_a_location_that_is_not_registered(subject: AnswersSubject) {
    let (a, written) = (account("a"), rotated(1));
    subject.write(&a, &written).await;
    assert!(subject.port.newest(&a).await.is_err(), "nothing vouches for what is missing");
    subject.register(7).await;
    assert_eq!(attempt(&subject.found(&a).await), Some(1), "what was written before is there");
}

async fn are_absent_where_nothing_was_written(subject: AnswersSubject) {
    subject.register(7).await;
    let found = subject.found(&account("nobody")).await;
    assert_eq!((found.newest, found.kept_since), (None, StoreTime::from_micros(7)));
}

async fn come_back_as_they_were_written(subject: AnswersSubject) {
    subject.register(7).await;
    let every_byte: Vec<u8> = (0..=u8::MAX).cycle().take(20_000).collect();
    let contents = [Content::LoggedIn(no_times()), Content::Deleted, Content::Rotated(no_times())];
    for ((content, n), payload) in contents.into_iter().zip(1..).zip([every_byte, Vec::new(), b"\0".to_vec()])
    {
        let (account, claim) = (account(&n.to_string()), id());
        let note = AnswerNote {
            attempt: Generation::new(n),
            claim,
            made_from: Generation::new(n - 1),
            content,
            access_ends: None,
        };
        let written = Answer { note, payload: Sealed::new(payload) };
        subject.write(&account, &written).await;
        assert_eq!(subject.found(&account).await.newest, Some(written));
    }
}

async fn are_never_overwritten(subject: AnswersSubject) {
    subject.register(7).await;
    let (a, first) = (account("a"), plain(1, "first"));
    subject.write(&a, &first).await;
    subject.write(&a, &first).await;
    let second = Answer { payload: Sealed::new(&b"second"[..]), ..first.clone() };
    // Whether the second is refused or passed over is the adapter's choice.
    let _ = subject.port.write(&a, &second).await;
    assert_eq!(subject.found(&a).await.newest, Some(first));
}

/// A9.
async fn of_a_late_owner_leave_those_of_the_next(subject: AnswersSubject) {
    subject.register(7).await;
    let a = account("a");
    // The first owner was slow: by the time it writes, another attempt was made and answered.
    let (first, second) = (plain(5, "first"), plain(6, "second"));
    subject.write(&a, &second).await;
    subject.write(&a, &first).await;
    assert_eq!(subject.found(&a).await.newest, Some(second));
}

async fn are_ordered_by_attempt_not_by_time(subject: AnswersSubject) {
    subject.register(7).await;
    let a = account("a");
    // Far apart in the number of digits: an order of texts would show.
    for number in [9, 1_700_000_000_000_000, 10, u64::MAX >> 1, 99] {
        subject.write(&a, &rotated(number)).await;
    }
    assert_eq!(attempt(&subject.found(&a).await), Some(u64::MAX >> 1));
}

async fn of_one_attempt_and_several_claims_are_kept_apart(subject: AnswersSubject) {
    subject.register(7).await;
    let a = account("a");
    let (first, second) = (plain(5, "first"), plain(5, "second"));
    subject.write(&a, &first).await;
    subject.write(&a, &second).await;
    let newest = subject.found(&a).await.newest.expect("found");
    assert!([first, second].contains(&newest));
}

async fn that_nobody_understood_are_found_next_to_the_newest_usable_one(subject: AnswersSubject) {
    subject.register(7).await;
    let (a, b) = (account("a"), account("b"));
    subject.write(&a, &rotated(1)).await;
    let kept = [unread(2), unread(3)];
    for answer in &kept {
        subject.write(&a, answer).await;
    }
    let found = subject.found(&a).await;
    assert_eq!((attempt(&found), found.unread.as_ref()), (Some(1), Some(&kept[1])));
    subject.write(&a, &rotated(4)).await;
    let found = subject.found(&a).await;
    assert_eq!((attempt(&found), found.unread), (Some(4), None), "it is history");
    subject.write(&b, &unread(1)).await;
    let found = subject.found(&b).await;
    assert!(found.newest.is_none() && found.unread.is_some(), "{found:?}");
    let Answer { note, .. } = found.unread.expect("is there");
    let sealed = Sealed::new(b"u 1 2\n\0\xff another seal".to_vec());
    subject.port.reseal(&b, note.attempt, note.claim, &sealed).await.expect("reseals");
    assert_eq!(subject.found(&b).await.unread.expect("is there").payload, sealed);
}

async fn keep_the_two_newest(subject: AnswersSubject) {
    subject.register(7).await;
    let a = account("a");
    for number in 1..=20 {
        subject.write(&a, &rotated(number)).await;
    }
    subject.write(&a, &unread(21)).await;
    assert_eq!(attempt(&subject.found(&a).await), Some(20));
}

async fn age(subject: AnswersSubject) {
    subject.register(7).await;
    let a = account("a");
    let times = NewFacts { expires_in: Some(HOUR), refresh_expires_in: Some(2 * HOUR), ..no_times() };
    subject.write(&a, &answer(1, Content::Rotated(times), "x")).await;
    let left = async || {
        let Content::Rotated(facts) = subject.found(&a).await.newest?.note.content else {
            panic!("another answer")
        };
        Some((facts.expires_in?, facts.refresh_expires_in?))
    };
    let (access, refresh) = left().await.expect("times");
    assert!(access <= HOUR && access > HOUR / 2 && refresh == access + HOUR, "{access:?} {refresh:?}");
    let older = async || left().await.filter(|(access, _)| *access + Duration::from_millis(20) < HOUR);
    until("the answer to age", older).await;

    let nearly_over = NewFacts { expires_in: Some(Duration::from_millis(10)), ..times };
    subject.write(&a, &answer(2, Content::Rotated(nearly_over), "x")).await;
    let over = async || left().await.filter(|(access, _)| access.is_zero());
    until("the answer's token to end", over).await;
}

async fn are_erased_before_a_generation(subject: AnswersSubject) {
    subject.register(7).await;
    let (a, b) = (account("a"), account("b"));
    subject.write(&b, &rotated(1)).await;
    subject.write(&a, &rotated(1)).await;
    subject.write(&a, &answer(2, Content::Deleted, "")).await;
    subject.erase(&a, 2).await;
    assert_eq!(attempt(&subject.found(&a).await), Some(2), "not what is as new");
    subject.erase(&a, 3).await;
    assert_eq!(subject.found(&a).await.newest, None);
    subject.erase(&a, 3).await;
    subject.erase(&account("nobody"), 3).await;
    assert_eq!(attempt(&subject.found(&b).await), Some(1), "not another account's");
}

async fn survive_late_writes_of_older_ones(subject: AnswersSubject) {
    subject.register(7).await;
    let a = account("a");
    for number in [8, 9, 1, 2, 3] {
        subject.write(&a, &rotated(number)).await;
    }
    assert_eq!(attempt(&subject.found(&a).await), Some(9));
    subject.write(&a, &unread(10)).await;
    subject.write(&a, &unread(11)).await;
    subject.write(&a, &unread(12)).await;
    assert_eq!(attempt(&subject.found(&a).await), Some(9), "unread ones push no usable one out");
}

async fn belong_to_one_account(subject: AnswersSubject) {
    subject.register(7).await;
    let names = [("p", "a:b"), ("p:a", "b"), ("p", "../b"), ("p", "*"), ("p", "A:B"), ("p", "\u{1f511}")];
    let accounts = names.map(|(provider, id)| Account::new(provider, id).expect("a valid name"));
    for (account, number) in accounts.iter().zip(1..) {
        subject.write(account, &rotated(number)).await;
    }
    for (account, number) in accounts.iter().zip(1..) {
        assert_eq!(attempt(&subject.found(account).await), Some(number), "{account:?}");
    }
}

async fn written_at_once_are_all_taken(subject: AnswersSubject) {
    subject.register(7).await;
    let a = account("a");
    let writers: Vec<_> = (1..=12)
        .map(|number| {
            let (answers, account) = (subject.port.clone(), a.clone());
            tokio::spawn(async move { answers.write(&account, &rotated(number)).await })
        })
        .collect();
    for writer in writers {
        writer.await.expect("no writer panics").expect("writes");
    }
    assert_eq!(attempt(&subject.found(&a).await), Some(12));
}

async fn come_back_under_another_seal_as_they_were(subject: AnswersSubject) {
    subject.register(7).await;
    let (a, older, newest) = (account("a"), rotated(1), rotated(2));
    subject.write(&a, &older).await;
    subject.write(&a, &newest).await;
    let reseal = async |attempt: u64, claim, payload: &'static [u8]| {
        let (attempt, payload) = (Generation::new(attempt), Sealed::new(payload.to_vec()));
        subject.port.reseal(&a, attempt, claim, &payload).await.expect("reseals");
    };
    reseal(2, newest.note.claim, b"u 1 2\n\0\xff another seal").await;
    // Nothing comes of an attempt, a claim or an account that is not there.
    reseal(3, newest.note.claim, b"of another attempt").await;
    reseal(2, id(), b"of another claim").await;
    let nobody = account("nobody");
    let nothing = subject.port.reseal(&nobody, newest.note.attempt, newest.note.claim, &newest.payload).await;
    nothing.expect("there is nothing to do");
    let found = subject.found(&a).await.newest.expect("is there");
    assert_eq!((found.note.attempt, found.note.claim), (newest.note.attempt, newest.note.claim));
    assert_eq!(found.note.made_from, newest.note.made_from);
    assert_eq!(found.payload.as_bytes(), b"u 1 2\n\0\xff another seal");
    assert_eq!(subject.found(&nobody).await.newest, None);
    // It goes on being the one of that attempt and claim.
    subject.write(&a, &newest).await;
    let found = subject.found(&a).await.newest.expect("is there");
    assert_eq!(found.payload.as_bytes(), b"u 1 2\n\0\xff another seal");
}

async fn know_the_first_registration(subject: AnswersSubject) {
    let first = registration(7);
    assert_eq!(subject.port.register(&first).await.expect("registers"), first);
    let second = Registration { seal_check: "another key".into(), ..registration(9) };
    assert_eq!(subject.port.register(&second).await.expect("answers"), first);
    assert_eq!(subject.found(&account("a")).await.kept_since, first.since);
}

async fn are_probed_again_and_again_without_a_trace(subject: AnswersSubject) {
    subject.register(7).await;
    let (a, written) = (account("a"), rotated(1));
    subject.write(&a, &written).await;
    for _ in 0..3 {
        subject.port.probe().await.expect("takes writes");
    }
    assert_eq!(subject.found(&a).await.newest, Some(written));
}

async fn are_registered_anew_where_the_registration_is_not_believed(subject: AnswersSubject) {
    let (a, written) = (account("a"), rotated(1));
    let anew = Registration { proof: "proof".into(), ..registration(9) };
    for first in [None, Some(registration(7))] {
        if let Some(first) = first {
            subject.port.register_anew(&first).await.expect("registers");
        }
        subject.write(&a, &written).await;
        subject.port.register_anew(&anew).await.expect("registers");
        let found = subject.found(&a).await;
        assert_eq!((attempt(&found), found.kept_since), (Some(1), StoreTime::from_micros(9)));
        assert_eq!(subject.port.register(&registration(5)).await.expect("reads"), anew);
    }
}

impl AnswersSubject {
    async fn register(&self, since: u64) {
        self.port.register(&registration(since)).await.expect("registers");
    }

    async fn write(&self, account: &Account, answer: &Answer) {
        self.port.write(account, answer).await.expect("writes");
    }

    async fn found(&self, account: &Account) -> Found {
        self.port.newest(account).await.expect("reads")
    }

    async fn erase(&self, account: &Account, before: u64) {
        self.port.erase(account, Generation::new(before)).await.expect("erases");
    }
}

fn registration(since: u64) -> Registration {
    Registration {
        store: Uuid::new_v4(),
        seal_check: "check \u{1f511}".into(),
        since: StoreTime::from_micros(since),
        proof: String::new(),
    }
}

fn account(id: &str) -> Account {
    Account::new("acme", id).expect("a valid name")
}

fn id() -> ClaimId {
    ClaimId::new(Uuid::new_v4())
}

fn no_times() -> NewFacts {
    let token = Fingerprint::new([7; 16]);
    NewFacts { access: token, refresh: Some(token), expires_in: None, refresh_expires_in: None }
}

fn answer(attempt: u64, content: Content, payload: &'static str) -> Answer {
    let made_from = Generation::ZERO;
    let note =
        AnswerNote { attempt: Generation::new(attempt), claim: id(), made_from, content, access_ends: None };
    Answer { note, payload: Sealed::new(payload.as_bytes()) }
}

/// An answer that does not change with age.
fn plain(attempt: u64, payload: &'static str) -> Answer {
    answer(attempt, Content::Rotated(no_times()), payload)
}

fn rotated(attempt: u64) -> Answer {
    plain(attempt, "sealed")
}

fn unread(attempt: u64) -> Answer {
    answer(attempt, Content::Unread, "a body")
}

fn attempt(found: &Found) -> Option<u64> {
    found.newest.as_ref().map(|answer| answer.note.attempt.get())
}

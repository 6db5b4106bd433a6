#![allow(clippy::unwrap_used)]

use std::{fs, os::unix::fs::PermissionsExt as _, time::Duration};

use solekey_conformance::answers::{self, AnswersSubject};
use solekey_core::{AnswerNote, Content, Fingerprint, NewFacts, Sealed, StoreTime};
use solekey_testkit::memory::TestClock;
use tempfile::TempDir;

use super::*;

const HOUR: Duration = Duration::from_secs(3600);

struct Fixture {
    state: TempDir,
    clock: TestClock,
    files: AnswerFiles,
    account: Account,
}

impl Fixture {
    async fn registered() -> Self {
        let (state, clock) = (tempfile::tempdir().unwrap(), TestClock::standing());
        let files = AnswerFiles::open(state.path(), Arc::new(clock.clone())).unwrap();
        files.register(&registration()).await.unwrap();
        let account = Account::new("acme", "somebody@example.com").unwrap();
        Self { state, clock, files, account }
    }

    fn reopened(&self) -> AnswerFiles {
        AnswerFiles::open(self.state.path(), Arc::new(self.clock.clone())).unwrap()
    }

    async fn write(&self, attempt: u64) -> Answer {
        let answer = answer(attempt);
        self.files.write(&self.account, &answer).await.unwrap();
        answer
    }

    async fn newest(&self) -> Result<Option<Answer>, Trouble> {
        self.files.newest(&self.account).await.map(|found| found.newest)
    }

    fn folder(&self) -> PathBuf {
        self.files.place.folder_of(self.account.key())
    }

    fn path(&self, answer: &Answer) -> PathBuf {
        self.folder().join(Written::new(answer, Duration::ZERO).name().to_string())
    }

    fn attempts(&self) -> Vec<u64> {
        let names = self.files.place.names(self.account.key()).unwrap();
        names.iter().map(|name| name.attempt.get()).collect()
    }
}

#[tokio::test]
async fn files_pass_the_list_of_locations_of_answers() {
    let build = async || {
        let state = tempfile::tempdir().unwrap();
        let files = AnswerFiles::open(state.path(), Arc::new(TestClock::tokio())).unwrap();
        AnswersSubject::new(Arc::new(files)).keeping(state)
    };
    let report = answers::run("files", build).await;
    println!("{report}");
    assert_eq!(report.passed.len(), answers::CASES.len());
}

#[tokio::test]
async fn what_cannot_be_written_is_reported_and_written_once_it_can() {
    let fixture = Fixture::registered().await;
    fs::write(fixture.folder(), "in the way").unwrap();
    let failed = fixture.files.write(&fixture.account, &answer(5)).await;
    assert!(matches!(failed, Err(Trouble::NotApplied(_))), "{failed:?}");
    assert!(fixture.newest().await.is_err(), "absence cannot be read");
    fs::remove_file(fixture.folder()).unwrap();
    let written = fixture.write(5).await;
    assert_eq!(fixture.newest().await.unwrap(), Some(written));
}

#[tokio::test]
async fn answers_and_registration_outlive_the_process_and_are_shared_with_others() {
    let fixture = Fixture::registered().await;
    let written = fixture.write(5).await;
    let other = fixture.reopened();
    let found = other.newest(&fixture.account).await.unwrap();
    assert_eq!((found.newest, found.kept_since), (Some(written), registration().since));
    let later = Registration { since: StoreTime::from_micros(99), ..registration() };
    assert_eq!(other.register(&later).await.unwrap(), registration());
}

#[tokio::test]
async fn files_and_folders_are_for_their_owner_alone_and_name_nobody() {
    let fixture = Fixture::registered().await;
    let written = fixture.write(5).await;
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&fixture.path(&written)), 0o600);
    assert_eq!(mode(&fixture.files.place.registration_path()), 0o600);
    assert_eq!((mode(&fixture.folder()), mode(&fixture.files.place.folder)), (0o700, 0o700));
    let path = fixture.path(&written).into_os_string().into_string().unwrap();
    assert!(!path.contains("acme") && !path.contains("somebody"));
}

#[tokio::test]
async fn a_damaged_newest_answer_is_doubt_until_a_newer_one_is_written() {
    let fixture = Fixture::registered().await;
    fixture.write(4).await;
    let newest = fixture.write(5).await;
    let whole = fs::read(fixture.path(&newest)).unwrap();
    for damage in [&b""[..], &whole[..whole.len() / 2], b"{}", b"\xff\xfe"] {
        fs::write(fixture.path(&newest), damage).unwrap();
        assert!(fixture.newest().await.is_err(), "{damage:?}");
        assert!(fixture.files.write(&fixture.account, &newest).await.is_err(), "not written after all");
    }
    let newer = fixture.write(6).await;
    assert_eq!(fixture.newest().await.unwrap(), Some(newer));
    fs::write(fixture.path(&newest), &whole).unwrap();
    assert!(fixture.newest().await.is_ok());
}

#[tokio::test]
async fn an_answer_under_another_ones_name_is_doubt() {
    let fixture = Fixture::registered().await;
    let (old, new) = (fixture.write(4).await, fixture.write(5).await);
    fs::copy(fixture.path(&old), fixture.path(&new)).unwrap();
    assert!(fixture.newest().await.is_err());
}

#[tokio::test]
async fn a_damaged_registration_is_doubt_and_not_replaced() {
    let fixture = Fixture::registered().await;
    fs::write(fixture.files.place.registration_path(), b"{").unwrap();
    assert!(fixture.newest().await.is_err());
    assert!(fixture.files.register(&registration()).await.is_err());
    assert_eq!(fs::read(fixture.files.place.registration_path()).unwrap(), b"{");
}

#[tokio::test]
async fn a_location_that_lost_everything_vouches_for_nothing_until_it_is_registered_again() {
    let fixture = Fixture::registered().await;
    fixture.write(5).await;
    fs::remove_dir_all(fixture.state.path().join("answers")).unwrap();
    assert!(fixture.newest().await.is_err());
    let reopened = fixture.reopened();
    let anew = Registration { since: StoreTime::from_micros(99), ..registration() };
    assert_eq!(reopened.register(&anew).await.unwrap(), anew);
    let found = reopened.newest(&fixture.account).await.unwrap();
    assert_eq!((found.newest, found.kept_since), (None, anew.since));
}

#[tokio::test]
async fn times_age_by_the_wall_clock_and_never_grow() {
    let fixture = Fixture::registered().await;
    let Answer { note, payload } = answer(5);
    let times = NewFacts { expires_in: Some(HOUR), ..note.content.facts().unwrap() };
    let timed = Answer { note: AnswerNote { content: Content::Rotated(times), ..note }, payload };
    fixture.files.write(&fixture.account, &timed).await.unwrap();
    let left =
        async || fixture.newest().await.unwrap().unwrap().note.content.facts().unwrap().expires_in.unwrap();
    assert_eq!(left().await, HOUR);
    let written = fixture.clock.wall();
    fixture.clock.advance(HOUR / 4);
    assert_eq!(left().await, HOUR * 3 / 4);
    fixture.clock.advance(2 * HOUR);
    assert_eq!(left().await, Duration::ZERO);
    fixture.clock.set_wall(written - 5 * HOUR);
    assert_eq!(left().await, HOUR, "set back, it is as young as it ever was");
}

#[tokio::test]
async fn the_two_newest_stay_and_the_rest_goes() {
    let fixture = Fixture::registered().await;
    for attempt in [3, 1, 2, 7, 5] {
        fixture.write(attempt).await;
    }
    assert_eq!(fixture.attempts(), [7, 5]);
    fixture.clock.advance(KEEP_ANSWERS + HOUR);
    fixture.write(8).await;
    assert_eq!(fixture.attempts(), [8], "a witness serves for seven days");
}

#[tokio::test]
async fn what_a_dead_process_left_unfinished_is_no_answer_and_goes() {
    let fixture = Fixture::registered().await;
    let written = fixture.write(5).await;
    let left = fixture.folder().join(".unfinished-0123");
    fs::write(&left, b"{\"no").unwrap();
    assert_eq!(fixture.newest().await.unwrap(), Some(written));
    fixture.write(6).await;
    assert!(left.exists(), "it may be somebody's who is at work");
    let long_ago = SystemTime::now() - 2 * HOUR;
    fs::File::open(&left).unwrap().set_modified(long_ago).unwrap();
    fixture.write(7).await;
    assert!(!left.exists());
}

/// The folders that were synced, each with the names that it had then.
fn synced_folders(fixture: &Fixture) -> Vec<(PathBuf, Vec<String>)> {
    let synced = durable::synced::below(fixture.state.path()).into_iter();
    synced.filter(|synced| synced.path.is_dir()).map(|synced| (synced.path, synced.names)).collect()
}

#[tokio::test]
async fn an_answer_is_written_once_file_name_and_folder_are_on_the_disk() {
    let fixture = Fixture::registered().await;
    durable::synced::below(fixture.state.path());
    let written = fixture.write(5).await;
    let synced = synced_folders(&fixture);
    let has = |folder: &Path, name: &Path| {
        let name = name.file_name().unwrap().to_str().unwrap();
        synced.iter().any(|(path, names)| path == folder && names.iter().any(|other| other == name))
    };
    assert!(has(&fixture.folder(), &fixture.path(&written)), "{synced:?}");
    assert!(has(&fixture.files.place.folder, &fixture.folder()), "{synced:?}");

    // The folder is there now, and another process that made it may have died before it was on the disk.
    fixture.write(6).await;
    let synced = synced_folders(&fixture);
    assert!(synced.iter().any(|(path, _)| *path == fixture.files.place.folder), "{synced:?}");

    fixture.files.erase(&fixture.account, Generation::new(6)).await.unwrap();
    let synced = synced_folders(&fixture);
    let erased = synced.iter().any(|(path, names)| *path == fixture.folder() && names.len() == 1);
    assert!(erased, "{synced:?}");
}

#[test]
fn a_folder_that_cannot_be_written_is_refused_at_once() {
    let state = tempfile::tempdir().unwrap();
    let file = state.path().join("file");
    fs::write(&file, b"").unwrap();
    assert!(AnswerFiles::open(&file, Arc::new(TestClock::standing())).is_err());
}

fn registration() -> Registration {
    Registration {
        store: Uuid::from_u128(7),
        seal_check: "check".into(),
        since: StoreTime::from_micros(7),
        proof: String::new(),
    }
}

fn answer(attempt: u64) -> Answer {
    let token = Fingerprint::new([7; 16]);
    let facts = NewFacts { access: token, refresh: Some(token), expires_in: None, refresh_expires_in: None };
    let note = AnswerNote {
        attempt: Generation::new(attempt),
        claim: ClaimId::new(Uuid::new_v4()),
        made_from: Generation::ZERO,
        content: Content::Rotated(facts),
        access_ends: None,
    };
    Answer { note, payload: Sealed::new(&b"sealed"[..]) }
}

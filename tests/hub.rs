//! Downloading weights from a server that misbehaves in all the usual ways.

mod server;

use atlascope::hub::{Expected, Hub, HubError, Origin, Remote, Verdict};
use atlascope::network::weights::sha256;
use atlascope::progress::{Progress, Silent};
use server::{Manner, Server};

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

fn content() -> Vec<u8> {
    (0..300_000u32)
        .map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect()
}

fn hub(folder: &Path, endpoint: &str) -> Hub {
    Hub {
        cache: folder.join("cache"),
        hf_cache: folder.join("hf"),
        endpoint: endpoint.to_owned(),
        token: None,
        offline: false,
        pause: Duration::from_millis(1),
    }
}

fn remote(url: String, expected: Expected) -> Remote {
    Remote {
        network: "net".to_owned(),
        file: "w.bin".to_owned(),
        origin: Origin::Url(url),
        expected,
    }
}

/// Files below `folder`, relative, sorted.
fn files(folder: &Path) -> Vec<String> {
    fn walk(folder: &Path, prefix: &str, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
            if entry.path().is_dir() {
                walk(&entry.path(), &format!("{name}/"), found);
            } else {
                found.push(name);
            }
        }
    }
    let mut found = Vec::new();
    walk(folder, "", &mut found);
    found.sort();
    found
}

/// Pulls the server's file and says what came of it, with the file's bytes.
fn pull(server: &Server, expected: Expected) -> (Result<Verdict, HubError>, Option<Vec<u8>>) {
    let folder = tempfile::tempdir().unwrap();
    let hub = hub(folder.path(), "http://unused.invalid");
    let remote = remote(server.url("/w.bin"), expected);
    let pulled = hub.pull(&remote, false, &Silent);
    let bytes = hub.find(&remote).map(|path| std::fs::read(path).unwrap());
    (pulled.map(|pulled| pulled.verdict), bytes)
}

fn right() -> Expected {
    Expected::new(sha256(&content()))
}

#[test]
fn a_file_comes_whole_and_verified() {
    let server = Server::start(content(), vec![]);
    let (verdict, bytes) = pull(&server, right());
    assert!(matches!(verdict.unwrap(), Verdict::Verified { .. }));
    assert_eq!(bytes.unwrap(), content());
    let (verdict, _) = pull(&server, Expected::new(&sha256(&content())[..8]));
    assert!(matches!(
        verdict.unwrap(),
        Verdict::Partly { digits: 8, .. }
    ));
    let (verdict, _) = pull(&server, Expected::unknown());
    let said = verdict.unwrap().to_string();
    assert!(
        said.contains("unverified: no hash known") && said.contains(&sha256(&content())),
        "{said}"
    );
}

#[test]
fn a_cut_connection_is_taken_up_again() {
    let server = Server::start(
        content(),
        vec![Manner::CutAfter(100_000), Manner::CutAfter(50_000)],
    );
    let (verdict, bytes) = pull(&server, right());
    assert!(matches!(verdict.unwrap(), Verdict::Verified { .. }));
    assert_eq!(bytes.unwrap(), content());
    // The second and third connection asked for the rest only.
    let ranges = server.ranges();
    assert_eq!(ranges.len(), 3, "{ranges:?}");
    assert_eq!(ranges[0], None);
    assert_eq!(ranges[1], Some(100_000));
    assert_eq!(ranges[2], Some(150_000));
    // What is sent twice is little: 300,000 bytes and no more.
    assert_eq!(server.sent(), 300_000);
}

#[test]
fn a_server_that_ignores_ranges_sends_all_of_it_again() {
    let server = Server::start(
        content(),
        vec![Manner::CutAfter(100_000), Manner::IgnoreRange],
    );
    let (verdict, bytes) = pull(&server, right());
    assert!(matches!(verdict.unwrap(), Verdict::Verified { .. }));
    assert_eq!(bytes.unwrap(), content());
    assert_eq!(server.sent(), 400_000);
}

#[test]
fn a_part_of_another_place_is_not_taken() {
    let server = Server::start(
        content(),
        vec![Manner::CutAfter(100_000), Manner::WrongRange],
    );
    let (verdict, bytes) = pull(&server, right());
    assert!(matches!(verdict.unwrap(), Verdict::Verified { .. }));
    assert_eq!(bytes.unwrap(), content());
}

#[test]
fn servers_that_are_busy_are_asked_again() {
    let server = Server::start(content(), vec![Manner::Status(503), Manner::Status(429)]);
    let (verdict, bytes) = pull(&server, right());
    assert!(matches!(verdict.unwrap(), Verdict::Verified { .. }));
    assert_eq!(bytes.unwrap(), content());
}

#[test]
fn a_connection_that_never_brings_anything_is_given_up() {
    let server = Server::start(content(), vec![Manner::CutAfter(0); 20]);
    let (error, bytes) = pull(&server, right());
    let error = error.unwrap_err();
    assert!(matches!(error, HubError::Connection { .. }), "{error}");
    assert!(error.hint().unwrap().contains("the same command"));
    assert!(bytes.is_none());
}

#[test]
fn a_wrong_hash_is_refused_and_nothing_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(content(), vec![]);
    let hub = hub(folder.path(), "http://unused.invalid");
    let remote = remote(server.url("/w.bin"), Expected::new("0".repeat(64)));
    let error = hub.pull(&remote, false, &Silent).unwrap_err();
    assert!(matches!(&error, HubError::WrongHash { found, .. } if *found == sha256(&content())));
    assert!(error.to_string().contains(&"0".repeat(64)), "{error}");
    assert_eq!(files(folder.path()), Vec::<String>::new());
}

#[test]
fn refusals_name_the_status_and_the_way_out() {
    for (status, said, hint) in [
        (404, "404 (not found)", "--from FILE"),
        (401, "401 (access denied)", "HF_TOKEN"),
        (403, "403 (access denied)", "HF_TOKEN"),
    ] {
        let server = Server::start(content(), vec![Manner::Status(status)]);
        let (error, bytes) = pull(&server, right());
        let error = error.unwrap_err();
        assert!(error.to_string().contains(said), "{error}");
        assert!(error.hint().unwrap().contains(hint));
        assert!(bytes.is_none());
        // Not asked twice.
        assert_eq!(server.ranges().len(), 1);
    }
    let gone = remote("http://127.0.0.1:1/w.bin".to_owned(), right());
    let folder = tempfile::tempdir().unwrap();
    let error = hub(folder.path(), "http://unused.invalid")
        .pull(&gone, false, &Silent)
        .unwrap_err();
    assert!(matches!(error, HubError::Connection { .. }), "{error}");
}

#[test]
fn redirects_are_followed_but_not_for_ever() {
    let server = Server::start(
        content(),
        vec![
            Manner::Redirect("/moved/w.bin".to_owned()),
            Manner::Redirect("x/w.bin".to_owned()),
        ],
    );
    let (verdict, bytes) = pull(&server, right());
    assert!(matches!(verdict.unwrap(), Verdict::Verified { .. }));
    assert_eq!(bytes.unwrap(), content());
    assert_eq!(server.paths(), ["/w.bin", "/moved/w.bin", "/moved/x/w.bin"]);
    let server = Server::start(content(), vec![Manner::Redirect("/w.bin".to_owned()); 50]);
    let error = pull(&server, right()).0.unwrap_err();
    assert!(error.to_string().contains("redirects"), "{error}");
}

/// The token goes to the endpoint, not to the storage that it points to, nor to servers of plain URLs.
#[test]
fn the_token_stays_with_the_endpoint() {
    let storage = Server::start(content(), vec![]);
    let commit = "a1".repeat(20);
    let endpoint = Server::start(
        content(),
        vec![Manner::Linked {
            target: storage.url("/blob"),
            commit: commit.clone(),
            sha256: sha256(&content()),
        }],
    );
    let folder = tempfile::tempdir().unwrap();
    let mut hub = hub(folder.path(), &endpoint.url(""));
    hub.token = Some("hf_secret".to_owned());
    let of_hf = Remote {
        origin: Origin::HuggingFace {
            repository: "someone/net".to_owned(),
            revision: "main".to_owned(),
        },
        ..remote(String::new(), Expected::unknown())
    };
    let pulled = hub.pull(&of_hf, false, &Silent).unwrap();
    assert_eq!(endpoint.paths(), ["/someone/net/resolve/main/w.bin"]);
    assert_eq!(endpoint.tokens(), [Some("Bearer hf_secret".to_owned())]);
    assert_eq!(storage.tokens(), [None]);
    // Where Hugging Face's own tools look for it.
    assert_eq!(
        files(&folder.path().join("hf")),
        [
            "models--someone--net/refs/main".to_owned(),
            format!("models--someone--net/snapshots/{commit}/w.bin"),
        ]
    );
    assert!(pulled.fresh && pulled.bytes == 300_000);
    // Now it is there, also without a network.
    hub.offline = true;
    let again = hub.pull(&of_hf, false, &Silent).unwrap();
    assert!(!again.fresh);
    assert_eq!(again.path, pulled.path);
    let plain = Server::start(content(), vec![]);
    hub.offline = false;
    hub.pull(&remote(plain.url("/w.bin"), right()), false, &Silent)
        .unwrap();
    assert_eq!(plain.tokens(), [None]);
}

/// For large files Hugging Face announces the hash; a file damaged on its way is noticed without any manifest.
#[test]
fn an_announced_hash_is_held_against_the_file() {
    let storage = Server::start(b"something else".to_vec(), vec![]);
    let endpoint = Server::start(
        content(),
        vec![Manner::Linked {
            target: storage.url("/blob"),
            commit: "b2".repeat(20),
            sha256: sha256(&content()),
        }],
    );
    let folder = tempfile::tempdir().unwrap();
    let of_hf = Remote {
        origin: Origin::HuggingFace {
            repository: "someone/net".to_owned(),
            revision: "main".to_owned(),
        },
        ..remote(String::new(), Expected::unknown())
    };
    let error = hub(folder.path(), &endpoint.url(""))
        .pull(&of_hf, false, &Silent)
        .unwrap_err();
    assert!(matches!(error, HubError::WrongHash { .. }), "{error}");
    assert_eq!(files(folder.path()), Vec::<String>::new());
}

#[test]
fn offline_means_offline() {
    let server = Server::start(content(), vec![]);
    let folder = tempfile::tempdir().unwrap();
    let mut hub = hub(folder.path(), "http://unused.invalid");
    hub.offline = true;
    let error = hub
        .pull(&remote(server.url("/w.bin"), right()), false, &Silent)
        .unwrap_err();
    assert!(matches!(error, HubError::Offline { .. }), "{error}");
    assert!(server.paths().is_empty());
}

/// Asks to stop once so many kilobytes came.
struct StopAt(AtomicU64);

impl Progress for StopAt {
    fn begin(&self, _: &str, _: u64, _: &str) {}
    fn advance(&self, n: u64) {
        let _ = self
            .0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                Some(left.saturating_sub(n))
            });
    }
    fn note(&self, _: &str) {}
    fn cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 0
    }
}

#[test]
fn an_interrupted_download_goes_on_in_the_next_run() {
    let server = Server::start(content(), vec![]);
    let folder = tempfile::tempdir().unwrap();
    let hub = hub(folder.path(), "http://unused.invalid");
    let remote = remote(server.url("/w.bin"), right());
    let error = hub
        .pull(&remote, false, &StopAt(AtomicU64::new(120)))
        .unwrap_err();
    assert!(matches!(error, HubError::Interrupted(_)), "{error}");
    assert!(hub.find(&remote).is_none());
    let pulled = hub.pull(&remote, false, &Silent).unwrap();
    assert!(matches!(pulled.verdict, Verdict::Verified { .. }));
    let resumed = server.ranges()[1].unwrap();
    assert!(
        (120_000..300_000).contains(&resumed),
        "resumed at {resumed}"
    );
    assert_eq!(files(&folder.path().join("cache")), ["net/w.bin"]);
}

/// Between two runs the file on the server was replaced: nothing of the old one may stay.
#[test]
fn a_file_that_changed_meanwhile_is_fetched_from_its_start() {
    let folder = tempfile::tempdir().unwrap();
    let hub = hub(folder.path(), "http://unused.invalid");
    let mut server = Server::start(content(), vec![]);
    let remote = remote(server.url("/w.bin"), Expected::unknown());
    hub.pull(&remote, false, &StopAt(AtomicU64::new(120)))
        .unwrap_err();
    let new: Vec<u8> = content().iter().map(|byte| byte ^ 0xFF).collect();
    server.replace(new.clone());
    let pulled = hub.pull(&remote, false, &Silent).unwrap();
    assert_eq!(std::fs::read(pulled.path).unwrap(), new);
}

#[test]
fn two_downloads_of_one_file_do_not_meet() {
    let server = Server::start(content(), vec![Manner::Slow]);
    let folder = tempfile::tempdir().unwrap();
    let hub = hub(folder.path(), "http://unused.invalid");
    let remote = remote(server.url("/w.bin"), right());
    std::thread::scope(|scope| {
        let first = scope.spawn(|| hub.pull(&remote, false, &Silent));
        while server.paths().is_empty() {
            std::thread::sleep(Duration::from_millis(5));
        }
        let second = hub.pull(&remote, false, &Silent).unwrap_err();
        assert!(matches!(second, HubError::InUse { .. }), "{second}");
        server.hurry();
        first.join().unwrap().unwrap();
    });
}

#[test]
fn a_file_given_by_hand_is_checked_and_copied() {
    let folder = tempfile::tempdir().unwrap();
    let hub = hub(folder.path(), "http://unused.invalid");
    let by_hand = Remote {
        origin: Origin::ByHand,
        ..remote(String::new(), right())
    };
    let error = hub.pull(&by_hand, false, &Silent).unwrap_err();
    assert!(
        matches!(error, HubError::NoDownload { .. }) && error.hint().unwrap().contains("--from")
    );
    let file = folder.path().join("mine.bin");
    std::fs::write(&file, b"something else").unwrap();
    assert!(matches!(
        hub.adopt(&by_hand, &file, &Silent).unwrap_err(),
        HubError::WrongHash { .. }
    ));
    assert!(hub.find(&by_hand).is_none());
    std::fs::write(&file, content()).unwrap();
    let pulled = hub.adopt(&by_hand, &file, &Silent).unwrap();
    assert_eq!(std::fs::read(&pulled.path).unwrap(), content());
    assert_eq!(hub.find(&by_hand), Some(pulled.path));
    assert_eq!(files(&folder.path().join("cache")), ["net/w.bin"]);
}

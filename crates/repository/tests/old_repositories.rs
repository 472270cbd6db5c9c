//! Repositories that earlier versions wrote must open forever.
//!
//! Each directory under `testdata/repos` is one, with `expected.json` beside its objects. While version 1
//! is unreleased, `RECOUP_BLESS=1 cargo test -p recoup-repository --test old_repositories -- --ignored
//! make_golden` makes it again; after the release it is never touched.

#[path = "old_repositories/golden.rs"]
mod golden;
#[path = "old_repositories/read.rs"]
mod read;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use model::{Cancel, Silent};
use recoup_repository::{CheckOptions, RepairOptions, Repository, RepositoryError, keys};
use serde_json::Value;
use storage::{LocalStorage, Storage};

/// Every version that was ever written.
const VERSIONS: [&str; 1] = ["v1"];

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/repos")
}

/// A copy that may be written to, as a fresh checkout has it: without empty directories.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}

fn expected(version: &str) -> Value {
    let text = std::fs::read(directory().join(version).join("expected.json")).unwrap();
    serde_json::from_slice(&text).unwrap()
}

/// Opens a copy with each of its keys.
fn open_all(version: &str, expected: &Value, each: impl Fn(&Repository, &str)) {
    let place = tempfile::tempdir().unwrap();
    let to = place.path().join("repository");
    copy(&directory().join(version), &to);
    std::fs::remove_file(to.join("expected.json")).unwrap();
    let storage: Arc<dyn Storage> = Arc::new(LocalStorage::open(&to).unwrap());
    let listed = expected["keys"].as_array().unwrap();
    assert_eq!(keys::list(&storage).unwrap().0.len(), listed.len());
    for key in listed {
        let (keyset, id) = keys::unlock(&storage, &read::secret(key)).unwrap();
        assert_eq!(id.to_hex(), key["id"]);
        keys::check_config(&storage, &keyset).unwrap();
        let entropy = Arc::new(golden::Stream::new(&id.to_hex()));
        let repository = Repository::with_keyset(Arc::clone(&storage), keyset, entropy).unwrap();
        assert_eq!(repository.warnings(), []);
        each(&repository, key["role"].as_str().unwrap());
    }
}

#[test]
fn every_version_has_a_repository() {
    let mut found: Vec<String> = std::fs::read_dir(directory())
        .unwrap()
        .map(Result::unwrap)
        .filter(|entry| entry.file_type().unwrap().is_dir())
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    found.sort();
    assert_eq!(found, VERSIONS);
}

#[test]
fn every_byte_is_what_was_written() {
    for version in VERSIONS {
        let expected = expected(version);
        open_all(version, &expected, |repository, role| {
            if role == "full" {
                let found = read::snapshots(repository);
                read::assert_same(&found, expected["snapshots"].as_array().unwrap());
            }
        });
    }
}

#[test]
fn nothing_is_damaged() {
    for version in VERSIONS {
        open_all(version, &expected(version), |repository, role| {
            let options = CheckOptions {
                read_data: true,
                threads: 2,
                ..CheckOptions::default()
            };
            let checked = repository.check(&options, &Silent, &Cancel::default());
            if role == "full" {
                let report = checked.unwrap();
                assert_eq!((report.damaged, report.unindexed), (vec![], vec![]));
                assert!(report.blobs_read > 300);
            } else {
                assert!(matches!(checked, Err(RepositoryError::WriteOnlyKey)));
            }
        });
    }
}

#[test]
fn the_index_can_be_made_again() {
    for version in VERSIONS {
        open_all(version, &expected(version), |repository, role| {
            if role == "full" {
                let rebuilt = repository
                    .rebuild_index(RepairOptions {
                        all: true,
                        read_data: false,
                    })
                    .unwrap();
                assert!(rebuilt.damaged.is_empty() && rebuilt.blobs > 300);
            }
        });
    }
}

#[test]
#[ignore = "writes testdata/repos/v1 anew: only while version 1 is unreleased"]
fn make_golden() {
    if std::env::var_os("RECOUP_BLESS").is_none() {
        return eprintln!("SKIP make_golden: RECOUP_BLESS is not set");
    }
    let place = directory().join("v1");
    if place.exists() {
        std::fs::remove_dir_all(&place).unwrap();
    }
    golden::make(&place);
    let expected = golden::expected(&place);
    std::fs::write(place.join("expected.json"), expected).unwrap();
}

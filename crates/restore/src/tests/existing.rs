//! Restores onto a tree that is there.

use std::os::unix::fs::{MetadataExt, symlink};

use model::{Cancel, PathKey, Silent, Timestamp};

use super::fixture::{Fixture, listing, noise};
use crate::plan;

#[test]
fn a_second_run_finds_everything_unchanged() {
    let mut f = Fixture::new();
    f.directory("a");
    f.file("a/blob", &noise(1, 5000));
    f.chunks(
        "big",
        &(0..20).map(|n| Ok(noise(n, 600_000))).collect::<Vec<_>>(),
    );
    f.link(1, &["big", "linked"]);
    f.symlink("sym", "x");
    f.restore();
    let options = f.options();
    let root = PathKey::root();
    let cancel = Cancel::default();
    let planned = plan(
        &f.repository,
        &f.snapshot(),
        &root,
        &options,
        &Silent,
        &cancel,
    )
    .unwrap();
    assert!(!planned.touches_existing(), "{planned:?}");
    let report = f.restore();
    assert_eq!(
        (report.files, report.unchanged, report.written_bytes),
        (4, 4, 0)
    );
}

#[test]
fn only_blocks_that_differ_are_written() {
    let mut f = Fixture::new();
    let mut chunks: Vec<_> = (0..20).map(|n| Ok(noise(n, 600_000))).collect();
    chunks.push(Err(1 << 20));
    f.chunks("big", &chunks);
    f.restore();
    let whole = f.read("big");
    let mut bytes = whole.clone();
    bytes[650_000] ^= 1;
    bytes[12_000_005] ^= 1;
    bytes.extend_from_slice(b"grown");
    std::fs::write(f.path().join("big"), &bytes).unwrap();
    let ino = f.path().join("big").metadata().unwrap().ino();
    let report = f.restore();
    assert!(report.problems.is_empty(), "{:?}", report.problems);
    assert_eq!(report.written_bytes, 600_000);
    assert!(f.read("big") == whole);
    let meta = f.path().join("big").metadata().unwrap();
    assert_eq!((meta.ino(), meta.mtime()), (ino, 1_234_567_890));
    // Another name outside of the tree keeps what it has.
    std::fs::hard_link(f.path().join("big"), f.target.path().join("outside")).unwrap();
    std::fs::write(f.path().join("big"), &bytes).unwrap();
    f.restore();
    assert!(f.read("big") == whole);
    assert!(std::fs::read(f.target.path().join("outside")).unwrap() == bytes);
}

#[test]
fn kinds_change_and_extras_go() {
    let mut f = Fixture::new();
    f.directory("a");
    f.file("a/file", &noise(1, 100));
    f.symlink("link", "new");
    f.directory("dir");
    f.file("dir/in", b"in");
    f.file("was-dir", b"file now");
    let out = f.path();
    std::fs::create_dir_all(out.join("was-dir/deep/er")).unwrap();
    std::fs::write(out.join("was-dir/deep/er/x"), b"x").unwrap();
    std::fs::create_dir_all(out.join("a/extra/deep")).unwrap();
    symlink("/etc", out.join("a/extra/etc")).unwrap();
    symlink("/etc", out.join("a/file")).unwrap();
    std::fs::write(out.join("link"), b"a file").unwrap();
    symlink("/tmp", out.join("dir")).unwrap();
    let report = f.restore();
    assert_eq!(report.problems.len(), 1, "{:?}", report.problems);
    assert_eq!(report.problems[0].path, b"was-dir");
    assert!(report.problems[0].content_missing && out.join("a/extra/etc").is_symlink());
    let mut options = f.options();
    options.delete = true;
    let root = PathKey::root();
    let cancel = Cancel::default();
    let planned = plan(
        &f.repository,
        &f.snapshot(),
        &root,
        &options,
        &Silent,
        &cancel,
    )
    .unwrap();
    assert_eq!(planned.delete.paths, 3, "{planned:?}");
    let report = f.restore_with(&options, "").unwrap();
    assert!(report.problems.is_empty(), "{:?}", report.problems);
    assert_eq!(report.deleted, 3 + 4);
    let found: Vec<_> = listing(&out).into_iter().collect();
    let expected = [
        ("a", "dir"),
        ("a/file", "100 bytes"),
        ("dir", "dir"),
        ("dir/in", "2 bytes"),
        ("link", "-> new"),
        ("was-dir", "8 bytes"),
    ];
    assert_eq!(found, expected.map(|(a, b)| (a.to_owned(), b.to_owned())));
    assert!(std::path::Path::new("/etc/passwd").exists());
}

#[test]
fn attributes_alone_are_set_without_writing() {
    let mut f = Fixture::new();
    f.file("x", &noise(1, 5000)).mode = 0o600;
    f.restore();
    f.file("x", &noise(1, 5000)).mtime = Timestamp::new(1, 2);
    let report = f.restore();
    assert_eq!(
        (report.written_bytes, report.unchanged, report.files),
        (0, 0, 1)
    );
    let meta = f.path().join("x").metadata().unwrap();
    assert_eq!(
        (meta.mtime(), meta.mtime_nsec(), meta.mode() & 0o777),
        (1, 2, 0o644)
    );
}

#[test]
fn names_linked_here_but_not_there_are_parted() {
    let mut f = Fixture::new();
    f.file("a", &noise(1, 100)).mtime = Timestamp::new(1, 0);
    f.file("b", &noise(1, 100)).mtime = Timestamp::new(2, 0);
    std::fs::create_dir(f.path()).unwrap();
    std::fs::write(f.path().join("a"), noise(1, 100)).unwrap();
    std::fs::hard_link(f.path().join("a"), f.path().join("b")).unwrap();
    f.restore();
    let out = f.path();
    let meta = |path: &str| out.join(path).metadata().unwrap();
    assert_eq!((meta("a").mtime(), meta("b").mtime()), (1, 2));
    f.link(3, &["a", "b"]);
    f.restore();
    assert_eq!(meta("a").ino(), meta("b").ino());
}

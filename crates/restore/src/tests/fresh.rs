//! Restores into nothing.

use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};

use model::{Cancel, Kind, PathKey, Silent, Timestamp, Xattr, Xattrs};

use super::fixture::{Fixture, is_root, listing, noise};
use crate::options::Limits;
use crate::{Action, RestoreError, plan, plan_each};

#[test]
fn every_kind_comes_back() {
    let mut f = Fixture::new();
    f.directory("").mtime = Timestamp::new(100, 1);
    f.directory("a").mtime = Timestamp::new(-5, 999_999_999);
    f.directory("a/empty").mode = 0o500;
    f.file("a/inline", b"hello").mode = 0o400;
    f.file("a/nothing", b"");
    f.file("a/blob", &noise(1, 5000)).mtime = Timestamp::new(7, 8);
    f.chunks(
        "a/parts",
        &[
            Ok(noise(2, 600_000)),
            Ok(noise(3, 700_000)),
            Ok(noise(4, 9)),
        ],
    );
    f.symlink("a/dangling", "no/where");
    f.special("fifo", Kind::Fifo);
    f.special("socket", Kind::Socket);
    f.file("b\nodd \u{1f600}", b"odd");
    let report = f.restore();
    assert_eq!(
        (report.problems.as_slice(), report.not_set.as_slice()),
        (&[][..], &[][..])
    );
    assert_eq!((report.files, report.directories), (8, 3));
    assert_eq!(f.read("a/inline"), b"hello");
    assert_eq!(f.read("a/blob"), noise(1, 5000));
    let parts = [noise(2, 600_000), noise(3, 700_000), noise(4, 9)].concat();
    assert_eq!(f.read("a/parts"), parts);
    assert_eq!(f.read("b\nodd \u{1f600}"), b"odd");
    let meta = |path: &str| f.path().join(path).symlink_metadata().unwrap();
    assert_eq!((meta("").mtime(), meta("").mtime_nsec()), (100, 1));
    assert_eq!(
        (meta("a").mtime(), meta("a").mtime_nsec()),
        (-5, 999_999_999)
    );
    assert_eq!(
        (meta("a/blob").mtime(), meta("a/blob").mtime_nsec()),
        (7, 8)
    );
    assert_eq!(meta("a/empty").permissions().mode() & 0o7777, 0o500);
    assert_eq!(meta("a/inline").permissions().mode() & 0o7777, 0o400);
    assert_eq!(meta("a/dangling").mtime(), 1_234_567_890);
    assert!(meta("fifo").file_type().is_fifo() && meta("socket").file_type().is_socket());
    assert_eq!(listing(&f.path())["a/dangling"], "-> no/where");
}

#[test]
fn holes_stay_holes() {
    let mut f = Fixture::new();
    let chunks = [Err(8 << 20), Ok(noise(5, 4096)), Err(8 << 20)];
    f.chunks("sparse", &chunks);
    let many: Vec<_> = (0..12)
        .map(|n| {
            if n % 2 == 0 {
                Ok(noise(n, 4096))
            } else {
                Err(1 << 20)
            }
        })
        .collect();
    f.chunks("list", &many);
    let report = f.restore();
    assert!(report.problems.is_empty(), "{:?}", report.problems);
    assert_eq!(report.written_bytes, 7 * 4096);
    for path in ["sparse", "list"] {
        let meta = f.path().join(path).metadata().unwrap();
        assert!(meta.blocks() * 512 < 1 << 20, "{path}: {}", meta.blocks());
    }
    let bytes = f.read("sparse");
    assert_eq!(bytes.len(), (16 << 20) + 4096);
    assert_eq!(bytes[8 << 20..][..4096], noise(5, 4096));
    assert_eq!(f.read("list").len(), (6 << 12) + (6 << 20));
}

#[test]
fn hard_links_across_directories_and_windows() {
    let mut f = Fixture::new();
    f.directory("a");
    f.directory("z");
    for n in 0..10 {
        f.file(&format!("m{n}"), &noise(n, 100));
    }
    f.file("a/first", &noise(50, 2000));
    f.link(1, &["a/first", "a/second", "m5x", "z/last"]);
    f.symlink("a/sym", "x");
    f.link(2, &["a/sym", "z/sym"]);
    let report = f.restore();
    assert!(report.problems.is_empty(), "{:?}", report.problems);
    let ino = |path: &str| f.path().join(path).symlink_metadata().unwrap().ino();
    for path in ["a/second", "m5x", "z/last"] {
        assert_eq!(ino(path), ino("a/first"));
    }
    assert_eq!(ino("a/sym"), ino("z/sym"));
    assert_eq!(report.written_bytes, 2000 + 1000);
}

#[test]
fn deeper_than_a_path_can_say() {
    let mut f = Fixture::new();
    let name = "d".repeat(200);
    let mut path = name.clone();
    for _ in 0..30 {
        f.directory(&path);
        path = format!("{path}/{name}");
    }
    f.file(&path, &noise(1, 100));
    let report = f.restore();
    assert!(report.problems.is_empty(), "{:?}", report.problems);
    assert_eq!((report.files, report.directories), (1, 31));
}

#[test]
fn attributes_and_untrusted() {
    let mut f = Fixture::new();
    f.file("x", b"x").xattrs = Xattrs::Inline(vec![Xattr {
        name: b"user.comment".to_vec(),
        value: b"hello".to_vec(),
    }]);
    f.file("setuid", b"x").mode = 0o4755;
    if is_root() {
        let null = f.special("null", Kind::CharDevice);
        null.device = Some(model::Device { major: 1, minor: 3 });
    }
    let report = f.restore();
    assert!(report.problems.is_empty(), "{:?}", report.problems);
    let mode = |path: &str| f.path().join(path).metadata().unwrap().mode() & 0o7777;
    assert_eq!(mode("setuid"), 0o4755);
    let mut options = f.options();
    options.untrusted = true;
    options.target = f.target.path().join("other");
    let report = f.restore_with(&options, "").unwrap();
    assert!(report.problems.is_empty(), "{:?}", report.problems);
    assert!(
        report
            .not_set
            .contains(&(b"setuid".to_vec(), "setuid bit".to_owned()))
    );
    if is_root() {
        assert!(
            report
                .not_set
                .contains(&(b"null".to_vec(), "device".to_owned()))
        );
        assert!(
            f.path()
                .join("null")
                .metadata()
                .unwrap()
                .file_type()
                .is_char_device()
        );
        assert!(!options.target.join("null").exists());
    }
    assert_eq!(
        options.target.join("setuid").metadata().unwrap().mode() & 0o7777,
        0o755
    );
}

#[test]
fn a_part_of_a_snapshot() {
    let mut f = Fixture::new();
    f.directory("a").mtime = Timestamp::new(9, 9);
    f.directory("a/b");
    f.file("a/b/c", b"text");
    f.file("a-b", b"not this");
    let mut options = f.options();
    options.target = f.target.path().join("x/y");
    let report = f.restore_with(&options, "a").unwrap();
    assert_eq!((report.files, report.directories), (1, 2));
    assert_eq!(options.target.metadata().unwrap().mtime(), 9);
    assert_eq!(listing(&options.target).len(), 2);
    options.target = f.target.path().join("deep/er/single");
    let report = f.restore_with(&options, "a/b/c").unwrap();
    assert_eq!((report.files, report.directories), (1, 0));
    assert_eq!(std::fs::read(&options.target).unwrap(), b"text");
    let error = f.restore_with(&options, "a/none").unwrap_err();
    assert!(matches!(error, RestoreError::NotFound { .. }), "{error}");
}

#[test]
fn read_back_and_planned() {
    let mut f = Fixture::new();
    f.chunks(
        "parts",
        &[Ok(noise(2, 600_000)), Err(4096), Ok(noise(3, 700_000))],
    );
    f.file("small", b"small");
    let mut options = f.options();
    options.verify = true;
    let (snapshot, root) = (f.snapshot(), PathKey::root());
    let cancel = Cancel::default();
    let quick = plan(&f.repository, &snapshot, &root, &options, &Silent, &cancel).unwrap();
    assert!(quick.into_nothing && !quick.touches_existing());
    assert_eq!(quick.create.paths, 3);
    let mut steps = Vec::new();
    let full = plan_each(
        &f.repository,
        &snapshot,
        &root,
        &options,
        &Silent,
        &cancel,
        &mut |step| steps.push((step.action, step.path.to_vec(), step.bytes)),
    )
    .unwrap();
    assert_eq!(full.create.bytes, 1_300_005);
    steps.sort();
    assert_eq!(steps[1], (Action::Create, b"parts".to_vec(), 1_300_000));
    assert!(!f.path().exists());
    let report = f.restore_with(&options, "").unwrap();
    assert_eq!((report.verified, report.written_bytes), (2, 1_300_005));
}

#[test]
fn many_files_of_many_pieces_with_few_open() {
    let mut f = Fixture::new();
    // The first pieces of all files come first, so that all want to be open at once.
    let firsts: Vec<_> = (0..20).map(|n| noise(n, 600_000)).collect();
    for first in &firsts {
        f.store(&[first]);
    }
    for n in 0..20 {
        let chunks = [Ok(firsts[n as usize].clone()), Ok(noise(100 + n, 600_000))];
        f.chunks(&format!("f{n}"), &chunks);
    }
    let limits = Limits {
        open_files: 3,
        ..Limits::default()
    };
    let report = f.restore_within(&f.options(), "", limits).unwrap();
    assert!(report.problems.is_empty(), "{:?}", report.problems);
    assert_eq!(report.files, 20);
    for n in 0..20 {
        let bytes = [noise(n, 600_000), noise(100 + n, 600_000)].concat();
        assert!(f.read(&format!("f{n}")) == bytes);
    }
}

#[test]
fn cancelled_before_it_begins() {
    let mut f = Fixture::new();
    f.file("x", b"x");
    let cancel = Cancel::default();
    cancel.request();
    let error = crate::run(
        &f.repository,
        &f.snapshot(),
        &PathKey::root(),
        &f.options(),
        &Silent,
        &cancel,
    )
    .unwrap_err();
    assert!(matches!(error, RestoreError::Cancelled));
    assert!(!f.path().join("x").exists());
}

//! What belongs to Recoup, what is excluded and what is not known stays.

use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use model::{Cancel, PathKey, Silent, Timestamp};
use source::files::{ExcludeOptions, Excludes};

use super::fixture::{Fixture, listing, noise};
use crate::{RestoreError, plan};

#[test]
fn protected_paths_are_never_touched() {
    let mut f = Fixture::new();
    f.directory("share");
    f.file("share/recoup", b"a file where the repository is");
    f.directory("state");
    f.file("state/seen", b"old");
    f.file("state/gone", b"gone");
    f.file("link", b"a file where the link is");
    let out = f.path();
    for path in ["share/recoup", "state", "other/repository", "real/keys"] {
        std::fs::create_dir_all(out.join(path)).unwrap();
    }
    for path in [
        "share/recoup/pack",
        "state/seen",
        "other/repository/pack",
        "real/keys/key",
    ] {
        std::fs::write(out.join(path), b"precious").unwrap();
    }
    std::fs::write(out.join("other/extra"), b"x").unwrap();
    symlink(out.join("real"), out.join("link")).unwrap();
    let before = listing(&out);
    let mut options = f.options();
    options.delete = true;
    options.protected = ["share/recoup", "state", "other/repository", "link/keys"]
        .map(|path| out.join(path))
        .to_vec();
    let report = f.restore_with(&options, "").unwrap();
    let mut paths: Vec<_> = report.problems.iter().map(|p| p.path.as_slice()).collect();
    paths.sort();
    let refused = [&b"link"[..], b"share/recoup", b"state/gone", b"state/seen"];
    assert_eq!(paths, refused, "{:?}", report.problems);
    assert_eq!((report.deleted, report.damaged_total), (1, 0));
    let mut expected = before;
    expected.remove("other/extra");
    assert_eq!(listing(&out), expected);
    assert_eq!(f.read("state/seen"), b"precious");
    for target in ["state", "other/repository/sub", "link/keys/deep"] {
        options.target = out.join(target);
        let refused = f.restore_with(&options, "");
        assert!(
            matches!(refused, Err(RestoreError::Unusable { .. })),
            "{target}"
        );
    }
}

#[test]
fn excluded_names_are_kept_and_partial_snapshots_remove_nothing() {
    let mut f = Fixture::new();
    f.directory("a");
    let out = f.path();
    std::fs::create_dir_all(out.join("a/cache")).unwrap();
    std::fs::create_dir_all(out.join("a/marked")).unwrap();
    for path in ["a/cache/x", "a/y.o", "a/z", "top.o"] {
        std::fs::write(out.join(path), b"x").unwrap();
    }
    let mut options = f.options();
    options.delete = true;
    let exclude = ExcludeOptions {
        patterns: vec!["*.o".to_owned(), "/a/cache".to_owned()],
        ..ExcludeOptions::default()
    };
    options.keep = Excludes::new(&out, &exclude).unwrap();
    let mut partial = f.snapshot();
    partial.errors = 2;
    let (root, cancel) = (PathKey::root(), Cancel::default());
    let refused = crate::run(&f.repository, &partial, &root, &options, &Silent, &cancel);
    assert!(matches!(refused, Err(RestoreError::Partial { unread: 2 })));
    assert!(out.join("a/z").exists());
    f.restore_with(&options, "").unwrap();
    let left: Vec<_> = listing(&out).into_keys().collect();
    assert_eq!(left, ["a", "a/cache", "a/cache/x", "a/y.o", "top.o"]);
}

#[test]
fn a_part_goes_to_its_place_and_leaves_what_is_around_it() {
    let mut f = Fixture::new();
    f.entries.clear();
    f.directory("a/b");
    f.file("a/b/file", &noise(1, 100));
    let mut options = f.options();
    options.delete = true;
    assert!(f.restore_with(&options, "").unwrap().problems.is_empty());
    assert_eq!(f.read("a/b/file"), noise(1, 100));
    let mode = |path: &str| f.path().join(path).metadata().unwrap().mode() & 0o777;
    assert_eq!(mode("a"), 0o755);
    let private = std::fs::Permissions::from_mode(0o700);
    std::fs::set_permissions(f.path().join("a"), private).unwrap();
    for path in ["extra", "a/extra", "a/b/extra"] {
        std::fs::write(f.path().join(path), b"x").unwrap();
    }
    assert_eq!(f.restore_with(&options, "").unwrap().deleted, 1);
    assert_eq!(mode("a"), 0o700);
    let left: Vec<_> = listing(&f.path()).into_keys().collect();
    assert_eq!(left, ["a", "a/b", "a/b/file", "a/extra", "extra"]);
    assert!(f.restore_with(&options, "none").is_err());
}

#[test]
fn symlinks_with_several_names_are_the_same() {
    let mut f = Fixture::new();
    f.symlink("one", "x").mtime = Timestamp::new(5, 6);
    f.link(1, &["one", "two"]);
    f.restore();
    let (root, cancel) = (PathKey::root(), Cancel::default());
    let options = f.options();
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
}

#[test]
fn holes_and_further_names_take_no_room() {
    let mut f = Fixture::new();
    f.chunks("sparse", &[Ok(noise(1, 4096)), Err(1 << 60)]);
    f.link(1, &["sparse", "again"]);
    let (root, cancel) = (PathKey::root(), Cancel::default());
    let options = f.options();
    let planned = plan(
        &f.repository,
        &f.snapshot(),
        &root,
        &options,
        &Silent,
        &cancel,
    )
    .unwrap();
    assert_eq!(planned.write_bytes(), 4096);
    planned.check_room(&options.target).unwrap();
}

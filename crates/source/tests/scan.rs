//! A scan yields everything, once, in key order, whatever the tree looks like.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;

use model::{Cancel, Kind, Silent};
use proptest::prelude::*;
use recoup_source::SourceError;
use recoup_source::files::{ScanOptions, ScanSummary, Scanned, Stat, scan};
use rustix::fs::{CWD, FileType, Mode, OFlags, makedev, mkdirat, mknodat, openat};
use tempfile::TempDir;

type Found = (Vec<u8>, Stat);

fn collect(root: &Path, options: &ScanOptions) -> (Vec<Found>, Vec<Vec<u8>>, ScanSummary) {
    let (mut entries, mut problems) = (Vec::new(), Vec::new());
    let summary = scan(root, options, &Silent, &Cancel::default(), &mut |scanned| {
        match scanned {
            Scanned::Entry { key, stat } => entries.push((key, stat)),
            Scanned::Problem { key, .. } => problems.push(key),
        }
        ControlFlow::Continue(())
    })
    .unwrap();
    assert!(summary.complete);
    assert_eq!(summary.files + summary.directories, entries.len() as u64);
    (entries, problems, summary)
}

/// What the standard library says is there: key to (inode, size of files).
fn oracle(path: &Path, key: &[u8], into: &mut BTreeMap<Vec<u8>, (u64, u64)>) {
    let meta = fs::symlink_metadata(path).unwrap();
    into.insert(key.to_vec(), (meta.ino(), meta.len()));
    if meta.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name();
            let name = name.as_bytes();
            let child = if key.is_empty() {
                name.to_vec()
            } else {
                [key, &[0], name].concat()
            };
            oracle(&entry.path(), &child, into);
        }
    }
}

fn agrees(root: &Path, options: &ScanOptions) {
    let (entries, problems, _) = collect(root, options);
    let mut expected = BTreeMap::new();
    oracle(root, b"", &mut expected);
    assert_eq!(problems, Vec::<Vec<u8>>::new());
    let found: Vec<_> = entries
        .into_iter()
        .map(|(key, stat)| (key, (stat.ino, stat.size)))
        .collect();
    assert!(found.is_sorted_by(|a, b| a.0 < b.0));
    assert_eq!(found, expected.into_iter().collect::<Vec<_>>());
}

fn name() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        "[ab]{1,3}".prop_map(String::into_bytes),
        prop::collection::vec(any::<u8>(), 1..12),
        Just(b"line\nbreak".to_vec()),
        Just(vec![0xff; 255]),
    ]
    .prop_map(|name| {
        let clean: Vec<u8> = name
            .into_iter()
            .map(|b| if matches!(b, 0 | b'/') { b'-' } else { b })
            .collect();
        if matches!(clean.as_slice(), b"." | b"..") {
            b"dots".to_vec()
        } else {
            clean
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn order_is_key_order(
        paths in prop::collection::vec((prop::collection::vec(name(), 1..6), 0..4u8), 0..40),
        threads in 1..4usize,
        look_ahead in prop_oneof![Just(1usize), Just(7), Just(200_000)],
    ) {
        let tree = TempDir::new().unwrap();
        for (names, kind) in paths {
            let path = names.iter().fold(tree.path().to_path_buf(), |path, name| path.join(OsStr::from_bytes(name)));
            // A file may stand where a directory is wanted: then this path isn't made.
            if fs::create_dir_all(path.parent().unwrap()).is_err() {
                continue;
            }
            let _ = match kind {
                0 => fs::create_dir(&path),
                1 => symlink("..", &path),
                size => fs::write(&path, vec![b'x'; usize::from(size)]),
            };
        }
        agrees(tree.path(), &ScanOptions { threads, look_ahead, ..ScanOptions::default() });
    }
}

#[test]
fn a_directory_of_many_pages_with_directories_between() {
    let tree = TempDir::new().unwrap();
    for i in 0..100_000 {
        let path = tree.path().join(format!("{:06}", i * 7919 % 100_003));
        if i % 500 == 0 {
            fs::create_dir(&path).unwrap();
            fs::write(path.join("inside"), b"x").unwrap();
        } else {
            rustix::fs::mknodat(CWD, &path, FileType::RegularFile, Mode::RUSR, 0).unwrap();
        }
    }
    for look_ahead in [1, 5000, 200_000] {
        agrees(
            tree.path(),
            &ScanOptions {
                look_ahead,
                ..ScanOptions::default()
            },
        );
    }
}

#[test]
fn nesting_beyond_the_longest_path() {
    let tree = TempDir::new().unwrap();
    let mode = Mode::RWXU;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY;
    let mut at = openat(CWD, tree.path(), flags, Mode::empty()).unwrap();
    let name = "d".repeat(200);
    for _ in 0..100 {
        mkdirat(&at, &name, mode).unwrap();
        at = openat(&at, &name, flags, Mode::empty()).unwrap();
    }
    mknodat(&at, "end", FileType::RegularFile, mode, 0).unwrap();
    let (entries, problems, summary) = collect(tree.path(), &ScanOptions::default());
    assert_eq!(
        (summary.directories, summary.files, problems.len()),
        (101, 1, 0)
    );
    assert_eq!(entries.last().unwrap().0.len(), 100 * 201 + 3);
}

#[test]
fn every_kind_is_told_apart() {
    let tree = TempDir::new().unwrap();
    let path = tree.path();
    fs::write(path.join("file"), b"four").unwrap();
    symlink("nowhere", path.join("link")).unwrap();
    mknodat(CWD, path.join("fifo"), FileType::Fifo, Mode::RUSR, 0).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(path.join("socket")).unwrap();
    let mut expected = vec![
        ("fifo", Kind::Fifo),
        ("file", Kind::File),
        ("link", Kind::Symlink),
        ("socket", Kind::Socket),
    ];
    let null = mknodat(
        CWD,
        path.join("null"),
        FileType::CharacterDevice,
        Mode::RUSR,
        makedev(1, 3),
    );
    if null.is_ok() {
        expected.push(("null", Kind::CharDevice));
        expected.sort();
    } else {
        println!("SKIP: device nodes need root");
    }
    let (entries, ..) = collect(path, &ScanOptions::default());
    let found: Vec<_> = entries[1..]
        .iter()
        .map(|(key, stat)| (std::str::from_utf8(key).unwrap(), stat.kind))
        .collect();
    assert_eq!(found, expected);
    if let Some((_, stat)) = entries.iter().find(|(key, _)| key == b"null") {
        assert_eq!(stat.device, Some(model::Device { major: 1, minor: 3 }));
    }
}

#[test]
fn roots_of_other_kinds() {
    let tree = TempDir::new().unwrap();
    let file = tree.path().join("file");
    fs::write(&file, b"four").unwrap();
    let (entries, ..) = collect(&file, &ScanOptions::default());
    assert_eq!(entries.len(), 1);
    assert_eq!((entries[0].0.as_slice(), entries[0].1.size), (&b""[..], 4));
    let missing = tree.path().join("missing");
    let result = scan(
        &missing,
        &ScanOptions::default(),
        &Silent,
        &Cancel::default(),
        &mut |_| ControlFlow::Continue(()),
    );
    assert!(matches!(result, Err(SourceError::NotFound { .. })));
}

#[test]
fn stopping_stops() {
    let tree = TempDir::new().unwrap();
    for i in 0..300 {
        fs::create_dir_all(tree.path().join(format!("{i}/a/b"))).unwrap();
    }
    let options = ScanOptions {
        look_ahead: 3,
        ..ScanOptions::default()
    };
    let cancel = Cancel::default();
    let mut seen = 0;
    let result = scan(tree.path(), &options, &Silent, &cancel, &mut |_| {
        seen += 1;
        cancel.request();
        ControlFlow::Continue(())
    });
    assert!(matches!(result, Err(SourceError::Cancelled)));
    assert!(seen < 900);
    let result = scan(
        tree.path(),
        &options,
        &Silent,
        &Cancel::default(),
        &mut |_| ControlFlow::Break(()),
    );
    assert!(!result.unwrap().complete);
}

#[test]
fn what_vanishes_is_passed_over() {
    let tree = TempDir::new().unwrap();
    for dir in 0..50 {
        let dir = tree.path().join(format!("{dir:02}"));
        fs::create_dir(&dir).unwrap();
        (0..100).for_each(|i| fs::write(dir.join(format!("{i}")), b"").unwrap());
    }
    let root = tree.path().to_path_buf();
    let remover = std::thread::spawn(move || {
        (10..50)
            .rev()
            .for_each(|dir| fs::remove_dir_all(root.join(format!("{dir:02}"))).unwrap());
    });
    let options = ScanOptions {
        look_ahead: 1,
        ..ScanOptions::default()
    };
    let mut keys = Vec::new();
    let result = scan(
        tree.path(),
        &options,
        &Silent,
        &Cancel::default(),
        &mut |scanned| {
            match scanned {
                Scanned::Entry { key, .. } => keys.push(key),
                Scanned::Problem { key, error } => panic!("{key:?}: {error}"),
            }
            std::thread::sleep(std::time::Duration::from_micros(10));
            ControlFlow::Continue(())
        },
    );
    remover.join().unwrap();
    assert!(result.unwrap().complete && keys.is_sorted() && keys.len() > 10 * 101);
}

#[test]
fn an_unreadable_directory_is_a_problem_and_an_unreadable_root_an_error() {
    use std::os::unix::fs::PermissionsExt;
    let tree = TempDir::new().unwrap();
    let closed = tree.path().join("closed");
    fs::create_dir_all(closed.join("inside")).unwrap();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o000)).unwrap();
    if fs::read_dir(&closed).is_ok() {
        println!("SKIP: root may read everything");
        return;
    }
    let (entries, problems, _) = collect(tree.path(), &ScanOptions::default());
    assert_eq!((entries.len(), problems), (2, vec![b"closed".to_vec()]));
    let result = scan(
        &closed,
        &ScanOptions::default(),
        &Silent,
        &Cancel::default(),
        &mut |_| ControlFlow::Continue(()),
    );
    assert!(matches!(result, Err(SourceError::Unreadable { .. })));
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).unwrap();
}

#[test]
fn one_file_system_keeps_the_mount_point_and_does_not_enter() {
    let tree = TempDir::new().unwrap();
    let point = tree.path().join("point");
    fs::create_dir(&point).unwrap();
    let mount = std::process::Command::new("mount")
        .args(["-t", "tmpfs", "none"])
        .arg(&point)
        .status();
    if !mount.is_ok_and(|status| status.success()) {
        println!("SKIP: mounting needs root");
        return;
    }
    fs::write(point.join("beyond"), b"").unwrap();
    let options = ScanOptions {
        one_file_system: true,
        ..ScanOptions::default()
    };
    let (limited, ..) = collect(tree.path(), &options);
    let (all, ..) = collect(tree.path(), &ScanOptions::default());
    assert!(
        std::process::Command::new("umount")
            .arg(&point)
            .status()
            .unwrap()
            .success()
    );
    assert_eq!((limited.len(), all.len()), (2, 3));
    assert_ne!(all[0].1.dev, all[1].1.dev);
}

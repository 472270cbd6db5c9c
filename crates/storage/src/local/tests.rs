//! What a local repository leaves in its directory, above all when things go wrong.

use super::*;
use model::KeyId;
use model::PackId;
use model::RunId;
use rustix::fs::FlockOperation;
use rustix::fs::Timespec;
use rustix::fs::Timestamps;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

const DAY: i64 = 24 * 60 * 60;

fn pack(byte: u8) -> ObjectName {
    ObjectName::Pack(PackId([byte; 16]))
}

/// Every file beneath the directory with its length.
fn files(directory: &Path) -> BTreeMap<String, u64> {
    let mut found = BTreeMap::new();
    let mut open = vec![directory.to_owned()];
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(&next).unwrap() {
            let entry = entry.unwrap();
            let metadata = entry.metadata().unwrap();
            if metadata.is_dir() {
                open.push(entry.path());
            } else {
                let path = entry.path();
                let path = path.strip_prefix(directory).unwrap();
                found.insert(path.to_str().unwrap().to_owned(), metadata.len());
            }
        }
    }
    found
}

/// Runs the check with files without names, and with files in `tmp/`.
fn both_ways(check: impl Fn(&dyn Fn(&Path) -> LocalStorage)) {
    check(&|path| LocalStorage::create(path).unwrap());
    check(&|path| LocalStorage::create(path).unwrap().with_named_temporaries());
}

#[test]
fn files_without_names_are_used_where_there_are_any() {
    let directory = tempfile::tempdir().unwrap();
    let storage = LocalStorage::create(directory.path()).unwrap();
    let mut writer = storage.create(&pack(1)).unwrap();
    writer.append(b"bytes").unwrap();
    if !storage.tree.has_unnamed() {
        println!("SKIP: this file system has no files without names");
        return;
    }
    assert!(files(directory.path()).is_empty());
    writer.commit().unwrap();
    assert_eq!(files(directory.path()).len(), 1);
    let named = storage.with_named_temporaries();
    let writer = named.create(&pack(2)).unwrap();
    assert_eq!(files(directory.path()).len(), 2);
    drop(writer);
    assert_eq!(files(directory.path()).len(), 1);
}

#[test]
fn a_dropped_writer_and_a_lost_race_leave_no_file() {
    both_ways(|make| {
        let directory = tempfile::tempdir().unwrap();
        let storage = make(directory.path());
        let mut dropped = storage.create(&pack(1)).unwrap();
        dropped.append(&[1; 5000]).unwrap();
        dropped.flush_hint();
        let mut first = storage.create(&pack(1)).unwrap();
        first.append(b"first").unwrap();
        let mut second = storage.create(&pack(1)).unwrap();
        second.append(b"the second").unwrap();
        drop(dropped);
        second.commit().unwrap();
        assert!(first.commit().unwrap_err().already_exists());
        let expected = BTreeMap::from([(pack(1).to_string(), 10)]);
        assert_eq!(files(directory.path()), expected);
    });
}

#[test]
fn only_the_owner_may_read() {
    both_ways(|make| {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("new/repository");
        let storage = make(&path);
        storage.put_new(&pack(0xab), b"bytes").unwrap();
        storage.replace(&ObjectName::Config, b"config").unwrap();
        let mode =
            |name: &str| fs::metadata(path.join(name)).unwrap().permissions().mode() & 0o7777;
        for name in ["..", "", "packs", "packs/ab", "keys", "snapshots", "index"] {
            assert_eq!(mode(name), 0o700, "{name}");
        }
        for name in [pack(0xab), ObjectName::Config] {
            assert_eq!(mode(&name.to_string()), 0o600, "{name}");
        }
    });
}

#[test]
fn creating_refuses_what_is_not_its_own() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let refused = |path: &Path| match LocalStorage::create(path) {
        Err(StorageError::NotEmpty { path: named }) => assert_eq!(named, path),
        other => panic!("{other:?}"),
    };
    let filled = path.join("filled");
    fs::create_dir(&filled).unwrap();
    fs::write(filled.join("letter.txt"), "dear").unwrap();
    refused(&filled);
    assert_eq!(files(&filled).len(), 1);

    // The top of a new file system, and an interrupted creation.
    let top = path.join("top");
    fs::create_dir_all(top.join("lost+found")).unwrap();
    let storage = LocalStorage::create(&top).unwrap();
    storage
        .put_new(&ObjectName::Key(KeyId([1; 16])), b"key")
        .unwrap();
    assert!(matches!(
        LocalStorage::open(&top),
        Err(StorageError::NotARepository { .. })
    ));
    LocalStorage::create(&top).unwrap();
    // A repository that has lost its config.
    storage
        .put_new(&ObjectName::Index(RunId([1; 16])), b"index")
        .unwrap();
    refused(&top);
    storage.put_new(&ObjectName::Config, b"config").unwrap();
    assert!(LocalStorage::create(&top).unwrap_err().already_exists());
    assert_eq!(LocalStorage::open(&top).unwrap().path(), top);
    fs::write(path.join("file"), "").unwrap();
    LocalStorage::create(path.join("file")).unwrap_err();
}

#[test]
fn opening_needs_a_config() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("file"), "").unwrap();
    fs::create_dir_all(directory.path().join("strange/config")).unwrap();
    for name in ["absent", "", "file", "strange"] {
        let error = LocalStorage::open(directory.path().join(name)).unwrap_err();
        assert!(
            matches!(error, StorageError::NotARepository { .. }),
            "{name}: {error:?}"
        );
    }
}

#[test]
fn strangers_are_passed_over() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let storage = LocalStorage::create(path).unwrap();
    storage.put_new(&pack(0xab), b"bytes").unwrap();
    let hex = "ab".repeat(16);
    let other = format!("{}00", "ab".repeat(15));
    fs::create_dir_all(path.join("packs/cd")).unwrap();
    fs::create_dir_all(path.join("packs/AB")).unwrap();
    for name in [
        "packs/readme".to_owned(),
        "packs/ab/.DS_Store".to_owned(),
        format!("packs/{hex}"),
        format!("packs/cd/{hex}"),
        format!("packs/AB/{hex}"),
        format!("packs/ab/{}", "AB".repeat(16)),
        format!("packs/ab/{hex}.bak"),
        format!("snapshots/{hex}"),
    ] {
        fs::write(path.join(name), "foreign").unwrap();
    }
    // The right names, but not files.
    std::os::unix::fs::symlink("/etc/passwd", path.join("packs/ab").join(&other)).unwrap();
    fs::create_dir(path.join("keys").join(&hex)).unwrap();
    let fifo = path.join("index").join(&hex);
    rustix::fs::mknodat(rustix::fs::CWD, fifo, FileType::Fifo, Mode::RWXU, 0).unwrap();
    assert_eq!(storage.list(ObjectKind::Pack).unwrap(), [(pack(0xab), 5)]);
    for kind in [
        ObjectKind::Key,
        ObjectKind::Index,
        ObjectKind::Snapshot,
        ObjectKind::Config,
    ] {
        assert!(storage.list(kind).unwrap().is_empty());
    }
    for name in [
        format!("packs/ab/{other}"),
        format!("keys/{hex}"),
        format!("index/{hex}"),
    ] {
        let name: ObjectName = name.parse().unwrap();
        assert!(storage.read(&name).unwrap_err().is_missing(), "{name}");
        assert!(
            storage
                .read_range(&name, 0, &mut [0; 1])
                .unwrap_err()
                .is_missing(),
            "{name}"
        );
    }
}

#[test]
fn left_over_files_go_when_they_are_old_and_nobody_holds_them() {
    let directory = tempfile::tempdir().unwrap();
    let storage = LocalStorage::create(directory.path()).unwrap();
    storage.put_new(&ObjectName::Config, b"config").unwrap();
    let tmp = directory.path().join("tmp");
    fs::create_dir(&tmp).unwrap();
    let now = rustix::fs::stat(&tmp).unwrap().st_mtime;
    let leave = |name: &str, age: i64| {
        let file = File::create(tmp.join(name)).unwrap();
        let then = Timespec {
            tv_sec: now - age,
            tv_nsec: 0,
        };
        let times = Timestamps {
            last_access: then,
            last_modification: then,
        };
        rustix::fs::futimens(&file, &times).unwrap();
        file
    };
    leave("1-1", DAY + 60);
    leave("1-2", DAY - 60);
    leave("notes", 9 * DAY);
    let held = leave("1-3", 9 * DAY);
    rustix::fs::flock(&held, FlockOperation::NonBlockingLockExclusive).unwrap();
    LocalStorage::open(directory.path()).unwrap();
    let left: Vec<String> = files(&tmp).into_keys().collect();
    assert_eq!(left, ["1-2", "1-3", "notes"]);
    drop(held);
    LocalStorage::open(directory.path()).unwrap();
    assert_eq!(files(&tmp).len(), 2);
}

#[test]
fn an_object_too_large_for_its_kind_is_not_read() {
    let directory = tempfile::tempdir().unwrap();
    let storage = LocalStorage::create(directory.path()).unwrap();
    let config = File::create(directory.path().join("config")).unwrap();
    config.set_len(1 << 40).unwrap();
    let error = storage.read(&ObjectName::Config).unwrap_err();
    assert!(
        matches!(
            error,
            StorageError::TooLarge {
                have: 0x100_0000_0000,
                ..
            }
        ),
        "{error:?}"
    );
}

#[test]
fn devices_and_free_space() {
    let directory = tempfile::tempdir().unwrap();
    let storage = LocalStorage::create(directory.path().join("repository")).unwrap();
    assert!(storage.available_bytes().unwrap() > 0);
    assert!(storage.same_device(directory.path()).unwrap());
    assert!(!storage.same_device(Path::new("/proc")).unwrap());
}

#[test]
fn a_directory_that_was_removed_is_made_again() {
    let directory = tempfile::tempdir().unwrap();
    let storage = LocalStorage::create(directory.path()).unwrap();
    storage.put_new(&pack(1), b"one").unwrap();
    storage.remove(&pack(1)).unwrap();
    fs::remove_dir(directory.path().join("packs/01")).unwrap();
    fs::remove_dir(directory.path().join("packs")).unwrap();
    assert!(storage.list(ObjectKind::Pack).unwrap().is_empty());
    storage.put_new(&pack(1), b"again").unwrap();
    assert_eq!(storage.read(&pack(1)).unwrap(), b"again");
}

#[test]
fn a_full_disk_is_said_and_leaves_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=1m,mode=700", "recoup-test"])
        .arg(path)
        .output();
    if !mounted.is_ok_and(|output| output.status.success()) {
        println!("SKIP: a small file system can't be mounted here");
        return;
    }
    let unmount = Unmount(path);
    both_ways(|make| {
        let storage = make(path);
        storage.put_new(&pack(1), &vec![1; 500_000]).unwrap();
        let before = storage.available_bytes().unwrap();
        let error = storage.put_new(&pack(2), &vec![2; 1_000_000]).unwrap_err();
        assert!(error.is_full(), "{error:?}");
        let error = storage.replace(&pack(1), &vec![3; 1_000_000]).unwrap_err();
        assert!(error.is_full(), "{error:?}");
        let mut writer = storage.create(&pack(3)).unwrap();
        writer.append(&vec![1; 2_000_000]).unwrap_err();
        writer.commit().unwrap_err();
        assert_eq!(
            files(path),
            BTreeMap::from([(pack(1).to_string(), 500_000)])
        );
        // The empty directories of packs and of temporary files remain.
        assert!(before - storage.available_bytes().unwrap() < 16_384);
        assert_eq!(storage.read(&pack(1)).unwrap(), vec![1; 500_000]);
        storage.remove(&pack(1)).unwrap();
        storage.put_new(&pack(2), &vec![2; 900_000]).unwrap();
        storage.remove(&pack(2)).unwrap();
    });
    drop(unmount);
}

#[test]
fn nothing_is_acknowledged_after_a_directory_failed() {
    both_ways(|make| {
        let directory = tempfile::tempdir().unwrap();
        let storage = make(directory.path());
        storage.put_new(&pack(1), b"one").unwrap();
        let mut begun = storage.create(&pack(2)).unwrap();
        begun.append(b"two").unwrap();
        storage.tree.set_broken();
        begun.commit().unwrap_err();
        storage.put_new(&pack(3), b"three").unwrap_err();
        storage.replace(&pack(1), b"four").unwrap_err();
        assert_eq!(
            files(directory.path()),
            BTreeMap::from([(pack(1).to_string(), 3)])
        );
        assert_eq!(storage.read(&pack(1)).unwrap(), b"one");
    });
}

struct Unmount<'a>(&'a Path);

impl Drop for Unmount<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0).status();
    }
}

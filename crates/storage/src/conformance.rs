//! What every storage must do, as one function that each back end's and wrapper's tests call.
//!
//! Knows no back end. Panics with what went wrong.

use crate::error::StorageError;
use crate::name::ObjectKind;
use crate::name::ObjectName;
use crate::storage::Storage;
use model::KeyId;
use model::LogId;
use model::PackId;
use model::RunId;
use model::SnapshotId;
use std::sync::Barrier;

type Check = fn(&dyn Storage);

const CHECKS: [(&str, Check); 10] = [
    ("an empty storage", empty),
    ("what is put can be read", put_and_read),
    ("nothing is visible before the commit", commit_makes_visible),
    ("a dropped writer leaves nothing", drop_leaves_nothing),
    ("a name is taken once", names_are_taken_once),
    ("one of many writers wins", one_writer_wins),
    ("ranges are exact", ranges),
    ("lists are sorted, by kind, with lengths", lists),
    ("replacing and removing", replace_and_remove),
    ("many threads at once", many_threads),
];

/// How many writers race for one name.
const WRITERS: usize = 8;

/// Runs every check on a storage of its own. `make` gives an empty one each time.
pub fn conformance(make: impl Fn() -> Box<dyn Storage>) {
    for (title, check) in CHECKS {
        let storage = make();
        println!("conformance of {storage:?}: {title}");
        check(&*storage);
    }
    println!("conformance: {} checks passed", CHECKS.len());
}

fn one_of_each(byte: u8) -> [ObjectName; 6] {
    [
        ObjectName::Config,
        ObjectName::Key(KeyId([byte; 16])),
        ObjectName::Pack(PackId([byte; 16])),
        ObjectName::Index(RunId([byte; 16])),
        ObjectName::Snapshot(SnapshotId([byte; 32])),
        ObjectName::Log(LogId([byte; 16]), u64::from(byte)),
    ]
}

fn pack(byte: u8) -> ObjectName {
    ObjectName::Pack(PackId([byte; 16]))
}

fn names(storage: &dyn Storage, kind: ObjectKind) -> Vec<ObjectName> {
    storage
        .list(kind)
        .unwrap()
        .into_iter()
        .map(|(name, _)| name)
        .collect()
}

#[track_caller]
#[expect(
    clippy::needless_pass_by_value,
    reason = "results are checked where they arise"
)]
fn assert_missing<T: std::fmt::Debug>(result: Result<T, StorageError>, wanted: ObjectName) {
    assert!(
        matches!(&result, Err(StorageError::Missing { name }) if *name == wanted),
        "{result:?}"
    );
}

#[track_caller]
#[expect(
    clippy::needless_pass_by_value,
    reason = "results are checked where they arise"
)]
fn assert_taken(result: Result<(), StorageError>, wanted: ObjectName) {
    assert!(
        matches!(&result, Err(StorageError::AlreadyExists { name }) if *name == wanted),
        "{result:?}"
    );
}

fn empty(storage: &dyn Storage) {
    for kind in ObjectKind::ALL {
        assert!(storage.list(kind).unwrap().is_empty());
    }
    for name in one_of_each(1) {
        assert_missing(storage.read(&name), name);
        assert_missing(storage.size(&name), name);
        assert_missing(storage.remove(&name), name);
        assert_missing(storage.read_range(&name, 0, &mut [0; 1]), name);
        assert_missing(storage.read_range(&name, 0, &mut []), name);
    }
}

fn put_and_read(storage: &dyn Storage) {
    for (name, len) in one_of_each(0xab)
        .into_iter()
        .zip([0, 1, 4096, 70_000, 1_000_000, 300])
    {
        let bytes: Vec<u8> = (0..len).map(|at: usize| (at % 251) as u8).collect();
        storage.put_new(&name, &bytes).unwrap();
        assert_eq!(storage.read(&name).unwrap(), bytes);
        assert_eq!(storage.size(&name).unwrap(), len as u64);
        assert_eq!(storage.list(name.kind()).unwrap(), [(name, len as u64)]);
    }
}

fn commit_makes_visible(storage: &dyn Storage) {
    for name in one_of_each(2) {
        let mut writer = storage.create(&name).unwrap();
        assert_eq!(writer.written(), 0);
        for part in [b"first ".as_slice(), b"", b"second"] {
            writer.append(part).unwrap();
            writer.flush_hint();
        }
        assert_eq!(writer.written(), 12);
        assert_missing(storage.read(&name), name);
        assert_missing(storage.size(&name), name);
        assert!(storage.list(name.kind()).unwrap().is_empty());
        writer.commit().unwrap();
        assert_eq!(storage.read(&name).unwrap(), b"first second");
    }
}

fn drop_leaves_nothing(storage: &dyn Storage) {
    for name in one_of_each(3) {
        drop(storage.create(&name).unwrap());
        let mut writer = storage.create(&name).unwrap();
        writer.append(&[1; 100_000]).unwrap();
        drop(writer);
        assert_missing(storage.read(&name), name);
        assert!(storage.list(name.kind()).unwrap().is_empty());
        storage.put_new(&name, b"later").unwrap();
    }
}

fn names_are_taken_once(storage: &dyn Storage) {
    for name in one_of_each(4) {
        storage.put_new(&name, b"first").unwrap();
        assert_taken(storage.put_new(&name, b"second"), name);
        let again = storage.create(&name).and_then(|mut writer| {
            writer.append(b"third")?;
            writer.commit()
        });
        assert_taken(again, name);
        assert_eq!(storage.read(&name).unwrap(), b"first");
        assert_eq!(storage.list(name.kind()).unwrap().len(), 1);
    }
}

fn one_writer_wins(storage: &dyn Storage) {
    for name in one_of_each(5) {
        let start = Barrier::new(WRITERS);
        let race = |number: usize| {
            let writer = storage.create(&name).and_then(|mut writer| {
                writer.append(&vec![number as u8; 10_000])?;
                Ok(writer)
            });
            start.wait();
            writer?.commit()
        };
        let race = &race;
        let results: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..WRITERS)
                .map(|number| scope.spawn(move || race(number)))
                .collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .collect()
        });
        let mut winners = Vec::new();
        for (number, result) in results.into_iter().enumerate() {
            match result {
                Ok(()) => winners.push(number),
                error => assert_taken(error, name),
            }
        }
        assert_eq!(winners.len(), 1, "{winners:?} all won {name}");
        assert_eq!(storage.read(&name).unwrap(), vec![winners[0] as u8; 10_000]);
    }
}

fn ranges(storage: &dyn Storage) {
    let name = pack(6);
    let bytes: Vec<u8> = (0..100u8).collect();
    storage.put_new(&name, &bytes).unwrap();
    for offset in 0..=100usize {
        for len in [0, 1, 7, 100] {
            let mut buffer = vec![0xff; len];
            let result = storage.read_range(&name, offset as u64, &mut buffer);
            if offset + len <= 100 {
                result.unwrap();
                assert_eq!(buffer, bytes[offset..offset + len]);
            } else {
                assert_truncated(result, (offset + len) as u64);
            }
        }
    }
    for offset in [101, u64::MAX / 2, u64::MAX - 1, u64::MAX] {
        let result = storage.read_range(&name, offset, &mut [0; 8]);
        assert_truncated(result, offset.saturating_add(8));
    }
}

#[track_caller]
#[expect(
    clippy::needless_pass_by_value,
    reason = "results are checked where they arise"
)]
fn assert_truncated(result: Result<(), StorageError>, end: u64) {
    assert!(
        matches!(result, Err(StorageError::Truncated { wanted, have: 100, .. }) if wanted == end),
        "{result:?}"
    );
}

fn lists(storage: &dyn Storage) {
    // In no order, and several that share their first digits.
    let mut packs: Vec<ObjectName> = (0..=255u8).rev().step_by(5).map(pack).collect();
    for last in [9, 3, 200] {
        let mut id = [0x33; 16];
        id[15] = last;
        packs.push(ObjectName::Pack(PackId(id)));
    }
    for (number, name) in packs.iter().enumerate() {
        storage.put_new(name, &vec![0; number]).unwrap();
    }
    for name in one_of_each(0x44)
        .into_iter()
        .filter(|name| name.kind() != ObjectKind::Pack)
    {
        storage.put_new(&name, b"other").unwrap();
        assert_eq!(storage.list(name.kind()).unwrap(), [(name, 5)]);
    }
    let mut expected: Vec<_> = packs.into_iter().zip(0u64..).collect();
    expected.sort();
    assert_eq!(storage.list(ObjectKind::Pack).unwrap(), expected);
    let texts: Vec<String> = expected.iter().map(|(name, _)| name.to_string()).collect();
    assert!(texts.is_sorted());
}

fn replace_and_remove(storage: &dyn Storage) {
    for name in one_of_each(7) {
        storage.replace(&name, b"a longer first text").unwrap();
        assert_eq!(storage.read(&name).unwrap(), b"a longer first text");
        storage.replace(&name, b"second").unwrap();
        assert_eq!(storage.read(&name).unwrap(), b"second");
        assert_eq!(storage.list(name.kind()).unwrap(), [(name, 6)]);
        assert_taken(storage.put_new(&name, b"third"), name);
        storage.remove(&name).unwrap();
        assert_missing(storage.read(&name), name);
        assert_missing(storage.remove(&name), name);
        assert!(names(storage, name.kind()).is_empty());
        storage.put_new(&name, b"fourth").unwrap();
        assert_eq!(storage.read(&name).unwrap(), b"fourth");
    }
}

fn many_threads(storage: &dyn Storage) {
    std::thread::scope(|scope| {
        for thread in 0..4u8 {
            scope.spawn(move || {
                for number in 0..8u8 {
                    let name = pack(thread * 64 + number);
                    let bytes = vec![thread; 1000 + usize::from(number)];
                    storage.put_new(&name, &bytes).unwrap();
                    assert_eq!(storage.read(&name).unwrap(), bytes);
                    assert!(names(storage, ObjectKind::Pack).contains(&name));
                }
            });
        }
    });
    assert_eq!(names(storage, ObjectKind::Pack).len(), 32);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::count::CountingStorage;
    use crate::fault::FaultyStorage;
    use crate::local::LocalStorage;
    use crate::memory::MemoryStorage;
    use std::sync::Arc;
    use std::sync::Mutex;

    #[test]
    fn memory() {
        conformance(|| Box::new(MemoryStorage::new()));
    }

    #[test]
    fn faulty_without_faults() {
        conformance(|| Box::new(FaultyStorage::new(MemoryStorage::new())));
    }

    #[test]
    fn counting() {
        conformance(|| Box::new(CountingStorage::new(MemoryStorage::new())));
    }

    #[test]
    fn shared_and_boxed() {
        conformance(|| {
            let shared: Arc<dyn Storage> = Arc::new(MemoryStorage::new());
            Box::new(FaultyStorage::new(Box::new(shared)))
        });
    }

    fn local(change: impl Fn(LocalStorage) -> LocalStorage) {
        let kept = Mutex::new(Vec::new());
        conformance(|| {
            let directory = tempfile::tempdir().unwrap();
            let storage = LocalStorage::create(directory.path().join("repository")).unwrap();
            kept.lock().unwrap().push(directory);
            Box::new(change(storage))
        });
    }

    #[test]
    fn local_directory() {
        local(|storage| storage);
    }

    #[test]
    fn local_directory_with_named_temporaries() {
        local(LocalStorage::with_named_temporaries);
    }
}

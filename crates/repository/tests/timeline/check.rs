//! A timeline that is checked, and one that is thinned while it is read.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use model::point::{Thinned, ThinnedRun, TimelineRecord};
use model::{BlobId, SnapshotId};
use recoup_repository::{Repository, Timeline};
use storage::{
    MemoryStorage, ObjectKind, ObjectName, ObjectWriter, Result as StorageResult, Storage,
};
use testkit::Lab;

use crate::{TIME, checkpoint, log_id, point};

/// The record of a point (`FORMAT.md`, timeline).
const POINT: u64 = 2;

fn write(timeline: &mut Timeline<'_>, records: &[TimelineRecord]) {
    let mut end = timeline.end().unwrap();
    for record in records {
        timeline.append(&mut end, TIME, record).unwrap();
    }
}

/// A snapshot of nothing, of the source that the timelines here are of.
fn snapshot(repository: &Repository) -> SnapshotId {
    let snapshot = model::Snapshot {
        time: TIME,
        finished: TIME,
        host: "attic".to_owned(),
        user: String::new(),
        source: b"/srv".to_vec(),
        tags: Vec::new(),
        root: None,
        parent: None,
        totals: model::Totals::default(),
        errors: 0,
        safety: false,
        names: model::Names::default(),
        program: String::new(),
    };
    repository.put_snapshot(&snapshot).unwrap()
}

/// What a check says of one more record behind a whole timeline.
fn found(seed: u64, add: impl FnOnce(&Repository, SnapshotId)) -> Vec<String> {
    let lab = Lab::new(seed);
    let memory = MemoryStorage::new();
    lab.create(&memory).unwrap();
    let repository = lab.open(Arc::new(memory)).unwrap();
    let id = snapshot(&repository);
    let mut timeline = repository.timeline("attic", b"/srv").unwrap();
    write(&mut timeline, &[checkpoint(id), point(1, 1, None)]);
    let whole = lab.check(&repository).unwrap();
    assert_eq!(whole.damaged, []);
    add(&repository, id);
    let report = lab.check(&repository).unwrap();
    report.damaged.into_iter().map(|it| it.message).collect()
}

#[test]
fn a_check_reads_what_records_say() {
    let garbage = found(1, |repository, _| {
        repository
            .log_append(
                log_id(repository),
                TIME,
                POINT,
                |_| Ok(b"no point".to_vec()),
            )
            .unwrap();
    });
    assert_eq!(garbage.len(), 1, "{garbage:?}");

    let elsewhere = found(2, |repository, _| {
        let mut timeline = repository.timeline("attic", b"/srv").unwrap();
        write(&mut timeline, &[point(1, 2, Some(BlobId([7; 32])))]);
    });
    assert!(
        elsewhere.len() == 1 && elsewhere[0].contains("do not lead to its state"),
        "{elsewhere:?}"
    );

    let gone = found(3, |repository, _| {
        let mut timeline = repository.timeline("attic", b"/srv").unwrap();
        write(&mut timeline, &[checkpoint(SnapshotId([9; 32]))]);
    });
    assert_eq!(gone.len(), 1, "{gone:?}");
}

/// A storage where somebody thins just after the log was listed.
#[derive(Debug)]
struct Thinner {
    inner: MemoryStorage,
    lab: Lab,
    armed: AtomicBool,
}

impl Thinner {
    fn thin(&self) {
        let other = self.lab.open(Arc::new(self.inner.clone())).unwrap();
        let mut timeline = other.timeline("attic", b"/srv").unwrap();
        let hash = other.log_record(log_id(&other), 3).unwrap().hash;
        let mut end = timeline.end().unwrap();
        let thinned = Thinned {
            replaces: vec![(2, 3)],
            base: 1,
            runs: vec![ThinnedRun {
                last: 3,
                hash,
                changes: Vec::new(),
                actors: Vec::new(),
            }],
        };
        timeline.replace(&mut end, TIME, &thinned).unwrap();
    }
}

impl Storage for Thinner {
    fn create(&self, name: &ObjectName) -> StorageResult<Box<dyn ObjectWriter + '_>> {
        self.inner.create(name)
    }

    fn replace(&self, name: &ObjectName, bytes: &[u8]) -> StorageResult<()> {
        self.inner.replace(name, bytes)
    }

    fn read(&self, name: &ObjectName) -> StorageResult<Vec<u8>> {
        self.inner.read(name)
    }

    fn read_range(&self, name: &ObjectName, offset: u64, buffer: &mut [u8]) -> StorageResult<()> {
        self.inner.read_range(name, offset, buffer)
    }

    fn list(&self, kind: ObjectKind) -> StorageResult<Vec<(ObjectName, u64)>> {
        let listed = self.inner.list(kind)?;
        if kind == ObjectKind::Log && self.armed.swap(false, Ordering::SeqCst) {
            self.thin();
        }
        Ok(listed)
    }

    fn size(&self, name: &ObjectName) -> StorageResult<u64> {
        self.inner.size(name)
    }

    fn remove(&self, name: &ObjectName) -> StorageResult<()> {
        self.inner.remove(name)
    }
}

#[test]
fn thinning_while_a_log_is_read_is_no_damage() {
    let lab = Lab::new(4);
    let memory = MemoryStorage::new();
    lab.create(&memory).unwrap();
    let repository = lab.open(Arc::new(memory.clone())).unwrap();
    let id = snapshot(&repository);
    let mut timeline = repository.timeline("attic", b"/srv").unwrap();
    let points = [1, 2, 3].map(|secs| point(1, secs, None));
    write(&mut timeline, &[checkpoint(id)]);
    write(&mut timeline, &points);
    let thinner = Arc::new(Thinner {
        inner: memory,
        lab: Lab::new(4),
        armed: AtomicBool::new(false),
    });
    let reader = lab.open(Arc::clone(&thinner) as Arc<dyn Storage>).unwrap();
    thinner.armed.store(true, Ordering::SeqCst);
    let (records, wrong) = reader.log(log_id(&reader)).unwrap();
    assert!(wrong.is_empty(), "{wrong:?}");
    let numbers: Vec<u64> = records.iter().map(|read| read.number).collect();
    assert_eq!(numbers, [1, 4, 5], "the record that stands in for two");
}

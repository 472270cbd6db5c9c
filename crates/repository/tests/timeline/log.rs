//! The log of a timeline: keys after a record that could not be stored, and what may be removed.

use std::sync::Arc;

use format::Header;
use model::SnapshotId;
use model::point::{Thinned, TimelineRecord};
use recoup_repository::log::LogEnd;
use recoup_repository::{Repository, Timeline};
use storage::{FaultKind, FaultyStorage, MemoryStorage, ObjectName, Storage};
use testkit::Lab;

use crate::{TIME, checkpoint, log_id, point};

/// A snapshot that nobody looks for here.
const UNKNOWN: SnapshotId = SnapshotId([1; 32]);

fn append(timeline: &mut Timeline<'_>, end: &mut LogEnd, record: &TimelineRecord) -> u64 {
    timeline.append(end, TIME, record).unwrap().number
}

/// Whether the key of a record follows from that of an earlier one: then its header holds that one's number.
fn is_chained(repository: &Repository, storage: &MemoryStorage, number: u64) -> bool {
    let name = ObjectName::Log(log_id(repository), number);
    let bytes = storage.read(&name).unwrap();
    Header::decode(&bytes).unwrap().0.wrapped.len() == 8
}

/// The offset is the nonce: two records of one number under one key would tell their difference.
#[test]
fn the_key_of_what_could_not_be_stored_is_not_used_again() {
    let lab = Lab::new(3);
    let memory = MemoryStorage::new();
    lab.create(&memory).unwrap();
    let faulty = Arc::new(FaultyStorage::new(memory.clone()));
    let repository = lab.open(Arc::clone(&faulty) as Arc<dyn Storage>).unwrap();
    let mut timeline = repository.timeline("attic", b"/srv").unwrap();
    let mut end = timeline.end().unwrap();
    let is_chained = |number| is_chained(&repository, &memory, number);
    let refuse = |timeline: &mut Timeline<'_>, end: &mut LogEnd, record: &TimelineRecord| {
        faulty.fail_at(faulty.operations(), FaultKind::Full);
        timeline.append(end, TIME, record).unwrap_err();
        faulty.heal();
    };

    assert_eq!(append(&mut timeline, &mut end, &checkpoint(UNKNOWN)), 1);
    assert_eq!(append(&mut timeline, &mut end, &point(1, 1, None)), 2);
    assert!(!is_chained(1) && is_chained(2));

    refuse(&mut timeline, &mut end, &point(1, 2, None));
    assert_eq!(append(&mut timeline, &mut end, &point(1, 3, None)), 3);
    assert!(!is_chained(3), "its key was used for another point");

    // A point may be thinned: it must not begin the chain in the place of the checkpoint.
    refuse(&mut timeline, &mut end, &checkpoint(UNKNOWN));
    assert_eq!(append(&mut timeline, &mut end, &point(1, 4, None)), 4);
    assert_eq!(append(&mut timeline, &mut end, &point(1, 5, None)), 5);
    assert!(!is_chained(4) && !is_chained(5));
    assert_eq!(append(&mut timeline, &mut end, &checkpoint(UNKNOWN)), 6);
    assert_eq!(append(&mut timeline, &mut end, &point(6, 6, None)), 7);
    assert!(!is_chained(6) && is_chained(7));
    for number in 1..=7 {
        assert!(timeline.entry(number).unwrap().is_some(), "{number}");
    }
}

/// Who holds a key that may only write can store any record.
#[test]
fn only_points_of_the_interval_go_for_another_record() {
    let lab = Lab::new(4);
    let memory = MemoryStorage::new();
    lab.create(&memory).unwrap();
    let repository = lab.open(Arc::new(memory)).unwrap();
    let mut timeline = repository.timeline("attic", b"/srv").unwrap();
    let mut end = timeline.end().unwrap();
    let pin = TimelineRecord::Pin {
        point: SnapshotId([1; 32]),
        time: TIME,
        removed: false,
    };
    for record in [
        checkpoint(UNKNOWN),
        point(1, 1, None),
        pin,
        checkpoint(UNKNOWN),
        point(4, 2, None),
    ] {
        append(&mut timeline, &mut end, &record);
    }
    let everything = Thinned {
        replaces: vec![(1, u64::MAX)],
        base: 1,
        runs: Vec::new(),
    };
    timeline.replace(&mut end, TIME, &everything).unwrap();
    assert_eq!(timeline.numbers(), [1, 3, 4, 5, 6]);
    let again = repository.timeline("attic", b"/srv").unwrap();
    assert_eq!(again.numbers(), [1, 3, 4, 5, 6]);
}

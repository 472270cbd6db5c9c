//! Thinning: points that stay restore to the same as before, whenever it is stopped, and what is gone is
//! explained.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use model::point::{Class, TimelineRecord};
use model::{BlobId, Content, Entry, Kind, PathKey, SnapshotId, Timestamp};
use policy::thinning::Ladder;
use recoup_timeline::state::{Changed, State};
use recoup_timeline::{ThinOptions, Thinning, thin};
use repository::{MapReader, Repository};
use storage::{FaultyStorage, MemoryStorage, ObjectName, Storage};
use testkit::{Lab, Random, is_long};

const HOST: &str = "attic";
const SOURCE: &[u8] = b"/srv/work";

/// A point every five seconds, a checkpoint every `PER_INTERVAL` of them.
const STEP_SECS: i64 = 5;
const PER_INTERVAL: u64 = 24;

type Map = BTreeMap<PathKey, Entry>;

fn file(text: u64) -> Entry {
    let bytes = text.to_le_bytes().to_vec();
    Entry {
        size: bytes.len() as u64,
        content: Content::Inline(bytes),
        ..Entry::new(Kind::File)
    }
}

fn map_of(repository: &Repository, root: Option<BlobId>) -> Map {
    let reader = MapReader::new(repository);
    let mut entries = reader.entries(root, &PathKey::root());
    let mut map = Map::new();
    while let Some((key, entry)) = entries.next().unwrap() {
        map.insert(key, entry);
    }
    map
}

/// A timeline, and what each of its points holds, from a recording of its own.
struct Recorded {
    storage: MemoryStorage,
    expected: BTreeMap<SnapshotId, Map>,
    lived: Duration,
}

/// Checkpoints are no backups here: their maps are stored by the test, and their snapshots never asked for.
fn record(lab: &Lab, seed: u64, intervals: u64) -> Recorded {
    let storage = MemoryStorage::new();
    lab.create(&storage).unwrap();
    let repository = lab.open(Arc::new(storage.clone())).unwrap();
    let timeline = repository.timeline(HOST, SOURCE).unwrap();
    let mut state = State::open(&repository, timeline).unwrap();
    let mut random = Random::new(seed);
    let (mut live, mut expected) = (Map::new(), BTreeMap::new());
    let mut secs = 1_000_000;
    for interval in 0..intervals {
        let root = store(&repository, &live);
        assert!(
            interval == 0 || root == state.root,
            "equal maps, equal roots"
        );
        // The clock that the age goes by is real; here it is said.
        state.set_lived(Duration::from_secs((secs - 1_000_000) as u64));
        let time = Timestamp::new(secs, 0);
        let name = SnapshotId([interval as u8; 32]);
        state.add_checkpoint(name, root, None, time).unwrap();
        for _ in 0..PER_INTERVAL {
            secs += STEP_SECS;
            let time = Timestamp::new(secs, 0);
            let mut changes: BTreeMap<PathKey, Option<Entry>> = BTreeMap::new();
            for _ in 0..=random.below(4) {
                let path = format!("{}/{}", random.below(3), random.below(12));
                let after = (random.below(4) > 0).then(|| file(random.below(1 << 40) as u64));
                changes.insert(PathKey::from_path(path.as_bytes()).unwrap(), after);
            }
            let changed: Vec<Changed> = changes
                .into_iter()
                .map(|(key, after)| Changed {
                    before: live.get(&key).cloned(),
                    key,
                    after,
                    actor: None,
                })
                .filter(|one| one.before != one.after)
                .collect();
            if changed.is_empty() {
                continue;
            }
            for one in &changed {
                match &one.after {
                    Some(after) => _ = live.insert(one.key.clone(), after.clone()),
                    None => _ = live.remove(&one.key),
                }
            }
            let id = state
                .add_point(&changed, Class::Fuzzy, (time, time), None, time)
                .unwrap();
            expected.insert(id, live.clone());
        }
    }
    Recorded {
        storage,
        expected,
        lived: Duration::from_secs((secs - 1_000_000) as u64),
    }
}

/// Stores the nodes of a map.
fn store(repository: &Repository, live: &Map) -> Option<BlobId> {
    let (root, _) = repository
        .write(&model::Silent, |session| {
            let mut packer = repository::Packer::map(session);
            let mut nodes = repository::MapWriter(&mut packer);
            let mut builder = prolly::Builder::new(
                repository.map_params(),
                format::entry::entry_bytes,
                &mut nodes,
            );
            for (key, entry) in live {
                let mut value = Vec::new();
                format::entry::encode_entry(entry, &mut value);
                builder.push(key.as_bytes(), &value).unwrap();
            }
            let root = builder.finish().unwrap();
            packer.finish()?;
            Ok::<_, repository::RepositoryError>(root)
        })
        .unwrap();
    root
}

fn options(lived: Duration) -> ThinOptions {
    ThinOptions {
        ladder: Ladder::Exponential(8),
        lived,
        time: Timestamp::new(2_000_000, 0),
    }
}

fn thin_once(
    storage: Arc<dyn Storage>,
    lab: &Lab,
    lived: Duration,
) -> recoup_timeline::Result<Thinning> {
    let repository = lab.open(storage)?;
    let mut timeline = repository.timeline(HOST, SOURCE)?;
    let mut end = timeline.end()?;
    thin(&repository, &mut timeline, &mut end, &options(lived))
}

/// Every point that is left is as it was recorded, and nothing is missing without a reason. How many.
fn verify(storage: &MemoryStorage, lab: &Lab, expected: &BTreeMap<SnapshotId, Map>) -> usize {
    let repository = lab.open(Arc::new(storage.clone())).unwrap();
    let timeline = repository.timeline(HOST, SOURCE).unwrap();
    let mut points = Vec::new();
    timeline
        .each(0, |entry| {
            if matches!(entry.record, TimelineRecord::Point(_)) {
                points.push(entry);
            }
            Ok(())
        })
        .unwrap();
    for point in &points {
        let opened = timeline.open(point).unwrap();
        let map = map_of(&repository, opened.snapshot.root);
        assert_eq!(map, expected[&point.id], "point {}", point.number);
    }
    let log = repository
        .id_key()
        .log_id(&format::timeline::log_of(HOST, SOURCE));
    let (_, wrong) = repository.log(log).unwrap();
    assert!(wrong.is_empty(), "{wrong:?}");
    points.len()
}

#[test]
fn points_that_stay_restore_to_the_same() {
    let (mut before, mut after) = (0, 0);
    for seed in 0..if is_long() { 40 } else { 6 } {
        let lab = Lab::new(seed);
        let recorded = record(&lab, seed, 4);
        before += verify(&recorded.storage, &lab, &recorded.expected);
        let mut last = usize::MAX;
        // Thinned again and again as time goes by: records that stand in for others are replaced too.
        for age in [0, 1800, 7200, 50_000] {
            let lived = recorded.lived + Duration::from_secs(age);
            thin_once(Arc::new(recorded.storage.clone()), &lab, lived).unwrap();
            let left = verify(&recorded.storage, &lab, &recorded.expected);
            assert!(left <= last);
            last = left;
        }
        after += last;
    }
    assert!(after * 2 < before, "{after} of {before} are left");
    println!("thinning: {after} of {before} points are left, all of them exact");
}

#[test]
fn stopped_at_any_operation() {
    let lab = Lab::new(77);
    let recorded = record(&lab, 77, 3);
    let objects = recorded.storage.objects();
    let later = recorded.lived + Duration::from_secs(4000);
    let (mut stops, mut finished) = (0, 0);
    for at in 0.. {
        let storage = MemoryStorage::from_objects(objects.clone());
        let faulty = Arc::new(FaultyStorage::new(storage.clone()));
        faulty.crash_at(at);
        let done = thin_once(faulty, &lab, later).is_ok();
        verify(&storage, &lab, &recorded.expected);
        // The next one finishes what was begun, whatever that was.
        thin_once(Arc::new(storage.clone()), &lab, later).unwrap();
        finished += verify(&storage, &lab, &recorded.expected);
        stops += 1;
        if done {
            break;
        }
    }
    assert!(stops > 50, "{stops}");
    println!(
        "thinning stopped before each of {stops} operations: nothing lost ({finished} maps compared)"
    );
}

#[test]
fn what_no_record_explains_is_damage() {
    let lab = Lab::new(5);
    let recorded = record(&lab, 5, 3);
    let later = recorded.lived + Duration::from_secs(4000);
    let thinning = thin_once(Arc::new(recorded.storage.clone()), &lab, later).unwrap();
    assert!(thinning.dropped > 0);
    let repository = lab.open(Arc::new(recorded.storage.clone())).unwrap();
    let timeline = repository.timeline(HOST, SOURCE).unwrap();
    let log = repository
        .id_key()
        .log_id(&format::timeline::log_of(HOST, SOURCE));
    let point = |entry: &recoup_entry::Entry| matches!(entry.record, TimelineRecord::Point(_));
    let mut points = Vec::new();
    timeline
        .each(0, |entry| {
            if point(&entry) {
                points.push(entry.number);
            }
            Ok(())
        })
        .unwrap();
    recorded.storage.delete(&ObjectName::Log(log, points[1]));
    let (_, wrong) = repository.log(log).unwrap();
    assert_eq!(wrong.len(), 1, "{wrong:?}");
    let fresh = repository.timeline(HOST, SOURCE).unwrap();
    let behind = fresh.entry(points[2]).unwrap().unwrap();
    assert!(fresh.open(&behind).is_err(), "a point that builds upon it");
}

mod recoup_entry {
    pub(crate) use repository::TimelineEntry as Entry;
}

#[test]
fn pins_and_open_alarms_hold() {
    use model::incident::{Dismissal, Incident, Level};
    let lab = Lab::new(9);
    let recorded = record(&lab, 9, 4);
    let repository = lab.open(Arc::new(recorded.storage.clone())).unwrap();
    let mut timeline = repository.timeline(HOST, SOURCE).unwrap();
    let mut points = Vec::new();
    timeline
        .each(0, |entry| {
            if let TimelineRecord::Point(_) = entry.record {
                points.push((entry.number, entry.id, entry.time));
            }
            Ok(())
        })
        .unwrap();
    let (number, id, time) = points[7];
    let pin = |removed| TimelineRecord::Pin {
        point: id,
        time,
        removed,
    };
    let alarm = |level| TimelineRecord::Incident {
        incident: Incident {
            number: 1,
            level,
            rule: "lost".to_owned(),
            about: String::new(),
            from: points[30].2,
            to: points[30].2,
            before: points[29].1,
            after: points[30].1,
            keys: 1,
            deleted: 1,
            changed: 0,
            actor: None,
            points: (points[30].0, points[30].0),
        },
        keys: None,
    };
    let later = options(recorded.lived + Duration::from_secs(900_000));
    let mut end = timeline.end().unwrap();
    timeline.append(&mut end, time, &pin(false)).unwrap();
    timeline
        .append(&mut end, time, &alarm(Level::Alarm))
        .unwrap();
    let held = thin(&repository, &mut timeline, &mut end, &later).unwrap();
    assert_eq!(held.dropped, 0, "an alarm is open");
    let dismissed = TimelineRecord::Dismissed(Dismissal {
        incident: 1,
        by: "ada".to_owned(),
        reason: "spring cleaning".to_owned(),
    });
    timeline.append(&mut end, time, &dismissed).unwrap();
    let thinned = thin(&repository, &mut timeline, &mut end, &later).unwrap();
    assert!(thinned.dropped > 0);
    for wanted in [number, points[29].0, points[30].0] {
        assert!(timeline.numbers().contains(&wanted), "{wanted}");
    }
    timeline.append(&mut end, time, &pin(true)).unwrap();
    verify(&recorded.storage, &lab, &recorded.expected);
}

#[test]
fn a_restart_ages_nothing_too_soon() {
    let lab = Lab::new(21);
    let recorded = record(&lab, 21, 1);
    let repository = lab.open(Arc::new(recorded.storage.clone())).unwrap();
    let timeline = repository.timeline(HOST, SOURCE).unwrap();
    let mut state = State::open(&repository, timeline).unwrap();
    let root = state.root;
    let time = Timestamp::new(3_000_000, 0);
    state
        .add_checkpoint(SnapshotId([9; 32]), root, None, time)
        .unwrap();
    // Two minutes old: gaps of five seconds are more than a 64th of that.
    let thinning = state.thin(&Ladder::default(), time).unwrap();
    assert_eq!(thinning.dropped, 0, "{thinning:?}");
}

//! A clock that is set must not make points age, and scans alone find everything too.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use model::incident::Level;
use model::{Cancel, Silent, SnapshotId, Timestamp};
use policy::thinning::Ladder;
use recoup_timeline::{Event, WatchOptions, watch};
use repository::Repository;
use source::files::watch::Capture;
use storage::MemoryStorage;
use testkit::{Lab, Picture, options, picture_of};

const YEAR_SECS: i64 = 365 * 86_400;

/// A fixed moment long after the files of the test were made.
const CLOCK_SECS: i64 = 4_000_000_000;

/// Watches until `work` is done; `work` is given what makes a quiet moment a point, and the offset of the clock.
fn watched(
    best: Capture,
    work: impl FnOnce(&std::path::Path, &AtomicI64, &dyn Fn()) + Send,
) -> (Repository, Vec<SnapshotId>) {
    let lab = Lab::new(3);
    let storage = MemoryStorage::new();
    lab.create(&storage).unwrap();
    let repository = lab.open(Arc::new(storage)).unwrap();
    let tree = tempfile::tempdir().unwrap();
    let root = tree.path().canonicalize().unwrap();
    std::fs::write(root.join("a"), "1").unwrap();
    std::fs::create_dir(root.join("many")).unwrap();
    for file in 0..100 {
        std::fs::write(
            root.join(format!("many/f{file}")),
            format!("content {file}"),
        )
        .unwrap();
    }
    let offset = AtomicI64::new(0);
    let started = Instant::now();
    let clock = || {
        let elapsed = started.elapsed();
        let secs = CLOCK_SECS + offset.load(Ordering::Relaxed) + elapsed.as_secs() as i64;
        Timestamp::new(secs, elapsed.subsec_nanos())
    };
    let cancel = Cancel::default();
    let points = std::sync::Mutex::new(Vec::new());
    let how = WatchOptions {
        best,
        gather: Duration::from_millis(300),
        checkpoint: Duration::from_secs(2),
        // Coarser than the test is long, and finer than a year by far.
        ladder: Ladder::Exponential(2000),
        ..WatchOptions::new(options(&root))
    };
    std::thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            watch(
                &repository,
                &how,
                &clock,
                &Silent,
                &cancel,
                &mut |event| match event {
                    Event::Ready { point, .. } => points.lock().unwrap().push(point),
                    Event::Point { id, .. } => points.lock().unwrap().push(id),
                    _ => {}
                },
            )
        });
        let wait = || {
            let before = points.lock().unwrap().len();
            let began = Instant::now();
            while points.lock().unwrap().len() == before {
                assert!(began.elapsed() < Duration::from_secs(90), "no point comes");
                assert!(!watcher.is_finished(), "it ended");
                std::thread::sleep(Duration::from_millis(10));
            }
        };
        while points.lock().unwrap().is_empty() {
            std::thread::sleep(Duration::from_millis(10));
        }
        work(&root, &offset, &wait);
        cancel.request();
        watcher.join().unwrap().unwrap();
    });
    let live = Picture::take(&root).unwrap();
    let timeline = repository.timeline("lab", b"/home/ada").unwrap();
    let last = timeline.last().unwrap().unwrap();
    let opened = timeline.open(&last).unwrap();
    let stored = picture_of(&repository, &opened.snapshot).unwrap();
    live.assert_same(&stored, "the last state");
    drop(timeline);
    (repository, points.into_inner().unwrap())
}

#[test]
fn a_clock_that_jumps_ages_nothing() {
    let (repository, points) = watched(Capture::Fanotify, |root, offset, wait| {
        for (step, jump) in [0, YEAR_SECS, 0, -YEAR_SECS, 0, 20 * YEAR_SECS, 0]
            .into_iter()
            .enumerate()
        {
            offset.store(jump, Ordering::Relaxed);
            for inner in 0..3 {
                std::fs::write(root.join("a"), format!("{step} {inner}")).unwrap();
                wait();
            }
            std::thread::sleep(Duration::from_millis(700));
        }
    });
    let timeline = repository.timeline("lab", b"/home/ada").unwrap();
    let mut states = 0;
    timeline
        .each(0, |entry| {
            if entry.state().is_some() {
                timeline.open(&entry)?;
                states += 1;
            }
            Ok(())
        })
        .unwrap();
    assert!(
        timeline.thinned().unwrap().is_empty(),
        "something was thinned"
    );
    assert!(
        states > points.len(),
        "{states} states, {} points",
        points.len()
    );
    println!("clock set 6 times by up to 20 years: {states} states, none thinned, all readable");
}

#[test]
fn scans_alone_find_everything() {
    let (_, points) = watched(Capture::Scan, |root, _, wait| {
        std::fs::create_dir(root.join("d")).unwrap();
        std::fs::write(root.join("d/b"), "2").unwrap();
        wait();
    });
    assert!(points.len() >= 2);
}

#[test]
fn a_clock_that_jumps_hides_no_damage() {
    let (repository, _) = watched(Capture::Inotify, |root, offset, wait| {
        // A fifth of a directory is an alarm, an eighth is none: no half of the damage is one.
        for (part, jump) in [(0, 0), (1, YEAR_SECS)] {
            offset.store(jump, Ordering::Relaxed);
            for file in 0..12 {
                std::fs::remove_file(root.join(format!("many/f{}", 12 * part + file))).unwrap();
            }
            wait();
        }
    });
    let timeline = repository.timeline("lab", b"/home/ada").unwrap();
    let incidents = timeline.incidents().unwrap();
    let alarm = incidents
        .iter()
        .find(|known| known.incident.level == Level::Alarm)
        .unwrap_or_else(|| panic!("no alarm: {incidents:?}"));
    assert!(alarm.incident.keys >= 24, "{alarm:?}");
    // What is shown is what the clock on the wall showed.
    let from = alarm.incident.from.secs - CLOCK_SECS;
    let to = alarm.incident.to.secs - CLOCK_SECS;
    assert!((0..600).contains(&from), "{from}");
    assert!((YEAR_SECS..YEAR_SECS + 600).contains(&to), "{to}");
}

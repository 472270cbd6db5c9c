//! No change is missed: random operations by other processes, an independent picture before and after.

use std::path::Path;
use std::time::Duration;

use recoup_source::files::watch::{Batch, Capture, Settle, WatchOptions, Watcher};
use testkit::Tree;

use crate::rig::{self, Disk, Place, Seen, Verdict};

/// Operations of one child in one round.
const OPERATIONS: &str = "150";

#[derive(Default)]
struct Sum {
    rounds: usize,
    changed: usize,
    exactly: usize,
    by_file: usize,
    dirty: usize,
    renames: usize,
    events: u64,
}

fn rounds(place: &Place, options: &WatchOptions, seeds: std::ops::Range<u64>) -> Option<Sum> {
    let mut sum = Sum::default();
    testkit::build(&place.root, &Tree::small(1)).unwrap();
    let watcher = rig::watch_with(&place.root, options)?;
    let mut before = Seen::take(&place.root);
    for seed in seeds {
        let batches = round(&watcher, place, seed);
        let after = Seen::take(&place.root);
        for batch in &batches {
            assert!(batch.blurred.is_none(), "seed {seed}: {:?}", batch.blurred);
            assert!(batch.dirty.is_sorted_by(|a, b| a.key < b.key));
            sum.dirty += batch.dirty.len();
            sum.renames += batch.renames.len();
            sum.events += batch.events;
        }
        let Verdict {
            changed,
            exactly,
            by_file,
            missed,
        } = rig::judge(&before, &after, &batches);
        assert!(
            missed.is_empty(),
            "seed {seed} on {}: missed {missed:#?}",
            place.what
        );
        sum.rounds += 1;
        sum.changed += changed;
        sum.exactly += exactly;
        sum.by_file += by_file;
        before = after;
    }
    Some(sum)
}

/// Two children at once, while batches are taken.
///
/// Inotify can't know of a file that is written through a second name which comes and goes at once, and
/// says so: no names are added then.
fn round(watcher: &Watcher, place: &Place, seed: u64) -> Vec<Batch> {
    let links = if watcher.capture() == Capture::Fanotify {
        "links"
    } else {
        ""
    };
    let children: Vec<_> = [seed * 2, seed * 2 + 1]
        .into_iter()
        .map(|seed| {
            let paths = [&place.root, &place.outside].map(|path| path.to_str().unwrap().to_owned());
            std::thread::spawn(move || {
                rig::run(rig::child(
                    "churn",
                    &[&seed.to_string(), OPERATIONS, &paths[0], &paths[1], links],
                ))
            })
        })
        .collect();
    let mut batches = Vec::new();
    while children.iter().any(|child| !child.is_finished()) {
        batches.push(watcher.drain(Duration::from_millis(20), Settle::AT_ONCE));
    }
    for child in children {
        assert!(child.join().unwrap().contains("done "));
    }
    batches.push(rig::settled(watcher));
    batches
}

fn cover(place: &Place, options: &WatchOptions, long: u64) {
    let seeds = if testkit::is_long() { long } else { 8 };
    if let Some(sum) = rounds(place, options, 0..seeds) {
        println!(
            "{} on {}: {} rounds, {} events, {} changed keys ({} told themselves, {} found by inode, the rest beneath), 0 missed; {} dirty keys, {} renames",
            options.best.word(),
            place.what,
            sum.rounds,
            sum.events,
            sum.changed,
            sum.exactly,
            sum.by_file,
            sum.dirty,
            sum.renames
        );
        assert!(sum.changed > 50 * sum.rounds, "hardly anything changed");
    }
}

fn options(best: Capture) -> WatchOptions {
    WatchOptions {
        best,
        ..WatchOptions::default()
    }
}

#[test]
fn fanotify_misses_nothing() {
    cover(&Place::new(), &options(Capture::Fanotify), 300);
}

#[test]
fn inotify_misses_nothing() {
    cover(&Place::new(), &options(Capture::Inotify), 300);
}

#[test]
fn nothing_is_missed_with_little_room() {
    for best in [Capture::Fanotify, Capture::Inotify] {
        let options = WatchOptions {
            most_keys: 10,
            ..options(best)
        };
        cover(&Place::new(), &options, 50);
    }
}

#[test]
fn nothing_is_missed_on_other_file_systems() {
    let memory = Path::new("/dev/shm");
    if rustix::fs::statfs(memory).is_ok_and(|stat| stat.f_type == 0x0102_1994) {
        for best in [Capture::Fanotify, Capture::Inotify] {
            cover(&Place::below("tmpfs", memory), &options(best), 50);
        }
    } else {
        println!("SKIP tmpfs: /dev/shm is none");
    }
    for kind in ["btrfs", "xfs", "ext4"] {
        let Some(disk) = Disk::new(kind) else {
            continue;
        };
        for best in [Capture::Fanotify, Capture::Inotify] {
            cover(
                &Place::below(kind_name(kind), disk.path()),
                &options(best),
                50,
            );
        }
    }
}

fn kind_name(kind: &str) -> &'static str {
    match kind {
        "btrfs" => "btrfs",
        "xfs" => "xfs",
        _ => "ext4 in a file",
    }
}

/// The rig would notice: a watcher that forgets every fifth key doesn't pass.
#[test]
fn a_forgetful_watcher_is_found_out() {
    let place = Place::new();
    testkit::build(&place.root, &Tree::small(1)).unwrap();
    let Some(watcher) = rig::watch(&place.root, Capture::Inotify) else {
        return;
    };
    let before = Seen::take(&place.root);
    let mut batches = round(&watcher, &place, 77);
    let after = Seen::take(&place.root);
    assert!(rig::judge(&before, &after, &batches).missed.is_empty());
    for batch in &mut batches {
        batch.all_linked = false;
    }
    let mut last = None;
    for seed in 0..5 {
        let mut forgetful = batches.clone();
        for batch in &mut forgetful {
            // The same keys in every batch, or another batch would make up for it.
            batch
                .dirty
                .retain(|dirty| dirty.key.iter().map(|&b| u64::from(b)).sum::<u64>() % 5 != seed);
        }
        last = Some(rig::judge(&before, &after, &forgetful).missed.len()).max(last);
    }
    println!("a watcher that forgets a fifth misses up to {last:?}");
    assert!(last > Some(0));
}

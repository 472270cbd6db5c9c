//! What is damaged is listed; everything else comes back.

use std::sync::atomic::AtomicUsize;

use model::{Cancel, Kind, PathKey, Silent};
use source::files::attributes::Rights;
use source::files::write::TreeWriter;
use storage::ObjectName;

use super::fixture::{Fixture, listing, noise};
use crate::content::Comparer;
use crate::context::{Context, place};
use crate::finish::verify;
use crate::ledger::Ledger;
use crate::options::Limits;
use crate::output::Output;

fn data_packs(f: &Fixture) -> Vec<ObjectName> {
    let objects = f.storage.objects();
    objects
        .keys()
        .filter(|name| matches!(name, ObjectName::Pack(_)))
        .copied()
        .collect()
}

#[test]
fn exactly_the_files_of_a_damaged_segment_are_missing() {
    let mut f = Fixture::new();
    f.file("whole", &noise(1, 5000));
    let before = data_packs(&f);
    let second = noise(3, 600_000);
    f.store(&[&second]);
    let pack = *data_packs(&f)
        .iter()
        .find(|pack| !before.contains(pack))
        .unwrap();
    f.chunks(
        "parts",
        &[
            Ok(noise(2, 600_000)),
            Ok(second.clone()),
            Ok(noise(4, 600_000)),
        ],
    );
    f.file("single", &second);
    f.link(1, &["single", "single2"]);
    f.restore();
    std::fs::remove_file(f.path().join("single")).unwrap();
    std::fs::write(f.path().join("parts"), b"old").unwrap();
    let mut bytes = f.storage.objects()[&pack].clone();
    bytes[300_000] ^= 1;
    f.storage.set(pack, bytes);
    f.reopen();
    std::fs::remove_file(f.path().join("single2")).unwrap();
    let report = f.restore();
    let mut paths: Vec<_> = report.problems.iter().map(|p| p.path.clone()).collect();
    paths.sort();
    assert_eq!(
        paths,
        [b"parts".to_vec(), b"single".to_vec(), b"single2".to_vec()]
    );
    assert!(
        report
            .problems
            .iter()
            .all(|problem| problem.content_missing)
    );
    assert_eq!((report.missing_total, report.files), (3, 1));
    // What was there is kept, and nothing half is left behind.
    assert_eq!(f.read("parts"), b"old");
    assert_eq!(
        listing(&f.path()).into_keys().collect::<Vec<_>>(),
        ["parts", "whole"]
    );
}

#[test]
fn a_pack_that_is_gone() {
    let mut f = Fixture::new();
    f.file("whole", &noise(1, 5000));
    let before = data_packs(&f);
    f.file("lost", &noise(2, 5000));
    let pack = *data_packs(&f)
        .iter()
        .find(|pack| !before.contains(pack))
        .unwrap();
    f.storage.delete(&pack);
    f.reopen();
    let report = f.restore();
    assert_eq!(report.problems.len(), 1, "{:?}", report.problems);
    assert_eq!(report.problems[0].path, b"lost");
    assert!(!f.path().join("lost").exists() && f.path().join("whole").exists());
}

#[test]
fn a_large_file_is_not_half_changed() {
    let mut f = Fixture::new();
    let last = noise(99, 600_000);
    let before = data_packs(&f);
    f.store(&[&last]);
    let pack = *data_packs(&f)
        .iter()
        .find(|pack| !before.contains(pack))
        .unwrap();
    let mut chunks: Vec<_> = (0..20).map(|n| Ok(noise(n, 600_000))).collect();
    chunks.push(Ok(last));
    f.chunks("big", &chunks);
    f.restore();
    let mut live = f.read("big");
    live[5] ^= 1;
    *live.last_mut().unwrap() ^= 1;
    std::fs::write(f.path().join("big"), &live).unwrap();
    f.storage.delete(&pack);
    f.reopen();
    let report = f.restore();
    assert_eq!(report.missing_total, 1, "{:?}", report.problems);
    assert!(f.read("big") == live);
}

#[test]
fn a_file_written_alone_is_missed_too() {
    let mut f = Fixture::new();
    let lost = noise(99, 600_000);
    let before = data_packs(&f);
    f.store(&[&lost]);
    let packs = data_packs(&f);
    let pack = packs.iter().find(|pack| !before.contains(pack)).unwrap();
    f.chunks("a", &[Ok(noise(1, 600_000)), Ok(lost)]);
    f.chunks("b", &[Ok(noise(2, 600_000)), Ok(noise(3, 600_000))]);
    f.storage.delete(pack);
    f.reopen();
    let limits = Limits {
        open_files: 0,
        ..Limits::default()
    };
    let report = f.restore_within(&f.options(), "", limits).unwrap();
    assert_eq!((report.missing_total, report.files), (1, 1));
    assert_eq!(listing(&f.path()).into_keys().collect::<Vec<_>>(), ["b"]);
}

#[test]
fn reading_back_sees_a_flipped_byte() {
    let mut f = Fixture::new();
    f.chunks(
        "x",
        &[Ok(noise(1, 600_000)), Err(4096), Ok(noise(2, 600_000))],
    );
    f.restore();
    let options = f.options();
    let cancel = Cancel::default();
    let context = Context {
        repository: &f.repository,
        ledger: Ledger::new(&Silent, &cancel),
        options: &options,
        rights: Rights::for_user(false, false),
        limits: Limits::default(),
        guard: crate::guard::Guard::default(),
        place: place(&PathKey::root(), Kind::Directory, &options).unwrap(),
        tree: Some(TreeWriter::open(&f.path()).unwrap()),
        dry: false,
        open_files: AtomicUsize::new(0),
    };
    let entry = &f.entries[b"x".as_slice()];
    let good = f.read("x");
    for (at, right) in [(None, true), (Some(5), false), (Some(601_000), false)] {
        let mut bytes = good.clone();
        if let Some(at) = at {
            bytes[at] ^= 1;
        }
        std::fs::write(f.path().join("x"), &bytes).unwrap();
        let output = Output::live(context.directory(b"").unwrap(), b"x").unwrap();
        let verified = verify(&context, entry, &output, &mut Comparer::default());
        assert_eq!(verified.is_ok(), right, "{at:?}");
    }
}

/// Once one unreadable map node ended the whole restore.
#[test]
fn what_lies_beyond_a_damaged_map_node_is_restored() {
    let mut f = Fixture::new();
    f.directory("d");
    for n in 0..9000 {
        f.file(&format!("d/{n:04}"), format!("file {n}").as_bytes());
    }
    f.snapshot();
    let pack = data_packs(&f)[0];
    let mut bytes = f.storage.objects()[&pack].clone();
    // In the first segment of nodes: leaves with the root of the source and its directory among them.
    bytes[5_000] ^= 1;
    f.storage.set(pack, bytes);
    f.reopen();
    let limits = Limits::default();
    let report = f.restore_within(&f.options(), "", limits).unwrap();
    let restored = std::fs::read_dir(f.path().join("d")).unwrap().count() as u64;
    assert!(
        restored > 1000 && restored < 9000,
        "{restored} files are back"
    );
    assert!(!report.is_whole());
    assert_eq!(
        std::fs::read(f.path().join("d/8999")).unwrap(),
        b"file 8999"
    );
}

/// Once whoever wrote the last good piece could finish a file whose damaged piece was already counted
/// and not yet told of: the file came back with a hole and nobody said so.
#[test]
fn no_file_with_a_damaged_piece_is_finished() {
    let mut f = Fixture::new();
    let before = data_packs(&f);
    let bad = noise(1, 600_000);
    f.store(&[&bad]);
    let packs = data_packs(&f);
    let pack = *packs.iter().find(|pack| !before.contains(pack)).unwrap();
    let good = noise(2, 600_000);
    for n in 0..60 {
        f.chunks(&format!("{n:02}"), &[Ok(bad.clone()), Ok(good.clone())]);
    }
    let mut bytes = f.storage.objects()[&pack].clone();
    bytes[300_000] ^= 1;
    f.storage.set(pack, bytes);
    for _ in 0..10 {
        f.reopen();
        let limits = Limits::default();
        let report = f.restore_within(&f.options(), "", limits).unwrap();
        assert_eq!((report.missing_total, report.damaged_total), (60, 60));
        assert!(listing(&f.path()).is_empty());
    }
}

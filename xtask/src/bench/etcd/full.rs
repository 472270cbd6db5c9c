//! Everything is backed up, and again after a hundredth of it changed: `recoup backup` beside
//! `etcdctl snapshot save`.

use super::super::tree;
use super::stage::Stage;
use super::table::{Bound, Row};
use anyhow::Result;
use std::fs;

/// What the project promises of every command on a store.
pub(super) const MEMORY_MOST_BYTES: u64 = 250_000_000;

/// One of so many keys changes between two backups.
const CHANGED_STEP: u64 = 100;

pub(super) fn measure(stage: &Stage, runs: u64) -> Result<Vec<Row>> {
    let mut ours = Row::new("recoup backup (first)", "s").memory_most(MEMORY_MOST_BYTES);
    let mut theirs = Row::new("etcdctl snapshot save", "s");
    let mut again = Row::new("recoup backup, 1 % changed", "s").memory_most(MEMORY_MOST_BYTES);
    let mut theirs_again = Row::new("etcdctl snapshot save, 1 % changed", "s");
    let mut size = Row::new("size of the repository after both", "MB");
    let mut grown = Row::new("of it, added by the second", "MB");
    let mut their_size = Row::new("size of the second snapshot file", "MB");
    for run in 0..runs {
        let desk = stage.desk("backup")?;
        let backup = desk.step(&["backup", &stage.server.address]);
        let file = stage.folder.join("snapshot.db");
        ours.note_seconds(stage.measure(&desk, &backup)?);
        theirs.note_seconds(stage.measure(&desk, &stage.save(&file))?);
        let first = megabytes(tree::count(&desk.repository())?.bytes);
        fs::remove_file(&file)?;
        stage.fill((0, stage.keys), CHANGED_STEP, run + 1)?;
        again.note_seconds(stage.measure(&desk, &backup)?);
        theirs_again.note_seconds(stage.measure(&desk, &stage.save(&file))?);
        let both = megabytes(tree::count(&desk.repository())?.bytes);
        size.add(both);
        grown.add(both - first);
        their_size.add(megabytes(fs::metadata(&file)?.len()));
        fs::remove_file(&file)?;
        desk.close()?;
    }
    let time = Row::ratio("backup / snapshot save", &ours, &theirs).target(Bound::AtMost(1.5));
    let whole = "second snapshot file / whole repository";
    let whole = Row::ratio(whole, &their_size, &size);
    let added = "second snapshot file / what the second backup added";
    let added = Row::ratio(added, &their_size, &grown).target(Bound::AtLeast(5.0));
    let rows = [
        ours,
        theirs,
        time,
        again,
        theirs_again,
        size,
        grown,
        their_size,
    ];
    Ok(rows.into_iter().chain([whole, added]).collect())
}

fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

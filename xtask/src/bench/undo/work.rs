//! The two parts: many damaged files, and a small event in a large tree.

use super::super::peers;
use super::super::run::Step;
use super::super::tools::{Place, Tool, Work};
use super::super::tree;
use super::Row;
use super::ground::Ground;
use anyhow::{Result, ensure};
use std::fs;
use std::path::Path;

/// What is damaged: a block of most file systems.
const FILE_BYTES: usize = 4 << 10;

fn row(what: &str, files: u64) -> Row {
    Row {
        what: what.to_owned(),
        files,
        seconds: Vec::new(),
        memory_bytes: 0,
        most: None,
    }
}

/// All files are removed and come back: by undo, and beside it by a plain restore to an empty place.
pub(super) fn damaged(ground: &Ground, count: u64, runs: usize) -> Result<Vec<Row>> {
    ground.fill(count, FILE_BYTES)?;
    // Somebody goes on working: the undo merges, it does not go back.
    fs::write(ground.tree.join("other.txt"), "before")?;
    let before = ground.backup()?;
    let peer = peers::find(&["restic".to_owned()], &ground.desk.folder.join("peers"))?.pop();
    let place = Place {
        source: ground.tree.clone(),
        repository: ground.desk.folder.join("restic"),
        home: ground.desk.folder.join("home"),
        snapshot: String::new(),
    };
    if let Some(peer) = &peer {
        for work in [Work::Init, Work::Backup] {
            restic(ground, peer, &work, &place)?;
        }
    }
    let copy = ground.desk.folder.join("copy");
    ground
        .desk
        .measure(&Step::new("cp").arg("-a").args([&ground.tree, &copy]))?;
    remove_all(ground, count)?;
    let after = ground.backup()?;
    let place = (&place, peer.as_ref(), copy.as_path());
    rounds(ground, count, runs, (&before, &after), place)
}

/// The rounds: each lets everybody bring the files back once.
fn rounds(
    ground: &Ground,
    count: u64,
    runs: usize,
    (before, after): (&str, &str),
    (place, peer, copy): (&Place, Option<&Tool>, &Path),
) -> Result<Vec<Row>> {
    let desk = &ground.desk;
    let tree = ground.tree.display().to_string();
    let undo = ["undo", &tree, "--before", before, "--after", after];
    let mut rows = [
        row("recoup undo --dry-run (plan)", count),
        row("recoup undo --yes", count),
        row("recoup restore", count),
        row("restic restore", count),
        row("rsync -a", count),
        row("cp -a", count),
    ];
    let target = desk.folder.join("restored");
    for run in 0..runs {
        fs::write(
            ground.tree.join("other.txt"),
            format!("work of round {run}"),
        )?;
        let plan = desk.step(&undo).args(["--dry-run", "--json"]);
        Ground::note(&mut rows[0], desk.measure(&plan)?);
        Ground::note(&mut rows[1], desk.measure(&desk.step(&undo).arg("--yes"))?);
        let back = tree::count(&ground.tree)?.files;
        ensure!(back == count + 1, "{back} of {} files are back", count + 1);
        let kept = fs::read_to_string(ground.tree.join("other.txt"))?;
        ensure!(
            kept == format!("work of round {run}"),
            "later work was lost"
        );
        remove_all(ground, count)?;
        let restore = desk
            .step(&["restore", before, "--yes", "--to"])
            .arg(&target);
        Ground::note(&mut rows[2], desk.measure(&restore)?);
        tree::remove(&target)?;
        if let Some(peer) = peer {
            Ground::note(
                &mut rows[3],
                restic(ground, peer, &Work::Restore { target: &target }, place)?,
            );
            tree::remove(&target)?;
        }
        let from = format!("{}/", copy.display());
        match desk.measure(&Step::new("rsync").args(["-a", &from]).arg(&target)) {
            Ok(sample) => Ground::note(&mut rows[4], sample),
            Err(error) => eprintln!("without rsync: {error:#}"),
        }
        tree::remove(&target)?;
        Ground::note(
            &mut rows[5],
            desk.measure(&Step::new("cp").arg("-a").args([copy, target.as_path()]))?,
        );
        tree::remove(&target)?;
    }
    rows[1].most = Some((rows[2].median() * 2.0, "half the rate of a plain restore"));
    Ok(rows
        .into_iter()
        .filter(|row| !row.seconds.is_empty())
        .collect())
}

fn restic(
    ground: &Ground,
    peer: &Tool,
    work: &Work<'_>,
    place: &Place,
) -> Result<super::super::run::Sample> {
    let steps = peers::restic(peer, work, place);
    let mut last = None;
    for step in &steps {
        last = Some(ground.desk.measure(step)?);
    }
    last.ok_or_else(|| anyhow::anyhow!("restic has no command for this"))
}

fn remove_all(ground: &Ground, count: u64) -> Result<()> {
    for number in 0..count {
        fs::remove_file(ground.file(number))?;
    }
    Ok(())
}

/// A small event in a large tree, and a difference of ten files.
pub(super) fn large(ground: &Ground, files: u64, event: u64, runs: usize) -> Result<Vec<Row>> {
    ground.fill(files, 16)?;
    let mut first = row("recoup backup (first)", files);
    let tree = ground.tree.display().to_string();
    Ground::note(
        &mut first,
        ground.desk.measure(&ground.desk.step(&["backup", &tree]))?,
    );
    let before = ground.backup()?;
    let apart = files / event;
    for number in 0..event {
        fs::remove_file(ground.file(number * apart))?;
    }
    let after = ground.backup()?;
    for number in 0..10 {
        fs::write(
            ground.file(number * (files / 10) + 1),
            format!("edited {number}"),
        )?;
    }
    let ten = ground.backup()?;
    let mut diff = row("recoup diff, ten files differ", 10);
    let mut plan = row("recoup undo --dry-run (plan)", event);
    let mut apply = row("recoup undo --yes", event);
    diff.most = Some((0.05, "the project's goal, with the start of the program"));
    plan.most = Some((1.0, "the project's goal"));
    let undo = ["undo", &tree, "--before", &before, "--after", &after];
    for _ in 0..runs {
        Ground::note(
            &mut diff,
            ground
                .desk
                .measure(&ground.desk.step(&["diff", &after, &ten]))?,
        );
        let dry = ground.desk.step(&undo).args(["--dry-run", "--json"]);
        Ground::note(&mut plan, ground.desk.measure(&dry)?);
        Ground::note(
            &mut apply,
            ground.desk.measure(&ground.desk.step(&undo).arg("--yes"))?,
        );
        for number in 0..event {
            fs::remove_file(ground.file(number * apart))?;
        }
    }
    Ok(vec![first, diff, plan, apply])
}

//! Everything into another etcd: `recoup restore --to` beside `etcdctl snapshot restore`, which writes the
//! files of an etcd that then has to be started.

use super::super::desk::Desk;
use super::super::tree;
use super::full::MEMORY_MOST_BYTES;
use super::stage::{Server, Stage, etcdctl};
use super::table::Row;
use anyhow::{Result, ensure};
use std::fs;
use std::time::Instant;

pub(super) fn measure(stage: &Stage, desk: &Desk, runs: u64) -> Result<Vec<Row>> {
    let mut ours = Row::new("recoup restore --to etcd", "s").memory_most(MEMORY_MOST_BYTES);
    let mut theirs = Row::new("etcdctl snapshot restore, and the start of etcd", "s");
    let file = stage.folder.join("snapshot.db");
    stage.measure(desk, &stage.save(&file))?;
    let expected = stage.count(&stage.server)?;
    let folder = stage.folder.join("second");
    let close = |server: Server| {
        let there = stage.count(&server)?;
        ensure!(
            there == expected,
            "{there} of {expected} keys were restored"
        );
        drop(server);
        tree::remove(&folder)
    };
    for _ in 0..runs {
        let server = stage.serve("second")?;
        let from = [
            "restore",
            "latest",
            "--source",
            &stage.server.address,
            "--to",
        ];
        let sample = desk.measure(&desk.step(&from).arg(&server.address))?;
        ours.note_seconds((sample, server.cpu_seconds()?));
        close(server)?;

        fs::create_dir_all(folder.join("m0"))?;
        let step = etcdctl(&["snapshot", "restore", "--data-dir"]);
        let step = step.arg(folder.join("m0/data")).arg(&file);
        let sample = desk.measure(&step)?;
        let begin = Instant::now();
        let server = stage.serve("second")?;
        let whole = sample.wall_seconds + begin.elapsed().as_secs_f64();
        theirs.note(whole, (sample, server.cpu_seconds()?));
        close(server)?;
    }
    let ratio = Row::ratio("restore / snapshot restore", &ours, &theirs);
    Ok(vec![ours, theirs, ratio])
}

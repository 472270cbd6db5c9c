//! `cargo xtask bench etcd`: a real etcd on loopback, backed up, followed, damaged and put right by Recoup,
//! beside `etcdctl snapshot`. What etcdctl can't do, following and undoing, stands beside what the same
//! etcd does at its best.

mod follow;
mod full;
mod revert;
mod second;
mod stage;
mod table;

use super::watch::Watch;
use crate::workspace;
use anyhow::Result;
use clap::Args;
use stage::Stage;
use std::fs;
use std::path::PathBuf;
use table::{Bound, Row};

#[derive(Args)]
pub(crate) struct Options {
    /// Keys in etcd, of about 500 bytes each
    #[arg(long, default_value_t = 100_000)]
    keys: u64,
    #[arg(long, default_value_t = 3)]
    runs: u64,
    /// For how long 5,000 keys a second are written
    #[arg(long, default_value_t = 20)]
    seconds: u64,
    /// Where etcd, repositories and snapshots lie [default: target/bench/etcd]
    #[arg(long)]
    data: Option<PathBuf>,
    /// Measure this binary instead of building one
    #[arg(long)]
    recoup: Option<PathBuf>,
    /// Also write the rows to this file
    #[arg(long)]
    json: Option<PathBuf>,
}

pub(crate) fn run(options: &Options) -> Result<bool> {
    let recoup = match &options.recoup {
        Some(path) => path.canonicalize()?,
        None => workspace::build_recoup("release")?,
    };
    let load = workspace::build_example("recoup-etcd", "load")?;
    let data = match &options.data {
        Some(folder) => folder.clone(),
        None => workspace::target_directory()?.join("bench/etcd"),
    };
    let stage = Stage::open(&data, recoup, load, options.keys)?;
    let mut rows = full::measure(&stage, options.runs)?;
    rows.extend(live(&stage, options)?);
    stage.close()?;
    println!("{}", table::heading(options.keys));
    print!("{}", table::markdown(&rows));
    if let Some(file) = &options.json {
        fs::write(file, serde_json::to_vec_pretty(&table::json(&rows))?)?;
    }
    Ok(rows.iter().all(Row::met))
}

/// One watcher sees it all; what it leaves is restored.
fn live(stage: &Stage, options: &Options) -> Result<Vec<Row>> {
    let desk = stage.desk("watched")?;
    let watcher = desk.step(&["watch", &stage.server.address, "--json"]);
    let watch = Watch::start(watcher.command(), &desk.folder.join("watch.txt"))?;
    let mut rows = follow::measure(stage, &watch, options.seconds)?;
    rows.extend(revert::measure(stage, &desk, &watch, options.runs)?);
    let mut memory = Row::new("recoup watch, all the time: peak memory", "MB");
    memory.add(stage::peak_bytes(watch.pid())? as f64 / 1e6);
    rows.push(memory.target(Bound::AtMost(full::MEMORY_MOST_BYTES as f64 / 1e6)));
    watch.stop()?;
    rows.extend(second::measure(stage, &desk, options.runs)?);
    Ok(rows)
}

//! `cargo xtask bench undo`: what it costs to take an event back, beside a plain restore of the same
//! files by Recoup, by restic and by copying. Nobody else offers the undo; theirs is the part that they
//! can do.

mod ground;
mod work;

use super::targets;
use crate::workspace;
use anyhow::Result;
use clap::Args;
use ground::Ground;
use serde_json::{Value, json};
use std::fs;
use std::path::PathBuf;

#[derive(Args)]
pub(crate) struct Options {
    /// Small numbers: does everything work?
    #[arg(long)]
    quick: bool,
    /// Files of 4 KiB that are removed and taken back
    #[arg(long)]
    damaged: Option<u64>,
    /// Files of the large tree
    #[arg(long)]
    tree: Option<u64>,
    /// Files of the event in the large tree
    #[arg(long, default_value_t = 1_000)]
    event: u64,
    #[arg(long, default_value_t = 3)]
    runs: usize,
    /// Where the trees and repositories lie [default: target/bench/undo]
    #[arg(long)]
    data: Option<PathBuf>,
    /// Measure this binary instead of building one
    #[arg(long)]
    recoup: Option<PathBuf>,
    /// Also write the rows to this file
    #[arg(long)]
    json: Option<PathBuf>,
}

/// What one kind of work took: the median of its runs, and the highest peak of memory.
pub(super) struct Row {
    pub(super) what: String,
    pub(super) files: u64,
    pub(super) seconds: Vec<f64>,
    pub(super) memory_bytes: u64,
    /// The most that its median may take, and where that comes from.
    pub(super) most: Option<(f64, &'static str)>,
}

impl Row {
    pub(super) fn median(&self) -> f64 {
        targets::median(self.seconds.clone()).unwrap_or(f64::NAN)
    }

    fn met(&self) -> bool {
        self.most.is_none_or(|(most, _)| self.median() <= most)
    }

    fn json(&self) -> Value {
        json!({
            "what": self.what, "files": self.files, "seconds": self.seconds,
            "median_seconds": self.median(), "memory_bytes": self.memory_bytes, "met": self.met(),
        })
    }
}

pub(crate) fn run(options: &Options) -> Result<bool> {
    let recoup = match &options.recoup {
        Some(path) => path.canonicalize()?,
        None => workspace::build_recoup("release")?,
    };
    let data = match &options.data {
        Some(folder) => folder.clone(),
        None => workspace::target_directory()?.join("bench/undo"),
    };
    let few = if options.quick { 100 } else { 1 };
    let damaged = options.damaged.unwrap_or(100_000 / few);
    let tree = options.tree.unwrap_or(1_000_000 / few);
    let event = options.event.min(tree / 10);
    let mut rows = Vec::new();
    if damaged > 0 {
        let ground = Ground::open(&data.join("damaged"), &recoup)?;
        rows.extend(work::damaged(&ground, damaged, options.runs)?);
        ground.desk.close()?;
    }
    if tree > 0 {
        let ground = Ground::open(&data.join("large"), &recoup)?;
        rows.extend(work::large(&ground, tree, event, options.runs)?);
        ground.desk.close()?;
    }
    print(&rows);
    if let Some(file) = &options.json {
        let rows: Vec<Value> = rows.iter().map(Row::json).collect();
        fs::write(file, serde_json::to_vec_pretty(&rows)?)?;
    }
    Ok(rows.iter().all(Row::met))
}

fn print(rows: &[Row]) {
    println!(
        "| work | files | median s | files/s | runs, s | peak MB | target |\n|---|---:|---:|---:|---|---:|---|"
    );
    for row in rows {
        let runs: Vec<String> = row.seconds.iter().map(|one| format!("{one:.2}")).collect();
        let target = row.most.map_or(String::new(), |(most, why)| {
            let word = if row.met() { "met" } else { "MISSED" };
            format!("{word}: {most:.2} s, {why}")
        });
        println!(
            "| {} | {} | {:.3} | {:.0} | {} | {:.0} | {target} |",
            row.what,
            row.files,
            row.median(),
            row.files as f64 / row.median(),
            runs.join(" "),
            row.memory_bytes as f64 / 1e6,
        );
    }
}

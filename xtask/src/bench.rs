//! `cargo xtask bench`: Recoup beside its peers, on the same data, in turn.
//!
//! Knows tools only as commands. Every run of a row lets each tool work once before the next run begins,
//! so that a drift of the machine hits all alike. Results are medians; ratios are taken pair by pair.

mod data;
mod desk;
mod edit;
mod etcd;
mod incidents;
mod lab;
mod ours;
mod peers;
mod random;
mod report;
mod rows;
mod run;
mod targets;
mod tools;
mod tree;
mod undo;
mod watch;

use crate::workspace;
use anyhow::{Result, bail};
use clap::{Args, Subcommand};
use data::Data;
use lab::Lab;
use std::fs;
use std::path::{Path, PathBuf};
use tools::Tool;

#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Options {
    #[command(subcommand)]
    other: Option<Other>,
    /// One run on small data: does everything work?
    #[arg(long)]
    quick: bool,
    /// Where the data, the repositories and installed peers live [default: target/bench]
    #[arg(long)]
    data: Option<PathBuf>,
    /// Groups of rows to measure
    #[arg(long, value_delimiter = ',', default_values = ["small", "big", "media", "million"])]
    rows: Vec<String>,
    /// Runs of each row [default: 3, or 1 with --quick]
    #[arg(long)]
    runs: Option<u64>,
    /// Peers and floors to measure [default: bupstash,rustic,restic,borg,tar,cp; searched for in
    /// RECOUP_BENCH_PEERS, in PATH, else installed]
    #[arg(long, value_delimiter = ',')]
    peers: Vec<String>,
    /// Measure the peers only
    #[arg(long)]
    without_recoup: bool,
    /// Measure this binary instead of building one
    #[arg(long)]
    recoup: Option<PathBuf>,
    /// Only make the data
    #[arg(long)]
    only_data: bool,
    /// Also write every sample to this file
    #[arg(long)]
    json: Option<PathBuf>,
}

#[derive(Subcommand)]
enum Other {
    /// Does `recoup watch` find attacks, and is it silent while people work?
    Incidents(incidents::Options),
    /// What it costs to take an event back, beside plain restores
    Undo(undo::Options),
    /// A key-value store, beside snapshots of etcdctl
    Etcd(etcd::Options),
    /// An inert attack on a scratch tree of the harness
    #[command(hide = true)]
    Simulate(incidents::Simulated),
}

pub(crate) fn run(options: &Options) -> Result<bool> {
    match &options.other {
        Some(Other::Incidents(options)) => return incidents::run(options),
        Some(Other::Simulate(attack)) => return incidents::simulate(attack).map(|()| true),
        Some(Other::Undo(options)) => return undo::run(options),
        Some(Other::Etcd(options)) => return etcd::run(options),
        None => {}
    }
    let folder = match &options.data {
        Some(folder) => folder.clone(),
        None => workspace::target_directory()?.join("bench"),
    };
    let data = Data::open(&folder, options.quick)?;
    if options.only_data {
        data.big().and_then(|_| data.media())?;
        println!("{:#}", data.facts());
        return Ok(true);
    }
    let tools = find_tools(options, &folder.canonicalize()?)?;
    let runs = options.runs.unwrap_or(if options.quick { 1 } else { 3 });
    let lab = Lab::open(&data, runs)?;
    let measured = measure(options, &data, &lab, &tools);
    lab.clean()?;
    let rows = measured?;
    let facts = data.facts();
    report::print(&rows, &tools, &facts, runs);
    if let Some(file) = &options.json {
        let value = report::json(&rows, &tools, &facts, runs);
        fs::write(file, serde_json::to_vec_pretty(&value)?)?;
    }
    Ok(report::all_met(&rows))
}

/// Peers first and ours last: the order in which a run lets them work.
fn find_tools(options: &Options, folder: &Path) -> Result<Vec<Tool>> {
    let mut tools = peers::find(&options.peers, &folder.join("peers"))?;
    if !options.without_recoup {
        tools.extend(ours::find(options.recoup.as_deref())?);
    }
    for tool in &tools {
        eprintln!("{}: {}", tool.name, tool.version);
    }
    Ok(tools)
}

fn measure(options: &Options, data: &Data, lab: &Lab, tools: &[Tool]) -> Result<Vec<lab::Row>> {
    let mut rows = Vec::new();
    for group in &options.rows {
        rows.extend(match group.as_str() {
            "small" => rows::small(data, lab, tools)?,
            "big" => rows::big(data, lab, tools)?,
            "media" => rows::media(data, lab, tools)?,
            "million" => rows::million(data, lab, tools)?,
            other => bail!("no rows are called {other}: small, big, media, million"),
        });
        lab.clean()?;
    }
    Ok(rows)
}

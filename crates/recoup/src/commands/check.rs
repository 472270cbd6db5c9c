//! `recoup check`.

use clap::Args;
use model::{Entropy, SnapshotId};
use repository::{CheckOptions, CheckReport, Finding, keys};
use serde_json::json;

use crate::access::open::Opened;
use crate::access::secret::OsEntropy;
use crate::context::Context;
use crate::exit::{Exit, Result};
use crate::names::amount;
use crate::output::progress::Progress;
use crate::output::text;
use crate::signals;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Read all data back, not only the structure
    #[arg(long)]
    read_data: bool,
    /// Of the data, read a random share, as 5%
    #[arg(long, value_name = "SHARE", value_parser = amount::share, requires = "read_data")]
    sample: Option<f64>,
}

pub(crate) fn run(arguments: &Arguments, context: &mut Context) -> Result<Exit> {
    let cancel = signals::listen()?;
    let opened = context.open_to_read()?;
    let mut seed = [0; 8];
    OsEntropy.fill(&mut seed);
    let options = CheckOptions {
        read_data: arguments.read_data,
        sample: arguments.sample,
        seed: u64::from_le_bytes(seed),
        threads: context.settings.threads,
    };
    let progress = Progress::start(&context.terminal);
    let checked = opened.repository.check(&options, &progress, &cancel);
    drop(progress);
    let mut report = checked?;
    compare_with_memory(&mut report, &opened, context)?;
    show(&report, arguments, context)?;
    Ok(if report.damaged.is_empty() {
        Exit::Ok
    } else {
        Exit::Damage
    })
}

/// What this machine has seen and is there no more: a store that lost it, or shows an older state.
fn compare_with_memory(
    report: &mut CheckReport,
    opened: &Opened,
    context: &mut Context,
) -> Result<()> {
    let mut memory = opened.memory(&context.settings);
    let snapshots = opened.repository.snapshot_ids()?;
    for id in memory.missing_snapshots(&snapshots) {
        report.damaged.push(Finding {
            object: format!("snapshots/{id}"),
            message: format!(
                "this machine knows snapshot {}, but it is gone (if it was removed on purpose: delete {})",
                id.short(),
                memory.path().display()
            ),
            snapshot: Some(id),
        });
    }
    let (slots, _) = keys::list(opened.repository.storage())?;
    let present: Vec<_> = slots.iter().map(|slot| slot.id).collect();
    for id in memory.missing_keys(&present) {
        let message = format!("this machine knows key {}, but it is gone", id.short());
        context.terminal.warn(&message);
        context.sink.json("note", &json!({ "message": message }))?;
    }
    memory.saw_snapshots(snapshots);
    memory.saw_keys(present);
    memory.save()
}

fn show(report: &CheckReport, arguments: &Arguments, context: &mut Context) -> Result<()> {
    for finding in &report.damaged {
        let Finding {
            object,
            message,
            snapshot,
        } = finding;
        let line = json!({
            "object": object,
            "message": message,
            "snapshot": snapshot.map(SnapshotId::to_hex),
        });
        context.sink.json("damaged", &line)?;
        let snapshot = snapshot.map_or(String::new(), |id| format!("  (snapshot {})", id.short()));
        context
            .sink
            .line(&format!("damaged: {object}: {message}{snapshot}"))?;
    }
    let damaged = report.damaged.len() as u64;
    let summary = json!({
        "damaged": damaged,
        "unindexed": report.unindexed.len(),
        "snapshots": report.snapshots,
        "packs": report.packs,
        "nodes": report.nodes,
        "blobs_read": report.blobs_read,
        "bytes_read": report.bytes_read,
        "read_data": arguments.read_data,
        "sample": arguments.sample,
    });
    context.sink.json("summary", &summary)?;
    let looked = format!(
        "{}, {}, {}",
        text::counted(report.snapshots, "snapshot", "snapshots"),
        text::counted(report.packs, "pack", "packs"),
        text::counted(report.nodes, "map node", "map nodes"),
    );
    context.sink.report(&format!("Checked   {looked}"))?;
    if arguments.read_data {
        context.sink.report(&format!(
            "Read      {}, {}",
            text::size(report.bytes_read),
            text::counted(report.blobs_read, "blob", "blobs")
        ))?;
    }
    if !report.unindexed.is_empty() {
        let packs = text::counted(report.unindexed.len() as u64, "pack", "packs");
        context.sink.report(&format!(
            "Note      {packs} in no index: left by an interrupted backup, no harm"
        ))?;
    }
    let data = if arguments.read_data {
        ""
    } else {
        "; --read-data reads the data back too"
    };
    context.sink.report(&match damaged {
        0 => format!("Result    whole{data}"),
        _ => format!(
            "Result    DAMAGED: {}; what is not damaged can still be restored",
            text::counted(damaged, "finding", "findings")
        ),
    })
}

//! `recoup repair`.

use clap::{Args, Subcommand};
use repository::{RepairOptions, keys};
use serde_json::json;
use storage::LocalStorage;

use crate::access::open;
use crate::context::Context;
use crate::exit::{Exit, Result};
use crate::output::text;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Replace damaged parts of the index, take in packs that it does not list, forget lost ones
    Index {
        /// Make the whole index anew
        #[arg(long)]
        all: bool,
        /// Read all data and leave out what is damaged: the next backup stores it again
        #[arg(long)]
        read_data: bool,
    },
    /// Write the config again, from what the key says
    Config,
}

pub(crate) fn run(arguments: &Arguments, context: &mut Context) -> Result<Exit> {
    match arguments.what {
        What::Index { all, read_data } => index(RepairOptions { all, read_data }, context),
        What::Config => config(context),
    }
}

fn index(options: RepairOptions, context: &mut Context) -> Result<Exit> {
    let opened = context.open_to_read()?;
    let rebuilt = opened.repository.rebuild_index(options)?;
    for error in &rebuilt.damaged {
        context
            .sink
            .json("damaged", &json!({ "message": error.to_string() }))?;
        context.terminal.warn(&format!("failed to {error}"));
    }
    let damaged = rebuilt.damaged.len() as u64;
    let summary = json!({
        "packs": rebuilt.packs,
        "blobs": rebuilt.blobs,
        "runs_removed": rebuilt.runs_removed,
        "segments_left_out": rebuilt.segments_left_out,
        "damaged": damaged,
    });
    context.sink.json("summary", &summary)?;
    if rebuilt.segments_left_out > 0 {
        context.terminal.warn(&format!(
            "{} left out; run a backup of every source to store again what they held",
            text::counted(
                rebuilt.segments_left_out,
                "damaged segment",
                "damaged segments"
            ),
        ));
    }
    context.sink.report(&format!(
        "Taken into the index: {} with {}; {} could not be read",
        text::counted(rebuilt.packs, "pack", "packs"),
        text::counted(rebuilt.blobs, "blob", "blobs"),
        text::count(damaged),
    ))?;
    Ok(if damaged > 0 { Exit::Damage } else { Exit::Ok })
}

fn config(context: &mut Context) -> Result<Exit> {
    let path = open::location(&context.settings)?.path;
    let storage = LocalStorage::open_without_config(&path)?;
    let (keyset, _) = open::unlock(&context.settings, &storage)?;
    keys::repair_config(&storage, &keyset)?;
    let summary = json!({ "repository": keyset.repository().to_hex() });
    context.sink.json("summary", &summary)?;
    context.sink.report("The config is written again.")?;
    Ok(Exit::Ok)
}

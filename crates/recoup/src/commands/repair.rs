//! `recoup repair`.

use clap::{Args, Subcommand};
use repository::keys;
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
    /// Take packs into the index that it does not list
    Index {
        /// All packs, not only those that no readable index run lists
        #[arg(long)]
        all: bool,
    },
    /// Write the config again, from what the key says
    Config,
}

pub(crate) fn run(arguments: &Arguments, context: &mut Context) -> Result<Exit> {
    match arguments.what {
        What::Index { all } => index(all, context),
        What::Config => config(context),
    }
}

fn index(all: bool, context: &mut Context) -> Result<Exit> {
    let opened = context.open_to_read()?;
    let rebuilt = opened.repository.rebuild_index(all)?;
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
        "damaged": damaged,
    });
    context.sink.json("summary", &summary)?;
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

//! `recoup snapshots`.

use clap::Args;
use model::Snapshot;
use repository::Stored;

use crate::context::Context;
use crate::exit::{Exit, Result};
use crate::names::select::Selection;
use crate::output::json::SnapshotLine;
use crate::output::table::{Align, Table};
use crate::output::text;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    selection: Selection,
}

pub(crate) fn run(arguments: &Arguments, context: &mut Context) -> Result<Exit> {
    let opened = context.open_to_read()?;
    let all = context.snapshots(&opened)?;
    let mut memory = opened.memory(&context.settings);
    memory.saw_snapshots(all.iter().map(|stored| stored.id));
    memory.save()?;
    let none = all.is_empty();
    let chosen = arguments.selection.filter(&all)?;
    if chosen.is_empty() {
        context.terminal.note(if none {
            "There are no snapshots yet; `recoup backup PATH` makes one."
        } else {
            "No snapshot is of that source, tag and host."
        });
    }
    if context.sink.is_json() {
        for Stored { id, snapshot } in &chosen {
            context
                .sink
                .json("snapshot", &SnapshotLine::new(*id, snapshot))?;
        }
        context.sink.json_count(chosen.len() as u64)?;
        return Ok(Exit::Ok);
    }
    print_table(&chosen, context)?;
    Ok(Exit::Ok)
}

fn print_table(chosen: &[Stored], context: &mut Context) -> Result<()> {
    let Some(first) = chosen.first() else {
        return Ok(());
    };
    let several = chosen
        .iter()
        .any(|stored| stored.snapshot.host != first.snapshot.host);
    let mut table = Table::new(&[
        ("id", Align::Left),
        ("time", Align::Left),
        ("source", Align::Left),
        ("files", Align::Right),
        ("size", Align::Right),
        ("new data", Align::Right),
        ("", Align::Left),
    ]);
    for Stored { id, snapshot } in chosen {
        let mut source = text::path(&snapshot.source);
        if several {
            source = format!("{}:{source}", text::path(snapshot.host.as_bytes()));
        }
        table.row([
            id.short(),
            text::local(snapshot.time),
            source,
            text::count(snapshot.totals.files),
            text::size(snapshot.totals.bytes),
            text::size(snapshot.totals.stored_bytes),
            remarks(snapshot),
        ]);
    }
    table.lines().try_for_each(|line| context.sink.line(&line))
}

fn remarks(snapshot: &Snapshot) -> String {
    let mut remarks = Vec::new();
    if snapshot.is_partial() {
        let unread = text::count(snapshot.errors);
        remarks.push(format!("partial: {unread} unreadable"));
    }
    if snapshot.safety {
        remarks.push("safety: taken before a restore".to_owned());
    }
    let tags = snapshot.tags.iter();
    remarks.extend(tags.map(|tag| format!("#{}", text::path(tag.as_bytes()))));
    remarks.join(", ")
}

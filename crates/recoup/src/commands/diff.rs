//! `recoup diff`.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

use clap::Args;
use repository::{MapReader, Stored};

use crate::access::open::Opened;
use crate::commands::diff_live;
use crate::commands::diff_show::{Tally, show};
use crate::context::{self, Context};
use crate::exit::{Exit, Failure, Result};
use crate::names::place::Place;
use crate::names::select::{Found, Listing, Selection};
use crate::names::store::is_store;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The earlier state
    #[arg(value_name = "SNAPSHOT[:PATH]")]
    before: OsString,
    /// The later state: a snapshot; `live`, or the address of a store, for what is there now
    #[arg(value_name = "SNAPSHOT|live", default_value = "live")]
    after: OsString,
    /// Only what is here and beneath: relative to the source's root, or absolute
    #[arg(value_name = "PATH")]
    path: Option<OsString>,
    /// Only count
    #[arg(long)]
    stat: bool,
    #[command(flatten)]
    selection: Selection,
}

pub(crate) fn run(arguments: &Arguments, context: &mut Context) -> Result<Exit> {
    let now = context::now();
    let mut place = Place::parse(arguments.before.as_bytes(), &now)?;
    if let Some(path) = &arguments.path {
        if place.path.is_some() {
            return Err(Failure::usage(
                "the path is said twice: behind the colon and on its own",
            ));
        }
        place.path = Some(path.as_bytes().to_vec());
    }
    let opened = context.open_to_read()?;
    let all = context.snapshots(&opened)?;
    let live = is_store(arguments.after.as_bytes());
    let mut selection = arguments.selection.clone();
    if live && selection.source.is_none() {
        selection.source = Some(arguments.after.clone().into());
    }
    let before = selection.find(&all, &place, &opened.repository)?;
    let mut tally = Tally::default();
    let mut exit = Exit::Ok;
    if live || arguments.after == "live" {
        exit = diff_live::run(&opened, &before, arguments.stat, &mut tally, context)?;
    } else {
        let after = after(arguments, &opened, &all, &before.stored, &now)?;
        compare(
            &opened,
            &before,
            &after,
            arguments.stat,
            &mut tally,
            context,
        )?;
    }
    tally.show(arguments.stat, context)?;
    Ok(exit)
}

/// The later snapshot. `latest` means that of the same source, where several are stored.
fn after(
    arguments: &Arguments,
    opened: &Opened,
    all: &Listing,
    before: &Stored,
    now: &jiff::Zoned,
) -> Result<Stored> {
    let mut place = Place::parse(arguments.after.as_bytes(), now)?;
    place.path = None;
    let mut selection = arguments.selection.clone();
    if selection.source.is_none() {
        let source = std::ffi::OsStr::from_bytes(&before.snapshot.source);
        selection.source = Some(source.into());
        selection.host.get_or_insert(before.snapshot.host.clone());
    }
    Ok(selection.find(all, &place, &opened.repository)?.stored)
}

fn compare(
    opened: &Opened,
    before: &Found,
    after: &Stored,
    stat: bool,
    tally: &mut Tally,
    context: &mut Context,
) -> Result<()> {
    let maps = MapReader::new(&opened.repository);
    let (from, to) = (before.stored.snapshot.root, after.snapshot.root);
    for change in maps.changes(from, to, &before.key) {
        let change = change?;
        tally.count(&change);
        if !stat {
            show(&change, context)?;
        }
    }
    Ok(())
}

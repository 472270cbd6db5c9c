//! `recoup find`.

use std::collections::HashMap;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use clap::Args;
use globset::{GlobBuilder, GlobMatcher};
use model::PathKey;
use repository::{MapReader, Stored};

use crate::commands::lost::Lost;
use crate::commands::ls::{long_line, shown_name};
use crate::context::Context;
use crate::exit::{Exit, Failure, Result};
use crate::names::select::Selection;
use crate::output::json::EntryLine;
use crate::output::text;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Names to look for, as `'*.odt'`; with a slash in it, whole paths: `'letters/**/*.odt'`
    #[arg(value_name = "PATTERN")]
    pattern: String,
    /// Take no notice of capitals
    #[arg(short, long)]
    ignore_case: bool,
    /// Look in every snapshot, not only in the latest of each source
    #[arg(long)]
    all_snapshots: bool,
    /// With kind, permissions, owner, size and time
    #[arg(short, long)]
    long: bool,
    #[command(flatten)]
    selection: Selection,
}

pub(crate) fn run(arguments: &Arguments, context: &mut Context) -> Result<Exit> {
    let matcher = GlobBuilder::new(arguments.pattern.trim_start_matches('/'))
        .literal_separator(true)
        .case_insensitive(arguments.ignore_case)
        .build()
        .map_err(|error| Failure::usage(format!("the pattern can't be understood: {error}")))?
        .compile_matcher();
    let opened = context.open_to_read()?;
    let listing = context.snapshots(&opened)?;
    if !arguments.all_snapshots {
        // It looks in the latest of each source.
        let find = format!("find {}", text::path(arguments.pattern.as_bytes()));
        listing.require_all(&find).map_err(|failure| {
            let hint = "--all-snapshots looks in those that can be read";
            let more = failure.hint.clone().unwrap_or_default();
            failure.hint(format!("{hint}; {more}"))
        })?;
    }
    let all = arguments.selection.filter(&listing)?;
    let maps = MapReader::new(&opened.repository);
    let mut matches = 0;
    let mut lost = Lost::new(&context.terminal);
    for stored in chosen(&all, arguments.all_snapshots) {
        matches += search(arguments, &matcher, &maps, stored, &mut lost, context)?;
    }
    if matches == 0 {
        context.terminal.note("Nothing has such a name.");
    }
    context.sink.json_count(matches)?;
    Ok(match lost.exit() {
        Exit::Ok => listing.exit(),
        exit => exit,
    })
}

/// All, or the latest of each source; newest first.
fn chosen(all: &[Stored], every: bool) -> Vec<&Stored> {
    let mut seen = HashMap::new();
    let newest = all.iter().rev().filter(|stored| {
        let snapshot = &stored.snapshot;
        every
            || !snapshot.safety
                && seen
                    .insert((&snapshot.host, &snapshot.source), ())
                    .is_none()
    });
    newest.collect()
}

fn search(
    arguments: &Arguments,
    matcher: &GlobMatcher,
    maps: &MapReader<'_>,
    stored: &Stored,
    lost: &mut Lost,
    context: &mut Context,
) -> Result<u64> {
    let whole_path = arguments.pattern.contains('/');
    let mut entries = maps.entries(stored.snapshot.root, &PathKey::root());
    let mut matches = 0;
    while let Some((key, entry)) = entries.next_readable(&mut |gap, error| lost.tell(gap, error))? {
        let path;
        let candidate = if whole_path {
            path = key.to_path();
            path.as_slice()
        } else {
            key.name()
        };
        if key.is_root() || !matcher.is_match(Path::new(std::ffi::OsStr::from_bytes(candidate))) {
            continue;
        }
        matches += 1;
        let path = key.to_path();
        if context.sink.is_json() {
            let mut line = EntryLine::new(&path, &entry);
            line.snapshot = Some(stored.id.to_hex());
            context.sink.json("entry", &line)?;
            continue;
        }
        let name = format!("{}:{}", stored.id.short(), shown_name(&path, &entry));
        let text = match arguments.long {
            true => long_line(&stored.snapshot, &entry, &name),
            false => name,
        };
        context.sink.line(&text)?;
    }
    if matches > 0 && arguments.all_snapshots {
        let count = text::count(matches);
        let time = text::local(stored.snapshot.time);
        context
            .terminal
            .note(&format!("{} from {time}: {count}", stored.id.short()));
    }
    Ok(matches)
}

//! `recoup undo` and what belongs to it: one operation from the question to the report.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::context::Context;
use crate::exit::{Exit, Failure, Result};

pub(super) mod place;
mod event;
mod show;
mod report;
mod ground;
mod root;
mod act;
mod pending;
pub(super) mod listing;
pub(crate) mod ops;
pub(crate) mod conflicts;
pub(crate) mod resolve;
pub(crate) mod deleted;

use ground::with_ground;

/// Which changes of an event are taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Only {
    /// What the event removed
    Deleted,
    /// What the event changed, in content or metadata
    Changed,
    /// What the event made
    Created,
}

/// How content that was edited since is dealt with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ContentMergeChoice {
    /// It is a conflict
    Off,
    /// It is a conflict; merges that are possible are shown with --diff
    Propose,
    /// It is merged where that is safe
    Auto,
}

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// A file, whose previous version comes back; or, with a span of time, a directory or an etcd://HOST
    #[arg(value_name = "PATH")]
    path: Option<PathBuf>,
    /// Everything that happened since: a time like @14:00, or a snapshot
    #[arg(long, value_name = "TIME", conflicts_with_all = ["before", "after"])]
    since: Option<OsString>,
    /// The snapshot just before the event
    #[arg(long, value_name = "SNAPSHOT", requires = "after")]
    before: Option<OsString>,
    /// The snapshot just after the event; what was done since is kept
    #[arg(long, value_name = "SNAPSHOT", requires = "before")]
    after: Option<OsString>,
    /// Take back an earlier operation: the undo of an undo, exact
    #[arg(long, value_name = "N", conflicts_with_all = ["since", "before", "after", "path"])]
    op: Option<u64>,
    /// Take back what the culprit of an incident did, and nothing of what others did meanwhile
    #[arg(long, value_name = "N", conflicts_with_all = ["since", "before", "after", "op", "last"])]
    incident: Option<u64>,
    /// Take back the last operation
    #[arg(long, conflicts_with_all = ["since", "before", "after", "path", "op"])]
    last: bool,
    /// Only changes of this kind
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Only>,
    /// Only paths that match, relative to the source, as in `src/**` (again: any of them)
    #[arg(long = "path", value_name = "GLOB")]
    globs: Vec<String>,
    /// Only the paths that a file lists, one in a line: what a job logged that it touched (`-`: standard
    /// input)
    #[arg(long, value_name = "FILE")]
    paths_from: Option<PathBuf>,
    /// Do nothing at all where anything is in conflict
    #[arg(long)]
    strict: bool,
    /// What becomes of text that was edited after the event
    #[arg(long, value_enum, default_value = "propose")]
    content_merge: ContentMergeChoice,
    /// Of a key-value store: write at most so many keys a second
    #[arg(long, value_name = "KEYS", value_parser = clap::value_parser!(u32).range(1..))]
    rate: Option<u32>,
    /// Show every step of the plan
    #[arg(long)]
    show: bool,
    /// Show what merging would make of edited files
    #[arg(long)]
    diff: bool,
    /// Show what would be done and do nothing
    #[arg(long, short = 'n')]
    dry_run: bool,
    /// Finish an operation that was interrupted
    #[arg(long, conflicts_with_all = ["since", "before", "after", "op", "last"])]
    resume: bool,
    /// With --resume: take back what the interrupted operation did
    #[arg(long, requires = "resume")]
    abort: bool,
}

pub(crate) fn run(arguments: &Arguments, context: &mut Context) -> Result<Exit> {
    if arguments.resume {
        return pending::resume(arguments.path.as_deref(), arguments.abort, context);
    }
    let named = arguments.op.is_some() || arguments.last || arguments.incident.is_some();
    if arguments.path.is_none() && !named {
        return Err(Failure::usage("what is to be taken back is not said").hint(
            "recoup undo FILE; recoup undo DIR --since @14:00; recoup undo DIR --before SNAPSHOT \
             --after SNAPSHOT; recoup undo --op N",
        ));
    }
    act::undo(arguments, context)
}

//! `recoup resolve`: decide a conflict that an undo left.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use clap::Args;
use merge::Choice;
use model::operation::OperationKind;
use model::{Conflict, PathKey};
use undo::Event;

use super::act::{failure, report};
use super::place::{self, Spot};
use super::show::shown;
use super::{listing, pending, with_ground};
use crate::access::busy::Busy;
use crate::context::Context;
use crate::exit::{Exit, Failure, Result};
use crate::names::{live, store};
use crate::output::progress::Progress;
use crate::output::text;
use crate::signals;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Number of the operation
    #[arg(value_name = "N")]
    number: u64,
    /// Paths in conflict, relative to the source or as they are in the live tree
    #[arg(value_name = "PATH", required_unless_present = "all")]
    paths: Vec<OsString>,
    /// All open conflicts of the operation
    #[arg(long, conflicts_with = "paths")]
    all: bool,
    /// What is there now stays
    #[arg(long, group = "choice")]
    keep: bool,
    /// What was there before the event comes back; what is there now is kept in the quarantine
    #[arg(long, group = "choice")]
    take: bool,
    /// What is there now stays, and what was there before is put beside it
    #[arg(long, group = "choice")]
    both: bool,
}

impl Arguments {
    fn choice(&self) -> Result<Choice> {
        match (self.keep, self.take, self.both) {
            (true, _, _) => Ok(Choice::Keep),
            (_, true, _) => Ok(Choice::Take),
            (_, _, true) => Ok(Choice::Both),
            _ => {
                Err(Failure::usage("what is decided is not said").hint("--keep, --take or --both"))
            }
        }
    }
}

pub(crate) fn run(arguments: &Arguments, context: &mut Context) -> Result<Exit> {
    let choice = arguments.choice()?;
    let opened = context.open_to_read()?;
    let all = context.snapshots(&opened)?;
    let operations = listing::all(&opened, context)?;
    let number = arguments.number;
    let operation = operations.iter().find(|op| op.begun.number == number);
    let operation = operation.ok_or_else(|| {
        Failure::failed(format!(
            "resolve conflicts of operation {number}: there is none"
        ))
        .hint("`recoup ops` lists them")
    })?;
    let source = &operation.begun.source;
    let spot = place::of_source(source, PathKey::root(), &all, &context.host());
    if spot.is_store() && choice == Choice::Both {
        return Err(Failure::usage("a store has no place beside a key")
            .hint("--keep leaves what is there; --take brings back what was"));
    }
    let open = listing::open_conflicts(operation, &operations, &opened)?;
    let chosen = chosen(arguments, &open, &spot)?;
    let _busy = Busy::take(&context.settings.directories.state, source)?;
    pending::refuse_unfinished(source, &opened, context)?;
    let cancel = signals::listen()?;
    let word = match choice {
        Choice::Keep => "keep",
        Choice::Take => "take",
        Choice::Both => "both",
    };
    let event = Event {
        changes: merge::ChangeSet::default(),
        before: None,
        after: None,
        about: format!("{word} of operation {number}: {}", names(&chosen)),
        of: Some(number),
        incident: None,
        kind: OperationKind::Resolve,
    };
    let progress = Progress::start(&context.terminal);
    let done = with_ground(&spot, &opened, &progress, &cancel, context, |work, _| {
        let proposal = work.ground.resolve(&event, &chosen, choice)?;
        work.run(&event, &proposal).map_err(failure)
    });
    drop(progress);
    report(&done?, &opened, context)
}

fn names(chosen: &[Conflict]) -> String {
    const NAMED_MAX: usize = 3;
    let named: Vec<String> = chosen
        .iter()
        .take(NAMED_MAX)
        .map(|it| shown(&it.key))
        .collect();
    let rest = chosen.len().saturating_sub(NAMED_MAX);
    match rest {
        0 => named.join(", "),
        rest => format!("{} and {rest} more", named.join(", ")),
    }
}

fn chosen(arguments: &Arguments, open: &[Conflict], spot: &Spot) -> Result<Vec<Conflict>> {
    if arguments.all {
        return Ok(open.to_vec());
    }
    let mut chosen: Vec<Conflict> = Vec::new();
    for path in &arguments.paths {
        let relative = PathKey::from_path(path.as_bytes()).ok();
        let absolute = match spot.is_store() {
            true => Path::new(path).to_owned(),
            false => live::absolute(Path::new(path))?,
        };
        let absolute = store::key_of(&spot.source, &absolute);
        let keys = [relative, absolute];
        let found = open
            .iter()
            .find(|conflict| keys.iter().flatten().any(|key| *key == conflict.key));
        let Some(found) = found else {
            let shown = text::path(path.as_bytes());
            let number = arguments.number;
            return Err(Failure::failed(format!(
                "resolve {shown}: operation {number} has no open conflict there"
            ))
            .hint(format!("`recoup conflicts {number}` lists them")));
        };
        if !chosen.contains(found) {
            chosen.push(found.clone());
        }
    }
    chosen.sort_by(|one, two| one.key.cmp(&two.key));
    Ok(chosen)
}

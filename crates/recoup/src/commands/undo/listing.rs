//! Operations and their open conflicts, as the log of the repository tells them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use model::incident::{Dismissal, Incident};
use model::operation::{Listed, Operation, OperationKind, is_taken_back, that_took_back};
use model::point::TimelineRecord;
use model::{Conflict, PathKey, Plan, SnapshotId, Timestamp};
use repository::{Stored, Timeline};

use super::place;
use crate::access::open::Opened;
use crate::context::Context;
use crate::exit::{Failure, Result, chain};
use crate::names::select::Listing;
use crate::names::store::is_store;

/// All operations, oldest first; what can't be read is told of.
pub(in crate::commands) fn all(opened: &Opened, context: &Context) -> Result<Vec<Operation>> {
    let (operations, wrong) = opened.repository.operations()?;
    for error in &wrong {
        context
            .terminal
            .warn(&format!("failed to {}", chain(error)));
    }
    Ok(operations)
}

/// What an operation left open.
pub(super) fn left_open(operation: &Operation, opened: &Opened) -> Result<Plan> {
    match &operation.ended {
        Some((_, ended)) => match &ended.open {
            Some(listed) => Ok(opened.repository.plan(listed)?),
            None => Ok(Plan::default()),
        },
        None => Ok(Plan::default()),
    }
}

/// Conflicts of an operation that no later one has settled, and that was not itself taken back.
pub(super) fn open_conflicts(
    operation: &Operation,
    all: &[Operation],
    opened: &Opened,
) -> Result<Vec<Conflict>> {
    let number = operation.begun.number;
    let later = |kind| {
        let of = move |op: &&Operation| op.begun.of == Some(number) && op.begun.kind == kind;
        all.iter().filter(of).filter(|op| op.is_done())
    };
    if is_taken_back(number, all) {
        return Ok(Vec::new());
    }
    let mut settled: BTreeSet<PathKey> = BTreeSet::new();
    for resolve in later(OperationKind::Resolve) {
        let Some(listed) = &resolve.begun.plan else {
            continue;
        };
        let plan = opened.repository.plan(listed)?;
        let still: BTreeSet<PathKey> = left_open(resolve, opened)?
            .conflicts
            .into_iter()
            .map(|conflict| conflict.key)
            .collect();
        let steps = plan.steps.iter().map(|step| &step.key);
        let kept = plan.kept.iter().map(|kept| &kept.key);
        settled.extend(
            steps
                .chain(kept)
                .filter(|key| !still.contains(*key))
                .cloned(),
        );
    }
    let mut conflicts = left_open(operation, opened)?.conflicts;
    conflicts.retain(|conflict| !settled.contains(&conflict.key));
    Ok(conflicts)
}

/// An incident with where it happened and whether it is over.
#[derive(Debug)]
pub(in crate::commands) struct FoundIncident {
    pub(in crate::commands) source: Vec<u8>,
    pub(in crate::commands) incident: Incident,
    pub(in crate::commands) keys: Option<Listed>,
    /// The revisions of its first and its last state, in a store that counts them.
    pub(in crate::commands) revisions: (Option<u64>, Option<u64>),
    /// The operation that took it back.
    pub(in crate::commands) undone: Option<u64>,
    /// When somebody took it for nothing, and who.
    pub(in crate::commands) dismissed: Option<(Timestamp, Dismissal)>,
}

impl FoundIncident {
    /// Whether somebody still has to look at it.
    pub(in crate::commands) fn is_open(&self) -> bool {
        self.undone.is_none() && self.dismissed.is_none()
    }
}

/// The incidents of this machine's watched sources, by source and number.
pub(in crate::commands) fn incidents(
    stored: &[Stored],
    opened: &Opened,
    context: &Context,
) -> Result<Vec<FoundIncident>> {
    let operations = all(opened, context)?;
    let host = context.host();
    let sources: BTreeSet<&[u8]> = stored
        .iter()
        .filter(|stored| stored.snapshot.host == host && !stored.snapshot.safety)
        .map(|stored| stored.snapshot.source.as_slice())
        .collect();
    let mut found = Vec::new();
    for source in sources {
        let timeline = opened.repository.timeline(&host, source)?;
        let known = timeline.incidents()?;
        let revisions = match known.is_empty() {
            true => BTreeMap::new(),
            false => revisions(source, &timeline)?,
        };
        let revision_of = |id| revisions.get(&id).copied();
        for known in known {
            let undone = that_took_back(&operations, &known.incident, &host, source);
            found.push(FoundIncident {
                source: source.to_vec(),
                undone: undone.map(|op| op.begun.number),
                revisions: (
                    revision_of(known.incident.before),
                    revision_of(known.incident.after),
                ),
                incident: known.incident,
                keys: known.keys,
                dismissed: known.dismissed,
            });
        }
    }
    Ok(found)
}

/// The revision of each state of a store.
fn revisions(source: &[u8], timeline: &Timeline<'_>) -> Result<BTreeMap<SnapshotId, u64>> {
    let mut revisions = BTreeMap::new();
    if !is_store(source) {
        return Ok(revisions);
    }
    timeline.each(0, |entry| {
        if let Some(revision) = entry.revision() {
            revisions.insert(entry.id, revision);
            if let TimelineRecord::Checkpoint { snapshot, .. } = entry.record {
                revisions.insert(snapshot, revision);
            }
        }
        Ok(())
    })?;
    Ok(revisions)
}

/// How an operation stands, in a word.
pub(super) fn status(operation: &Operation, is_running: bool) -> &'static str {
    match &operation.ended {
        Some((_, ended)) => ended.outcome.word(),
        None if is_running => "running",
        None => "interrupted",
    }
}

/// The incident with this number, of the source that was named or the only one that has it. `verb` is what
/// is to be done with it, `named` how that is said of one source.
pub(in crate::commands) fn one_incident(
    mut found: Vec<FoundIncident>,
    (number, path): (u64, Option<&Path>),
    (verb, named): (&str, &str),
    all: &Listing,
    context: &Context,
) -> Result<FoundIncident> {
    found.retain(|found| found.incident.number == number);
    if let Some(path) = path {
        let spot = place::find(path, all, context)?;
        found.retain(|found| found.source == spot.source);
    }
    if found.len() > 1 {
        let message = format!("{verb} incident {number}: several sources have one");
        return Err(Failure::failed(message).hint(format!("name the source too: {named}")));
    }
    found.pop().ok_or_else(|| {
        Failure::failed(format!("{verb} incident {number}: there is none"))
            .hint("`recoup incidents` lists them")
    })
}

//! Plans, for people and for scripts.

use merge::content::unified;
use model::operation::Amounts;
use model::plan::Step;
use model::{Action, Conflict, Kind, PathKey, Plan};
use serde_json::json;
use undo::{Estimate, Event, Proposal, amounts_of};

use super::Arguments;
use crate::access::open::Opened;
use crate::context::Context;
use crate::exit::{Exit, Result};
use crate::output::json::PathText;
use crate::output::text;

/// Lines of each kind that are shown without `--show`.
pub(super) const SHOWN_MAX: usize = 5;

/// A word, what it means, and which steps it stands for.
type Group<'g> = (&'g str, &'g str, &'g dyn Fn(&Step) -> bool);

/// Type `step`.
#[derive(serde::Serialize)]
struct StepLine {
    #[serde(flatten)]
    path: PathText,
    action: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<String>,
    bytes: u64,
}

/// Types `conflict`, `kept` and `deferred`.
#[derive(serde::Serialize)]
pub(super) struct OpenLine<'a> {
    #[serde(flatten)]
    path: PathText,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    op: Option<u64>,
}

impl<'a> OpenLine<'a> {
    pub(super) fn conflict(conflict: &Conflict, op: Option<u64>, why: Option<&'a str>) -> Self {
        Self {
            path: PathText::new(&conflict.key.to_path()),
            kind: Some(conflict.kind.word()),
            why,
            op,
        }
    }

    pub(super) fn why(key: &PathKey, why: &'a str) -> Self {
        Self {
            path: PathText::new(&key.to_path()),
            kind: None,
            why: Some(why),
            op: None,
        }
    }
}

/// A path that people read; the root is a dot.
pub(super) fn shown(key: &PathKey) -> String {
    match key.is_root() {
        true => ".".to_owned(),
        false => text::path(&key.to_path()),
    }
}

/// The hash of a plan in hexadecimal: what approvals sign.
pub(super) fn hash(opened: &Opened, plan: &Plan) -> String {
    let hash = opened.repository.plan_hash(plan);
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What is shown of a plan.
pub(super) struct Shown<'a> {
    pub(super) arguments: &'a Arguments,
    pub(super) proposal: &'a Proposal,
    pub(super) event: &'a Event,
    pub(super) estimate: Estimate,
}

/// Every step, and what they come to.
pub(super) fn dry_run(shown: &Shown<'_>, opened: &Opened, context: &mut Context) -> Result<Exit> {
    let plan = &shown.proposal.plan;
    let amounts = amounts_of(plan);
    for step in &plan.steps {
        context.sink.json("step", &step_line(step))?;
    }
    open_json(plan, None, context)?;
    let mut summary = numbers(&amounts);
    summary["plan"] = json!(hash(opened, plan));
    summary["about"] = json!(shown.event.about);
    summary["estimated_ms"] = json!((shown.estimate.seconds * 1000.0).round() as u64);
    summary["dry_run"] = json!(true);
    context.sink.json("summary", &summary)?;
    if !context.sink.is_json() {
        self::plan(shown, opened, context)?;
        context.terminal.note("Dry run: nothing was changed.");
    }
    Ok(if plan.leaves_open() {
        Exit::Open
    } else {
        Exit::Ok
    })
}

fn step_line(step: &Step) -> StepLine {
    let from = match &step.action {
        Action::Move { from } => Some(String::from_utf8_lossy(&from.to_path()).into_owned()),
        _ => None,
    };
    let leaves = step.leaves.as_ref();
    StepLine {
        path: PathText::new(&step.key.to_path()),
        action: step.action.word(),
        from,
        bytes: leaves.map_or(0, |entry| entry.size),
    }
}

pub(super) fn numbers(amounts: &Amounts) -> serde_json::Value {
    json!({
        "restored": amounts.restored,
        "removed": amounts.removed,
        "metadata": amounts.metadata,
        "kept": amounts.kept,
        "merged": amounts.merged,
        "conflicts": amounts.conflicts,
        "deferred": amounts.deferred,
        "bytes": amounts.bytes,
    })
}

fn open_json(plan: &Plan, op: Option<u64>, context: &mut Context) -> Result<()> {
    for conflict in &plan.conflicts {
        let line = OpenLine::conflict(conflict, op, None);
        context.sink.json("conflict", &line)?;
    }
    for deferred in &plan.deferred {
        let line = OpenLine::why(&deferred.key, &deferred.why);
        context.sink.json("deferred", &line)?;
    }
    Ok(())
}

/// The plan for a person.
pub(super) fn plan(shown: &Shown<'_>, opened: &Opened, context: &mut Context) -> Result<()> {
    if context.sink.is_json() {
        return Ok(());
    }
    let (arguments, proposal) = (shown.arguments, shown.proposal);
    let plan = &proposal.plan;
    let event = shown.event;
    context.sink.report(&format!("Undo      {}", event.about))?;
    let shown_max = if arguments.show {
        usize::MAX
    } else {
        SHOWN_MAX
    };
    let groups: [Group<'_>; 6] = [
        ("restore", "gone, comes back", &|step| {
            step.action == Action::Create && !is_directory(step)
        }),
        ("restore", "directories, come back", &|step| {
            step.action == Action::Create && is_directory(step)
        }),
        ("put back", "changed, comes back as it was", &|step| {
            matches!(step.action, Action::Replace | Action::Move { .. })
        }),
        (
            "remove",
            "made by the event, into the quarantine",
            &|step| step.action == Action::Remove,
        ),
        ("metadata", "owner, mode, attributes or time", &|step| {
            step.action == Action::Metadata
        }),
        ("merge", "both sides kept", &|step| {
            step.action == Action::Merge
        }),
    ];
    for (word, what, is_in) in groups {
        let steps: Vec<&Step> = plan.steps.iter().filter(|step| is_in(step)).collect();
        steps_of(word, what, &steps, shown_max, context)?;
    }
    open(plan, shown_max, context)?;
    proposals(arguments, proposal, context)?;
    needs(proposal, context)?;
    time(shown.estimate, context)?;
    let hash = hash(opened, plan);
    context.sink.report(&format!("Plan      {}", &hash[..8]))
}

fn is_directory(step: &Step) -> bool {
    let leaves = step.leaves.as_ref();
    leaves.is_some_and(|entry| entry.kind == Kind::Directory)
}

fn steps_of(
    word: &str,
    what: &str,
    steps: &[&Step],
    shown_max: usize,
    context: &mut Context,
) -> Result<()> {
    if steps.is_empty() {
        return Ok(());
    }
    let bytes: u64 = steps
        .iter()
        .filter(|step| !matches!(step.action, Action::Metadata | Action::Remove))
        .filter_map(|step| step.leaves.as_ref())
        .map(|entry| entry.size)
        .sum();
    let size = if bytes > 0 {
        format!(", {}", text::size(bytes))
    } else {
        String::new()
    };
    let count = text::count(steps.len() as u64);
    context
        .sink
        .line(&format!("  {word:<9} {count:>9}{size}  ({what})"))?;
    for step in steps.iter().take(shown_max) {
        let from = match &step.action {
            Action::Move { from } => format!("  (now {})", shown(from)),
            _ => String::new(),
        };
        context
            .sink
            .line(&format!("              {}{from}", shown(&step.key)))?;
    }
    more(steps.len(), shown_max, context)
}

fn more(count: usize, shown_max: usize, context: &mut Context) -> Result<()> {
    if count > shown_max {
        let rest = text::count((count - shown_max) as u64);
        context
            .sink
            .line(&format!("              … and {rest} more"))?;
    }
    Ok(())
}

/// What stays open, and what is left alone.
fn open(plan: &Plan, shown_max: usize, context: &mut Context) -> Result<()> {
    if !plan.kept.is_empty() {
        let count = text::count(plan.kept.len() as u64);
        context
            .sink
            .line(&format!("  keep      {count:>9}  (left as they are)"))?;
        for kept in plan.kept.iter().take(shown_max) {
            let line = format!("              {}  ({})", shown(&kept.key), kept.why);
            context.sink.line(&line)?;
        }
        more(plan.kept.len(), shown_max, context)?;
    }
    if !plan.conflicts.is_empty() {
        let count = text::count(plan.conflicts.len() as u64);
        context.sink.line(&format!(
            "  CONFLICT  {count:>9}  (live stays; older versions go beside as NAME.recoup-N.EXT)"
        ))?;
        for conflict in plan.conflicts.iter().take(shown_max) {
            let words = words(conflict.kind);
            let line = format!("              {}  ({words})", shown(&conflict.key));
            context.sink.line(&line)?;
        }
        more(plan.conflicts.len(), shown_max, context)?;
    }
    if !plan.deferred.is_empty() {
        let count = text::count(plan.deferred.len() as u64);
        context
            .sink
            .line(&format!("  deferred  {count:>9}  (run it again later)"))?;
        for deferred in plan.deferred.iter().take(shown_max) {
            let line = format!("              {}  ({})", shown(&deferred.key), deferred.why);
            context.sink.line(&line)?;
        }
        more(plan.deferred.len(), shown_max, context)?;
    }
    Ok(())
}

/// A conflict in words.
pub(super) fn words(kind: model::ConflictKind) -> &'static str {
    use model::ConflictKind as K;
    match kind {
        K::PathReused => "deleted by the event; something new stands there",
        K::CleanedUp => "changed by the event; deleted since",
        K::MadeThenEdited => "made by the event; edited since",
        K::EditedAfter => "changed by the event; edited since",
        K::KindChanged => "another kind of thing stands there now",
        K::Metadata => "owner, mode or attributes were changed again since",
        K::DirectoryInTheWay => "a directory that must stay is in the way, or a file is",
        K::SameName => "would have the same name as another file here",
        K::Group => "belongs to a group that was worked on since; take it back as a whole: restore",
        K::RenamedTwice => "renamed again since",
        K::ChangedMeanwhile => "changed while the undo ran",
        K::LateWrite => "somebody still wrote to the replaced file; kept in the quarantine",
        _ => "not decided",
    }
}

/// Merges that could be made.
fn proposals(arguments: &Arguments, proposal: &Proposal, context: &mut Context) -> Result<()> {
    if proposal.proposed.is_empty() {
        return Ok(());
    }
    let count = text::counted(proposal.proposed.len() as u64, "conflict", "conflicts");
    context.sink.line(&format!(
        "  {count} could be merged: --diff shows how, --content-merge auto does it"
    ))?;
    if arguments.diff {
        for proposed in &proposal.proposed {
            let path = shown(&proposed.key);
            context.sink.line(&format!("--- {path} (live)"))?;
            let how = proposed.how;
            context
                .sink
                .line(&format!("+++ {path} (merged by {how})"))?;
            let diff = unified(&proposed.live, &proposed.bytes);
            context.sink.raw(diff.as_bytes())?;
        }
    }
    Ok(())
}

fn needs(proposal: &Proposal, context: &mut Context) -> Result<()> {
    let needs = &proposal.needs;
    if needs.inodes == 0 {
        return Ok(());
    }
    let mut line = format!("Needs     {}", text::size(needs.bytes));
    if let Some(free) = needs.free_bytes {
        line.push_str(&format!(" of {} free", text::size(free)));
    }
    line.push_str(&format!(
        ", {}",
        text::counted(needs.inodes, "file", "files")
    ));
    if let Some(free) = needs.free_inodes {
        line.push_str(&format!(" of {} possible", text::count(free)));
    }
    context.sink.report(&line)
}

fn time(estimate: Estimate, context: &mut Context) -> Result<()> {
    let about = text::duration(estimate.seconds.max(1.0));
    let whence = match estimate.measured {
        Some(number) => format!("at the rate of operation {number}"),
        None => "a guess: no rate was measured here yet".to_owned(),
    };
    context
        .sink
        .report(&format!("Time      about {about}, {whence}"))
}

/// Nothing has to be done.
pub(super) fn nothing(proposal: &Proposal, context: &mut Context) -> Result<Exit> {
    let mut summary = numbers(&amounts_of(&proposal.plan));
    summary["op"] = serde_json::Value::Null;
    context.sink.json("summary", &summary)?;
    context
        .sink
        .report("Nothing to undo: everything is as it was before.")?;
    Ok(Exit::Ok)
}

/// Something is in conflict, and nothing was to be done then.
pub(super) fn strict(proposal: &Proposal, context: &mut Context) -> Result<Exit> {
    open_json(&proposal.plan, None, context)?;
    let amounts = amounts_of(&proposal.plan);
    let mut summary = numbers(&amounts);
    summary["op"] = serde_json::Value::Null;
    context.sink.json("summary", &summary)?;
    let count = amounts.conflicts + amounts.deferred;
    context.terminal.error(&format!(
        "nothing was changed: {} in conflict or deferred, and --strict was asked for",
        text::counted(count, "path is", "paths are")
    ));
    Ok(Exit::Open)
}

//! What a restore would do, shown.

use std::os::unix::ffi::OsStrExt;

use model::Cancel;
use restore::{Action, Plan, RestoreOptions};
use serde_json::json;

use crate::access::open::Opened;
use crate::context::Context;
use crate::exit::{Exit, Result};
use crate::names::select::Found;
use crate::output::json::PathText;
use crate::output::progress::Progress;
use crate::output::text;

/// Type `step`.
#[derive(serde::Serialize)]
struct StepLine {
    #[serde(flatten)]
    path: PathText,
    action: &'static str,
    bytes: u64,
}

/// Whether content that is there would be overwritten or removed: reason to ask.
pub(super) fn overwrites(plan: &Plan) -> bool {
    [
        plan.replace,
        plan.replace_other_kind,
        plan.rewrite,
        plan.delete,
    ]
    .iter()
    .any(|amount| amount.paths > 0)
}

/// The plan in a line or two; silent where nothing is in the way.
pub(super) fn show(
    plan: &Plan,
    found: &Found,
    options: &RestoreOptions,
    context: &mut Context,
) -> Result<()> {
    if context.sink.is_json() || !plan.touches_existing() {
        return Ok(());
    }
    let target = text::path(options.target.as_os_str().as_bytes());
    let from = crate::context::describe(&found.stored);
    context
        .sink
        .report(&format!("Plan      {target}  <-  snapshot {from}"))?;
    context.sink.report(&format!("          {}", words(plan)))
}

fn words(plan: &Plan) -> String {
    let mut parts = Vec::new();
    for (amount, word) in [
        (plan.create, "create"),
        (plan.replace, "replace"),
        (plan.replace_other_kind, "replace by another kind"),
        (plan.rewrite, "rewrite in part"),
        (plan.attributes, "set attributes"),
        (plan.delete, "remove"),
        (plan.skip, "leave out"),
        (plan.same, "leave as it is"),
    ] {
        if amount.paths > 0 {
            parts.push(format!("{word} {}", text::count(amount.paths)));
        }
    }
    parts.push(format!("{} to write", text::size(plan.write_bytes())));
    parts.join(", ")
}

/// Every step, and what they come to.
pub(super) fn dry_run(
    opened: &Opened,
    found: &Found,
    options: &RestoreOptions,
    cancel: &Cancel,
    context: &mut Context,
) -> Result<Exit> {
    let progress = Progress::start(&context.terminal);
    let mut failed = Ok(());
    let sink = &mut context.sink;
    let plan = restore::plan_each(
        &opened.repository,
        &found.stored.snapshot,
        &found.key,
        options,
        &progress,
        cancel,
        &mut |step| {
            if step.action == Action::Same || failed.is_err() {
                return;
            }
            let line = StepLine {
                path: PathText::new(step.path),
                action: step.action.word(),
                bytes: step.bytes,
            };
            let path = if step.path.is_empty() {
                b"."
            } else {
                step.path
            };
            failed = sink.json("step", &line).and_then(|()| {
                sink.line(&format!("{:<12}  {}", step.action.word(), text::path(path)))
            });
        },
    );
    drop(progress);
    let plan = plan?;
    failed?;
    let written = [
        plan.create,
        plan.replace,
        plan.replace_other_kind,
        plan.rewrite,
    ];
    let summary = json!({
        "snapshot": found.stored.id.to_hex(),
        "target": options.target.to_string_lossy(),
        "files": written.iter().map(|amount| amount.paths).sum::<u64>(),
        "bytes": plan.write_bytes(),
        "deleted": plan.delete.paths,
        "unchanged": plan.same.paths,
        "errors": plan.problems.len(),
        "dry_run": true,
    });
    context.sink.json("summary", &summary)?;
    context
        .terminal
        .note(&format!("Dry run: would {}", words(&plan)));
    plan.check_room(&options.target)?;
    Ok(Exit::Ok)
}

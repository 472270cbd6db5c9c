//! A restore in place as an operation: listed by `recoup ops`, and taken back like an undo.

use model::SnapshotId;
use model::operation::{Amounts, Begun, Ended, OperationKind, Outcome};
use restore::Report;

use crate::access::open::Opened;
use crate::context::{self, Context};
use crate::exit::Result;
use crate::names::select::Found;
use crate::output::text;

/// Records that a restore begins; gives its number.
pub(super) fn begin(
    opened: &Opened,
    found: &Found,
    safety: SnapshotId,
    context: &Context,
) -> Result<u64> {
    let snapshot = &found.stored.snapshot;
    let place = match found.key.is_root() {
        true => String::new(),
        false => format!(" of {}", text::path(&found.key.to_path())),
    };
    let when = text::local(snapshot.time);
    let begun = Begun {
        number: 0,
        kind: OperationKind::Restore,
        host: context.host(),
        user: context::user(),
        source: snapshot.source.clone(),
        about: format!("{}{place} as of {when}", text::path(&snapshot.source)),
        before: Some(found.stored.id),
        after: None,
        of: None,
        incident: None,
        safety: Some(safety),
        plan: None,
        planned: Amounts::default(),
        work: Vec::new(),
        program: context::PROGRAM.to_owned(),
        below: found.key.clone(),
    };
    let number = opened
        .repository
        .begin_operation(&begun, context::timestamp())?;
    Ok(number)
}

/// Records how it ended. What the snapshot lacks is still there unless it was to be deleted.
pub(super) fn end(
    number: u64,
    report: &Report,
    found: &Found,
    deletes: bool,
    opened: &Opened,
) -> Result<()> {
    let ended = Ended {
        number,
        outcome: Outcome::Done,
        amounts: Amounts {
            restored: report.files + report.directories - report.unchanged.min(report.files),
            removed: report.deleted,
            kept: report.unchanged,
            deferred: report.missing_total,
            bytes: report.written_bytes,
            ..Amounts::default()
        },
        open: None,
        left: Some(found.stored.id),
        left_is_whole: deletes,
        quarantine: Vec::new(),
    };
    Ok(opened
        .repository
        .end_operation(&ended, context::timestamp())?)
}

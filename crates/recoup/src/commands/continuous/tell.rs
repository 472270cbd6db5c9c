//! What `recoup watch` tells alike of every kind of source.

use model::incident::Incident;
use serde_json::json;

use super::alert;
use super::incident_line::{self, IncidentLine};
use crate::context::Context;
use crate::exit::Result;
use crate::output::text;

/// What was stored since watching began.
#[derive(Debug, Default)]
pub(in crate::commands) struct Totals {
    pub(in crate::commands) points: u64,
    pub(in crate::commands) changes: u64,
    pub(in crate::commands) stored_bytes: u64,
}

impl Totals {
    /// Counts a point.
    pub(in crate::commands) fn add(&mut self, changes: u64, stored_bytes: u64) {
        self.points += 1;
        self.changes += changes;
        self.stored_bytes += stored_bytes;
    }

    /// The last lines. `what` is done to a source of this kind.
    pub(in crate::commands) fn end(&self, what: &str, context: &mut Context) -> Result<()> {
        context.terminal.finish_progress();
        let summary = json!({
            "points": self.points,
            "changes": self.changes,
            "stored_bytes": self.stored_bytes,
        });
        context.sink.json("summary", &summary)?;
        context.sink.line(&format!(
            "Stopped   {}, {}, {} stored; what was {what} stays protected up to here",
            text::counted(self.points, "point", "points"),
            text::counted(self.changes, "change", "changes"),
            text::size(self.stored_bytes)
        ))
    }
}

/// An incident that was found, or is seen otherwise now.
pub(in crate::commands) fn incident(
    incident: &Incident,
    source: &[u8],
    context: &mut Context,
) -> Result<()> {
    let line = IncidentLine::new(incident, source);
    context.sink.json("incident", &line)?;
    context.terminal.finish_progress();
    context.terminal.warn(&incident_line::words(incident));
    alert::send(incident, source, context);
    Ok(())
}

/// Something is in the way. `waiting` says how much waits for its end.
pub(in crate::commands) fn trouble(
    message: &str,
    waiting: u64,
    (one, many): (&str, &str),
    context: &mut Context,
) -> Result<()> {
    let line = json!({ "message": message, "waiting": waiting });
    context.sink.json("trouble", &line)?;
    context.terminal.warn(&format!(
        "failed to {message}; it is tried again, {} meanwhile",
        text::counted(waiting, one, many)
    ));
    Ok(())
}

//! The night of 2012 and this one, side by side.

use std::time::Duration;

use serde_json::{Value, json};

use super::plane::Difference;
use crate::context::Context;
use crate::exit::Result;
use crate::output::text;

/// How long each part took.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    /// The job deleted.
    pub(super) delete: Duration,
    /// From its last deletion to the alarm.
    pub(super) know: Duration,
    /// To a state that opens, and a plan made of it.
    pub(super) state: Duration,
    /// To what was lost being merged into what is there now.
    pub(super) merge: Duration,
    /// From the first deletion to the end.
    pub(super) normal: Duration,
}

impl Times {
    pub(super) fn as_json(&self) -> Value {
        json!({
            "delete": self.delete.as_secs_f64(),
            "know": self.know.as_secs_f64(),
            "state": self.state.as_secs_f64(),
            "merge": self.merge.as_secs_f64(),
            "normal": self.normal.as_secs_f64(),
        })
    }
}

/// Prints both.
pub(super) fn tell(
    times: &Times,
    difference: &Difference,
    requests: u64,
    lost: u64,
    context: &mut Context,
) -> Result<()> {
    // From the summary that was published after the event.
    let rows = [
        ("to know what had happened", "4.6 hours", times.know),
        ("to a state that opens", "9.7 hours", times.state),
        ("to merge what had changed since", "2.9 hours", times.merge),
        ("to normal", "23 h 41 min", times.normal),
    ];
    let head = format!("{:<34} {:>12} {:>12}", "", "2012", "now");
    context.sink.report(&head)?;
    for (what, then, now) in rows {
        let now = text::duration(now.as_secs_f64());
        let line = format!("{what:<34} {then:>12} {now:>12}");
        context.sink.report(&line)?;
    }
    let Difference {
        lost: gone,
        older,
        extra,
    } = *difference;
    let count = text::count;
    context.sink.report(&format!(
        "Deleted {}; lost {}; requests of customers {}, of them lost {}; brought back although its \
         owner had deleted it: {}",
        count(lost),
        count(gone),
        count(requests),
        count(older),
        count(extra),
    ))
}

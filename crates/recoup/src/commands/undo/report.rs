//! What came of an undo, for people and for scripts.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use serde_json::json;
use undo::Report;

use super::show::{OpenLine, SHOWN_MAX, numbers, shown, words};
use crate::context::Context;
use crate::exit::{Exit, Result};
use crate::output::text;

/// What came of it.
pub(super) fn show(report: &Report, context: &mut Context) -> Result<Exit> {
    for conflict in &report.open.conflicts {
        let note = report.notes.iter().find(|(key, _)| *key == conflict.key);
        let why = note.map(|(_, words)| words.as_str());
        let line = OpenLine::conflict(conflict, Some(report.number), why);
        context.sink.json("conflict", &line)?;
    }
    for deferred in &report.open.deferred {
        let line = OpenLine::why(&deferred.key, &deferred.why);
        context.sink.json("deferred", &line)?;
    }
    let mut summary = numbers(&report.amounts);
    summary["op"] = json!(report.number);
    summary["safety_snapshot"] = json!(report.safety.to_hex());
    summary["beside"] = json!(
        report
            .beside
            .iter()
            .map(|key| String::from_utf8_lossy(&key.to_path()).into_owned())
            .collect::<Vec<_>>()
    );
    summary["quarantine"] = json!(report.quarantine.to_string_lossy());
    summary["weaker"] = json!(report.weaker);
    context.sink.json("summary", &summary)?;
    people(report, context)?;
    Ok(match report.open.leaves_open() {
        true => Exit::Open,
        false => Exit::Ok,
    })
}

fn people(report: &Report, context: &mut Context) -> Result<()> {
    let amounts = &report.amounts;
    let mut parts = Vec::new();
    for (number, word) in [
        (amounts.restored, "restored"),
        (amounts.removed, "removed (in the quarantine)"),
        (amounts.metadata, "given their metadata back"),
        (amounts.merged, "merged"),
        (amounts.kept, "kept as they are"),
        (amounts.conflicts, "in conflict"),
        (amounts.deferred, "deferred"),
    ] {
        if number > 0 {
            parts.push(format!("{} {word}", text::count(number)));
        }
    }
    if parts.is_empty() {
        parts.push("nothing had to be changed".to_owned());
    }
    let number = report.number;
    let done = parts.join(", ");
    context
        .sink
        .report(&format!("Done      operation {number}: {done}"))?;
    context.sink.report(&format!(
        "          take it back: recoup undo --op {number}"
    ))?;
    for conflict in report.open.conflicts.iter().take(SHOWN_MAX) {
        let line = format!(
            "conflict  {}  ({})",
            shown(&conflict.key),
            words(conflict.kind)
        );
        context.sink.report(&line)?;
    }
    for (key, note) in report.notes.iter().take(SHOWN_MAX) {
        context.terminal.warn(&format!("{}: {note}", shown(key)));
    }
    if !report.beside.is_empty() {
        let names: Vec<String> = report.beside.iter().take(SHOWN_MAX).map(shown).collect();
        context
            .sink
            .report(&format!("beside    {}", names.join(", ")))?;
    }
    if !report.open.conflicts.is_empty() {
        let hint = format!(
            "recoup conflicts {number} lists them; recoup resolve {number} PATH --keep|--take|--both"
        );
        context.sink.report(&format!("          {hint}"))?;
    }
    if report.weaker {
        context.terminal.warn(
            "this file system has no guarded renames: each path was absent for a moment, and a \
             write in that moment may have been overtaken (it is in the quarantine then)",
        );
    }
    let quarantine = report.quarantine.as_os_str();
    if report.quarantine.is_dir() && quarantine != OsStr::new("") {
        let line = format!("displaced {}", text::path(quarantine.as_bytes()));
        context.sink.report(&line)?;
    }
    Ok(())
}

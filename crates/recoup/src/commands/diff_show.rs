//! What `recoup diff` shows: changes, and how many there are.

use std::os::unix::ffi::OsStrExt;

use model::{Change, ChangeKind, PathKey};
use repository::Stored;
use serde_json::json;

use crate::commands::ls;
use crate::context::Context;
use crate::exit::{Failure, Result};
use crate::names::live;
use crate::output::json::ChangeLine;
use crate::output::text;

/// How many changes of each kind there are.
#[derive(Debug, Default)]
pub(super) struct Tally {
    created: u64,
    deleted: u64,
    changed: u64,
    metadata: u64,
    bytes_before: u64,
    bytes_after: u64,
}

/// One change: a sign and the path for people.
pub(super) fn show(change: &Change, context: &mut Context) -> Result<()> {
    if context.sink.is_json() {
        return context.sink.json("change", &ChangeLine::new(change));
    }
    let sign = match change.kind() {
        ChangeKind::Created => '+',
        ChangeKind::Deleted => '-',
        ChangeKind::Changed => 'M',
        ChangeKind::Metadata => 'm',
    };
    let entry = change.after.as_ref().or(change.before.as_ref());
    let path = change.key.to_path();
    let name = entry.map_or_else(|| text::path(&path), |entry| ls::shown_name(&path, entry));
    let sizes = match (&change.before, &change.after) {
        (Some(before), Some(after)) if before.size != after.size => {
            format!(
                "  ({} -> {})",
                text::size(before.size),
                text::size(after.size)
            )
        }
        _ => String::new(),
    };
    context.sink.line(&format!("{sign}  {name}{sizes}"))
}

impl Tally {
    pub(super) fn count(&mut self, change: &Change) {
        *match change.kind() {
            ChangeKind::Created => &mut self.created,
            ChangeKind::Deleted => &mut self.deleted,
            ChangeKind::Changed => &mut self.changed,
            ChangeKind::Metadata => &mut self.metadata,
        } += 1;
        if change.kind() != ChangeKind::Metadata {
            self.bytes_before += change.before.as_ref().map_or(0, |entry| entry.size);
            self.bytes_after += change.after.as_ref().map_or(0, |entry| entry.size);
        }
    }

    pub(super) fn show(&self, stat: bool, context: &mut Context) -> Result<()> {
        let summary = json!({
            "created": self.created,
            "deleted": self.deleted,
            "changed": self.changed,
            "metadata": self.metadata,
            "bytes_before": self.bytes_before,
            "bytes_after": self.bytes_after,
        });
        context.sink.json("summary", &summary)?;
        let counts = format!(
            "{} created (+), {} deleted (-), {} changed (M), {} metadata only (m)",
            text::count(self.created),
            text::count(self.deleted),
            text::count(self.changed),
            text::count(self.metadata)
        );
        if stat {
            return context.sink.line(&counts);
        }
        if !context.sink.is_json() {
            context.terminal.note(&counts);
        }
        Ok(())
    }
}

/// Where the source of a snapshot is in the live tree, if it is of this machine.
pub(super) fn live_root(stored: &Stored, context: &Context) -> Result<std::path::PathBuf> {
    let snapshot = &stored.snapshot;
    let root = std::path::PathBuf::from(std::ffi::OsStr::from_bytes(&snapshot.source));
    let is_there = live::key_below(&snapshot.source, &root) == Some(PathKey::root())
        && root.symlink_metadata().is_ok();
    if is_there {
        return Ok(root);
    }
    let host = if snapshot.host == context.host() {
        ""
    } else {
        ", it is of another machine"
    };
    Err(Failure::failed(format!(
        "look at {}: it is not there{host}",
        text::path(&snapshot.source)
    )))
}

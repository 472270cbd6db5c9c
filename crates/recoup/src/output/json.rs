//! The lines that scripts read. `docs/json-schema.json` describes every one of them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use model::{Entry, Snapshot, SnapshotId};
use serde::Serialize;

use crate::output::text;

/// A path: as text, and as it is when it is no text.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct PathText {
    path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    path_b64: Option<String>,
}

/// A source: as text, and as it is when it is no text.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct SourceText {
    source: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_b64: Option<String>,
}

/// Type `snapshot`.
#[derive(Debug, Serialize)]
pub(crate) struct SnapshotLine {
    id: String,
    time: String,
    finished: String,
    #[serde(flatten)]
    source: SourceText,
    host: String,
    user: String,
    tags: Vec<String>,
    files: u64,
    directories: u64,
    bytes: u64,
    new_bytes: u64,
    errors: u64,
    partial: bool,
    safety: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent: Option<String>,
    program: String,
}

/// Type `entry`; with `snapshot` where lines of several ones stand together.
#[derive(Debug, Serialize)]
pub(crate) struct EntryLine {
    #[serde(flatten)]
    path: PathText,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) snapshot: Option<String>,
    #[serde(flatten)]
    facts: Facts,
}

/// What is to be told about an entry.
#[derive(Debug, Serialize)]
pub(crate) struct Facts {
    kind: &'static str,
    size: u64,
    mode: u32,
    mtime: String,
    uid: u32,
    gid: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target_b64: Option<String>,
    #[serde(skip_serializing_if = "is_false")]
    unsettled: bool,
}

/// Type `change`.
#[derive(Debug, Serialize)]
pub(crate) struct ChangeLine {
    #[serde(flatten)]
    path: PathText,
    change: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<Facts>,
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<Facts>,
}

/// Type `version`: a stretch of states through which a path or a key stayed as it was.
#[derive(Debug, Serialize)]
pub(crate) struct VersionLine<'a> {
    #[serde(flatten)]
    pub(crate) path: PathText,
    #[serde(flatten)]
    pub(crate) source: SourceText,
    pub(crate) host: &'a str,
    pub(crate) change: &'static str,
    pub(crate) snapshot: String,
    pub(crate) time: String,
    pub(crate) last_snapshot: String,
    pub(crate) last_time: String,
    pub(crate) snapshots: u64,
    pub(crate) safety: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) revision: Option<u64>,
    #[serde(flatten)]
    pub(crate) facts: Option<Facts>,
}

/// Type `problem`: something about one path, or about one object of the repository.
#[derive(Debug, Serialize)]
pub(crate) struct ProblemLine {
    #[serde(flatten)]
    path: PathText,
    message: String,
}

fn is_false(value: &bool) -> bool {
    !value
}

/// Text, and the bytes in base64 when they are no text.
fn both(bytes: &[u8]) -> (String, Option<String>) {
    match std::str::from_utf8(bytes) {
        Ok(text) => (text.to_owned(), None),
        Err(_) => (
            String::from_utf8_lossy(bytes).into_owned(),
            Some(STANDARD.encode(bytes)),
        ),
    }
}

impl PathText {
    pub(crate) fn new(bytes: &[u8]) -> Self {
        let (path, path_b64) = both(bytes);
        Self { path, path_b64 }
    }
}

impl SourceText {
    pub(crate) fn new(bytes: &[u8]) -> Self {
        let (source, source_b64) = both(bytes);
        Self { source, source_b64 }
    }
}

impl SnapshotLine {
    pub(crate) fn new(id: SnapshotId, snapshot: &Snapshot) -> Self {
        Self {
            id: id.to_hex(),
            time: text::rfc3339(snapshot.time),
            finished: text::rfc3339(snapshot.finished),
            source: SourceText::new(&snapshot.source),
            host: snapshot.host.clone(),
            user: snapshot.user.clone(),
            tags: snapshot.tags.clone(),
            files: snapshot.totals.files,
            directories: snapshot.totals.directories,
            bytes: snapshot.totals.bytes,
            new_bytes: snapshot.totals.stored_bytes,
            errors: snapshot.errors,
            partial: snapshot.is_partial(),
            safety: snapshot.safety,
            parent: snapshot.parent.map(SnapshotId::to_hex),
            program: snapshot.program.clone(),
        }
    }
}

impl Facts {
    pub(crate) fn new(entry: &Entry) -> Self {
        let (target, target_b64) = match entry.target.as_slice() {
            b"" => (None, None),
            target => {
                let (text, b64) = both(target);
                (Some(text), b64)
            }
        };
        Self {
            kind: entry.kind.word(),
            size: entry.size,
            mode: entry.mode,
            mtime: text::rfc3339(entry.mtime),
            uid: entry.uid,
            gid: entry.gid,
            target,
            target_b64,
            unsettled: entry.unsettled,
        }
    }
}

impl EntryLine {
    pub(crate) fn new(path: &[u8], entry: &Entry) -> Self {
        Self {
            path: PathText::new(path),
            snapshot: None,
            facts: Facts::new(entry),
        }
    }
}

impl ChangeLine {
    pub(crate) fn new(change: &model::Change) -> Self {
        Self {
            path: PathText::new(&change.key.to_path()),
            change: change.kind().word(),
            before: change.before.as_ref().map(Facts::new),
            after: change.after.as_ref().map(Facts::new),
        }
    }
}

impl ProblemLine {
    pub(crate) fn new(path: &[u8], message: &str) -> Self {
        Self {
            path: PathText::new(path),
            message: message.to_owned(),
        }
    }
}

//! `recoup stats`.

use std::collections::BTreeSet;

use clap::Args;
use serde_json::json;
use storage::{ObjectKind, Storage};

use crate::access::open::{self, Opened};
use crate::context::Context;
use crate::exit::{Exit, Result};
use crate::output::text;

#[derive(Debug, Args)]
pub(crate) struct Arguments {}

pub(crate) fn run(_: &Arguments, context: &mut Context) -> Result<Exit> {
    let opened = context.open_to_read()?;
    let all = context.snapshots(&opened)?;
    let mut sources = BTreeSet::new();
    let (mut bytes, mut files) = (0u64, 0u64);
    for stored in all.iter() {
        let snapshot = &stored.snapshot;
        sources.insert((&snapshot.host, &snapshot.source));
        bytes = bytes.saturating_add(snapshot.totals.bytes);
        files = files.saturating_add(snapshot.totals.files);
    }
    let [packs, pack_bytes, stored] = amounts(&opened)?;
    let ratio = if stored == 0 {
        0.0
    } else {
        bytes as f64 / stored as f64
    };
    let path = open::location(&context.settings)?.path;
    let free = opened.storage.available_bytes().ok();
    let summary = json!({
        "repository": path.to_string_lossy(),
        "id": opened.repository.id().to_hex(),
        "snapshots": all.len(),
        "sources": sources.len(),
        "files": files,
        "bytes": bytes,
        "packs": packs,
        "pack_bytes": pack_bytes,
        "blobs": opened.repository.index().blobs(),
        "stored_bytes": stored,
        "ratio": ratio,
        "free_bytes": free,
    });
    context.sink.json("summary", &summary)?;
    let sources = text::counted(sources.len() as u64, "source", "sources");
    let lines = [
        (
            "Repository",
            format!("{} ({})", path.display(), opened.repository.id().short()),
        ),
        (
            "Snapshots",
            format!("{} of {sources}", text::count(all.len() as u64)),
        ),
        (
            "Protected",
            format!("{} in all snapshots together", text::size(bytes)),
        ),
        (
            "Stored",
            format!(
                "{} in {}",
                text::size(stored),
                text::counted(packs, "pack", "packs")
            ),
        ),
        ("Ratio", format!("{ratio:.1} : 1")),
        ("Free", free.map_or("unknown".to_owned(), text::size)),
    ];
    for (name, value) in lines {
        context.sink.line(&format!("{name:<11} {value}"))?;
    }
    Ok(Exit::Ok)
}

/// How many packs there are, their bytes, and the bytes of everything.
fn amounts(opened: &Opened) -> Result<[u64; 3]> {
    let (mut packs, mut pack_bytes, mut stored) = (0, 0, 0);
    for kind in ObjectKind::ALL {
        for (_, len) in opened.storage.list(kind)? {
            stored += len;
            if kind == ObjectKind::Pack {
                packs += 1;
                pack_bytes += len;
            }
        }
    }
    Ok([packs, pack_bytes, stored])
}

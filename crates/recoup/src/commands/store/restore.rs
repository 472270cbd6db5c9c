//! `recoup restore SNAPSHOT --to etcd://...`: a whole state into a store that holds nothing of it.

use etcd::Address;
use serde_json::json;

use crate::access::open::Opened;
use crate::commands::store::connect as store;
use crate::context::{self, Context};
use crate::exit::{Exit, Failure, Result};
use crate::names::select::Found;
use crate::names::store::is_store;
use crate::output::progress::Progress;
use crate::output::text;
use crate::signals;

pub(in crate::commands) fn run(
    found: &Found,
    target: &Address,
    opened: &Opened,
    context: &mut Context,
) -> Result<Exit> {
    let snapshot = &found.stored.snapshot;
    if !is_store(&snapshot.source) {
        let source = text::path(&snapshot.source);
        return Err(Failure::usage(format!(
            "{source} is no key-value store: it is not restored into one"
        )));
    }
    let client = store::connect(target, context)?;
    let cancel = signals::listen()?;
    let progress = Progress::start(&context.terminal);
    let restored = keyspace::restore(
        &opened.repository,
        snapshot.root,
        &found.key,
        &client,
        target.prefix(),
        None,
        &progress,
        &cancel,
    );
    drop(progress);
    let restored = restored?;
    let summary = json!({
        "snapshot": found.stored.id.to_hex(),
        "target": target.to_string(),
        "keys": restored.keys,
        "bytes": restored.bytes,
        "leased": restored.leased,
        "revision": restored.revision,
    });
    context.sink.json("summary", &summary)?;
    context.sink.report(&format!(
        "Restored  {}, {}, into {target}; read back at revision {}",
        text::counted(restored.keys, "key", "keys"),
        text::size(restored.bytes),
        restored.revision,
    ))?;
    context
        .sink
        .report(&format!("  from {}", context::describe(&found.stored)))?;
    if restored.leased > 0 {
        context.terminal.note(&format!(
            "{} had a lease and were left out: their owners make them again",
            text::counted(restored.leased, "key", "keys")
        ));
    }
    Ok(Exit::Ok)
}

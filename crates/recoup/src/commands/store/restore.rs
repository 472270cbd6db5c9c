//! `recoup restore SNAPSHOT --to etcd://...`: a whole state into a store that holds nothing of it.

use etcd::{Address, Client};
use keyspace::Restored;
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
    dry_run: bool,
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
    let restored = match dry_run {
        true => keyspace::restorable(
            &opened.repository,
            snapshot.root,
            &found.key,
            &client,
            target.prefix(),
        )?,
        false => write(found, target, &client, opened, context)?,
    };
    tell(&restored, found, target, dry_run, context)
}

fn write(
    found: &Found,
    target: &Address,
    client: &Client,
    opened: &Opened,
    context: &Context,
) -> Result<Restored> {
    let cancel = signals::listen()?;
    let progress = Progress::start(&context.terminal);
    let restored = keyspace::restore(
        &opened.repository,
        found.stored.snapshot.root,
        &found.key,
        client,
        target.prefix(),
        None,
        &progress,
        &cancel,
    );
    drop(progress);
    Ok(restored?)
}

fn tell(
    restored: &Restored,
    found: &Found,
    target: &Address,
    dry_run: bool,
    context: &mut Context,
) -> Result<Exit> {
    let summary = json!({
        "snapshot": found.stored.id.to_hex(),
        "target": target.to_string(),
        "keys": restored.keys,
        "bytes": restored.bytes,
        "leased": restored.leased,
        "revision": restored.revision,
        "dry_run": dry_run,
    });
    context.sink.json("summary", &summary)?;
    let keys = text::counted(restored.keys, "key", "keys");
    let (bytes, revision) = (text::size(restored.bytes), restored.revision);
    context.sink.report(&match dry_run {
        true => format!("Dry run   {keys}, {bytes}, would go into {target}"),
        false => {
            format!("Restored  {keys}, {bytes}, into {target}; read back at revision {revision}")
        }
    })?;
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

//! `recoup backup etcd://...`.

use etcd::Address;
use keyspace::Report;
use model::Cancel;

use crate::access::open::Opened;
use crate::commands::store::connect as store;
use crate::context::{self, Context};
use crate::exit::Result;
use crate::output::json::SnapshotLine;
use crate::output::progress::Progress;
use crate::output::text;

/// Backs a store up at its current revision.
pub(in crate::commands) fn run(
    address: &Address,
    tags: &[String],
    host: Option<&str>,
    opened: &Opened,
    cancel: &Cancel,
    context: &mut Context,
) -> Result<Report> {
    let client = store::connect(address, context)?;
    let mut all = context.settings.config.tag.clone().unwrap_or_default();
    all.extend_from_slice(tags);
    let mut options = store::options(address, all, context);
    options.host = host.map_or(options.host, str::to_owned);
    let progress = Progress::start(&context.terminal);
    let report = keyspace::backup(
        &opened.repository,
        &client,
        &options,
        None,
        &context::timestamp,
        &progress,
        cancel,
    );
    drop(progress);
    let report = report?;
    tell(&report, context)?;
    if report.snapshot.totals.files == 0 {
        let what = match address.prefix() {
            [] => "the store holds no key".to_owned(),
            prefix => format!("no key begins with {}", text::path(prefix)),
        };
        context
            .terminal
            .warn(&format!("{what}: the snapshot is empty"));
    }
    let mut memory = opened.memory(&context.settings);
    memory.saw_snapshots([report.id]);
    memory.save()?;
    Ok(report)
}

fn tell(report: &Report, context: &mut Context) -> Result<()> {
    let snapshot = &report.snapshot;
    let line = SnapshotLine::new(report.id, snapshot);
    context.sink.json("snapshot-made", &line)?;
    let source = text::path(&snapshot.source);
    let head = format!("Snapshot {}  {source}", report.id.short());
    context.sink.report(&head)?;
    let took = text::moment(snapshot.finished).duration_since(text::moment(snapshot.time));
    context.sink.report(&format!(
        "  {} at revision {}, {}; {} new data stored; {}",
        text::counted(snapshot.totals.files, "key", "keys"),
        report.revision,
        text::size(snapshot.totals.bytes),
        text::size(report.new_bytes),
        text::duration(took.as_secs_f64()),
    ))
}

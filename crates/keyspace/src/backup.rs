//! A backup of a store: the state at one revision becomes a snapshot.

use std::ops::Bound;
use std::sync::Arc;

use etcd::Client;
use model::{
    BlobId, Cancel, Monitor, Names, PathKey, Snapshot, SnapshotId, Step, Timestamp, Totals,
};
use repository::{MapReader, Packer, Repository};

use crate::capture::{build, capture, store_map};
use crate::error::{KeyspaceError, Result};
use crate::gather::Gathered;
use crate::value::{self, raw_key};

/// What a tag begins with that tells the revision of a snapshot.
pub const REVISION_TAG: &str = "revision:";

/// Of what, and by whom.
#[derive(Debug, Clone)]
pub struct Options {
    /// Name of the source: the canonical text of its address.
    pub source: Vec<u8>,
    /// What the keys begin with.
    pub prefix: Vec<u8>,
    /// Labels, beside that of the revision.
    pub tags: Vec<String>,
    /// This machine.
    pub host: String,
    /// Who runs it.
    pub user: String,
    /// Program and version.
    pub program: String,
    /// Threads that store values.
    pub threads: usize,
}

/// What a backup did.
#[derive(Debug, Clone)]
pub struct Report {
    /// The snapshot.
    pub id: SnapshotId,
    /// Its record.
    pub snapshot: Snapshot,
    /// The revision whose state it is.
    pub revision: i64,
    /// Bytes that were added to the repository.
    pub new_bytes: u64,
}

/// The revision of a snapshot, if it is of a store that counts them.
pub fn revision_of(snapshot: &Snapshot) -> Option<u64> {
    let tag = |tag: &String| tag.strip_prefix(REVISION_TAG)?.parse().ok();
    snapshot.tags.iter().find_map(tag)
}

/// Backs up every key at `revision`, or at the current one. When it returns, the snapshot is durable.
pub fn backup(
    repository: &Repository,
    client: &Client,
    options: &Options,
    revision: Option<i64>,
    clock: &dyn Fn() -> Timestamp,
    monitor: &dyn Monitor,
    cancel: &Cancel,
) -> Result<Report> {
    monitor.step(Step::Reading);
    let time = clock();
    let (captured, written) = repository.write(monitor, |session| {
        let what = (options.prefix.as_slice(), revision);
        let captured = capture(session, client, what, options.threads, monitor, cancel)?;
        monitor.step(Step::Syncing);
        Ok::<_, KeyspaceError>(captured)
    })?;
    let totals = Totals {
        files: captured.keys,
        bytes: captured.value_bytes,
        stored_bytes: written.stored_bytes,
        ..Totals::default()
    };
    let parent = last_of(repository, options)?;
    let snapshot = Snapshot {
        time,
        finished: clock(),
        parent,
        ..record(options, captured.root, Some(captured.revision), totals)
    };
    let id = repository.put_snapshot(&snapshot)?;
    Ok(Report {
        id,
        snapshot,
        revision: captured.revision,
        new_bytes: written.stored_bytes,
    })
}

/// The snapshot that this one follows, with a key that can read.
fn last_of(repository: &Repository, options: &Options) -> Result<Option<SnapshotId>> {
    if !repository.can_read() {
        return Ok(None);
    }
    let (snapshots, _) = repository.snapshots()?;
    let same = |snapshot: &Snapshot| {
        snapshot.source == options.source && snapshot.host == options.host && !snapshot.safety
    };
    let mut all = snapshots.iter().rev();
    Ok(all
        .find(|stored| same(&stored.snapshot))
        .map(|stored| stored.id))
}

/// Stores a state that is known, with all its nodes, as a snapshot that needs nothing but itself. All nodes of
/// `base` are stored already.
pub(crate) fn store_state(
    repository: &Repository,
    options: &Options,
    (base, root): (Option<BlobId>, Option<BlobId>),
    revision: i64,
    time: Timestamp,
    monitor: &dyn Monitor,
) -> Result<SnapshotId> {
    let ((), written) = repository.write(monitor, |session| store_map(session, base, root))?;
    let everything = (Bound::Unbounded, Bound::Unbounded);
    let reader = MapReader::new(repository);
    let totals = reader
        .map(root)
        .totals(everything.0, everything.1, format::entry::entry_bytes)
        .map_err(|error| KeyspaceError::Map {
            why: error.to_string(),
        })?;
    let totals = Totals {
        files: totals.count,
        bytes: totals.bytes,
        stored_bytes: written.stored_bytes,
        ..Totals::default()
    };
    let snapshot = Snapshot {
        time,
        finished: time,
        ..record(options, root, Some(revision), totals)
    };
    Ok(repository.put_snapshot(&snapshot)?)
}

/// A record with everything but times and parent.
fn record(
    options: &Options,
    root: Option<BlobId>,
    revision: Option<i64>,
    totals: Totals,
) -> Snapshot {
    let mut tags = options.tags.clone();
    // Of two such labels nobody could tell which one counts.
    tags.retain(|tag| !tag.starts_with(REVISION_TAG));
    tags.extend(revision.map(|revision| format!("{REVISION_TAG}{revision}")));
    tags.sort();
    tags.dedup();
    Snapshot {
        time: Timestamp::default(),
        finished: Timestamp::default(),
        host: options.host.clone(),
        user: options.user.clone(),
        source: options.source.clone(),
        tags,
        root,
        parent: None,
        totals,
        errors: 0,
        safety: false,
        names: Names::default(),
        program: options.program.clone(),
    }
}

/// Stores a safety snapshot of just these keys as they are at one revision.
pub(crate) fn keep(
    repository: &Repository,
    client: &Client,
    options: &Options,
    keys: &Arc<[PathKey]>,
    clock: &dyn Fn() -> Timestamp,
    monitor: &dyn Monitor,
) -> Result<SnapshotId> {
    /// Keys that are asked for in one go: their values are in memory meanwhile.
    const KEYS_AT_ONCE: usize = 4096;
    let time = clock();
    let ((root, revision, totals), written) = repository.write(monitor, |session| {
        let mut packer = Packer::data(session);
        let mut all = Gathered::default();
        let mut revision = None;
        for some in keys.chunks(KEYS_AT_ONCE) {
            let raw: Vec<Vec<u8>> = some.iter().map(raw_key).collect::<Result<_>>()?;
            let raw: Vec<&[u8]> = raw.iter().map(Vec::as_slice).collect();
            let (at, found) = client.get_many(&raw, revision)?;
            revision = Some(at);
            for (key, kv) in some.iter().zip(found) {
                if let Some(kv) = kv {
                    all.push(key, &value::store(&mut packer, repository, &kv)?);
                }
            }
        }
        packer.finish()?;
        let totals = Totals {
            files: all.len() as u64,
            bytes: all.value_bytes,
            ..Totals::default()
        };
        let root = build(session, &mut all)?;
        Ok::<_, KeyspaceError>((root, revision, totals))
    })?;
    let totals = Totals {
        stored_bytes: written.stored_bytes,
        ..totals
    };
    let snapshot = Snapshot {
        time,
        finished: clock(),
        safety: true,
        ..record(options, root, revision, totals)
    };
    Ok(repository.put_snapshot(&snapshot)?)
}

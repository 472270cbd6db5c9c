//! The state of a store at one revision as a map in the repository.

use std::thread;

use crossbeam_channel::bounded;
use etcd::{Client, KeyValue, Page};
use format::entry::entry_bytes;
use model::{BlobId, Cancel, Change, Monitor, PathKey};
use prolly::{BuildError, Builder, EditError};
use repository::{MapReader, MapWriter, Packer, Repository, Session};

use crate::error::{KeyspaceError, Result};
use crate::gather::Gathered;
use crate::value;

/// Pages that wait for a worker: with those in work and on the way, about 20 MB.
const PAGES_WAITING_MAX: usize = 1;

/// What was captured.
#[derive(Debug)]
pub(crate) struct Captured {
    pub(crate) root: Option<BlobId>,
    pub(crate) revision: i64,
    pub(crate) keys: u64,
    pub(crate) value_bytes: u64,
}

/// Reads every key with a prefix at one revision and stores all values and the map of them.
pub(crate) fn capture(
    session: &Session<'_>,
    client: &Client,
    (prefix, revision): (&[u8], Option<i64>),
    threads: usize,
    monitor: &dyn Monitor,
    cancel: &Cancel,
) -> Result<Captured> {
    let repository = session.repository();
    let mut at = 0;
    let mut all = Gathered::default();
    thread::scope(|scope| {
        let (queue, pages) = bounded::<Page>(PAGES_WAITING_MAX);
        let workers: Vec<_> = (0..threads.max(1))
            .map(|_| {
                let pages = pages.clone();
                scope.spawn(move || {
                    let mut packer = Packer::data(session);
                    let mut gathered = Gathered::default();
                    for page in pages {
                        for kv in &page.entries {
                            let entry = value::store(&mut packer, repository, kv)?;
                            gathered.push(&etcd::keys::encode(&kv.key), &entry);
                        }
                        let bytes = page.entries.iter().map(KeyValue::bytes).sum::<usize>();
                        monitor.done(page.entries.len() as u64, bytes as u64);
                    }
                    packer.finish()?;
                    Ok::<_, KeyspaceError>(gathered)
                })
            })
            .collect();
        drop(pages);
        let mut read = || {
            for page in client.pages(prefix, revision) {
                let page = page?;
                at = page.revision;
                if cancel.requested() {
                    return Err(KeyspaceError::Cancelled);
                }
                // Nobody takes it any more: what stopped the workers is told below.
                if queue.send(page).is_err() {
                    break;
                }
            }
            Ok(())
        };
        let done = read();
        drop(queue);
        for worker in workers {
            all.join(worker.join().map_err(|_| KeyspaceError::WorkerLost)??);
        }
        done
    })?;
    let root = build(session, &mut all)?;
    Ok(Captured {
        root,
        revision: at,
        keys: all.len() as u64,
        value_bytes: all.value_bytes,
    })
}

/// Stores the map of what was gathered.
pub(crate) fn build(session: &Session<'_>, all: &mut Gathered) -> Result<Option<BlobId>> {
    all.sort();
    let mut packer = Packer::map(session);
    let mut nodes = MapWriter(&mut packer);
    let params = session.repository().map_params();
    let mut builder = Builder::new(params, entry_bytes, &mut nodes);
    for (key, entry) in all.iter() {
        builder.push(key, entry).map_err(build_error)?;
    }
    let root = builder.finish().map_err(build_error)?;
    packer.finish()?;
    Ok(root)
}

fn build_error(error: BuildError<repository::RepositoryError>) -> KeyspaceError {
    match error {
        BuildError::Sink { source, .. } => source.into(),
        other => KeyspaceError::Map {
            why: other.to_string(),
        },
    }
}

/// Stores those nodes of a map that another map, which is stored, does not have.
pub(crate) fn store_map(
    session: &Session<'_>,
    stored: Option<BlobId>,
    root: Option<BlobId>,
) -> Result<()> {
    let reader = MapReader::new(session.repository());
    let mut mutations = Vec::new();
    for change in reader.changes(stored, root, &PathKey::root()) {
        let change = change?;
        let value = change.after.map(|entry| {
            let mut value = Vec::new();
            format::entry::encode_entry(&entry, &mut value);
            value
        });
        mutations.push((change.key.into_bytes(), value));
    }
    let mut packer = Packer::map(session);
    let params = session.repository().map_params();
    let map = reader.map(stored);
    let made = prolly::edit(
        &map,
        params,
        entry_bytes,
        mutations,
        &mut MapWriter(&mut packer),
    );
    let made = made.map_err(|error| match error {
        EditError::Build {
            source: BuildError::Sink { source, .. },
        } => source.into(),
        other => KeyspaceError::Map {
            why: other.to_string(),
        },
    })?;
    packer.finish()?;
    if made != root {
        let why = "the changes since the last checkpoint do not lead to this state".to_owned();
        return Err(KeyspaceError::Map { why });
    }
    Ok(())
}

/// What differs at a place and beneath it between a stored map and the store as it is now, and the
/// revision that is now.
pub fn compare_live(
    repository: &Repository,
    client: &Client,
    prefix: &[u8],
    root: Option<BlobId>,
    below: &PathKey,
) -> Result<(i64, Vec<Change>)> {
    let mut now = Gathered::default();
    let mut revision = 0;
    // What lies beneath a key of the map begins with its bytes in the store; what else does is left out below.
    let beneath = value::raw_key(below).unwrap_or_default();
    let narrower = if beneath.starts_with(prefix) {
        beneath.as_slice()
    } else {
        prefix
    };
    for page in client.pages(narrower, None) {
        let page = page?;
        revision = page.revision;
        for kv in &page.entries {
            let key = etcd::keys::encode(&kv.key);
            if below.contains(key.as_bytes()) {
                now.push(&key, &value::name(repository, kv)?);
            }
        }
    }
    now.sort();
    let reader = MapReader::new(repository);
    let mut entries = reader.entries(root, below);
    let mut changes = Vec::new();
    let mut then = entries.next()?;
    for live in now.entries() {
        let (key, after) = live?;
        while let Some((gone, before)) = then.take_if(|(then, _)| *then < key) {
            changes.push(change(gone, Some(before), None));
            then = entries.next()?;
        }
        let before = then.take_if(|(then, _)| *then == key);
        if before.is_some() {
            then = entries.next()?;
        }
        let before = before.map(|(_, entry)| entry);
        if before.as_ref() != Some(&after) {
            changes.push(change(key, before, Some(after)));
        }
    }
    while let Some((gone, before)) = then {
        changes.push(change(gone, Some(before), None));
        then = entries.next()?;
    }
    Ok((revision, changes))
}

/// What stands at a key now, as a backup would store it.
pub fn look(
    repository: &Repository,
    client: &Client,
    key: &PathKey,
) -> Result<Option<model::Entry>> {
    let found = client.get(&value::raw_key(key)?, None)?;
    found.map(|kv| value::name(repository, &kv)).transpose()
}

fn change(key: PathKey, before: Option<model::Entry>, after: Option<model::Entry>) -> Change {
    Change { key, before, after }
}

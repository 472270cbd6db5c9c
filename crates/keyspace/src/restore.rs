//! A whole state written into a store that holds nothing of it yet.

use etcd::{Applier, Client, Expect, Lease, Write};
use model::{BlobId, Cancel, Entry, Monitor, PathKey};
use repository::{MapReader, Repository};

use crate::error::{KeyspaceError, Result};
use crate::value::{AT_ONCE_MAX, BYTES_AT_ONCE, contents, lease_of, raw_key};

/// What a restore did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Restored {
    /// Keys that were written.
    pub keys: u64,
    /// Bytes of their values.
    pub bytes: u64,
    /// Keys that had been bound to a lease: left out, their owners make them again.
    pub leased: u64,
    /// The revision at which they were read back, or the target looked at.
    pub revision: i64,
}

/// What [`restore`] would write, unless it would refuse to.
pub fn restorable(
    repository: &Repository,
    root: Option<BlobId>,
    below: &PathKey,
    client: &Client,
    prefix: &[u8],
) -> Result<Restored> {
    let target = client.address().to_string();
    let keys = client.count(prefix)?;
    if keys > 0 {
        return Err(KeyspaceError::NotEmpty { target, keys });
    }
    let mut found = Restored {
        revision: client.revision()?,
        ..Restored::default()
    };
    let reader = MapReader::new(repository);
    let mut entries = reader.entries(root, below);
    while let Some((key, entry)) = entries.next()? {
        if lease_of(&entry) != 0 {
            found.leased += 1;
            continue;
        }
        let raw = raw_key(&key)?;
        if !raw.starts_with(prefix) {
            let key = String::from_utf8_lossy(&raw).into_owned();
            return Err(KeyspaceError::Outside { target, key });
        }
        found.keys += 1;
        found.bytes += entry.size;
    }
    Ok(found)
}

/// Writes everything at a place of a map and beneath it into a store that has no key with this prefix,
/// and reads it back. At most `rate` keys a second, if given.
#[expect(clippy::too_many_arguments, reason = "each is a thing of its own")]
pub fn restore(
    repository: &Repository,
    root: Option<BlobId>,
    below: &PathKey,
    client: &Client,
    prefix: &[u8],
    rate: Option<u32>,
    monitor: &dyn Monitor,
    cancel: &Cancel,
) -> Result<Restored> {
    // Nothing is written where not everything can be.
    restorable(repository, root, below, client, prefix)?;
    let target = client.address().to_string();
    let mut done = Restored::default();
    let mut applier = Applier::new(client, rate);
    let reader = MapReader::new(repository);
    let mut entries = reader.entries(root, below);
    let mut failed = 0;
    loop {
        let mut some: Vec<(Vec<u8>, Entry)> = Vec::new();
        let mut bytes = 0;
        while some.len() < AT_ONCE_MAX
            && bytes < BYTES_AT_ONCE
            && let Some((key, entry)) = entries.next()?
        {
            if lease_of(&entry) != 0 {
                done.leased += 1;
                continue;
            }
            let raw = raw_key(&key)?;
            bytes += entry.size;
            some.push((raw, entry));
        }
        done.bytes += bytes;
        let writes = writes_of(repository, some)?;
        if writes.is_empty() {
            break;
        }
        let applied = applier.apply(&writes, cancel, &mut |_, _| {});
        if cancel.requested() {
            return Err(KeyspaceError::Cancelled);
        }
        if let Some(error) = applied.stopped {
            return Err(error.into());
        }
        let (revision, wrong) = client.verify(&writes, None)?;
        failed += wrong.len() as u64;
        done.revision = revision;
        done.keys += writes.len() as u64;
        monitor.done(writes.len() as u64, 0);
    }
    if failed > 0 {
        return Err(KeyspaceError::NotRestored {
            target,
            keys: failed,
        });
    }
    Ok(done)
}

fn writes_of(repository: &Repository, some: Vec<(Vec<u8>, Entry)>) -> Result<Vec<Write>> {
    let entries: Vec<_> = some.iter().map(|(_, entry)| Some(entry)).collect();
    let values = contents(repository, &entries)?;
    let pairs = some.into_iter().zip(values);
    let write = |((key, _), value)| Write {
        key,
        new: Some(value),
        expect: Expect::Absent,
        lease: Lease::None,
    };
    Ok(pairs.map(write).collect())
}

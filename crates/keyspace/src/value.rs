//! Keys and values of a store as keys and entries of a map.
//!
//! An entry is the bytes of the value, and the lease as an attribute: it is shown and kept, and says that a
//! key was ephemeral, but two values are equal when their bytes are.

use etcd::KeyValue;
use model::{Content, Entry, Kind, PathKey, Xattr, Xattrs};
use repository::{Packer, Repository};

use crate::error::{KeyspaceError, Result};

/// Name of the attribute that holds the id of the lease as text.
pub const LEASE: &[u8] = b"etcd.lease";

/// The entry of a value whose bytes are kept so.
pub fn entry_of(kv: &KeyValue, content: Content) -> Entry {
    let mut entry = Entry::new(Kind::Value);
    entry.size = kv.value.len() as u64;
    entry.content = content;
    if kv.lease != 0 {
        entry.xattrs = lease_attribute(kv.lease);
    }
    entry
}

fn lease_attribute(lease: i64) -> Xattrs {
    Xattrs::Inline(vec![Xattr {
        name: LEASE.to_vec(),
        value: lease.to_string().into_bytes(),
    }])
}

/// The entry of a value, whose bytes are stored; they are durable when the session is.
pub(crate) fn store(
    packer: &mut Packer<'_, '_>,
    repository: &Repository,
    kv: &KeyValue,
) -> Result<Entry> {
    let content = backup::store_bytes(packer, repository, &kv.value)?;
    Ok(entry_of(kv, content))
}

/// The entry that a value would have, storing nothing.
pub(crate) fn name(repository: &Repository, kv: &KeyValue) -> Result<Entry> {
    let content = backup::content_of_bytes(repository, &kv.value)?;
    Ok(entry_of(kv, content))
}

/// Values that are in memory at once. Enough for each segment to be opened a few times only, wherever they lie.
pub(crate) const AT_ONCE_MAX: usize = 16_384;

/// Their bytes, give or take one value.
pub(crate) const BYTES_AT_ONCE: u64 = 16 << 20;

/// How many of some values, given their sizes, are written in one go; at least one.
pub(crate) fn fitting(sizes: impl Iterator<Item = u64>) -> usize {
    let mut bytes = 0;
    let fits = |size: &u64| {
        let fits = bytes < BYTES_AT_ONCE;
        bytes += size;
        fits
    };
    sizes.take(AT_ONCE_MAX).take_while(fits).count()
}

/// The bytes of many values. They are read in the order in which they lie: what was written at different times
/// is in different segments, and in the order of the keys each segment would be opened again and again.
pub(crate) fn contents(
    repository: &Repository,
    entries: &[Option<&Entry>],
) -> Result<Vec<Vec<u8>>> {
    let mut order = Vec::with_capacity(entries.len());
    for (at, entry) in entries.iter().enumerate() {
        let segment = match entry.map(|entry| &entry.content) {
            Some(Content::Blob(id)) => Some(repository.locate(id)?.segment),
            _ => None,
        };
        order.push((segment, at));
    }
    order.sort_unstable();
    let mut contents = vec![Vec::new(); entries.len()];
    for (_, at) in order {
        if let Some(entry) = entries[at] {
            contents[at] = repository.content(entry)?;
        }
    }
    Ok(contents)
}

/// The lease that a key was bound to; 0 for none.
pub fn lease_of(entry: &Entry) -> i64 {
    let Xattrs::Inline(list) = &entry.xattrs else {
        return 0;
    };
    let lease = list.iter().find(|xattr| xattr.name == LEASE);
    lease
        .and_then(|xattr| std::str::from_utf8(&xattr.value).ok()?.parse().ok())
        .unwrap_or(0)
}

/// The same value, bound to nothing.
pub(crate) fn without_lease(entry: &Entry) -> Entry {
    Entry {
        xattrs: Xattrs::default(),
        ..entry.clone()
    }
}

/// The key of the store that a key of the map stands for.
pub(crate) fn raw_key(key: &PathKey) -> Result<Vec<u8>> {
    etcd::keys::decode(key).ok_or_else(|| KeyspaceError::Foreign {
        path: key.to_path(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_memory_at_once_is_bounded_in_number_and_bytes() {
        assert_eq!(fitting([1, 2, 3].into_iter()), 3);
        assert_eq!(fitting(std::iter::repeat(0)), AT_ONCE_MAX);
        assert_eq!(fitting(std::iter::repeat(1 << 20)), 16);
        assert_eq!(fitting([1 << 30, 1].into_iter()), 1);
    }
}

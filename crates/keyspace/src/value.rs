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

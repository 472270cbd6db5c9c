//! Key-value stores as typed, and keys in them.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use etcd::Address;
use model::PathKey;

use crate::exit::{Failure, Result};
use crate::names::live;

/// The address that was typed, if it is one of a store.
pub(crate) fn source_of(typed: impl AsRef<OsStr>) -> Result<Option<Address>> {
    let typed = typed.as_ref();
    if !is_store(typed.as_bytes()) {
        return Ok(None);
    }
    let text = typed
        .to_str()
        .ok_or_else(|| Failure::usage("an address of an etcd is plain text"))?;
    let address = text.parse::<Address>();
    let address = address.map_err(|error| Failure::usage(error.to_string()))?;
    Ok(Some(address))
}

/// Whether a source of this name is a store.
pub(crate) fn is_store(source: &[u8]) -> bool {
    source.starts_with(etcd::address::SCHEME.as_bytes())
}

/// Where an address lies in a source; `None` when it lies elsewhere. The key is the whole one: of a source
/// with a prefix, too.
pub(crate) fn key_in(source: &[u8], address: &Address) -> Option<PathKey> {
    let source = source_of(OsStr::from_bytes(source)).ok()??;
    let mut ours = source.endpoints().to_vec();
    let mut theirs = address.endpoints().to_vec();
    ours.sort();
    theirs.sort();
    // One member is enough to say which cluster is meant.
    let same = ours == theirs || theirs.iter().any(|one| ours.contains(one));
    let lies_in = same && address.prefix().starts_with(source.prefix());
    lies_in.then(|| etcd::keys::encode(address.prefix()))
}

/// Where what an address names lies in a source: a key and what is beneath it; everything where the source
/// itself is named. `None` when it lies elsewhere.
pub(crate) fn place_in(source: &[u8], address: &Address) -> Option<PathKey> {
    let key = key_in(source, address)?;
    let is_whole = source_of(OsStr::from_bytes(source)).ok()??.prefix() == address.prefix();
    Some(match is_whole {
        true => PathKey::root(),
        false => beneath(address.prefix()).unwrap_or(key),
    })
}

/// The place of what is beneath a slash at the end: `/lb/` names what `/lb` has beneath it.
fn beneath(prefix: &[u8]) -> Option<PathKey> {
    let name = prefix.strip_suffix(b"/").filter(|name| !name.is_empty())?;
    Some(etcd::keys::encode(name))
}

/// The address of a key of a source, or of the source itself; `None` for what is no store.
pub(crate) fn address_of(source: &[u8], key: &PathKey) -> Option<Address> {
    let source = source_of(OsStr::from_bytes(source)).ok()??;
    match key.is_root() {
        true => Some(source),
        false => Some(source.with_prefix(etcd::keys::decode(key)?)),
    }
}

/// Where an absolute path as typed lies in a source of any kind: below the root of a tree; in a store, the
/// key of that name.
pub(crate) fn key_of(source: &[u8], path: &Path) -> Option<PathKey> {
    if !is_store(source) {
        return live::key_below(source, path);
    }
    match source_of(path).ok()? {
        Some(address) => place_in(source, &address),
        None => {
            let typed = path.as_os_str().as_bytes();
            Some(beneath(typed).unwrap_or_else(|| etcd::keys::encode(typed)))
        }
    }
}

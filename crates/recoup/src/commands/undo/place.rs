//! Which source a live path belongs to.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use model::PathKey;
use repository::Stored;

use crate::context::Context;
use crate::exit::{Failure, Result};
use crate::names::{live, store};
use crate::output::text;

/// A live path in its source.
#[derive(Debug, Clone)]
pub(in crate::commands) struct Spot {
    /// Name of the source.
    pub(in crate::commands) source: Vec<u8>,
    /// Root of the source in the live tree.
    pub(in crate::commands) root: PathBuf,
    /// The path in it.
    pub(in crate::commands) key: PathKey,
    /// Snapshots of this source made by backups, oldest first.
    pub(in crate::commands) snapshots: Vec<Stored>,
    /// Keys of a store that are written in a second at most.
    pub(in crate::commands) rate: Option<u32>,
}

/// Finds the source that a path lies in. Where several do, the innermost.
pub(in crate::commands) fn find(path: &Path, all: &[Stored], context: &Context) -> Result<Spot> {
    if let Some(address) = store::source_of(path)? {
        return find_store(&address, all, context);
    }
    // A path that is a source itself may be a link to it; what lies in one may be a link of its own.
    let real = live::absolute(path)?;
    let followed = path.canonicalize().unwrap_or_else(|_| real.clone());
    let host = context.host();
    let mut best: Option<(&[u8], PathKey)> = None;
    for stored in all.iter().filter(|stored| stored.snapshot.host == host) {
        let source = stored.snapshot.source.as_slice();
        if store::is_store(source) {
            continue;
        }
        let key = live::key_below(source, &real).or_else(|| live::key_below(source, &followed));
        let Some(key) = key else { continue };
        if best
            .as_ref()
            .is_none_or(|(found, _)| found.len() < source.len())
        {
            best = Some((source, key));
        }
    }
    let Some((source, key)) = best else {
        let shown = text::path(real.as_os_str().as_bytes());
        return Err(Failure::failed(format!(
            "undo in {shown}: no snapshot of this machine is of a source that holds it"
        ))
        .hint("`recoup snapshots` lists the sources; `recoup backup PATH` protects one"));
    };
    Ok(of_source(source, key, all, &host))
}

/// Finds the source that an address lies in. Where several do, the one with the longest prefix.
fn find_store(address: &etcd::Address, all: &[Stored], context: &Context) -> Result<Spot> {
    let host = context.host();
    let ours = all.iter().filter(|stored| stored.snapshot.host == host);
    let best = ours
        .filter_map(|stored| {
            let source = stored.snapshot.source.as_slice();
            Some((source, store::place_in(source, address)?))
        })
        .max_by_key(|(source, _)| source.len());
    let Some((source, key)) = best else {
        return Err(Failure::failed(format!(
            "undo in {address}: no snapshot of this machine is of a source that holds it"
        ))
        .hint("`recoup snapshots` lists the sources; `recoup watch etcd://HOST` protects one"));
    };
    Ok(of_source(source, key, all, &host))
}

/// A place in a source whose name is known.
pub(in crate::commands) fn of_source(
    source: &[u8],
    key: PathKey,
    all: &[Stored],
    host: &str,
) -> Spot {
    let same = |stored: &&Stored| {
        let snapshot = &stored.snapshot;
        snapshot.source == source && snapshot.host == host && !snapshot.safety
    };
    Spot {
        source: source.to_vec(),
        root: PathBuf::from(std::ffi::OsStr::from_bytes(source)),
        key,
        snapshots: all.iter().filter(same).cloned().collect(),
        rate: None,
    }
}

impl Spot {
    /// Whether it is in a key-value store.
    pub(super) fn is_store(&self) -> bool {
        store::is_store(&self.source)
    }

    /// The place as a person knows it.
    pub(in crate::commands) fn shown(&self) -> String {
        if let Some(address) = store::address_of(&self.source, &self.key) {
            return address.to_string();
        }
        let path = self
            .root
            .join(std::ffi::OsStr::from_bytes(&self.key.to_path()));
        text::path(path.as_os_str().as_bytes())
    }
}

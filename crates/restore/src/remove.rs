//! Removes what the snapshot does not have: names in its directories, and directories in its way.
//!
//! Never follows a symbolic link and never enters another file system.

use std::os::fd::AsRawFd;
use std::sync::Arc;

use model::Kind;
use rustix::fs::{AtFlags, Mode, OFlags, StatxAttributes, StatxFlags};
use source::SourceError;
use source::files::Stat;
use source::files::write::{Directory, Removal};

use crate::context::{Context, SourceResult};

/// What removing would take, or took, away.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Removed {
    pub(crate) names: u64,
    pub(crate) bytes: u64,
}

/// Removes a name of the target and everything beneath it; only counts when planning.
pub(crate) fn remove(context: &Context<'_>, parent: &[u8], name: &[u8]) -> SourceResult<Removed> {
    let mut removed = Removed::default();
    let directory = context.directory(parent)?;
    if !is_directory(&directory, name, &mut removed)? {
        if !context.dry {
            directory.remove(name, Removal::File)?;
        }
        return Ok(removed);
    }
    // Directories that are being emptied, outermost first, each with the names still to go.
    let key = child(parent, name);
    let mut open = vec![(key.len(), names(context, &directory, name, &key)?)];
    let mut path = key;
    while let Some((len, names_left)) = open.last_mut() {
        if context.ledger.stopped() {
            return Err(SourceError::Cancelled);
        }
        path.truncate(*len);
        let Some(name) = names_left.pop() else {
            open.pop();
            let (parent, name) = split(&path);
            if !context.dry {
                if let Some(tree) = &context.tree {
                    tree.forget(&path);
                }
                context
                    .directory(parent)?
                    .remove(name, Removal::EmptyDirectory)?;
            }
            continue;
        };
        let directory = context.directory(&path)?;
        if is_directory(&directory, &name, &mut removed)? {
            let key = child(&path, &name);
            let inside = names(context, &directory, &name, &key)?;
            open.push((key.len(), inside));
            path = key;
        } else if !context.dry {
            directory.remove(&name, Removal::File)?;
        }
    }
    Ok(removed)
}

/// Whether the name is a directory that may be entered; counts it.
fn is_directory(
    directory: &Arc<Directory>,
    name: &[u8],
    removed: &mut Removed,
) -> SourceResult<bool> {
    let Some(stat) = directory.stat(name)? else {
        return Ok(false);
    };
    removed.names += 1;
    if stat.kind != Kind::Directory {
        removed.bytes += stat.size;
        return Ok(false);
    }
    let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT;
    let raw = rustix::fs::statx(directory, name, flags, StatxFlags::BASIC_STATS)
        .map_err(|errno| directory.error("look at", name, errno))?;
    let parent = Stat::of(directory).map_err(|errno| directory.error("look at", b"", errno))?;
    if parent.dev != stat.dev || raw.stx_attributes.contains(StatxAttributes::MOUNT_ROOT) {
        let busy = std::io::Error::from(rustix::io::Errno::BUSY);
        return Err(directory.error("remove the mount point", name, busy));
    }
    Ok(true)
}

fn names(
    context: &Context<'_>,
    parent: &Directory,
    name: &[u8],
    key: &[u8],
) -> SourceResult<Vec<Vec<u8>>> {
    if !context.dry && !context.options.root_user {
        make_enterable(parent, name);
    }
    context.directory(key)?.names()
}

/// Gives the owner the rights that working in a directory takes; its own mode is set at the end.
pub(crate) fn make_enterable(parent: &Directory, name: &[u8]) {
    let Ok(Some(stat)) = parent.stat(name) else {
        return;
    };
    if stat.kind != Kind::Directory || stat.mode & 0o700 == 0o700 {
        return;
    }
    // A directory that may not be read can only be held as a place, and places can't be changed but
    // through the link that the system keeps for each open descriptor.
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let Ok(place) = rustix::fs::openat(parent, name, flags, Mode::empty()) else {
        return;
    };
    let path = format!("/proc/self/fd/{}", place.as_raw_fd());
    // Where it is refused, what needs the right says so.
    let _ = rustix::fs::chmod(path.as_str(), Mode::from_raw_mode(stat.mode | 0o700));
}

fn child(parent: &[u8], name: &[u8]) -> Vec<u8> {
    let mut key = Vec::with_capacity(parent.len() + 1 + name.len());
    key.extend_from_slice(parent);
    if !key.is_empty() {
        key.push(0);
    }
    key.extend_from_slice(name);
    key
}

fn split(key: &[u8]) -> (&[u8], &[u8]) {
    match key.iter().rposition(|&byte| byte == 0) {
        Some(at) => (&key[..at], &key[at + 1..]),
        None => (&[], key),
    }
}

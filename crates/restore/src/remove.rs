//! Removes what the snapshot does not have: names in its directories, and directories in its way.
//!
//! Never follows a symbolic link and never enters another file system or what is guarded: what holds
//! such a thing is kept around it.

use std::os::fd::AsRawFd;
use std::sync::Arc;

use model::Kind;
use rustix::fs::{AtFlags, Mode, OFlags, StatxAttributes, StatxFlags};
use source::SourceError;
use source::files::Stat;
use source::files::write::{Directory, Removal};

use crate::context::{Context, SourceResult};
use crate::guard::{Guarded, WHY};

/// What removing would take, or took, away.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Removed {
    pub(crate) names: u64,
    pub(crate) bytes: u64,
    /// Why the name itself was kept, whatever went from beneath it.
    pub(crate) kept: Option<&'static str>,
}

const MOUNTED: &str = "something is mounted in it";

/// What a name that is to be removed turned out to be.
enum What {
    File,
    Directory,
    Kept(&'static str),
}

/// A directory that is being emptied.
struct Emptied {
    key_len: usize,
    names_left: Vec<Vec<u8>>,
    kept: Option<&'static str>,
}

/// Why a directory that stands in the way of something can't be removed whole, if it can't.
pub(crate) fn holds_kept(
    context: &Context<'_>,
    parent: &[u8],
    name: &[u8],
) -> SourceResult<Option<&'static str>> {
    if context.guard.mounted(&*context.directory(parent)?) {
        return Ok(Some(MOUNTED));
    }
    Ok(walk(context, parent, name, true)?.kept)
}

/// Removes a name of the target and everything beneath it; only counts when planning.
pub(crate) fn remove(context: &Context<'_>, parent: &[u8], name: &[u8]) -> SourceResult<Removed> {
    walk(context, parent, name, context.dry)
}

fn walk(context: &Context<'_>, parent: &[u8], name: &[u8], dry: bool) -> SourceResult<Removed> {
    let mut removed = Removed::default();
    let key = child(parent, name);
    let directory = context.directory(parent)?;
    match what(context, &directory, name, &key, &mut removed)? {
        What::Directory => {}
        What::Kept(why) => {
            removed.kept = Some(why);
            return Ok(removed);
        }
        What::File => {
            if !dry {
                directory.remove(name, Removal::File)?;
            }
            return Ok(removed);
        }
    }
    // Outermost first.
    let mut open = vec![begin(context, &directory, name, &key)?];
    let mut path = key;
    while let Some(top) = open.last_mut() {
        if context.ledger.stopped() {
            return Err(SourceError::Cancelled);
        }
        path.truncate(top.key_len);
        let Some(name) = top.names_left.pop() else {
            let kept = top.kept;
            open.pop();
            if let Some(why) = kept {
                removed.names -= 1;
                match open.last_mut() {
                    Some(outer) => outer.kept = Some(why),
                    None => removed.kept = Some(why),
                }
            } else if !dry {
                let (parent, name) = split(&path);
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
        let key = child(&path, &name);
        match what(context, &directory, &name, &key, &mut removed)? {
            What::Directory => {
                open.push(begin(context, &directory, &name, &key)?);
                path = key;
            }
            What::Kept(why) => top.kept = Some(why),
            What::File => {
                if !dry {
                    directory.remove(&name, Removal::File)?;
                }
            }
        }
    }
    Ok(removed)
}

fn begin(
    context: &Context<'_>,
    parent: &Directory,
    name: &[u8],
    key: &[u8],
) -> SourceResult<Emptied> {
    let guarded = match parent.stat(name)? {
        Some(stat) => context.guard.check(key, &stat).is_some(),
        None => false,
    };
    Ok(Emptied {
        key_len: key.len(),
        names_left: names(context, parent, name, key)?,
        kept: guarded.then_some(WHY),
    })
}

/// What the name is; counts it if it may go.
fn what(
    context: &Context<'_>,
    directory: &Arc<Directory>,
    name: &[u8],
    key: &[u8],
    removed: &mut Removed,
) -> SourceResult<What> {
    let Some(stat) = directory.stat(name)? else {
        return Ok(What::File);
    };
    let is_directory = stat.kind == Kind::Directory;
    match context.guard.check(key, &stat) {
        Some(Guarded::Protected) => return Ok(What::Kept(WHY)),
        Some(Guarded::Ancestor) if !is_directory => return Ok(What::Kept(WHY)),
        _ => {}
    }
    let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT;
    let raw = rustix::fs::statx(directory, name, flags, StatxFlags::BASIC_STATS)
        .map_err(|errno| directory.error("look at", name, errno))?;
    let parent = Stat::of(directory).map_err(|errno| directory.error("look at", b"", errno))?;
    let mounted = raw.stx_attributes.contains(StatxAttributes::MOUNT_ROOT);
    if mounted || is_directory && parent.dev != stat.dev {
        return Ok(What::Kept(MOUNTED));
    }
    removed.names += 1;
    if is_directory {
        return Ok(What::Directory);
    }
    removed.bytes += stat.size;
    Ok(What::File)
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

//! What a restore must leave alone: the repository it reads from, keys, and what is mounted.
//!
//! Paths are known by device and inode, so that neither symbolic links nor bind mounts hide them, and
//! by name, for what the system gives no lasting number.

use std::collections::HashSet;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use model::PathKey;
use rustix::fs::{AtFlags, Mode, OFlags, StatxFlags};
use source::files::Stat;

use crate::error::{RestoreError, Result};

/// Why a path is left alone, as its problem says it.
pub(crate) const WHY: &str = "left as it is: it belongs to Recoup itself, or leads to what does";

/// What stands at a path that is left alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Guarded {
    /// Nothing is written at it or beneath it.
    Protected,
    /// It leads to such a path: it is neither replaced nor removed.
    Ancestor,
}

type Identity = (u64, u64);

#[derive(Debug, Default)]
pub(crate) struct Guard {
    protected: HashSet<Identity>,
    ancestors: HashSet<Identity>,
    /// Keys in the target of those that lie in it.
    keys: Vec<Vec<u8>>,
    /// The mount and file system of the target.
    mount: Option<(u64, u64)>,
}

impl Guard {
    /// Prepares to guard these paths from a restore that writes in `root`.
    pub(crate) fn new(paths: &[PathBuf], root: &Path) -> Self {
        let mut guard = Self {
            mount: open(root, OFlags::empty()).and_then(mount_of),
            ..Self::default()
        };
        let real_root = std::fs::canonicalize(root);
        for path in paths {
            // As it is named: links that lead to it are kept too.
            guard.add_ancestors(path);
            if let Some(identity) = identity(path, OFlags::NOFOLLOW) {
                let link = std::fs::symlink_metadata(path).is_ok_and(|m| m.is_symlink());
                if link {
                    guard.ancestors.insert(identity);
                }
            }
            let Ok(real) = std::fs::canonicalize(path) else {
                continue;
            };
            guard.add_ancestors(&real);
            guard.protected.extend(identity(&real, OFlags::NOFOLLOW));
            if let Ok(root) = &real_root
                && let Ok(inner) = real.strip_prefix(root)
                && let Ok(key) = PathKey::from_path(inner.as_os_str().as_bytes())
            {
                guard.keys.push(key.into_bytes());
            }
        }
        guard
    }

    fn add_ancestors(&mut self, path: &Path) {
        for path in path.ancestors().skip(1) {
            self.ancestors.extend(identity(path, OFlags::NOFOLLOW));
        }
    }

    /// Whether what stands at this key of the target is to be left alone.
    pub(crate) fn check(&self, target_key: &[u8], stat: &Stat) -> Option<Guarded> {
        let identity = (stat.dev, stat.ino);
        if self.protected.contains(&identity) || self.keys.iter().any(|key| key == target_key) {
            return Some(Guarded::Protected);
        }
        let leads = |key: &Vec<u8>| {
            target_key.is_empty()
                || key
                    .strip_prefix(target_key)
                    .is_some_and(|rest| rest.first() == Some(&0))
        };
        let ancestor = self.ancestors.contains(&identity) || self.keys.iter().any(leads);
        ancestor.then_some(Guarded::Ancestor)
    }

    /// Whether an open directory lies on another file system, or behind another mount, than the target.
    pub(crate) fn mounted(&self, directory: impl AsFd) -> bool {
        mount_of(directory) != self.mount
    }
}

/// Refuses a target that is, or lies beneath, a protected path.
pub(crate) fn check_target(paths: &[PathBuf], target: &Path) -> Result<()> {
    if paths.is_empty() {
        return Ok(());
    }
    let guarded: HashSet<Identity> = paths
        .iter()
        .filter_map(|path| identity(path, OFlags::empty()))
        .collect();
    let absolute = std::path::absolute(target).unwrap_or_else(|_| target.to_path_buf());
    let real = absolute
        .ancestors()
        .find_map(|path| std::fs::canonicalize(path).ok());
    let chain = real.iter().flat_map(|real| real.ancestors());
    let by_identity = chain
        .filter_map(|path| identity(path, OFlags::empty()))
        .any(|identity| guarded.contains(&identity));
    if by_identity || paths.iter().any(|path| absolute.starts_with(path)) {
        return Err(RestoreError::Unusable {
            path: target.to_path_buf(),
            why: "Recoup keeps its repository, keys, settings or state there",
        });
    }
    Ok(())
}

fn open(path: &Path, flags: OFlags) -> Option<std::os::fd::OwnedFd> {
    rustix::fs::open(path, OFlags::PATH | OFlags::CLOEXEC | flags, Mode::empty()).ok()
}

fn identity(path: &Path, flags: OFlags) -> Option<Identity> {
    let stat = Stat::of(open(path, flags)?).ok()?;
    Some((stat.dev, stat.ino))
}

fn mount_of(directory: impl AsFd) -> Option<(u64, u64)> {
    let flags = StatxFlags::BASIC_STATS | StatxFlags::MNT_ID;
    let raw = rustix::fs::statx(directory, c"", AtFlags::EMPTY_PATH, flags).ok()?;
    let known = StatxFlags::from_bits_retain(raw.stx_mask).contains(StatxFlags::MNT_ID);
    let mount = if known { raw.stx_mnt_id } else { 0 };
    let device = u64::from(raw.stx_dev_major) << 32 | u64::from(raw.stx_dev_minor);
    Some((mount, device))
}

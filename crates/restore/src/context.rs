//! What every part of a restore needs: the repository, the tree that is written, the rules.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use model::{Entry, Kind, PathKey};
use repository::Repository;
use source::SourceError;
use source::files::attributes::{Attributes, Rights};
use source::files::write::{Directory, TreeWriter};

use crate::guard::Guard;
use crate::ledger::{Ledger, Tally};
use crate::options::{Limits, RestoreOptions};

pub(crate) type SourceResult<T> = std::result::Result<T, SourceError>;

pub(crate) struct Context<'a> {
    pub(crate) repository: &'a Repository,
    pub(crate) ledger: Ledger<'a>,
    pub(crate) options: &'a RestoreOptions,
    pub(crate) rights: Rights,
    pub(crate) limits: Limits,
    pub(crate) place: Place,
    pub(crate) guard: Guard,
    /// `None` while planning for a target that does not exist.
    pub(crate) tree: Option<TreeWriter>,
    /// Nothing is to be changed.
    pub(crate) dry: bool,
    /// Files of several segments that are open.
    pub(crate) open_files: AtomicUsize,
}

/// How keys of the snapshot become keys of the target.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    /// What is restored.
    pub(crate) from: PathKey,
    /// The name of the target in the tree that is written, when it is not a directory.
    pub(crate) single: Option<Vec<u8>>,
}

impl Place {
    /// The directory that everything is written beneath.
    pub(crate) fn root<'o>(&self, options: &'o RestoreOptions) -> &'o Path {
        let root = match &self.single {
            Some(_) => options.target.parent().unwrap_or(&options.target),
            None => &options.target,
        };
        if root.as_os_str().is_empty() {
            Path::new(".")
        } else {
            root
        }
    }

    /// The key in the target of a key that is `from` or lies beneath it.
    pub(crate) fn target_key<'k>(&'k self, key: &'k [u8]) -> &'k [u8] {
        if let Some(name) = &self.single {
            return name;
        }
        match self.from.as_bytes().len() {
            0 => key,
            len => key.get(len + 1..).unwrap_or_default(),
        }
    }

    /// The same, cut into the key of the parent directory and the name in it.
    pub(crate) fn split<'k>(&'k self, key: &'k [u8]) -> (&'k [u8], &'k [u8]) {
        let key = self.target_key(key);
        match key.iter().rposition(|&byte| byte == 0) {
            Some(at) => (&key[..at], &key[at + 1..]),
            None => (&[], key),
        }
    }
}

/// Where things go in the target.
pub(crate) fn place(
    from: &PathKey,
    kind: Kind,
    options: &RestoreOptions,
) -> crate::error::Result<Place> {
    let single = match kind {
        Kind::Directory => None,
        _ => {
            let name = options.target.file_name();
            Some(
                name.ok_or_else(|| crate::RestoreError::Unusable {
                    path: options.target.clone(),
                    why: "it is no place for a file",
                })?
                .as_bytes()
                .to_vec(),
            )
        }
    };
    Ok(Place {
        from: from.clone(),
        single,
    })
}

impl Context<'_> {
    /// The open directory with this key in the target.
    pub(crate) fn directory(&self, target_key: &[u8]) -> SourceResult<Arc<Directory>> {
        match &self.tree {
            Some(tree) => tree.directory(target_key),
            None => Err(SourceError::NotFound {
                path: self.options.target.clone(),
            }),
        }
    }

    /// The open directory that is to hold this key of the snapshot, and the name in it.
    pub(crate) fn parent<'k>(&'k self, key: &'k [u8]) -> SourceResult<(Arc<Directory>, &'k [u8])> {
        let (parent, name) = self.place.split(key);
        Ok((self.directory(parent)?, name))
    }

    /// Runs `work` on several threads until it has taken all of `count` numbers, each once. Every
    /// thread has its own counts, which are told in between and at the end.
    pub(crate) fn in_parallel<S, M, W>(&self, count: usize, make: M, work: W) -> Vec<S>
    where
        S: Send,
        M: Fn() -> S + Sync,
        W: Fn(&mut S, &mut Tally, usize) + Sync,
    {
        let next = AtomicUsize::new(0);
        let run = || {
            let mut state = make();
            let mut tally = Tally::default();
            loop {
                let at = next.fetch_add(1, Ordering::Relaxed);
                if at >= count || self.ledger.stopped() {
                    break;
                }
                work(&mut state, &mut tally, at);
                self.ledger.tell_sometimes(&mut tally);
            }
            self.ledger.tell(&mut tally);
            state
        };
        let threads = self.options.threads().min(count);
        if threads <= 1 {
            return vec![run()];
        }
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..threads).map(|_| scope.spawn(run)).collect();
            threads
                .into_iter()
                .map(|thread| match thread.join() {
                    Ok(state) => state,
                    Err(panic) => std::panic::resume_unwind(panic),
                })
                .collect()
        })
    }
}

/// The attributes of an entry, with those that stand elsewhere read.
pub(crate) fn attributes<'e>(entry: &'e Entry, xattrs: &'e [model::Xattr]) -> Attributes<'e> {
    Attributes {
        kind: entry.kind,
        mode: entry.mode,
        uid: entry.uid,
        gid: entry.gid,
        mtime: entry.mtime,
        xattrs,
    }
}

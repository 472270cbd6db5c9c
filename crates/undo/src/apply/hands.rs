//! Every call that changes something, in one place: with the guarded moves of the system, or without.
//!
//! Owns the weaker ways for file systems that have no guarded moves, and tells the hooks of every call.

use rustix::fs::{AtFlags, Mode};
use source::SourceError;
use source::files::Stat;
use source::files::write::{Directory, Emptied, Removal, Swap, TreeWriter};

use super::judge::Hooks;
use crate::error::Result;

/// The executor's way to touch the disk.
pub(super) struct Hands<'a> {
    /// Whether the file system has moves that fail where they would overwrite, and exchanges.
    pub(super) guarded: bool,
    pub(super) hooks: &'a dyn Hooks,
}

impl<'a> Hands<'a> {
    /// Asks the file system, in a directory of our own, which moves it has.
    pub(super) fn probe(room: &TreeWriter, weaker: bool, hooks: &'a dyn Hooks) -> Result<Self> {
        let guarded = !weaker && has_guarded_moves(&*room.directory(b"")?)?;
        Ok(Self { guarded, hooks })
    }

    /// The state of a name.
    pub(super) fn look(&self, at: &Directory, name: &[u8]) -> Result<Option<Stat>, SourceError> {
        let found = at.stat(name);
        self.hooks.after_call("stat");
        found
    }

    /// Moves to a free name in a directory of our own, from wherever.
    pub(super) fn take(
        &self,
        from: &Directory,
        name: &[u8],
        to: &Directory,
        to_name: &[u8],
    ) -> Result<Swap, SourceError> {
        let done = if self.guarded {
            from.move_to_free(name, to, to_name)
        } else if to.stat(to_name)?.is_some() {
            Ok(Swap::Taken)
        } else {
            // Nobody else makes names there.
            from.move_unguarded(name, to, to_name)
        };
        self.hooks.after_call("put");
        done
    }

    /// Moves to a free name, in the weaker way from a directory of our own only: the old name is
    /// unlinked there, and somebody else's could stand at it by then.
    pub(super) fn put(
        &self,
        from: &Directory,
        name: &[u8],
        to: &Directory,
        to_name: &[u8],
    ) -> Result<Swap, SourceError> {
        let done = if self.guarded {
            from.move_to_free(name, to, to_name)
        } else {
            self.put_weakly(from, name, to, to_name)
        };
        self.hooks.after_call("put");
        done
    }

    /// A second name and then only that one; directories, and whatever can't have two names, by a look
    /// and a move.
    fn put_weakly(
        &self,
        from: &Directory,
        name: &[u8],
        to: &Directory,
        to_name: &[u8],
    ) -> Result<Swap, SourceError> {
        let Some(what) = from.stat(name)? else {
            return Ok(Swap::Gone);
        };
        if what.kind != model::Kind::Directory {
            match from.link_to_free(name, to, to_name)? {
                Swap::Unsupported => {}
                Swap::Done => {
                    self.hooks.after_call("link");
                    // The other name of what has just been given its new one.
                    from.remove(name, Removal::File)?;
                    return Ok(Swap::Done);
                }
                other => return Ok(other),
            }
        }
        if to.stat(to_name)?.is_some() {
            return Ok(Swap::Taken);
        }
        self.hooks.after_call("stat");
        from.move_unguarded(name, to, to_name)
    }

    /// Exchanges two names. Only where moves are guarded.
    pub(super) fn exchange(
        &self,
        one: &Directory,
        name: &[u8],
        other: &Directory,
        other_name: &[u8],
    ) -> Result<Swap, SourceError> {
        let done = one.exchange(name, other, other_name);
        self.hooks.after_call("exchange");
        done
    }

    /// Removes a directory if it is empty.
    pub(super) fn remove_if_empty(
        &self,
        at: &Directory,
        name: &[u8],
    ) -> Result<Emptied, SourceError> {
        let done = at.remove_if_empty(name);
        self.hooks.after_call("rmdir");
        done
    }

    /// Makes a directory that nobody else may enter yet; `false` if the name is taken.
    pub(super) fn make_directory(&self, at: &Directory, name: &[u8]) -> Result<bool, SourceError> {
        let done = match at.make_directory(name, 0o700) {
            Ok(()) => Ok(true),
            Err(SourceError::Io { source, .. })
                if source.kind() == std::io::ErrorKind::AlreadyExists =>
            {
                Ok(false)
            }
            Err(error) => Err(error),
        };
        self.hooks.after_call("mkdir");
        done
    }
}

fn has_guarded_moves(room: &Directory) -> Result<bool> {
    let (one, other, free) = (&b"probe-1"[..], &b"probe-2"[..], &b"probe-3"[..]);
    let make = |name: &[u8]| match rustix::fs::mkdirat(room, name, Mode::RWXU) {
        // Left behind by a run that was killed.
        Ok(()) | Err(rustix::io::Errno::EXIST) => Ok(()),
        Err(errno) => Err(room.error("create", name, errno)),
    };
    make(one)?;
    make(other)?;
    let exchanged = room.exchange(one, room, other)?;
    let taken = room.move_to_free(one, room, other)?;
    let moved = room.move_to_free(one, room, free)?;
    for name in [one, other, free] {
        // Empty directories of our own; one of them is gone in any case.
        let _ = rustix::fs::unlinkat(room, name, AtFlags::REMOVEDIR);
    }
    let free_is_left_over = moved == Swap::Taken;
    Ok(exchanged == Swap::Done
        && taken == Swap::Taken
        && (moved == Swap::Done || free_is_left_over))
}

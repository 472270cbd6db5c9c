//! Things made under a hidden name, to take the place of another in one step.
//!
//! Owns the hidden names and the promise that they are gone afterwards, published or not.

use std::collections::hash_map::RandomState;
use std::fs::File;
use std::hash::BuildHasher;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use model::entry::{Device, Kind};
use model::key::NAME_BYTES_MAX;
use rustix::fs::{AtFlags, RenameFlags};
use rustix::io::Errno;

use super::{Directory, Result};

const MARK: &[u8] = b".recoup-";
const RANDOM_LEN: usize = 6;
const DIGITS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// Names tried before giving up: by then somebody makes them on purpose.
const TRIES_MAX: usize = 100;

/// Something in a directory under a hidden name. Removed when dropped, unless published.
#[derive(Debug)]
pub struct Temporary {
    directory: Arc<Directory>,
    name: Vec<u8>,
    file: Option<File>,
    placed: bool,
}

impl Directory {
    /// Makes an empty file, open for writing, under a hidden name that resembles `near`.
    pub fn create_temporary(self: &Arc<Self>, near: &[u8]) -> Result<Temporary> {
        let mut file = None;
        let mut temporary = self.make_temporary(near, "create", |name| {
            file = Some(self.create_new(name)?);
            Ok(())
        })?;
        temporary.file = file;
        Ok(temporary)
    }

    /// The same for a symbolic link with this text.
    pub fn temporary_symlink(self: &Arc<Self>, near: &[u8], target: &[u8]) -> Result<Temporary> {
        self.make_temporary(near, "create the symbolic link", |name| {
            rustix::fs::symlinkat(target, self, name)
        })
    }

    /// The same for a pipe, socket name or device.
    pub fn temporary_special(
        self: &Arc<Self>,
        near: &[u8],
        kind: Kind,
        device: Option<Device>,
    ) -> Result<Temporary> {
        self.make_temporary(near, "create the special file", |name| {
            self.make_node(name, kind, device)
        })
    }

    /// The same for a hard link to what `from_name` is in `from`.
    pub fn temporary_link(
        self: &Arc<Self>,
        near: &[u8],
        from: &Self,
        from_name: &[u8],
    ) -> Result<Temporary> {
        from.check(from_name)?;
        self.make_temporary(near, "create the hard link", |name| {
            self.link_from(name, from, from_name)
        })
    }

    fn make_temporary(
        self: &Arc<Self>,
        near: &[u8],
        action: &'static str,
        mut make: impl FnMut(&[u8]) -> rustix::io::Result<()>,
    ) -> Result<Temporary> {
        self.check(near)?;
        let mut tries = 0;
        loop {
            let name = hidden_name(near);
            match make(&name) {
                Ok(()) => {
                    let directory = Arc::clone(self);
                    return Ok(Temporary {
                        directory,
                        name,
                        file: None,
                        placed: false,
                    });
                }
                Err(Errno::EXIST) if tries < TRIES_MAX => tries += 1,
                Err(errno) => return Err(self.failed(action, near, errno)),
            }
        }
    }
}

impl Temporary {
    /// The file to write to; `None` for what is not a file.
    pub fn file(&self) -> Option<&File> {
        self.file.as_ref()
    }

    /// The hidden name, for setting attributes.
    pub fn name(&self) -> &[u8] {
        &self.name
    }

    /// The directory that it is in.
    pub fn directory(&self) -> &Arc<Directory> {
        &self.directory
    }

    /// Puts it at `name`, in place of a file, symbolic link or special file that may stand there; a
    /// directory is not replaced. Gives the file back, for syncing.
    pub fn publish(mut self, name: &[u8]) -> Result<Option<File>> {
        self.directory.check(name)?;
        self.directory
            .rename_to(&self.name, &self.directory, name, RenameFlags::empty())
            .map_err(|errno| self.directory.failed("replace", name, errno))?;
        // Where both names are links to the same file, renaming does nothing: the hidden name is then
        // still there, and dropping removes it.
        self.placed = self.file.is_some();
        Ok(self.file.take())
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.placed {
            // There is nobody to tell; the name says what was left behind.
            let _ = rustix::fs::unlinkat(&self.directory, self.name.as_slice(), AtFlags::empty());
        }
    }
}

/// Whether a name is one of ours, left behind by a process that was killed.
pub fn is_temporary(name: &[u8]) -> bool {
    let Some((rest, random)) = name.split_last_chunk::<RANDOM_LEN>() else {
        return false;
    };
    rest.len() > MARK.len() + 1
        && rest[0] == b'.'
        && rest.ends_with(MARK)
        && random.iter().all(|byte| DIGITS.contains(byte))
}

/// `.NAME.recoup-XXXXXX`, with `NAME` cut so that the whole is a name.
fn hidden_name(near: &[u8]) -> Vec<u8> {
    let mut len = near.len().min(NAME_BYTES_MAX - 1 - MARK.len() - RANDOM_LEN);
    // Some file systems take nothing but UTF-8: don't cut through a character.
    while len > 1 && near.get(len).is_some_and(|byte| byte & 0xc0 == 0x80) {
        len -= 1;
    }
    let mut name = Vec::with_capacity(1 + len + MARK.len() + RANDOM_LEN);
    name.push(b'.');
    name.extend_from_slice(&near[..len]);
    name.extend_from_slice(MARK);
    let mut random = next_random();
    for _ in 0..RANDOM_LEN {
        name.push(DIGITS[(random % 32) as usize]);
        random /= 32;
    }
    name
}

/// Differs between processes and between calls. It need not be hard to guess: names are made with
/// `O_EXCL` or its like, so that one that exists is never used.
fn next_random() -> u64 {
    static START: OnceLock<RandomState> = OnceLock::new();
    static COUNT: AtomicU64 = AtomicU64::new(0);
    START
        .get_or_init(RandomState::new)
        .hash_one(COUNT.fetch_add(1, Ordering::Relaxed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_names_fit_and_are_known_again() {
        for near in [
            b"a".to_vec(),
            vec![b'x'; 255],
            "ü".repeat(127).into_bytes(),
            vec![0x80; 255],
        ] {
            let name = hidden_name(&near);
            assert!(name.len() <= NAME_BYTES_MAX && is_temporary(&name));
            assert_eq!(
                std::str::from_utf8(&near).is_ok(),
                std::str::from_utf8(&name).is_ok()
            );
        }
        for name in [
            &b".recoup-abcdef"[..],
            b"..recoup-abcdef",
            b"x.recoup-abcdef",
            b".x.recoup-ABCDEF",
        ] {
            assert!(!is_temporary(name), "{}", name.escape_ascii());
        }
    }
}

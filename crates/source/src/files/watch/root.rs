//! The watched directory itself: whether what is at its path still is what was there.
//!
//! A path says little: a directory that is removed, one that was renamed and a disk that was unmounted look
//! alike from there. The directory is held open, and asked.

use std::ffi::OsString;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use model::Kind;
use rustix::fs::{AtFlags, Mode, OFlags, StatxFlags};

use crate::SourceError;
use crate::files::stat::Stat;
use crate::files::watch::places::path_of;
use crate::files::watch::report::FileId;

/// How often it is asked again where it moved between two questions.
const AGAIN_MAX: usize = 16;

/// Where the directory is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whereabouts {
    /// At its path.
    Here,
    /// It was removed.
    Removed,
    /// It has another path now; at its own there is nothing, or something else.
    Renamed(PathBuf),
    /// It exists and can't be reached: its file system was unmounted, another one lies over it, or it may not
    /// be looked at any more. Nothing says that anything in it was removed.
    Hidden,
}

/// A directory that is held open, with what it is known by.
#[derive(Debug)]
pub struct Root {
    path: PathBuf,
    /// Nothing once it was let go.
    held: Option<OwnedFd>,
    id: FileId,
    /// Number of its file system, which stays when that is mounted again; 0 where it has none.
    file_system: u64,
}

impl Root {
    /// Opens the directory at this absolute path.
    pub fn open(path: &Path) -> Result<Self, SourceError> {
        let io = |errno| SourceError::io("open", path, errno);
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let held = rustix::fs::open(path, flags, Mode::empty()).map_err(io)?;
        let stat = held_stat(&held).map_err(io)?;
        Ok(Self {
            path: path.to_owned(),
            id: file_id(&stat),
            file_system: rustix::fs::fstatvfs(&held).map_err(io)?.f_fsid,
            held: Some(held),
        })
    }

    /// Where it is now.
    pub fn look(&self) -> Whereabouts {
        for _ in 0..AGAIN_MAX {
            if self.at_path() == Some(self.id) {
                return Whereabouts::Here;
            }
            let Some(held) = &self.held else {
                return Whereabouts::Hidden;
            };
            // A network file system may say that it does not know it: that need not mean that it was removed.
            if held_stat(held).is_ok_and(|stat| stat.nlink == 0) {
                return Whereabouts::Removed;
            }
            let Ok(now) = path_of(held.as_fd()) else {
                return Whereabouts::Hidden;
            };
            let now = PathBuf::from(OsString::from_vec(now));
            if now != self.path && directory_at(&now) == Some(self.id) {
                return Whereabouts::Renamed(now);
            }
        }
        Whereabouts::Hidden
    }

    /// The directory that is at its path now, whichever it is.
    pub fn at_path(&self) -> Option<FileId> {
        directory_at(&self.path)
    }

    /// Whether the file system that was unmounted is there again, `beneath` being what was at the path
    /// meanwhile. Its devices may have other numbers by now.
    pub fn is_there_again(&self, beneath: Option<FileId>) -> bool {
        let Some(now) = self.at_path() else {
            return false;
        };
        if now == self.id {
            return true;
        }
        let same = rustix::fs::statvfs(&self.path).is_ok_and(|it| it.f_fsid == self.file_system);
        same && beneath != Some(now) && (self.file_system != 0 || now.ino == self.id.ino)
    }

    /// Holds it no longer, so that what it is on can be taken away.
    pub fn let_go(&mut self) {
        self.held = None;
    }
}

/// Asked of the file system itself, as `fstat` does: a network one may have forgotten what it said before.
fn stat(of: impl AsFd, path: &Path, flags: AtFlags) -> rustix::io::Result<Stat> {
    let raw = rustix::fs::statx(of, path, flags, StatxFlags::BASIC_STATS)?;
    Ok(Stat::from_statx(&raw))
}

fn held_stat(held: &OwnedFd) -> rustix::io::Result<Stat> {
    stat(held, Path::new(""), AtFlags::EMPTY_PATH)
}

fn file_id(stat: &Stat) -> FileId {
    FileId {
        dev: stat.dev,
        ino: stat.ino,
    }
}

fn directory_at(path: &Path) -> Option<FileId> {
    let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT;
    let stat = stat(rustix::fs::CWD, path, flags).ok()?;
    (stat.kind == Kind::Directory).then(|| file_id(&stat))
}

#[cfg(test)]
// These are the user's renames: what is watched is what others do.
#[expect(
    clippy::disallowed_methods,
    reason = "plays others who rename without guards"
)]
mod tests {
    use super::*;

    fn place() -> (tempfile::TempDir, PathBuf) {
        let place = tempfile::tempdir().unwrap();
        let root = place.path().canonicalize().unwrap().join("root");
        std::fs::create_dir(&root).unwrap();
        (place, root)
    }

    #[test]
    fn what_is_removed_is_told_from_what_is_renamed() {
        let (place, root) = place();
        let other = place.path().canonicalize().unwrap().join("other");
        let held = Root::open(&root).unwrap();
        assert_eq!(held.look(), Whereabouts::Here);
        std::fs::rename(&root, &other).unwrap();
        assert_eq!(held.look(), Whereabouts::Renamed(other.clone()));
        std::fs::create_dir(&root).unwrap();
        assert_eq!(held.look(), Whereabouts::Renamed(other.clone()));
        std::fs::remove_dir(&root).unwrap();
        std::fs::rename(&other, &root).unwrap();
        assert_eq!(held.look(), Whereabouts::Here);
        std::fs::remove_dir(&root).unwrap();
        assert_eq!(held.look(), Whereabouts::Removed);
        // Something else in its place, whatever kind it is.
        std::fs::write(&root, "a file").unwrap();
        assert_eq!((held.look(), held.at_path()), (Whereabouts::Removed, None));
        std::fs::remove_file(&root).unwrap();
        std::fs::create_dir(&root).unwrap();
        assert_eq!(held.look(), Whereabouts::Removed);
        assert!(held.at_path().is_some());
    }

    #[test]
    fn a_directory_above_that_is_renamed_takes_it_along() {
        let place = tempfile::tempdir().unwrap();
        let at = place.path().canonicalize().unwrap();
        std::fs::create_dir_all(at.join("above/root")).unwrap();
        let held = Root::open(&at.join("above/root")).unwrap();
        std::fs::rename(at.join("above"), at.join("moved")).unwrap();
        assert_eq!(held.look(), Whereabouts::Renamed(at.join("moved/root")));
        std::fs::remove_dir_all(at.join("moved")).unwrap();
        assert_eq!(held.look(), Whereabouts::Removed);
    }

    #[test]
    fn what_was_let_go_is_known_again() {
        let (_place, root) = place();
        let mut held = Root::open(&root).unwrap();
        held.let_go();
        assert_eq!(held.look(), Whereabouts::Here);
        assert!(held.is_there_again(held.at_path()));
        let beneath = root.with_extension("away");
        std::fs::rename(&root, &beneath).unwrap();
        // Nobody can say any more what became of it.
        assert_eq!(held.look(), Whereabouts::Hidden);
        assert!(!held.is_there_again(None));
        std::fs::create_dir(&root).unwrap();
        assert!(!held.is_there_again(held.at_path()), "what was beneath");
    }
}

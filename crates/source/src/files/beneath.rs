//! Opening what lies beneath a directory, and nothing else.
//!
//! Owns the walk from a root descriptor to a stored key. No symbolic link is ever followed, `..` is
//! never asked for, and no path is long enough for the kernel to refuse it. It knows nothing of what
//! is read or written afterwards.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::{Errno, Result};

/// Longest path handed to the kernel at once: `PATH_MAX` is 4096 with the closing zero.
const PATH_BYTES_MAX: usize = 4000;

/// How often a walk is started anew when the tree was renamed beneath it.
const AGAIN_MAX: usize = 64;

const RESOLVE: ResolveFlags = ResolveFlags::BENEATH
    .union(ResolveFlags::NO_SYMLINKS)
    .union(ResolveFlags::NO_MAGICLINKS);

const STEP: OFlags = OFlags::PATH
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW);

/// Whether the kernel answered that it has no `openat2`.
static WITHOUT_OPENAT2: AtomicBool = AtomicBool::new(false);

/// Opens what `key` names beneath `root`: names joined by a zero byte, the empty key being `root`
/// itself. `O_CLOEXEC` is added to `flags`.
///
/// A symbolic link on the way fails with `ELOOP`; so does one at the end, unless `flags` ask for the
/// link itself (`O_PATH | O_NOFOLLOW`). A name that no directory could hold (empty, `.`, `..`, with a
/// slash) fails with `EINVAL`.
pub fn open_beneath(
    root: BorrowedFd<'_>,
    key: &[u8],
    flags: OFlags,
    mode: Mode,
) -> Result<OwnedFd> {
    // The kernel refuses a mode where nothing is created.
    let creates = flags.intersects(OFlags::CREATE | OFlags::TMPFILE.difference(OFlags::DIRECTORY));
    let mode = if creates { mode } else { Mode::empty() };
    let flags = flags | OFlags::CLOEXEC;
    if key.is_empty() {
        return rustix::fs::openat(root, c".", flags, mode);
    }
    if !key.split(|&byte| byte == 0).all(is_name) {
        return Err(Errno::INVAL);
    }
    let mut reached: Option<OwnedFd> = None;
    let mut rest = key;
    loop {
        let from = reached.as_ref().map_or(root, AsFd::as_fd);
        let (head, tail) = split_path(rest);
        match tail {
            None => return open_piece(from, head, flags, mode),
            Some(tail) => {
                reached = Some(open_piece(
                    from,
                    head,
                    STEP | OFlags::CLOEXEC,
                    Mode::empty(),
                )?);
                rest = tail;
            }
        }
    }
}

/// Opens (as a mere place, `O_PATH`) the directory that holds what `key` names, and gives the name
/// in it. The empty key, which has no parent, fails with `EINVAL`.
pub fn open_parent<'k>(root: BorrowedFd<'_>, key: &'k [u8]) -> Result<(OwnedFd, &'k [u8])> {
    let (parent, name) = match key.iter().rposition(|&byte| byte == 0) {
        // "\0name" would have an empty first component, which must not pass for the root.
        Some(0) => return Err(Errno::INVAL),
        Some(at) => (&key[..at], &key[at + 1..]),
        None => (&key[..0], key),
    };
    if !is_name(name) {
        return Err(Errno::INVAL);
    }
    let directory = open_beneath(root, parent, STEP, Mode::empty())?;
    Ok((directory, name))
}

/// Whether these bytes can stand as one name in a directory, as far as safety goes: length is left to
/// the file system.
pub(crate) fn is_name(name: &[u8]) -> bool {
    !matches!(name, b"" | b"." | b"..") && !name.iter().any(|&byte| matches!(byte, b'/' | 0))
}

/// Cuts `key` so that the head is short enough for one call; whole names only, at least one.
fn split_path(key: &[u8]) -> (&[u8], Option<&[u8]>) {
    if key.len() <= PATH_BYTES_MAX {
        return (key, None);
    }
    let cut = key[..PATH_BYTES_MAX]
        .iter()
        .rposition(|&byte| byte == 0)
        .or_else(|| key.iter().position(|&byte| byte == 0));
    match cut {
        Some(at) => (&key[..at], Some(&key[at + 1..])),
        None => (key, None),
    }
}

fn open_piece(from: BorrowedFd<'_>, piece: &[u8], flags: OFlags, mode: Mode) -> Result<OwnedFd> {
    if !WITHOUT_OPENAT2.load(Ordering::Relaxed) {
        match open_at_once(from, piece, flags, mode) {
            Err(Errno::NOSYS) => WITHOUT_OPENAT2.store(true, Ordering::Relaxed),
            done => return done,
        }
    }
    open_by_names(from, piece, flags, mode)
}

fn open_at_once(from: BorrowedFd<'_>, piece: &[u8], flags: OFlags, mode: Mode) -> Result<OwnedFd> {
    let mut path = piece.to_vec();
    for byte in &mut path {
        if *byte == 0 {
            *byte = b'/';
        }
    }
    let mut tries = 0;
    loop {
        match rustix::fs::openat2(from, path.as_slice(), flags, mode, RESOLVE) {
            Err(Errno::AGAIN | Errno::INTR) if tries < AGAIN_MAX => tries += 1,
            done => return done,
        }
    }
}

/// The same, one name at a time, for kernels before 5.6.
fn open_by_names(from: BorrowedFd<'_>, piece: &[u8], flags: OFlags, mode: Mode) -> Result<OwnedFd> {
    let mut reached: Option<OwnedFd> = None;
    let mut names = piece.split(|&byte| byte == 0).peekable();
    while let Some(name) = names.next() {
        let at = reached.as_ref().map_or(from, AsFd::as_fd);
        if names.peek().is_none() {
            return open_name(at, name, flags, mode);
        }
        reached = Some(open_name(at, name, STEP | OFlags::CLOEXEC, Mode::empty())?);
    }
    Err(Errno::INVAL)
}

/// Opens one name without following it, failing on a symbolic link with the error `openat2` gives.
fn open_name(at: BorrowedFd<'_>, name: &[u8], flags: OFlags, mode: Mode) -> Result<OwnedFd> {
    let wants_link =
        flags.contains(OFlags::PATH | OFlags::NOFOLLOW) && !flags.contains(OFlags::DIRECTORY);
    match rustix::fs::openat(at, name, flags | OFlags::NOFOLLOW, mode) {
        Ok(fd) if flags.contains(OFlags::PATH) && !wants_link => {
            match FileType::from_raw_mode(rustix::fs::fstat(&fd)?.st_mode) {
                FileType::Symlink => Err(Errno::LOOP),
                _ => Ok(fd),
            }
        }
        Err(Errno::NOTDIR) => match rustix::fs::statat(at, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::Symlink => {
                Err(Errno::LOOP)
            }
            _ => Err(Errno::NOTDIR),
        },
        done => done,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    const PLACE: OFlags = OFlags::PATH;

    fn open_dir(path: &std::path::Path) -> OwnedFd {
        rustix::fs::open(
            path,
            OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
        )
        .unwrap()
    }

    #[test]
    fn both_ways_answer_alike() {
        let temp = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(temp.path().join("a/b")).unwrap();
        std::fs::write(temp.path().join("a/b/file"), b"x").unwrap();
        symlink("b", temp.path().join("a/link")).unwrap();
        symlink("/etc", temp.path().join("out")).unwrap();
        let root = open_dir(temp.path());
        let link = OFlags::PATH | OFlags::NOFOLLOW;
        let cases: [(&[u8], OFlags, Option<Errno>); 9] = [
            (b"a\0b\0file", OFlags::RDONLY, None),
            (b"a\0b", OFlags::RDONLY | OFlags::DIRECTORY, None),
            (b"a\0link\0file", OFlags::RDONLY, Some(Errno::LOOP)),
            (b"out\0passwd", OFlags::RDONLY, Some(Errno::LOOP)),
            (b"out", OFlags::RDONLY, Some(Errno::LOOP)),
            (b"out", PLACE, Some(Errno::LOOP)),
            (b"out", link, None),
            (b"a\0b\0file\0x", PLACE, Some(Errno::NOTDIR)),
            (b"a\0none", PLACE, Some(Errno::NOENT)),
        ];
        for (key, flags, error) in cases {
            let flags = flags | OFlags::CLOEXEC;
            let once = open_at_once(root.as_fd(), key, flags, Mode::empty()).err();
            let names = open_by_names(root.as_fd(), key, flags, Mode::empty()).err();
            assert_eq!((once, names), (error, error), "{}", key.escape_ascii());
        }
    }

    #[test]
    fn names_that_leave_are_refused() {
        let temp = tempfile::tempdir().unwrap();
        std::fs::create_dir(temp.path().join("a")).unwrap();
        let root = open_dir(temp.path());
        for key in [
            &b".."[..],
            b"a\0..",
            b"a\0..\0a",
            b".",
            b"a\0",
            b"\0a",
            b"a/b",
            b"/etc",
            b"a\0/",
        ] {
            let opened = open_beneath(root.as_fd(), key, PLACE, Mode::empty());
            assert_eq!(opened.err(), Some(Errno::INVAL), "{}", key.escape_ascii());
            assert_eq!(
                open_parent(root.as_fd(), key).err(),
                Some(Errno::INVAL),
                "{}",
                key.escape_ascii()
            );
        }
        assert!(open_beneath(root.as_fd(), b"", PLACE, Mode::empty()).is_ok());
        assert!(open_parent(root.as_fd(), b"").is_err());
    }

    #[test]
    fn deeper_than_a_path_can_say() {
        let temp = tempfile::tempdir().unwrap();
        let root = open_dir(temp.path());
        let name = [b'd'; 200];
        let mut key = Vec::new();
        let mut at = root.try_clone().unwrap();
        for _ in 0..60 {
            rustix::fs::mkdirat(&at, name.as_slice(), Mode::RWXU).unwrap();
            at = open_name(at.as_fd(), &name, STEP, Mode::empty()).unwrap();
            if !key.is_empty() {
                key.push(0);
            }
            key.extend_from_slice(&name);
        }
        let mut file = key.clone();
        file.extend_from_slice(b"\0file");
        let create = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY;
        open_beneath(root.as_fd(), &file, create, Mode::RUSR).unwrap();
        let (parent, last) = open_parent(root.as_fd(), &file).unwrap();
        assert_eq!(last, b"file");
        assert!(rustix::fs::statat(&parent, c"file", AtFlags::SYMLINK_NOFOLLOW).is_ok());
        let mut long = vec![b'n'; 5000];
        long.extend_from_slice(b"\0x");
        assert_eq!(
            open_beneath(root.as_fd(), &long, PLACE, Mode::empty()).err(),
            Some(Errno::NAMETOOLONG)
        );
    }
}

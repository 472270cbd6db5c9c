//! Random things done to a tree, the same for the same seed.
//!
//! Runs in a child process. Things move between the tree and a place outside of it; names are of any
//! bytes. What fails is passed over.
//!
//! Nothing is done through a symbolic link: some lead out of the tree.

use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use testkit::Random;

/// Tries `count` operations; gives back how many were done. `links` says whether files may get further
/// names.
pub(crate) fn churn(seed: u64, count: usize, links: bool, root: &Path, outside: &Path) -> usize {
    let mut random = Random::new(seed);
    (0..count)
        .filter(|_| one(&mut random, links, root, outside).is_ok())
        .count()
}

fn name(random: &mut Random) -> Vec<u8> {
    match random.below(12) {
        0 => b"line\nbreak".to_vec(),
        1 => vec![0xff, 0xfe, random.below(3) as u8 + 1],
        2 => b" (deleted)".to_vec(),
        3 => b"x (deleted)".to_vec(),
        4 => vec![b'l'; 255],
        _ => vec![b'a' + random.below(6) as u8],
    }
}

/// A directory of the tree, found by walking down at random.
fn directory(random: &mut Random, root: &Path) -> PathBuf {
    let mut at = root.to_owned();
    while random.below(4) > 0 {
        let below = fs::read_dir(&at).into_iter().flatten().flatten();
        let mut below: Vec<PathBuf> = below
            .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
            .map(|entry| entry.path())
            .collect();
        below.sort();
        if below.is_empty() {
            break;
        }
        at = below.swap_remove(random.below(below.len()));
    }
    at
}

/// Something that is there, mostly a file, if the directory isn't empty; else a new name.
fn old(random: &mut Random, root: &Path) -> PathBuf {
    let at = directory(random, root);
    let entries = fs::read_dir(&at).into_iter().flatten().flatten();
    // A directory that moves makes all beneath dirty, which hides what is missed there.
    let any = random.below(10) == 0;
    let mut below: Vec<PathBuf> = entries
        .filter(|entry| any || entry.file_type().is_ok_and(|kind| !kind.is_dir()))
        .map(|entry| entry.path())
        .collect();
    below.sort();
    if below.is_empty() {
        return new(random, root);
    }
    below.swap_remove(random.below(below.len()))
}

fn new(random: &mut Random, root: &Path) -> PathBuf {
    directory(random, root).join(OsStr::from_bytes(&name(random)))
}

fn one(random: &mut Random, links: bool, root: &Path, outside: &Path) -> std::io::Result<()> {
    let len = random.below(300);
    match random.below(40) {
        26..40 => create(&new(random, root))?.write_all(&random.text(len)),
        0..4 => create(&old(random, root))?.write_all(&random.text(len)),
        4 => fs::create_dir(new(random, root)),
        5 => {
            let mut path = new(random, root);
            for _ in 0..random.below(5) {
                path.push(OsStr::from_bytes(&name(random)));
            }
            make_directories(&path, root)?;
            create(&path.join("leaf"))?.write_all(&random.text(len))
        }
        6 => open(&old(random, root))?.write_all(&random.text(len)),
        7 => open(&old(random, root))?.write_all_at(&random.bytes(20), len as u64),
        8 => open(&old(random, root))?.set_len(len as u64),
        9..12 => fs::remove_file(old(random, root)),
        12 if random.below(3) == 0 => fs::remove_dir_all(directory_below(random, root)?),
        12 | 17 | 20 | 24 if !links => Ok(()),
        12 => fs::hard_link(old(random, root), new(random, root)),
        13..16 => rename(&old(random, root), &new(random, root)),
        16 => rename(&old(random, root), &old(random, root)),
        17 if random.below(3) == 0 => rename(&directory_below(random, root)?, &new(random, root)),
        18 => rename(&old(random, root), &new(random, outside)),
        19 => rename(&old(random, outside), &new(random, root)),
        17 | 20 => fs::hard_link(old(random, root), new(random, root)),
        21 => symlink("nowhere", new(random, root)),
        22 => {
            let mode = 0o700 + random.below(0o100) as u32;
            let path = old(random, root);
            // By descriptor, because a change by path follows links.
            let file = no_link(fs::OpenOptions::new().read(true), &path)?;
            file.set_permissions(fs::Permissions::from_mode(mode))
        }
        23 => {
            // Written, then named and renamed while still open.
            let (temporary, path) = (new(random, root), new(random, root));
            let mut file = create(&temporary)?;
            file.write_all(&random.text(len))?;
            rename(&temporary, &path)?;
            file.write_all(b"more")
        }
        24 => {
            // A name that comes, is written through and goes.
            let path = new(random, root);
            fs::hard_link(old(random, root), &path)?;
            open(&path)?.write_all(b"through another name")?;
            if random.below(2) == 0 {
                fs::remove_file(&path)
            } else {
                rename(&path, &new(random, outside))
            }
        }
        _ if random.below(3) > 0 => fs::remove_file(old(random, root)),
        _ => {
            // Two directories change places.
            let (one, other) = (
                directory_below(random, root)?,
                directory_below(random, root)?,
            );
            let between = outside.join("between");
            rename(&one, &between)?;
            let swapped = rename(&other, &one);
            rename(&between, if swapped.is_ok() { &other } else { &one })
        }
    }
}

/// Opens for writing; a pipe would wait for a reader for ever, and devices are not ours to write to.
fn open(path: &Path) -> std::io::Result<fs::File> {
    open_with(fs::OpenOptions::new().append(true), path)
}

fn create(path: &Path) -> std::io::Result<fs::File> {
    open_with(
        fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true),
        path,
    )
}

fn open_with(options: &mut fs::OpenOptions, path: &Path) -> std::io::Result<fs::File> {
    match fs::symlink_metadata(path) {
        Ok(data) if !data.is_file() => Err(std::io::ErrorKind::InvalidInput.into()),
        _ => no_link(options, path),
    }
}

/// Opens what stands at the path itself; a symbolic link is refused by the system, whatever another
/// process does meanwhile.
fn no_link(options: &mut fs::OpenOptions, path: &Path) -> std::io::Result<fs::File> {
    let flags = rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOFOLLOW;
    options.custom_flags(flags.bits().cast_signed()).open(path)
}

/// Makes a directory and those above it, down from the root; a link on the way ends it.
fn make_directories(path: &Path, root: &Path) -> std::io::Result<()> {
    let below = path.strip_prefix(root).map_err(std::io::Error::other)?;
    let mut at = root.to_owned();
    for name in below {
        at.push(name);
        if !fs::symlink_metadata(&at).is_ok_and(|data| data.is_dir()) {
            fs::create_dir(&at)?;
        }
    }
    Ok(())
}

fn directory_below(random: &mut Random, root: &Path) -> std::io::Result<PathBuf> {
    let path = directory(random, root);
    if path == root {
        return Err(std::io::ErrorKind::NotFound.into());
    }
    Ok(path)
}

#[expect(
    clippy::disallowed_methods,
    reason = "test data: nothing here has to last"
)]
fn rename(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::rename(from, to)
}

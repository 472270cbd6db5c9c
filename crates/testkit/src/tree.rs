//! Trees of files with every odd kind in them, and their next versions. Equal seeds give equal trees.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::path::PathBuf;

use rustix::fs::AtFlags;
use rustix::fs::CWD;
use rustix::fs::FileType;
use rustix::fs::Mode;
use rustix::fs::Timespec;
use rustix::fs::Timestamps;
use rustix::fs::XattrFlags;

use crate::random::Random;

/// What a tree is like.
#[derive(Debug, Clone, Copy)]
pub struct Tree {
    /// Decides every byte of it.
    pub seed: u64,
    /// Length of the large file: several chunks if it is a few MiB.
    pub large_bytes: usize,
    /// How many ordinary small files.
    pub files: usize,
}

impl Tree {
    /// A few MiB: several segments and packs, about 120 paths.
    pub fn medium(seed: u64) -> Self {
        Self {
            seed,
            large_bytes: 3 << 20,
            files: 80,
        }
    }

    /// As small as it can be with every kind of stored object: about 200 KB.
    pub fn small(seed: u64) -> Self {
        Self {
            seed,
            large_bytes: 150 << 10,
            files: 20,
        }
    }
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Sets the times of a path without following it.
fn set_mtime(path: &Path, secs: i64, nanos: i64) -> io::Result<()> {
    let moment = Timespec {
        tv_sec: secs,
        tv_nsec: nanos as _,
    };
    let times = Timestamps {
        last_access: moment,
        last_modification: moment,
    };
    Ok(rustix::fs::utimensat(
        CWD,
        path,
        &times,
        AtFlags::SYMLINK_NOFOLLOW,
    )?)
}

fn chmod(path: &Path, mode: u32) -> io::Result<()> {
    Ok(rustix::fs::chmod(path, Mode::from_raw_mode(mode))?)
}

/// Sets an attribute where the file system can hold it.
fn set_xattr(path: &Path, name: &str, value: &[u8]) -> io::Result<()> {
    match rustix::fs::lsetxattr(path, name, value, XattrFlags::empty()) {
        Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::PERM) => Ok(()),
        result => Ok(result?),
    }
}

/// Makes a tree in `root`, which must be an empty directory.
pub fn build(root: &Path, tree: &Tree) -> io::Result<()> {
    let mut random = Random::new(tree.seed);
    let at = |name: &str| root.join(name);
    for directory in [
        "docs/2025/deep/er",
        "docs/2026",
        "links",
        "empty/nested",
        "odd",
    ] {
        fs::create_dir_all(at(directory))?;
    }
    for number in 0..tree.files {
        let len = match number % 8 {
            0 => 0,
            1 => 1 + random.below(90),
            2 => 96 + random.below(3),
            3 => 4000 + random.below(300),
            _ => 200 + random.below(6000),
        };
        let bytes = if number % 3 == 0 {
            random.bytes(len)
        } else {
            random.text(len)
        };
        let folder = ["docs/2025", "docs/2025/deep/er", "docs/2026", "odd"][number % 4];
        fs::write(at(&format!("{folder}/file {number:03}.txt")), bytes)?;
    }
    fs::write(at("large.img"), random.bytes(tree.large_bytes))?;
    let mut text = random.text(tree.large_bytes / 2);
    // Allocated zeros in the middle, aligned and not.
    text.extend_from_slice(&[0; 200 << 10]);
    text.extend_from_slice(b"end");
    fs::write(at("docs/zeros within.log"), text)?;
    fs::write(at("docs/only zeros"), vec![0; 130_000])?;
    sparse(&at("odd/sparse"), &mut random)?;
    names(root, &mut random)?;
    links(root)?;
    specials(root)?;
    attributes(root, &mut random)?;
    times(root, &mut random)
}

fn sparse(path: &Path, random: &mut Random) -> io::Result<()> {
    let file = fs::File::create(path)?;
    file.write_all_at(&random.bytes(5000), 1 << 20)?;
    file.write_all_at(&random.bytes(9000), (3 << 20) + 123)?;
    file.set_len(5 << 20)
}

fn names(root: &Path, random: &mut Random) -> io::Result<()> {
    let long = vec![b'n'; 255];
    let names: [&[u8]; 8] = [
        b"odd/\xff\xfe not utf-8 \x80",
        b"odd/new\nline",
        b"odd/\x01control\x7f",
        b"odd/-rf",
        b"odd/ leading and trailing ",
        b"odd/back\\slash",
        "odd/ünïcödé e\u{301} 漢字".as_bytes(),
        b"odd/...",
    ];
    for name in names {
        fs::write(root.join(OsStr::from_bytes(name)), random.text(300))?;
    }
    let deep = root.join("odd").join(OsStr::from_bytes(&long));
    fs::create_dir(&deep)?;
    fs::write(deep.join(OsStr::from_bytes(&long)), b"long")
}

fn links(root: &Path) -> io::Result<()> {
    let link = |target: &str, name: &str| std::os::unix::fs::symlink(target, root.join(name));
    link("../docs/2026", "links/to directory")?;
    link("nowhere/at all", "links/dangling")?;
    link("/nonexistent/recoup-fixture", "links/absolute")?;
    link("to itself", "links/to itself")?;
    let one = root.join("docs/2025/hard one");
    fs::write(&one, b"several names, one file; longer than what stands in an entry: 0123456789 0123456789 0123456789")?;
    fs::hard_link(&one, root.join("docs/2026/hard two"))?;
    fs::hard_link(&one, root.join("aaa hard zero"))?;
    fs::hard_link(
        root.join("links/dangling"),
        root.join("links/dangling twin"),
    )
}

fn specials(root: &Path) -> io::Result<()> {
    let fifo = root.join("odd/fifo");
    rustix::fs::mknodat(CWD, &fifo, FileType::Fifo, Mode::from_raw_mode(0o640), 0)?;
    if is_root() {
        let zero = rustix::fs::makedev(1, 5);
        let mode = Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(
            CWD,
            root.join("odd/char"),
            FileType::CharacterDevice,
            mode,
            zero,
        )?;
        let disk = rustix::fs::makedev(7, 77);
        rustix::fs::mknodat(
            CWD,
            root.join("odd/block"),
            FileType::BlockDevice,
            mode,
            disk,
        )?;
    }
    Ok(())
}

fn attributes(root: &Path, random: &mut Random) -> io::Result<()> {
    let at = |name: &str| root.join(name);
    set_xattr(&at("docs/2026"), "user.of a directory", b"value")?;
    set_xattr(&at("large.img"), "user.binary", &random.bytes(40))?;
    set_xattr(&at("large.img"), "user.empty", b"")?;
    // Too long for an entry: it goes into a blob.
    set_xattr(&at("docs/only zeros"), "user.long", &random.bytes(3000))?;
    if is_root() {
        set_xattr(&at("odd/fifo"), "trusted.of a fifo", b"value")?;
        for (name, owner) in [
            ("docs/only zeros", 1234),
            ("empty", 77),
            ("links/dangling", 4242),
        ] {
            std::os::unix::fs::lchown(at(name), Some(owner), Some(owner + 1))?;
        }
    }
    fs::write(at("odd/setuid"), b"#!/bin/sh\n")?;
    chmod(&at("odd/setuid"), 0o4755)?;
    chmod(&at("odd/-rf"), 0o000)?;
    chmod(&at("empty"), 0o1777)?;
    chmod(&at("docs/2025/deep"), 0o2750)
}

/// Gives every path a time of its own, before 1970 and after 2038 among them.
fn times(root: &Path, random: &mut Random) -> io::Result<()> {
    let mut paths = paths_below(root)?;
    paths.push(root.to_owned());
    // Deepest first, so that no later change touches a directory that is done.
    for (number, path) in paths.iter().rev().enumerate() {
        let secs = match number % 9 {
            0 => -(random.below(1 << 30) as i64),
            1 => (1 << 31) + random.below(1 << 20) as i64,
            _ => random.below(1 << 30) as i64,
        };
        set_mtime(path, secs, random.below(1_000_000_000) as i64)?;
    }
    Ok(())
}

/// Every path below `root`, sorted, parents first; symbolic links are not followed.
pub fn paths_below(root: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    let mut waiting = vec![root.to_owned()];
    while let Some(directory) = waiting.pop() {
        for entry in fs::read_dir(&directory)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                waiting.push(entry.path());
            }
            paths.push(entry.path());
        }
    }
    paths.sort();
    Ok(paths)
}

/// Makes the next version of a tree in place: content, names, kinds and attributes change.
pub fn mutate(root: &Path, seed: u64) -> io::Result<()> {
    let mut random = Random::new(seed);
    let large = root.join("large.img");
    let file = fs::File::options().write(true).open(&large)?;
    let len = file.metadata()?.len() as usize;
    let at = random.below(len / 2) as u64;
    file.write_all_at(&random.bytes(len / 8), at)?;
    drop(file);
    for path in paths_below(root)? {
        let is_file = fs::symlink_metadata(&path).is_ok_and(|data| data.is_file());
        let is_ordinary = path.to_string_lossy().contains("/file ");
        match random.below(8) {
            _ if !is_file || !is_ordinary => {}
            0 => fs::write(&path, random.text(3000))?,
            1 => fs::remove_file(&path)?,
            2 => fs::hard_link(&path, path.with_extension(format!("{seed}.link")))?,
            3 => {
                fs::remove_file(&path)?;
                fs::create_dir(&path)?;
                fs::write(path.join("file inside"), random.text(400))?;
            }
            4 => {
                fs::remove_file(&path)?;
                std::os::unix::fs::symlink("now a link", &path)?;
            }
            5 => chmod(&path, 0o600 + random.below(0o100) as u32)?,
            6 => set_xattr(&path, "user.new", &random.bytes(20))?,
            _ => {}
        }
    }
    let fresh = root.join(format!("new {seed}"));
    fs::create_dir(&fresh)?;
    for number in 0..4 {
        let len = 5000 + random.below(20_000);
        fs::write(fresh.join(format!("file {number}")), random.bytes(len))?;
    }
    Ok(())
}

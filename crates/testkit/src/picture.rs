//! A picture of a tree: everything about every path that a backup has to bring back.
//!
//! Taken with plain calls to the system, not with the scan that the pictures judge.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::SeekFrom;

use crate::tree::paths_below;

/// Files below this length are not asked for holes: they have no room for one.
const HOLES_FROM_BYTES: u64 = 64 << 10;

/// One path.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shot {
    /// `file`, `dir`, `symlink`, `fifo`, `chardev`, `blockdev` or `socket`.
    pub kind: &'static str,
    /// Twelve bits; zero for symbolic links, whose bits mean nothing.
    pub mode: u32,
    /// Owner and group.
    pub owner: (u32, u32),
    /// Seconds and nanoseconds.
    pub mtime: (i64, u32),
    /// Bytes of a file.
    pub bytes: Vec<u8>,
    /// Target of a symbolic link.
    pub target: Vec<u8>,
    /// Major and minor number of a device.
    pub device: Option<(u32, u32)>,
    /// Attributes, sorted by name.
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    /// The first of the names of the file in the tree, if it has several.
    pub twin_of: Option<Vec<u8>>,
    /// Holes as offset and length, of large files only.
    pub holes: Vec<(u64, u64)>,
}

/// Every path of a tree by its key: the names joined by zero bytes; the root's is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Picture(pub BTreeMap<Vec<u8>, Shot>);

impl Picture {
    /// Takes a picture of the tree at `root`.
    pub fn take(root: &Path) -> io::Result<Self> {
        let mut shots = BTreeMap::new();
        let mut inodes: BTreeMap<(u64, u64), Vec<Vec<u8>>> = BTreeMap::new();
        let mut paths = paths_below(root)?;
        paths.push(root.to_owned());
        for path in paths {
            let below = path.strip_prefix(root).map_err(io::Error::other)?;
            let key: Vec<u8> = below
                .as_os_str()
                .as_bytes()
                .iter()
                .map(|&byte| if byte == b'/' { 0 } else { byte })
                .collect();
            let data = fs::symlink_metadata(&path)?;
            if !data.is_dir() && data.nlink() > 1 {
                inodes
                    .entry((data.dev(), data.ino()))
                    .or_default()
                    .push(key.clone());
            }
            shots.insert(key, shoot(&path, &data)?);
        }
        let mut picture = Self(shots);
        inodes.into_values().for_each(|names| picture.twins(names));
        Ok(picture)
    }

    /// Notes that these names are one file.
    pub fn twins(&mut self, mut names: Vec<Vec<u8>>) {
        names.sort();
        for name in names.iter().filter(|_| names.len() > 1) {
            if let Some(shot) = self.0.get_mut(name) {
                shot.twin_of = Some(names[0].clone());
            }
        }
    }

    /// What differs, one line for each path; empty if nothing does.
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let mut found = Vec::new();
        for (key, shot) in &self.0 {
            match other.0.get(key) {
                None => found.push(format!("{}: gone", show(key))),
                Some(there) => found.extend(
                    shot.difference(there)
                        .map(|what| format!("{}: {what}", show(key))),
                ),
            }
        }
        for key in other.0.keys().filter(|key| !self.0.contains_key(*key)) {
            found.push(format!("{}: extra", show(key)));
        }
        found
    }

    /// Fails with the differences if there are any.
    #[track_caller]
    pub fn assert_same(&self, other: &Self, what: &str) {
        let found = self.differences(other);
        assert!(
            found.is_empty(),
            "{what}: {} differences:\n{}",
            found.len(),
            found[..found.len().min(10)].join("\n")
        );
    }
}

fn show(key: &[u8]) -> String {
    String::from_utf8_lossy(key).replace('\0', "/")
}

impl Shot {
    /// The first thing that differs.
    fn difference(&self, other: &Self) -> Option<String> {
        let pairs = [
            (
                "kind",
                self.kind == other.kind,
                format!("{} / {}", self.kind, other.kind),
            ),
            (
                "mode",
                self.mode == other.mode,
                format!("{:o} / {:o}", self.mode, other.mode),
            ),
            (
                "owner",
                self.owner == other.owner,
                format!("{:?} / {:?}", self.owner, other.owner),
            ),
            (
                "bytes",
                self.bytes == other.bytes,
                format!("{} / {} of them", self.bytes.len(), other.bytes.len()),
            ),
            ("target", self.target == other.target, String::new()),
            ("device", self.device == other.device, String::new()),
            (
                "mtime",
                self.mtime == other.mtime,
                format!("{:?} / {:?}", self.mtime, other.mtime),
            ),
            ("attributes", self.xattrs == other.xattrs, String::new()),
            ("links", self.twin_of == other.twin_of, String::new()),
            (
                "holes",
                self.holes == other.holes,
                format!("{:?} / {:?}", self.holes, other.holes),
            ),
        ];
        pairs
            .into_iter()
            .find(|(_, same, _)| !same)
            .map(|(what, _, values)| format!("{what} differ {values}"))
    }
}

fn shoot(path: &Path, data: &fs::Metadata) -> io::Result<Shot> {
    let kind = data.file_type();
    let mut shot = Shot {
        kind: match () {
            () if kind.is_file() => "file",
            () if kind.is_dir() => "dir",
            () if kind.is_symlink() => "symlink",
            () if kind.is_fifo() => "fifo",
            () if kind.is_char_device() => "chardev",
            () if kind.is_block_device() => "blockdev",
            () => "socket",
        },
        mode: data.mode() & 0o7777,
        owner: (data.uid(), data.gid()),
        mtime: (data.mtime(), data.mtime_nsec() as u32),
        xattrs: xattrs(path)?,
        ..Shot::default()
    };
    if kind.is_symlink() {
        shot.mode = 0;
        shot.target = fs::read_link(path)?.as_os_str().as_bytes().to_vec();
    }
    if kind.is_char_device() || kind.is_block_device() {
        let device = data.rdev();
        shot.device = Some((rustix::fs::major(device), rustix::fs::minor(device)));
    }
    if kind.is_file() {
        shot.bytes = fs::read(path)?;
        if data.len() >= HOLES_FROM_BYTES && data.blocks() * 512 < data.len() {
            shot.holes = holes(path, data.len())?;
        }
    }
    Ok(shot)
}

fn holes(path: &Path, len: u64) -> io::Result<Vec<(u64, u64)>> {
    let file = fs::File::open(path)?;
    let (mut holes, mut at) = (Vec::new(), 0);
    while at < len {
        let hole = rustix::fs::seek(&file, SeekFrom::Hole(at))?.min(len);
        let data = match rustix::fs::seek(&file, SeekFrom::Data(hole)) {
            Ok(data) => data,
            Err(rustix::io::Errno::NXIO) => len,
            Err(error) => return Err(error.into()),
        };
        if data > hole {
            holes.push((hole, data - hole));
        }
        at = data;
    }
    Ok(holes)
}

fn xattrs(path: &Path) -> io::Result<Vec<(Vec<u8>, Vec<u8>)>> {
    let mut names = vec![0; 64 << 10];
    let len = match rustix::fs::llistxattr(path, &mut names) {
        Err(rustix::io::Errno::OPNOTSUPP) => 0,
        len => len?,
    };
    let mut list = Vec::new();
    for name in names[..len]
        .split(|&byte| byte == 0)
        .filter(|name| !name.is_empty())
    {
        let mut value = vec![0; 64 << 10];
        let len = rustix::fs::lgetxattr(path, name, &mut value)?;
        value.truncate(len);
        list.push((name.to_vec(), value));
    }
    list.sort();
    Ok(list)
}

//! How a tree is sensed, and in plain words what that way can't see.

use std::ffi::OsStr;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use crate::files::watch::fanotify;
use crate::files::watch::inotify;

/// Ways of sensing, the best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Capture {
    /// One mark on the file system; names the processes. Needs privileges.
    Fanotify,
    /// A watch on every directory; names nobody.
    Inotify,
    /// Nothing: the caller scans every now and then.
    Scan,
}

impl Capture {
    /// The word that people and scripts read.
    pub fn word(self) -> &'static str {
        match self {
            Self::Fanotify => "fanotify",
            Self::Inotify => "inotify",
            Self::Scan => "scan",
        }
    }
}

/// How a tree is sensed, found by trying, never from a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaptureInfo {
    /// The way.
    pub capture: Capture,
    /// Whether events name who did it.
    pub names_actors: bool,
    /// Why each better way was not taken, as sentences.
    pub refusals: Vec<String>,
    /// What is not seen, as sentences.
    pub blind: Vec<String>,
}

impl CaptureInfo {
    pub(super) fn new(capture: Capture, root: &Path, refusals: Vec<String>) -> Self {
        let mut blind: Vec<String> = blind(capture).iter().map(|&text| text.to_owned()).collect();
        if capture != Capture::Scan {
            let mounts = mounts_beneath(root);
            let of_interest: Vec<String> = mounts
                .iter()
                .filter(|mount| capture == Capture::Fanotify || !is_seen_by_inotify(mount))
                .map(|mount| mount.display().to_string())
                .collect();
            if !of_interest.is_empty() {
                blind.push(format!(
                    "Another file system is mounted at {}: what happens there is found by scans only.",
                    of_interest.join(", ")
                ));
            }
        }
        if let Some(text) = blind_file_system(root).filter(|_| capture != Capture::Scan) {
            blind.push(text);
        }
        Self {
            capture,
            names_actors: capture == Capture::Fanotify,
            refusals,
            blind,
        }
    }
}

fn blind(capture: Capture) -> &'static [&'static str] {
    match capture {
        Capture::Fanotify => &[
            "Writing through a memory mapping is seen only when the last mapping goes.",
            "Writing through a name outside of the tree to a file that also has a name in it is not seen.",
            "What other machines do to the same file system over a network is not seen.",
            "A file system mounted within the tree after the start is not seen.",
        ],
        Capture::Inotify => &[
            "Who did it is not seen.",
            "Writing to a file through a second name that comes and goes at once is not seen under the first.",
            "Writing through a memory mapping is not seen.",
            "Writing through a name outside of the tree to a file that also has a name in it is not seen.",
            "What other machines do to the same file system over a network is not seen.",
        ],
        Capture::Scan => &[
            "Nothing is seen between two scans: versions in between, their order and who made them are lost.",
        ],
    }
}

/// Inotify follows mounts, as long as the kernel behind sees every change.
fn is_seen_by_inotify(mount: &Path) -> bool {
    rustix::fs::statfs(mount).is_ok_and(|stat| !is_remote(stat.f_type as u64))
}

/// What else is unseen on this kind of file system.
fn blind_file_system(root: &Path) -> Option<String> {
    let stat = rustix::fs::statfs(root).ok()?;
    is_remote(stat.f_type as u64).then(|| {
        "This is a network or user-space file system: only changes made on this machine are seen."
            .to_owned()
    })
}

/// File systems whose content can change without this kernel having a part in it; numbers from
/// `linux/magic.h` and the file systems' own sources.
fn is_remote(kind: u64) -> bool {
    const NFS: u64 = 0x6969;
    const SMB: u64 = 0x517B;
    const CIFS: u64 = 0xFF53_4D42;
    const SMB2: u64 = 0xFE53_4D42;
    const FUSE: u64 = 0x6573_5546;
    const CEPH: u64 = 0x00C3_6400;
    const V9FS: u64 = 0x0102_1997;
    const AFS: u64 = 0x5346_414F;
    // The type is a C long: only its low half is meant.
    matches!(
        kind & 0xFFFF_FFFF,
        NFS | SMB | CIFS | SMB2 | FUSE | CEPH | V9FS | AFS
    )
}

/// Where something is mounted beneath this path.
fn mounts_beneath(root: &Path) -> Vec<PathBuf> {
    let table = std::fs::read("/proc/self/mountinfo").unwrap_or_default();
    let mut found: Vec<PathBuf> = table
        .split(|&byte| byte == b'\n')
        .filter_map(|line| line.split(|&byte| byte == b' ').nth(4))
        .map(|path| PathBuf::from(OsStr::from_bytes(&unescape(path))))
        .filter(|path| path.starts_with(root) && path != root)
        .collect();
    found.sort();
    found.dedup();
    found
}

/// Undoes the `\040` of the mount table.
fn unescape(text: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        let code = text.get(at + 1..at + 4).and_then(|code| {
            let code = std::str::from_utf8(code).ok()?;
            u8::from_str_radix(code, 8).ok()
        });
        match code {
            Some(code) if byte == b'\\' => {
                plain.push(code);
                at += 4;
            }
            _ => {
                plain.push(byte);
                at += 1;
            }
        }
    }
    plain
}

/// Why fanotify was refused, as a sentence.
pub(super) fn fanotify_sentence(refused: fanotify::Refused, root: impl AsFd) -> String {
    let overlay = rustix::fs::fstatfs(root).is_ok_and(|stat| stat.f_type as u64 == 0x794C_7630);
    let why = match refused.errno {
        Errno::PERM => "it takes the rights of root (CAP_SYS_ADMIN and CAP_DAC_READ_SEARCH)",
        Errno::INVAL | Errno::NOSYS => "this kernel can't report names, renames and processes",
        Errno::XDEV => {
            "this is a subvolume: only the top level of a btrfs file system can be watched"
        }
        Errno::OPNOTSUPP if overlay => {
            "this overlay file system does not export its files (nfs_export)"
        }
        Errno::OPNOTSUPP => "this file system does not export its files by handle",
        Errno::NODEV => "this file system has no number of its own",
        Errno::MFILE => "this user has too many fanotify groups",
        _ => return format!("fanotify can't {}: {}.", refused.action, refused.errno),
    };
    format!("fanotify can't {}: {why}.", refused.action)
}

/// Why inotify was refused, as a sentence.
pub(super) fn inotify_sentence(refused: inotify::Refused) -> String {
    let limit = |name: &str| {
        let path = format!("/proc/sys/fs/inotify/{name}");
        let text = std::fs::read_to_string(path).unwrap_or_default();
        format!("fs.inotify.{name} = {}", text.trim())
    };
    match refused {
        inotify::Refused::Instance(Errno::MFILE) => format!(
            "inotify can't be opened: this user has as many instances as the system allows ({}).",
            limit("max_user_instances")
        ),
        inotify::Refused::Instance(errno) => format!("inotify can't be opened: {errno}."),
        inotify::Refused::Full(set) => format!(
            "inotify can't watch every directory: the limit was reached after {set} of them ({}).",
            limit("max_user_watches")
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mount_table_is_read() {
        assert_eq!(unescape(br"/a\040b\134c\11"), br"/a b\c\11");
        assert!(
            mounts_beneath(Path::new("/"))
                .iter()
                .any(|path| path == Path::new("/proc"))
        );
        assert!(mounts_beneath(Path::new("/proc/self")).is_empty());
    }
}

//! Which files some process has open for writing.
//!
//! Best effort: it looks at `/proc` once, sees what the user may see, and what it saw may be over by
//! the time it answers. A file that is only mapped is not seen.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, StatxFlags};

use crate::files::stat::Stat;

/// A file as the system tells files apart: number of the file system, inode number.
pub type FileId = (u64, u64);

/// A process that has a file open for writing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Writer {
    /// Its number.
    pub pid: u32,
    /// Its command, as the system keeps it: at most 15 bytes.
    pub command: String,
}

/// The access bits of the flags of an open file, and the two values that allow writing.
const ACCESS_BITS: u32 = 0o3;
const WRITE_ONLY: u32 = 0o1;
const READ_WRITE: u32 = 0o2;

/// Which of these files are open for writing, and by whom: one process for each. Files that this
/// process has open itself don't count.
pub fn writers_of(wanted: &HashSet<FileId>) -> HashMap<FileId, Writer> {
    let mut found = HashMap::new();
    if wanted.is_empty() {
        return found;
    }
    let own = std::process::id();
    for process in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let pid = process.file_name();
        let pid = std::str::from_utf8(pid.as_bytes()).ok();
        match pid.and_then(|pid| pid.parse::<u32>().ok()) {
            Some(pid) if pid != own => look_at(&process.path(), pid, wanted, &mut found),
            _ => {}
        }
    }
    found
}

fn look_at(
    process: &Path,
    pid: u32,
    wanted: &HashSet<FileId>,
    found: &mut HashMap<FileId, Writer>,
) {
    // A process that has ended, or is somebody else's, shows nothing.
    for open in fs::read_dir(process.join("fd"))
        .into_iter()
        .flatten()
        .flatten()
    {
        let link = open.path();
        // Pipes, sockets and the like have no path, and asking for their state costs as much.
        if !fs::read_link(&link).is_ok_and(|to| to.as_os_str().as_bytes().starts_with(b"/")) {
            continue;
        }
        let flags = AtFlags::STATX_DONT_SYNC | AtFlags::NO_AUTOMOUNT;
        let Ok(raw) = rustix::fs::statx(CWD, &link, flags, StatxFlags::BASIC_STATS) else {
            continue;
        };
        let stat = Stat::from_statx(&raw);
        let id = (stat.dev, stat.ino);
        if wanted.contains(&id)
            && !found.contains_key(&id)
            && is_for_writing(process, &open.file_name())
        {
            let command = fs::read_to_string(process.join("comm")).unwrap_or_default();
            let command = command.trim_end().to_string();
            found.insert(id, Writer { pid, command });
        }
    }
}

fn is_for_writing(process: &Path, fd: &std::ffi::OsStr) -> bool {
    let info = fs::read_to_string(process.join("fdinfo").join(fd)).unwrap_or_default();
    let flags = info.lines().find_map(|line| line.strip_prefix("flags:"));
    let flags = flags.and_then(|flags| u32::from_str_radix(flags.trim(), 8).ok());
    flags.is_some_and(|flags| matches!(flags & ACCESS_BITS, WRITE_ONLY | READ_WRITE))
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn a_writer_is_named_and_a_reader_is_not() {
        let temp = tempfile::tempdir().unwrap();
        let (written, read) = (temp.path().join("written"), temp.path().join("read"));
        fs::write(&written, "x").unwrap();
        fs::write(&read, "x").unwrap();
        let append = fs::File::options().append(true).open(&written).unwrap();
        let id = |path: &Path| {
            let stat = Stat::of(fs::File::open(path).unwrap()).unwrap();
            (stat.dev, stat.ino)
        };
        let wanted = HashSet::from([id(&written), id(&read)]);
        // `append` is ours and does not count; the child inherits it as its output.
        assert_eq!(writers_of(&wanted), HashMap::new());
        let mut child = Command::new("sleep")
            .arg("60")
            .stdin(fs::File::open(&read).unwrap())
            .stdout(Stdio::from(append))
            .spawn()
            .unwrap();
        let found = writers_of(&wanted);
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(found.len(), 1);
        let writer = &found[&id(&written)];
        assert_eq!((writer.pid, writer.command.as_str()), (child.id(), "sleep"));
    }
}

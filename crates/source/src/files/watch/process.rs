//! What /proc tells of one process.

use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags};

use crate::files::watch::report::Actor;
use crate::files::watch::system;

/// Bytes of a command line that are kept; programs get file lists of megabytes.
const CMDLINE_BYTES_MAX: usize = 4096;

/// Bytes read of the other files in /proc: `status` is the longest, below 2 KiB.
const PROC_BYTES_MAX: usize = 8192;

/// How often a process is looked at again when it runs another program meanwhile.
const LOOKS_MAX: usize = 3;

/// The flag of a process that is about to end (`PF_EXITING` of the kernel).
const ENDING: u64 = 4;

/// Whether it runs another program than it did; arguments are compared if `thorough`.
pub(super) fn runs_another_program(
    directory: BorrowedFd<'_>,
    actor: &Actor,
    thorough: bool,
) -> bool {
    let exe = link(directory, c"exe");
    // Nothing to read any more: it has ended, and what is known of it stays true.
    exe.is_some() && (exe != actor.exe || thorough && cmdline(directory) != actor.cmdline)
}

/// Looks at a process. What is read is its own, however soon it ends: the directory was open when the
/// number provably belonged to it.
pub(super) fn look(pid: u32, pidfd: BorrowedFd<'_>) -> Option<(Actor, OwnedFd)> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let open = rustix::fs::open(format!("/proc/{pid}"), flags, Mode::empty());
    let directory = open.ok()?;
    if !system::is_unreaped(pidfd) {
        return None;
    }
    let mut actor = describe(pid, directory.as_fd())?;
    for _ in 1..LOOKS_MAX {
        if !is_starting(&actor) && !runs_another_program(directory.as_fd(), &actor, true) {
            break;
        }
        std::thread::yield_now();
        actor = describe(pid, directory.as_fd()).unwrap_or(actor);
    }
    Some((actor, directory))
}

/// Whether it may be on the way into another program: for a moment its file is named already, and its
/// arguments are not there yet.
fn is_starting(actor: &Actor) -> bool {
    actor.exe.is_some() && actor.cmdline.is_none() && !actor.gone
}

fn describe(pid: u32, directory: BorrowedFd<'_>) -> Option<Actor> {
    // What goes first when a process ends is read first; `stat` after it, so that it tells of the end.
    let exe = link(directory, c"exe");
    let cmdline = cmdline(directory);
    let stat = contents(directory, c"stat", PROC_BYTES_MAX)?;
    let stat = parse_stat(&stat)?;
    let status = contents(directory, c"status", PROC_BYTES_MAX);
    let text = |name| {
        let bytes = contents(directory, name, PROC_BYTES_MAX)?;
        Some(bytes.trim_ascii().to_vec()).filter(|text| !text.is_empty())
    };
    let loginuid = text(c"loginuid").and_then(|text| parse_number(&text));
    Some(Actor {
        pid,
        gone: stat.ended,
        ppid: Some(stat.ppid),
        uid: status.as_deref().and_then(parse_effective_uid),
        loginuid: loginuid.filter(|&uid| uid != u32::MAX),
        comm: Some(stat.comm),
        exe,
        cmdline,
        cgroup: text(c"cgroup"),
        started: Some(stat.started),
    })
}

#[derive(Debug, PartialEq, Eq)]
struct ProcStat {
    comm: Vec<u8>,
    /// It has ended, or is about to: what it ran can't be read any more.
    ended: bool,
    ppid: u32,
    started: u64,
}

/// Reads `pid (comm) state ppid …`; the name may hold anything, brackets and line breaks too.
fn parse_stat(stat: &[u8]) -> Option<ProcStat> {
    let open = stat.iter().position(|&byte| byte == b'(')?;
    let close = stat.iter().rposition(|&byte| byte == b')')?;
    let comm = stat.get(open + 1..close)?.to_vec();
    let rest = std::str::from_utf8(stat.get(close + 1..)?).ok()?;
    let mut fields = rest.split_ascii_whitespace();
    let state = fields.next()?;
    let ppid = fields.next()?.parse().ok()?;
    // Fields 9 and 22 of the line; the state was the third.
    let flags: u64 = fields.nth(4)?.parse().ok()?;
    let started = fields.nth(12)?.parse().ok()?;
    Some(ProcStat {
        comm,
        ended: matches!(state, "Z" | "X" | "x") || flags & ENDING != 0,
        ppid,
        started,
    })
}

/// The second number of the line `Uid: real effective saved file-system`.
fn parse_effective_uid(status: &[u8]) -> Option<u32> {
    let line = status
        .split(|&byte| byte == b'\n')
        .find_map(|line| line.strip_prefix(b"Uid:"))?;
    std::str::from_utf8(line)
        .ok()?
        .split_ascii_whitespace()
        .nth(1)?
        .parse()
        .ok()
}

fn parse_number(text: &[u8]) -> Option<u32> {
    std::str::from_utf8(text).ok()?.trim().parse().ok()
}

fn cmdline(directory: BorrowedFd<'_>) -> Option<Vec<u8>> {
    contents(directory, c"cmdline", CMDLINE_BYTES_MAX).filter(|line| !line.is_empty())
}

fn contents(directory: BorrowedFd<'_>, name: &std::ffi::CStr, most: usize) -> Option<Vec<u8>> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let file = rustix::fs::openat(directory, name, flags, Mode::empty()).ok()?;
    let mut bytes = Vec::new();
    let most = most as u64;
    std::fs::File::from(file)
        .take(most)
        .read_to_end(&mut bytes)
        .ok()?;
    Some(bytes)
}

fn link(directory: BorrowedFd<'_>, name: &std::ffi::CStr) -> Option<Vec<u8>> {
    let target = rustix::fs::readlinkat(directory, name, Vec::new()).ok()?;
    Some(target.into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_stat_may_hold_anything() {
        let line = b"77 (a) (b\n) R) S 12 77 77 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 987654 1 2";
        let stat = parse_stat(line).unwrap();
        assert_eq!(stat.comm, b"a) (b\n) R");
        assert_eq!((stat.ppid, stat.started, stat.ended), (12, 987_654, false));
        for len in 0..line.len() - 6 {
            // The last number may be cut without notice; everything before it may not.
            if let Some(cut) = parse_stat(&line[..len]) {
                assert!(len > 64 && cut.ppid == 12, "{len}: {cut:?}");
            }
        }
        assert_eq!(
            parse_effective_uid(b"Name:\tx\nUid:\t1\t2\t3\t4\n"),
            Some(2)
        );
    }
}

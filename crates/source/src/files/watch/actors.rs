//! Who is behind a process number: looked at once, at first sight, then remembered.
//!
//! A process number is only a name that is given out again. An answer is served from memory only while
//! the number provably belongs to the process that was looked at; else the actor is "gone". Nothing is
//! guessed.

use std::collections::HashMap;
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use rustix::fs::{Mode, OFlags};

use crate::files::watch::report::{Actor, ActorId, Moment};
use crate::files::watch::set::KnownActor;
use crate::files::watch::system;

/// Processes that are held on to, with two descriptors each; a quarter of the usual limit of 1024
/// would be 128 of them.
const HELD_MAX: usize = 128;

/// Processes remembered in all, until the queue is empty.
const KNOWN_MAX: usize = 65_536;

/// Bytes of a command line that are kept; programs get file lists of megabytes.
const CMDLINE_BYTES_MAX: usize = 4096;

/// Bytes read of the other files in /proc: `status` is the longest, below 2 KiB.
const PROC_BYTES_MAX: usize = 8192;

/// How often a process is looked at again when it runs another program meanwhile.
const LOOKS_MAX: usize = 3;

/// The flag of a process that is about to end (`PF_EXITING` of the kernel).
const ENDING: u64 = 4;

/// How often, at most, the costlier questions are asked again of a process that stays: whether it runs
/// the same program with other arguments, and how many processes were started. They take 0.1 ms.
const ASK_AGAIN: Duration = Duration::from_millis(10);

/// Process numbers below this are not given out again (`RESERVED_PIDS` of the kernel).
const RESERVED_PIDS: u64 = 300;

/// What the event says of the process: its descriptor, or that it was gone already.
#[derive(Debug)]
pub(super) enum Sight {
    /// Alive or not yet waited for when the event was read.
    Present(OwnedFd),
    /// Gone when the event was read.
    Gone,
    /// The kernel couldn't say.
    Unknown,
}

#[derive(Debug)]
struct Known {
    who: Arc<KnownActor>,
    held: Option<Held>,
    /// The batch in which it was last checked.
    checked: u64,
    /// When the costlier questions were asked.
    asked: Moment,
    /// Its number may belong to somebody else when more processes than this were started.
    safe_until: u64,
}

/// A process that is held on to.
#[derive(Debug)]
struct Held {
    pidfd: OwnedFd,
    /// Its directory in /proc; after its end this names nobody, not its successor.
    directory: OwnedFd,
}

/// The actors met so far.
#[derive(Debug, Default)]
pub(super) struct Actors {
    known: HashMap<u32, Known>,
    held: usize,
    next_id: u64,
    batch: u64,
    now: Moment,
    /// Processes looked at for the first time.
    looked_at: u64,
    forks: Forks,
}

impl Actors {
    /// A new batch of events was read.
    pub(super) fn begin(&mut self, now: Moment) {
        self.batch += 1;
        self.now = now;
    }

    /// How many processes were met so far.
    pub(super) fn looked_at(&self) -> u64 {
        self.looked_at
    }

    /// The queue is empty: no event of a process that has ended can come any more.
    pub(super) fn forget_ended(&mut self) {
        self.known.retain(|_, known| {
            let held = known.held.as_ref();
            held.is_some_and(|held| system::is_unreaped(held.pidfd.as_fd()))
        });
        self.held = self.known.len();
    }

    /// The actor behind an event with this process number.
    pub(super) fn find(&mut self, pid: u32, sight: Sight) -> Arc<KnownActor> {
        if pid == 0 {
            return self.remember_gone(0, false);
        }
        if self.known.contains_key(&pid) {
            if let Some(who) = self.recall(pid, &sight) {
                return who;
            }
            if self
                .known
                .remove(&pid)
                .is_some_and(|known| known.held.is_some())
            {
                self.held -= 1;
            }
        }
        let Sight::Present(pidfd) = sight else {
            return self.remember_gone(pid, true);
        };
        match look(pid, pidfd.as_fd()) {
            Some((actor, directory)) => self.remember(actor, Held { pidfd, directory }),
            None => self.remember_gone(pid, true),
        }
    }

    /// The remembered actor, if the event is provably its own.
    fn recall(&mut self, pid: u32, sight: &Sight) -> Option<Arc<KnownActor>> {
        let known = self.known.get_mut(&pid)?;
        let Some(held) = &known.held else {
            // Gone at first sight, and still gone: it may be another one, but nothing is told of either.
            return matches!(sight, Sight::Gone | Sight::Unknown).then(|| Arc::clone(&known.who));
        };
        if known.checked == self.batch {
            return match sight {
                Sight::Present(_) => Some(Arc::clone(&known.who)),
                _ => self.recall_ended(pid),
            };
        }
        if !system::is_unreaped(held.pidfd.as_fd()) {
            return self.recall_ended(pid);
        }
        if !matches!(sight, Sight::Present(_)) {
            // The number belongs to a living process, and the event is of one that is gone.
            return None;
        }
        known.checked = self.batch;
        let thorough = self.now.since(known.asked) >= ASK_AGAIN;
        if runs_another_program(held.directory.as_fd(), &known.who.actor, thorough)
            && let Some((actor, _)) = look(pid, held.pidfd.as_fd())
        {
            self.next_id += 1;
            known.who = Arc::new(KnownActor {
                id: ActorId(self.next_id),
                actor,
            });
        }
        if thorough {
            known.asked = self.now;
            known.safe_until = known.safe_until.max(self.forks.safe_until(pid, self.batch));
        }
        Some(Arc::clone(&known.who))
    }

    /// The process has ended: the event is its own unless the number was given out again since.
    fn recall_ended(&mut self, pid: u32) -> Option<Arc<KnownActor>> {
        let known = self.known.get(&pid)?;
        let held = known.held.as_ref()?;
        let ended = !system::is_unreaped(held.pidfd.as_fd());
        (ended && self.forks.count(self.batch) <= known.safe_until).then(|| Arc::clone(&known.who))
    }

    fn remember(&mut self, actor: Actor, held: Held) -> Arc<KnownActor> {
        if self.held >= HELD_MAX {
            let oldest = self.known.iter().filter(|(_, known)| known.held.is_some());
            let oldest = oldest.min_by_key(|(_, known)| known.checked);
            if let Some(pid) = oldest.map(|(pid, _)| *pid) {
                self.known.remove(&pid);
                self.held -= 1;
            }
        }
        let pid = actor.pid;
        let safe_until = self.forks.safe_until(pid, self.batch);
        self.held += 1;
        self.insert(actor, Some(held), safe_until)
    }

    fn remember_gone(&mut self, pid: u32, gone: bool) -> Arc<KnownActor> {
        if let Some(known) = self.known.get(&pid) {
            return Arc::clone(&known.who);
        }
        let actor = Actor {
            pid,
            gone,
            ..Actor::default()
        };
        self.insert(actor, None, 0)
    }

    fn insert(&mut self, actor: Actor, held: Option<Held>, safe_until: u64) -> Arc<KnownActor> {
        if self.known.len() >= KNOWN_MAX {
            self.known.clear();
            self.held = usize::from(held.is_some());
        }
        self.next_id += 1;
        self.looked_at += 1;
        let pid = actor.pid;
        let who = Arc::new(KnownActor {
            id: ActorId(self.next_id),
            actor,
        });
        let known = Known {
            who: Arc::clone(&who),
            held,
            checked: self.batch,
            asked: self.now,
            safe_until,
        };
        self.known.insert(pid, known);
        who
    }
}

/// How many processes were ever started, and which number was given out last: numbers are given out
/// in a circle, so this tells for how long one can't come up again.
#[derive(Debug, Default)]
struct Forks {
    batch: u64,
    started: u64,
    last: u64,
    tasks: u64,
    most: u64,
}

impl Forks {
    /// How many were started so far; `u64::MAX` if the system doesn't say.
    fn count(&mut self, batch: u64) -> u64 {
        self.read(batch);
        self.started
    }

    /// Until how many starts the number of this living process can't belong to another one.
    fn safe_until(&mut self, pid: u32, batch: u64) -> u64 {
        self.read(batch);
        if self.most == 0 {
            return 0;
        }
        let ahead = (u64::from(pid) + 2 * self.most - self.last % self.most - 1) % self.most;
        // Numbers in use and reserved ones are passed over without a start.
        let starts = ahead.saturating_sub(self.tasks + RESERVED_PIDS);
        self.started.saturating_add(starts)
    }

    fn read(&mut self, batch: u64) {
        if self.batch == batch {
            return;
        }
        let read = || {
            let stat = std::fs::read_to_string("/proc/stat").ok()?;
            let started = stat
                .lines()
                .find_map(|line| line.strip_prefix("processes "))?;
            let load = std::fs::read_to_string("/proc/loadavg").ok()?;
            let (tasks, last) = parse_load(&load)?;
            let most = std::fs::read_to_string("/proc/sys/kernel/pid_max").ok()?;
            Some((
                started.trim().parse().ok()?,
                last,
                tasks,
                most.trim().parse().ok()?,
            ))
        };
        self.batch = batch;
        (self.started, self.last, self.tasks, self.most) = read().unwrap_or((u64::MAX, 0, 0, 0));
    }
}

/// Number of tasks and last process number of a line `0.00 0.01 0.05 1/89 12345`.
fn parse_load(load: &str) -> Option<(u64, u64)> {
    let mut fields = load.split_ascii_whitespace();
    let (_, tasks) = fields.nth(3)?.split_once('/')?;
    Some((tasks.parse().ok()?, fields.next()?.parse().ok()?))
}

/// Whether it runs another program than it did; arguments are compared if `thorough`.
fn runs_another_program(directory: BorrowedFd<'_>, actor: &Actor, thorough: bool) -> bool {
    let exe = link(directory, c"exe");
    // Nothing to read any more: it has ended, and what is known of it stays true.
    exe.is_some() && (exe != actor.exe || thorough && cmdline(directory) != actor.cmdline)
}

/// Looks at a process. What is read is its own, however soon it ends: the directory was open when the
/// number provably belonged to it.
fn look(pid: u32, pidfd: BorrowedFd<'_>) -> Option<(Actor, OwnedFd)> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let open = rustix::fs::open(format!("/proc/{pid}"), flags, Mode::empty());
    let directory = open.ok()?;
    if !system::is_unreaped(pidfd) {
        return None;
    }
    let mut actor = describe(pid, directory.as_fd())?;
    for _ in 1..LOOKS_MAX {
        if !runs_another_program(directory.as_fd(), &actor, true) {
            break;
        }
        actor = describe(pid, directory.as_fd()).unwrap_or(actor);
    }
    Some((actor, directory))
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
    use std::process::{Command, Stdio};

    use rustix::process::{Pid, PidfdFlags, pidfd_open};

    use super::*;

    fn sight(pid: u32) -> Sight {
        let pid = Pid::from_raw(pid as i32).unwrap();
        match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(pidfd) => Sight::Present(pidfd),
            Err(_) => Sight::Gone,
        }
    }

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
        assert_eq!(parse_load("0.1 0.2 0.3 4/567 891\n"), Some((567, 891)));
    }

    #[test]
    fn a_number_is_not_given_out_twice_within_a_round() {
        let mut forks = Forks {
            batch: 1,
            started: 1000,
            last: 500,
            tasks: 50,
            most: 32_768,
        };
        // Just started: nearly a whole round is ahead.
        assert_eq!(forks.safe_until(500, 1), 1000 + 32_767 - 350);
        assert_eq!(forks.safe_until(499, 1), 1000 + 32_766 - 350);
        // Started nearly a round ago: it may come next.
        assert_eq!(forks.safe_until(501, 1), 1000);
        assert_eq!(forks.safe_until(5501, 1), 1000 + 5000 - 350);
        let mut blind = Forks {
            batch: 1,
            started: u64::MAX,
            ..Forks::default()
        };
        assert!(blind.count(1) > blind.safe_until(7, 1));
    }

    #[test]
    fn an_ended_process_is_remembered_until_the_queue_is_empty() {
        let mut actors = Actors::default();
        actors.begin(Moment::now());
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        let pid = child.id();
        // Until the program runs, the child is still a copy of this one.
        while std::fs::read_link(format!("/proc/{pid}/exe")).ok() == std::env::current_exe().ok() {
            std::thread::yield_now();
        }
        let first = actors.find(pid, sight(pid));
        assert_eq!(first.actor.comm.as_deref(), Some(&b"cat"[..]));
        assert_eq!(first.actor.ppid, Some(std::process::id()));
        assert!(!first.actor.gone && first.actor.started.is_some());
        // An event of the same number by somebody who is gone is not this one's.
        actors.begin(Moment::now());
        assert!(actors.find(pid, Sight::Gone).actor.gone);
        actors.begin(Moment::now());
        let again = actors.find(pid, sight(pid));
        assert_eq!(again.actor, first.actor);
        child.kill().unwrap();
        child.wait().unwrap();
        actors.begin(Moment::now());
        assert_eq!(actors.find(pid, Sight::Gone).id, again.id);
        actors.forget_ended();
        actors.begin(Moment::now());
        let later = actors.find(pid, Sight::Gone);
        assert!(later.actor.gone && later.actor.comm.is_none());
    }

    #[test]
    fn another_program_in_the_same_process_is_another_actor() {
        let mut actors = Actors::default();
        let script = "read line; exec cat";
        let mut child = Command::new("sh")
            .args(["-c", script])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let pid = child.id();
        let wait_for = |comm: &str| {
            let path = format!("/proc/{pid}/comm");
            while std::fs::read_to_string(&path).unwrap().trim() != comm {
                std::thread::yield_now();
            }
        };
        wait_for("sh");
        actors.begin(Moment::now());
        let shell = actors.find(pid, sight(pid));
        std::io::Write::write_all(child.stdin.as_mut().unwrap(), b"go\n").unwrap();
        wait_for("cat");
        actors.begin(Moment::now());
        let cat = actors.find(pid, sight(pid));
        assert_eq!(shell.actor.started, cat.actor.started);
        assert_ne!(shell.id, cat.id);
        assert_eq!(cat.actor.comm.as_deref(), Some(&b"cat"[..]));
        child.kill().unwrap();
        child.wait().unwrap();
    }
}

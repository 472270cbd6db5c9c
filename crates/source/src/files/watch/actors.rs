//! Who is behind a process number: looked at once, at first sight, then remembered.
//!
//! A process number is only a name that is given out again. An answer is served from memory only while
//! the number provably belongs to the process that was looked at; else the actor is "gone". Nothing is
//! guessed.

use std::collections::HashMap;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use crate::files::watch::forks::Forks;
use crate::files::watch::process::{look, runs_another_program};
use crate::files::watch::report::{Actor, ActorId, Moment};
use crate::files::watch::set::KnownActor;
use crate::files::watch::system;

/// Processes that are held on to, with two descriptors each: 256 of the usual limit of 1024. One read
/// of events brings up to 270 more for a moment, and the rest of the program needs some too.
pub(super) const HELD_MAX: usize = 128;

/// Processes remembered in all, until the queue is empty.
const KNOWN_MAX: usize = 65_536;

/// How often, at most, the costlier questions are asked again of a process that stays: whether it runs
/// the same program with other arguments, and how many processes were started. They take 0.1 ms.
const ASK_AGAIN: Duration = Duration::from_millis(10);

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
    fn an_ended_process_is_remembered_until_the_queue_is_empty() {
        let mut actors = Actors::default();
        actors.begin(Moment::now());
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        let pid = child.id();
        // Until the program runs, the child is still a copy of this one; its arguments come last.
        while std::fs::read(format!("/proc/{pid}/cmdline")).unwrap() != b"cat\0" {
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

//! What a watcher tells: which keys are dirty, who touched them, and where it can't vouch for silence.
//!
//! Values only. An event means "this name is dirty, look at it"; it never says what is true now.

use std::fmt;
use std::time::Duration;

/// A moment of the monotonic clock, in nanoseconds since the system started. Nobody can set it back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(pub u64);

impl Moment {
    /// Now.
    pub fn now() -> Self {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        // Neither part is ever negative for this clock.
        Self((now.tv_sec as u64).saturating_mul(1_000_000_000) + now.tv_nsec as u64)
    }

    /// How long ago `earlier` was; zero if it lies ahead.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

/// What was done at a key: a set of bits. Their order is lost, because the kernel merges events.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct What(u16);

impl What {
    /// Something was made here.
    pub const CREATED: Self = Self(1);
    /// Something was removed here.
    pub const DELETED: Self = Self(1 << 1);
    /// Content was written or cut.
    pub const MODIFIED: Self = Self(1 << 2);
    /// Mode, owner, times, attributes or the number of names changed.
    pub const ATTRIBUTES: Self = Self(1 << 3);
    /// It was renamed away from here.
    pub const RENAMED_FROM: Self = Self(1 << 4);
    /// Something was renamed to here; what stood here before, if anything, is gone without a deletion.
    pub const RENAMED_TO: Self = Self(1 << 5);
    /// A descriptor that could write was closed.
    pub const CLOSED: Self = Self(1 << 6);
    /// Names came or went in this directory, so its times differ.
    pub const ENTRIES: Self = Self(1 << 7);
    /// It is, or was, a directory.
    pub const DIRECTORY: Self = Self(1 << 8);
    /// Several processes had a part in it; only the last is named.
    pub const SEVERAL_ACTORS: Self = Self(1 << 9);

    const NAMES: [(Self, &'static str); 10] = [
        (Self::CREATED, "created"),
        (Self::DELETED, "deleted"),
        (Self::MODIFIED, "modified"),
        (Self::ATTRIBUTES, "attributes"),
        (Self::RENAMED_FROM, "renamed-from"),
        (Self::RENAMED_TO, "renamed-to"),
        (Self::CLOSED, "closed"),
        (Self::ENTRIES, "entries"),
        (Self::DIRECTORY, "directory"),
        (Self::SEVERAL_ACTORS, "several-actors"),
    ];

    /// No bit at all.
    pub const fn none() -> Self {
        Self(0)
    }

    /// Whether every bit of `other` is set.
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The bits of both.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl fmt::Debug for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = Self::NAMES.iter().filter(|(bit, _)| self.has(*bit));
        let names: Vec<&str> = names.map(|(_, name)| *name).collect();
        f.write_str(&names.join("|"))
    }
}

/// Names an actor within the life of one watcher.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ActorId(pub u64);

/// A process that touched something. What could not be learnt for certain is left empty: nothing here
/// is a guess.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Actor {
    /// Process number, as the watcher sees it; 0 for one outside of its process namespace.
    pub pid: u32,
    /// Whether it had ended, or was about to, before it could be looked at. Until somebody has waited
    /// for it, it still tells its parent and `comm`.
    pub gone: bool,
    /// Its parent when it was looked at.
    pub ppid: Option<u32>,
    /// The user whose rights it acted with (effective).
    pub uid: Option<u32>,
    /// The user who logged in; `None` where no session set it.
    pub loginuid: Option<u32>,
    /// Short name, at most 15 bytes; a process can set it to anything.
    pub comm: Option<Vec<u8>>,
    /// Path of the program; a process can't set it.
    pub exe: Option<Vec<u8>>,
    /// Arguments, each followed by a zero byte, cut at 4 KiB; a process can set it to anything.
    pub cmdline: Option<Vec<u8>>,
    /// Control group: names the service or container.
    pub cgroup: Option<Vec<u8>>,
    /// When it started, in clock ticks since boot: with `pid` it names one process.
    pub started: Option<u64>,
}

/// A key that has to be looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dirty {
    /// Stored key.
    pub key: Vec<u8>,
    /// What was done there.
    pub what: What,
    /// Whether everything beneath has to be looked at too: in the last known tree and in the live one.
    pub subtree: bool,
    /// Whether single keys beneath were given up, as there were too many.
    pub collapsed: bool,
    /// Whether writing has come to an end: closed, or nothing happened for the quiet time. Otherwise
    /// what is read now may be torn.
    pub settled: bool,
    /// First event.
    pub first: Moment,
    /// Last event.
    pub last: Moment,
    /// Who did the last thing.
    pub actor: Option<ActorId>,
}

/// Something changed its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rename {
    /// Where it was; `None` if outside of the tree, or in a directory that is gone by now.
    pub old: Option<Vec<u8>>,
    /// Where it went; `None` as above.
    pub new: Option<Vec<u8>>,
    /// Whether it is a directory: then all that lies beneath moved with it.
    pub is_directory: bool,
    /// When.
    pub at: Moment,
    /// Who.
    pub actor: Option<ActorId>,
}

/// A file by its inode, for what can't be said with a key: a file with several names was touched
/// through one that is gone. Every known key with this inode has to be looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId {
    /// Number of the file system, as in [`Stat`](crate::files::Stat).
    pub dev: u64,
    /// Inode number.
    pub ino: u64,
}

/// Why silence proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum BlurReason {
    /// Nothing senses changes here at all.
    NotWatched,
    /// The kernel's queue was full and it threw events away.
    Overflow,
    /// Events came faster than they could be taken in, and were thrown away to bound memory.
    Flood,
    /// An event could not be understood.
    Unreadable,
    /// An event's directory could not be named.
    Unnamed,
    /// The tree itself was renamed, moved or removed.
    RootMoved,
    /// Directories could not be watched: the system's limit is reached, or they can't be opened.
    Unwatched,
}

impl BlurReason {
    /// What happened, as a sentence.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::NotWatched => "Nothing tells of changes here; only a scan finds them.",
            Self::Overflow => "The system's queue of events was full, and events were lost.",
            Self::Flood => "Events came too fast to be taken in, and were dropped.",
            Self::Unreadable => "The system sent an event that can't be understood.",
            Self::Unnamed => "The directory of an event could not be named.",
            Self::RootMoved => "The protected directory itself was renamed, moved or removed.",
            Self::Unwatched => "Some directories could not be watched.",
        }
    }
}

/// A time for which absence of events proves nothing: the whole tree has to be looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blurred {
    /// The last moment up to which everything is known.
    pub since: Moment,
    /// From then on events are complete again.
    pub until: Moment,
    /// Why; each reason once, in order.
    pub reasons: Vec<BlurReason>,
}

/// What happened since the last batch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batch {
    /// Keys to look at, sorted by key, each once.
    pub dirty: Vec<Dirty>,
    /// Renames in the order they happened. Both ends are in `dirty` too.
    pub renames: Vec<Rename>,
    /// Whether renames were left out of the list, as there were too many; their keys are dirty.
    pub renames_dropped: bool,
    /// Files to look at under every name they are known by, sorted.
    pub files: Vec<FileId>,
    /// Whether any known file with several names may have changed.
    pub all_linked: bool,
    /// The actors that this batch names, sorted by id.
    pub actors: Vec<(ActorId, Actor)>,
    /// Set when silence proves nothing.
    pub blurred: Option<Blurred>,
    /// Events taken in since the last batch, those of no interest among them.
    pub events: u64,
}

impl Batch {
    /// Whether there is nothing to look at.
    pub fn is_quiet(&self) -> bool {
        self.dirty.is_empty()
            && self.renames.is_empty()
            && self.files.is_empty()
            && !self.all_linked
            && self.blurred.is_none()
    }

    /// The actor with this id.
    pub fn actor(&self, id: ActorId) -> Option<&Actor> {
        let at = self.actors.binary_search_by_key(&id, |(id, _)| *id).ok()?;
        Some(&self.actors[at].1)
    }
}

/// When a key is handed out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settle {
    /// A file that was written and not closed waits until nothing happened to it for so long.
    pub quiet: Duration,
    /// It waits no longer than this after its first event, and is then marked as not settled.
    pub ceiling: Duration,
}

impl Settle {
    /// Hand out everything at once.
    pub const AT_ONCE: Self = Self {
        quiet: Duration::ZERO,
        ceiling: Duration::ZERO,
    };
}

impl Default for Settle {
    /// Two seconds and thirty: an editor's save is over long before, and a log file that is written all
    /// the time still gets a version every half minute.
    fn default() -> Self {
        Self {
            quiet: Duration::from_secs(2),
            ceiling: Duration::from_secs(30),
        }
    }
}

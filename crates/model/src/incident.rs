//! What a watcher sees happen: who did what to which key, and what it makes of it.

use crate::id::{BlobId, SnapshotId};
use crate::key::PathKey;
use crate::time::Timestamp;

/// A process that changed something, as far as it could be known.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Actor {
    /// Number of the process; 0 if the system did not say.
    pub pid: u32,
    /// Its parent.
    pub ppid: Option<u32>,
    /// Whose it was.
    pub uid: Option<u32>,
    /// Who had logged in, where the system keeps that.
    pub login_uid: Option<u32>,
    /// Short name.
    pub comm: String,
    /// Program file.
    pub exe: String,
    /// Command line, arguments joined by spaces.
    pub command: String,
    /// It had ended before it could be looked at: the rest is what was known of it before, or nothing.
    pub gone: bool,
    /// It is Recoup itself: a restore, an undo. What it does is never an incident.
    pub ours: bool,
}

/// How bad a thing is taken to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Level {
    /// Kept in mind: the points around it stay, nobody is told.
    Pin = 1,
    /// A bulk change: shown, nobody is called.
    Notice = 2,
    /// Somebody is to look at once; nothing is thinned until then.
    Alarm = 3,
}

impl Level {
    /// The level with this number in stored records.
    pub fn from_code(code: u8) -> Option<Self> {
        [Self::Pin, Self::Notice, Self::Alarm]
            .into_iter()
            .find(|level| *level as u8 == code)
    }

    /// The word that people and scripts read.
    pub fn word(self) -> &'static str {
        match self {
            Self::Pin => "pin",
            Self::Notice => "notice",
            Self::Alarm => "alarm",
        }
    }
}

/// Somebody looked at an incident and takes it for nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dismissal {
    /// Number of the incident.
    pub incident: u64,
    /// Who says so.
    pub by: String,
    /// Why; may be empty.
    pub reason: String,
}

/// A change of one key that a watcher saw, with what the rules need to know of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observed {
    /// Which key.
    pub key: PathKey,
    /// When it was last touched.
    pub time: Timestamp,
    /// Who touched it: index in the list of actors that comes with the observations.
    pub actor: Option<u32>,
    /// What was there.
    pub before: Option<Facts>,
    /// What is there.
    pub after: Option<Facts>,
}

/// What the rules need to know of a state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Facts {
    /// Whether it is a directory.
    pub is_directory: bool,
    /// Length in bytes.
    pub size: u64,
    /// Names the content: equal for equal bytes. `None` for what has no bytes.
    pub content: Option<BlobId>,
    /// Names mode (permission bits, not the kind), owner and attributes: equal for equal ones.
    pub metadata: u64,
    /// Names the first 512 bytes; `None` if there are fewer, or nobody looked. With it a cut tail is told
    /// from a new version.
    pub head: Option<u64>,
    /// Whether the first bytes are what the extension of the name promises; `None` if it promises nothing,
    /// or nobody looked.
    pub magic_ok: Option<bool>,
    /// What the bytes look like, where somebody looked.
    pub looks: Looks,
}

/// What bytes look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Looks {
    /// Nobody looked.
    #[default]
    Unknown,
    /// Text, or anything else that compresses well.
    Compressible,
    /// Packed by nature, with the marks of a known format: pictures, archives.
    KnownPacked,
    /// Like random bytes, of no known format.
    Random,
    /// Zeros only.
    Zeros,
}

/// Something that happened, as the rules name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incident {
    /// Its number in the timeline of its source, from 1.
    pub number: u64,
    /// How bad it is taken to be.
    pub level: Level,
    /// The rule that found it, in a word.
    pub rule: String,
    /// What happened, in words.
    pub about: String,
    /// First and last change that belong to it.
    pub from: Timestamp,
    /// The last change that belongs to it.
    pub to: Timestamp,
    /// The last good point.
    pub before: SnapshotId,
    /// The first point with all of it.
    pub after: SnapshotId,
    /// How many keys were damaged.
    pub keys: u64,
    /// Of these, how many are gone.
    pub deleted: u64,
    /// Of these, how many are changed.
    pub changed: u64,
    /// Who did it, if one did.
    pub actor: Option<Actor>,
    /// The numbers of the points that hold its changes.
    pub points: (u64, u64),
}

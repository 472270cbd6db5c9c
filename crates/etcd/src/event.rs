//! What a watch has to say: revisions, and what it knows about those it has not seen.

use crate::value::KeyValue;

/// What happened to one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The key.
    pub key: Vec<u8>,
    /// Its new state; `None` if it was deleted.
    pub now: Option<KeyValue>,
    /// Its state before, if that was asked for and is still kept.
    pub previous: Option<KeyValue>,
}

/// Everything that happened in one revision to the keys that are watched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revision {
    /// Its number.
    pub revision: i64,
    /// In the order in which the server carried them out.
    pub events: Vec<Event>,
}

/// Revisions that nobody can tell us about any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// The first revision that was not seen.
    pub from: i64,
    /// Everything before this revision may be missing; it itself, too.
    pub to: i64,
}

/// What a watch has to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// A revision, whole.
    Revision(Revision),
    /// Up to this revision, nothing more happened to the keys that are watched.
    Progress(i64),
    /// A member, as `host:port`, has taken the watch.
    Connected(String),
    /// The connection is lost, for this reason; another one is being sought.
    Disconnected(String),
    /// The end: revisions are missing. Said again and again.
    Gap(Gap),
}

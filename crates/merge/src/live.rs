//! What the engine asks about the source as it is now.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::ops::Bound;

use model::{Entry, PathKey};

/// What stands at a key now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Live {
    /// Nothing.
    Absent,
    /// This.
    Present(Entry),
    /// It can't be known, and why: unreadable, busy. The key is put off.
    Unknown(String),
}

impl Live {
    /// What stands there, if that is known and anything does.
    pub fn entry(&self) -> Option<&Entry> {
        match self {
            Self::Present(entry) => Some(entry),
            Self::Absent | Self::Unknown(_) => None,
        }
    }

    /// Whether it is known that nothing stands there.
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }
}

impl From<Option<Entry>> for Live {
    fn from(entry: Option<Entry>) -> Self {
        entry.map_or(Self::Absent, Self::Present)
    }
}

/// The source as it is now.
///
/// [`crate::plan`] asks for the state of each key of the change set once, in key order: a caller answers
/// from what it looked up in one go. Further questions are about directories above keys that come back,
/// and few.
pub trait LiveTree {
    /// Why no answer can be given at all: planning ends with it. What can't be known of a single key is
    /// [`Live::Unknown`] instead.
    type Error;

    /// What stands at the key.
    fn state(&mut self, key: &PathKey) -> Result<Live, Self::Error>;

    /// The names in a live directory, in any order. Asked only for directories that the undo would
    /// remove or replace, and for directories that fold names and get new ones.
    fn names(&mut self, key: &PathKey) -> Result<Vec<Vec<u8>>, Self::Error>;

    /// The directory that stood at the key when the event happened, for one that the event left alone
    /// and that is gone now, although something beneath it comes back. Without an answer it is made for
    /// its owner alone.
    fn remembered(&mut self, _key: &PathKey) -> Result<Option<Entry>, Self::Error> {
        Ok(None)
    }
}

/// A source held in memory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MemoryTree {
    /// What stands where.
    pub entries: BTreeMap<PathKey, Entry>,
    /// Keys whose state can't be known, and why.
    pub unknown: BTreeMap<PathKey, String>,
    /// What stood where before the event, as far as anybody remembers.
    pub remembered: BTreeMap<PathKey, Entry>,
}

impl From<BTreeMap<PathKey, Entry>> for MemoryTree {
    fn from(entries: BTreeMap<PathKey, Entry>) -> Self {
        Self {
            entries,
            ..Self::default()
        }
    }
}

impl LiveTree for MemoryTree {
    type Error = Infallible;

    fn state(&mut self, key: &PathKey) -> Result<Live, Infallible> {
        if let Some(why) = self.unknown.get(key) {
            return Ok(Live::Unknown(why.clone()));
        }
        Ok(self.entries.get(key).cloned().into())
    }

    fn names(&mut self, key: &PathKey) -> Result<Vec<Vec<u8>>, Infallible> {
        let mut names = Vec::new();
        let mut from = Bound::Excluded(key.as_bytes().to_vec());
        // From child to child, past what is beneath each.
        while let Some((next, _)) = self
            .entries
            .range::<[u8], _>((from.as_ref().map(Vec::as_slice), Bound::Unbounded))
            .next()
        {
            if !key.contains(next.as_bytes()) {
                break;
            }
            let skipped = if key.is_root() {
                0
            } else {
                key.as_bytes().len() + 1
            };
            let name = next.as_bytes()[skipped..].split(|&byte| byte == 0).next();
            let name = name.unwrap_or_default().to_vec();
            let mut past = next.as_bytes()[..skipped].to_vec();
            past.extend_from_slice(&name);
            past.push(1);
            from = Bound::Included(past);
            names.push(name);
        }
        Ok(names)
    }

    fn remembered(&mut self, key: &PathKey) -> Result<Option<Entry>, Infallible> {
        Ok(self.remembered.get(key).cloned())
    }
}

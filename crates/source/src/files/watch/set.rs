//! The dirty keys that wait to be fetched: merged per key, bounded in number.
//!
//! Pure: moments are handed in. When there are too many keys, those of the fullest directories are
//! given up for a mark on the directory, so that memory is bounded and nothing is forgotten.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use model::key;

use crate::files::watch::range::beneath;
use crate::files::watch::report::{
    Actor, ActorId, Batch, BlurReason, Blurred, Dirty, FileId, Moment, Rename, Settle, What,
};

/// How long a file that was made and not written to has to be quiet: a writer's first bytes come long before.
const MADE_QUIET: Duration = Duration::from_millis(100);

/// An actor with its id.
#[derive(Debug)]
pub(super) struct KnownActor {
    pub(super) id: ActorId,
    pub(super) actor: Actor,
}

/// Something that happened at a key.
#[derive(Debug, Clone, Copy)]
pub(super) struct Touch<'a> {
    pub(super) what: What,
    pub(super) subtree: bool,
    pub(super) at: Moment,
    pub(super) actor: Option<&'a Arc<KnownActor>>,
}

/// Who writes to a file, as far as events tell; what has to be waited for longest comes last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Writer {
    /// Nobody.
    None,
    /// It was made, and not written to: by a writer who is about to, or as a link to a file that is whole
    /// already. What is removed in exchange must not be seen long before that one.
    Expected,
    /// Somebody who has not closed it since.
    Writing,
}

#[derive(Debug, Clone)]
struct State {
    what: What,
    subtree: bool,
    collapsed: bool,
    writer: Writer,
    first: Moment,
    last: Moment,
    actor: Option<Arc<KnownActor>>,
}

#[derive(Debug)]
struct Renamed {
    old: Option<Vec<u8>>,
    new: Option<Vec<u8>>,
    is_directory: bool,
    at: Moment,
    actor: Option<Arc<KnownActor>>,
}

/// What waits to be fetched.
#[derive(Debug, Default)]
pub(super) struct DirtySet {
    keys: BTreeMap<Box<[u8]>, State>,
    /// Most keys, renames and files to hold, each.
    most: usize,
    /// Whether any key is collapsed.
    any_collapsed: bool,
    renames: Vec<Renamed>,
    renames_dropped: bool,
    files: BTreeSet<FileId>,
    all_linked: bool,
    blurred: Option<Blurred>,
    /// Up to here everything was taken in.
    good_until: Moment,
    events: u64,
}

impl DirtySet {
    pub(super) fn new(most: usize, now: Moment) -> Self {
        Self {
            most: most.max(2),
            good_until: now,
            ..Self::default()
        }
    }

    /// So many events were read.
    pub(super) fn count(&mut self, events: u64) {
        self.events += events;
    }

    /// Everything up to `moment` was taken in.
    pub(super) fn good_until(&mut self, moment: Moment) {
        self.good_until = self.good_until.max(moment);
    }

    /// Silence since the last good moment proves nothing.
    pub(super) fn blur(&mut self, reason: BlurReason, now: Moment) {
        let since = self.good_until.min(now);
        let blurred = self.blurred.get_or_insert_with(|| Blurred {
            since,
            until: now,
            reasons: Vec::new(),
        });
        blurred.until = blurred.until.max(now);
        if let Err(at) = blurred.reasons.binary_search(&reason) {
            blurred.reasons.insert(at, reason);
        }
    }

    pub(super) fn touch(&mut self, key: &[u8], touch: Touch<'_>) {
        if let Some(state) = self.keys.get_mut(key) {
            state.merge(&State::new(touch));
            return;
        }
        if self.any_collapsed
            && let Some(above) = self.collapsed_above(key)
        {
            above.merge(&State::new(touch));
            return;
        }
        self.keys.insert(key.into(), State::new(touch));
        if self.keys.len() > self.most {
            self.collapse();
        }
    }

    /// A rename: both ends are dirty, with all beneath if it is a directory; so are the directories
    /// that hold them.
    pub(super) fn rename(
        &mut self,
        old: Option<Vec<u8>>,
        new: Option<Vec<u8>>,
        directory: bool,
        touch: Touch<'_>,
    ) {
        let open = old
            .as_ref()
            .and_then(|old| self.keys.get(old.as_slice()))
            .is_some_and(|state| state.writer == Writer::Writing && !state.collapsed);
        let kind = if directory {
            What::DIRECTORY
        } else {
            What::none()
        };
        let ends = [(&old, What::RENAMED_FROM), (&new, What::RENAMED_TO)];
        for (key, what) in ends {
            let Some(key) = key else { continue };
            let end = Touch {
                what: what.with(kind),
                subtree: directory,
                ..touch
            };
            self.touch(key, end);
            self.touch_parent(key, touch.at, touch.actor);
        }
        // A file that is still being written takes that along; nothing is being written at its old name.
        let taken = if open { Writer::Writing } else { Writer::None };
        for (key, writer) in [(&old, Writer::None), (&new, taken)] {
            let state = key
                .as_ref()
                .and_then(|key| self.keys.get_mut(key.as_slice()));
            if let Some(state) = state.filter(|state| !state.collapsed) {
                state.writer = writer;
            }
        }
        if self.renames.len() >= self.most {
            self.renames_dropped = true;
            return;
        }
        self.renames.push(Renamed {
            old,
            new,
            is_directory: directory,
            at: touch.at,
            actor: touch.actor.map(Arc::clone),
        });
    }

    /// Names came or went in the directory that holds `key`.
    pub(super) fn touch_parent(&mut self, key: &[u8], at: Moment, actor: Option<&Arc<KnownActor>>) {
        if let Some(parent) = key::parent(key) {
            let touch = Touch {
                what: What::ENTRIES.with(What::DIRECTORY),
                subtree: false,
                at,
                actor,
            };
            self.touch(parent, touch);
        }
    }

    /// A file was touched whose names are not all known.
    pub(super) fn file(&mut self, file: FileId) {
        if self.files.len() < self.most {
            self.files.insert(file);
        } else if !self.files.contains(&file) {
            self.all_linked();
        }
    }

    /// Any file with several names may have been touched.
    pub(super) fn all_linked(&mut self) {
        self.all_linked = true;
        self.files.clear();
    }

    /// Whether a batch would hold anything.
    pub(super) fn is_ready(&self, now: Moment, settle: Settle) -> bool {
        self.blurred.is_some()
            || self.all_linked
            || !self.files.is_empty()
            || !self.renames.is_empty()
            || self.keys.values().any(|state| state.is_ready(now, settle))
    }

    /// Takes out what is ready; what is not waits on.
    pub(super) fn take(&mut self, now: Moment, settle: Settle) -> Taken {
        let keys = if self.keys.values().all(|state| state.is_ready(now, settle)) {
            std::mem::take(&mut self.keys)
        } else {
            let ready = self
                .keys
                .extract_if(.., |_, state| state.is_ready(now, settle));
            ready.collect()
        };
        self.any_collapsed = self.keys.values().any(|state| state.collapsed);
        Taken {
            keys,
            quiet: settle.quiet,
            now,
            renames: std::mem::take(&mut self.renames),
            batch: Batch {
                renames_dropped: std::mem::take(&mut self.renames_dropped),
                files: std::mem::take(&mut self.files).into_iter().collect(),
                all_linked: std::mem::take(&mut self.all_linked),
                blurred: self.blurred.take(),
                events: std::mem::take(&mut self.events),
                ..Batch::default()
            },
        }
    }

    fn collapsed_above(&mut self, key: &[u8]) -> Option<&mut State> {
        let mut at = key;
        let found = loop {
            at = key::parent(at)?;
            if self.keys.get(at).is_some_and(|state| state.collapsed) {
                break at.len();
            }
        };
        self.keys.get_mut(&key[..found])
    }

    /// Gives up single keys, the fullest directories first, until half of the room is free: then the
    /// next collapse is far off.
    fn collapse(&mut self) {
        let aim = self.most / 2;
        while self.keys.len() > aim {
            let mut counts: HashMap<&[u8], u32> = HashMap::new();
            for key in self.keys.keys() {
                if let Some(parent) = key::parent(key) {
                    *counts.entry(parent).or_default() += 1;
                }
            }
            let mut fullest: Vec<(u32, Vec<u8>)> = counts
                .into_iter()
                .map(|(parent, count)| (count, parent.to_vec()))
                .collect();
            // Deeper ones first among equals, so that as little as possible is given up.
            fullest.sort_unstable_by(|a, b| b.0.cmp(&a.0).then(b.1.len().cmp(&a.1.len())));
            if fullest.is_empty() {
                break;
            }
            for (_, parent) in fullest {
                if self.keys.len() <= aim {
                    break;
                }
                self.collapse_directory(parent);
            }
        }
    }

    fn collapse_directory(&mut self, parent: Vec<u8>) {
        let mut gone = self
            .keys
            .extract_if(beneath::<Box<[u8]>>(&parent, false), |_, _| true);
        let Some((_, mut sum)) = gone.next() else {
            return;
        };
        gone.for_each(|(_, state)| sum.merge(&state));
        sum.subtree = true;
        sum.collapsed = true;
        sum.what = sum.what.with(What::DIRECTORY);
        self.any_collapsed = true;
        let place = self.keys.entry(parent.into_boxed_slice());
        place
            .and_modify(|state| {
                state.merge(&sum);
                state.collapsed = true;
            })
            .or_insert(sum);
    }
}

impl State {
    fn new(touch: Touch<'_>) -> Self {
        let what = touch.what;
        let is_made =
            what.has(What::CREATED) && !what.has(What::DIRECTORY) && !what.has(What::DELETED);
        let writer = match what {
            what if what.has(What::CLOSED) => Writer::None,
            what if what.has(What::MODIFIED) => Writer::Writing,
            _ if is_made => Writer::Expected,
            _ => Writer::None,
        };
        Self {
            what,
            subtree: touch.subtree,
            collapsed: false,
            writer,
            first: touch.at,
            last: touch.at,
            actor: touch.actor.map(Arc::clone),
        }
    }

    /// Adds what happened later.
    fn merge(&mut self, later: &Self) {
        let settles = later.what.has(What::CLOSED) || later.what.has(What::DELETED);
        let still = if settles { Writer::None } else { self.writer };
        self.writer = later.writer.max(still);
        self.what = self.what.with(later.what);
        self.subtree |= later.subtree;
        self.first = self.first.min(later.first);
        self.last = self.last.max(later.last);
        if let Some(actor) = &later.actor {
            if self.actor.as_ref().is_some_and(|mine| mine.id != actor.id) {
                self.what = self.what.with(What::SEVERAL_ACTORS);
            }
            self.actor = Some(Arc::clone(actor));
        }
    }

    /// Whether it has been quiet for long enough for what it is.
    fn is_quiet(&self, now: Moment, quiet: Duration) -> bool {
        let since = now.since(self.last);
        match self.writer {
            Writer::None => true,
            Writer::Expected => since >= quiet.min(MADE_QUIET),
            Writer::Writing => since >= quiet,
        }
    }

    fn is_ready(&self, now: Moment, settle: Settle) -> bool {
        self.is_quiet(now, settle.quiet) || now.since(self.first) >= settle.ceiling
    }
}

/// What was taken out of the set: made into a batch after the set is free again.
#[derive(Debug)]
pub(super) struct Taken {
    keys: BTreeMap<Box<[u8]>, State>,
    quiet: Duration,
    now: Moment,
    renames: Vec<Renamed>,
    batch: Batch,
}

impl Taken {
    pub(super) fn into_batch(self) -> Batch {
        let mut batch = self.batch;
        let mut actors: BTreeMap<ActorId, Arc<KnownActor>> = BTreeMap::new();
        let mut name = |actor: Option<Arc<KnownActor>>| {
            let actor = actor?;
            let id = actor.id;
            actors.entry(id).or_insert(actor);
            Some(id)
        };
        batch.dirty.reserve_exact(self.keys.len());
        for (key, state) in self.keys {
            batch.dirty.push(Dirty {
                key: key.into_vec(),
                what: state.what,
                subtree: state.subtree,
                collapsed: state.collapsed,
                settled: state.writer == Writer::None
                    || !self.quiet.is_zero() && state.is_quiet(self.now, self.quiet),
                first: state.first,
                last: state.last,
                actor: name(state.actor),
            });
        }
        for renamed in self.renames {
            batch.renames.push(Rename {
                old: renamed.old,
                new: renamed.new,
                is_directory: renamed.is_directory,
                at: renamed.at,
                actor: name(renamed.actor),
            });
        }
        let actors = actors.into_values();
        batch.actors = actors
            .map(|known| (known.id, known.actor.clone()))
            .collect();
        batch
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn touch(what: What, at: u64) -> Touch<'static> {
        Touch {
            what,
            subtree: false,
            at: Moment(at),
            actor: None,
        }
    }

    fn covers(batch: &Batch, key: &[u8]) -> bool {
        let mut at = Some(key);
        while let Some(key_or_above) = at {
            let found = batch
                .dirty
                .binary_search_by(|dirty| dirty.key.as_slice().cmp(key_or_above));
            if found.is_ok_and(|found| key_or_above == key || batch.dirty[found].subtree) {
                return true;
            }
            at = key::parent(key_or_above);
        }
        false
    }

    proptest! {
        /// However small the room, every touched key is covered, and the room is kept.
        #[test]
        fn nothing_touched_is_forgotten(
            keys in prop::collection::vec(prop::collection::vec(0..4u8, 0..6), 1..300),
            most in 2..40usize,
        ) {
            let mut set = DirtySet::new(most, Moment(0));
            let keys: Vec<Vec<u8>> = keys
                .into_iter()
                .map(|names| names.iter().map(|n| vec![b'a' + n; 1 + usize::from(*n)]).collect::<Vec<_>>().join(&0))
                .collect();
            for (at, key) in keys.iter().enumerate() {
                set.touch(key, touch(What::MODIFIED, at as u64));
                prop_assert!(set.keys.len() <= most);
            }
            let batch = set.take(Moment(1000), Settle::AT_ONCE).into_batch();
            prop_assert!(batch.dirty.is_sorted_by(|a, b| a.key < b.key));
            for key in &keys {
                prop_assert!(covers(&batch, key), "{key:?} is lost");
            }
        }
    }

    #[test]
    fn a_file_waits_until_it_is_closed_or_quiet() {
        let settle = Settle {
            quiet: Duration::from_nanos(100),
            ceiling: Duration::from_nanos(1000),
        };
        let mut set = DirtySet::new(100, Moment(0));
        set.touch(b"f", touch(What::CREATED, 10));
        set.touch(b"f", touch(What::MODIFIED, 20));
        assert!(!set.is_ready(Moment(50), settle));
        assert!(set.is_ready(Moment(120), settle));
        set.touch(b"f", touch(What::CLOSED, 60));
        assert!(set.is_ready(Moment(61), settle));
        set.touch(b"f", touch(What::MODIFIED, 70));
        set.touch(b"g", touch(What::DELETED, 71));
        let batch = set.take(Moment(72), settle).into_batch();
        assert_eq!((batch.dirty.len(), &batch.dirty[0].key[..]), (1, &b"g"[..]));
        // Written all the time: handed out at the ceiling, and marked.
        for at in (80..1010).step_by(10) {
            set.touch(b"f", touch(What::MODIFIED, at));
        }
        assert!(set.is_ready(Moment(1010), settle));
        let batch = set.take(Moment(1010), settle).into_batch();
        assert!(!batch.dirty[0].settled);
        assert!(set.take(Moment(2000), settle).into_batch().is_quiet());
    }

    #[test]
    fn a_link_to_a_whole_file_does_not_wait_for_a_writer() {
        let settle = Settle::default();
        let soon = MADE_QUIET.as_nanos() as u64;
        let mut set = DirtySet::new(100, Moment(0));
        set.touch(b"link", touch(What::CREATED, 10));
        set.touch(b"other", touch(What::CREATED, 10));
        let (old, new) = (b"other".to_vec(), b"renamed".to_vec());
        set.rename(Some(old), Some(new), false, touch(What::none(), 10));
        set.touch(b"written", touch(What::CREATED, 10));
        set.touch(b"written", touch(What::MODIFIED, 11));
        let mut taken = |at| {
            let batch = set.take(Moment(at), settle).into_batch();
            let keys = batch.dirty.iter().filter(|dirty| dirty.settled);
            keys.map(|dirty| dirty.key.clone()).collect::<Vec<_>>()
        };
        // One that got its name by a rename is whole at once, with its old name and the directory.
        let renamed = [&b""[..], b"other", b"renamed"].map(<[u8]>::to_vec);
        assert_eq!(taken(soon), renamed);
        assert_eq!(taken(soon + 10), [b"link"]);
        assert!(taken(soon + 100).is_empty());
    }

    #[test]
    fn a_rename_takes_the_open_file_along() {
        let mut set = DirtySet::new(100, Moment(0));
        set.touch(b"d\0tmp", touch(What::MODIFIED, 1));
        set.rename(
            Some(b"d\0tmp".to_vec()),
            Some(b"d\0file".to_vec()),
            false,
            touch(What::none(), 2),
        );
        let settle = Settle::default();
        let batch = set.take(Moment(3), settle).into_batch();
        let keys: Vec<_> = batch
            .dirty
            .iter()
            .map(|dirty| dirty.key.as_slice())
            .collect();
        assert_eq!(keys, [&b"d"[..], b"d\0tmp"]);
        assert_eq!(batch.renames.len(), 1);
        set.touch(b"d\0file", touch(What::CLOSED, 4));
        assert_eq!(set.take(Moment(5), settle).into_batch().dirty.len(), 1);
    }

    #[test]
    fn a_blur_reaches_back_to_the_last_good_moment() {
        let mut set = DirtySet::new(100, Moment(5));
        set.good_until(Moment(50));
        set.blur(BlurReason::Overflow, Moment(70));
        set.blur(BlurReason::Unnamed, Moment(80));
        set.blur(BlurReason::Overflow, Moment(90));
        let blurred = set
            .take(Moment(100), Settle::AT_ONCE)
            .into_batch()
            .blurred
            .unwrap();
        assert_eq!((blurred.since, blurred.until), (Moment(50), Moment(90)));
        assert_eq!(blurred.reasons, [BlurReason::Overflow, BlurReason::Unnamed]);
    }
}

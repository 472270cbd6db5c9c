//! Walks the part of the map that is restored, makes its directories, and cuts the rest into windows.
//!
//! Owns the rule that nothing is written but into a directory that the same map says is one. Entries
//! come in key order: a directory, everything beneath it, what follows.

use std::collections::HashMap;

use model::key::parent;
use model::{Entry, Kind, LinkId, PathKey};
use repository::Entries;
use source::SourceError;
use source::files::Reason;
use source::files::write::{Directory, Removal};

use crate::context::{Context, SourceResult};
use crate::error::Result;
use crate::gap::{around_part, lost_directory, not_found};
use crate::guard::{Guarded, WHY};
use crate::job::{Job, Window};
use crate::remove::{make_enterable, remove};

/// What was found at, or done for, a directory: what a plan tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Note {
    Made,
    MadeInPlaceOfOther,
    Kept,
    /// Names beneath it that the snapshot lacks, with everything in them.
    Removed {
        names: u64,
        bytes: u64,
    },
}

/// Groups of hard links: the key of the name that has the content.
pub(crate) type Groups = HashMap<LinkId, Box<[u8]>>;

pub(crate) struct Gatherer<'c, 'a, 'm> {
    context: &'c Context<'a>,
    entries: Entries<'m>,
    /// Looks names up, when those that the snapshot lacks are to be removed.
    map: prolly::Map<'m, repository::MapReader<'m>>,
    pending: Option<(PathKey, Entry)>,
    started: bool,
    /// Part of the map could not be read: directories may be missing in it whose contents are not.
    gap: bool,
    /// The map holds only a part of `from`: the directories around that are not in it.
    part: bool,
    /// Key of the innermost open directory; those around it are its beginnings.
    path: Vec<u8>,
    open: Vec<Open>,
}

/// A directory whose entries are being read.
struct Open {
    key_len: usize,
    entry: Entry,
    /// Nothing is known of it: one that stands there stays as it is.
    lost: bool,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing can stand in it.
    Fresh,
    Existing,
    /// It stood there, with nothing in it.
    Empty,
    /// Left alone with everything in it, which is only compared.
    Guarded,
    /// Can't be made or entered; what lies beneath is passed over.
    Blocked,
}

impl State {
    fn is_bare(self) -> bool {
        matches!(self, Self::Fresh | Self::Empty)
    }
}

impl<'c, 'a, 'm> Gatherer<'c, 'a, 'm> {
    pub(crate) fn new(
        context: &'c Context<'a>,
        reader: &'m repository::MapReader<'m>,
        root: Option<model::BlobId>,
    ) -> Self {
        Self {
            context,
            entries: reader.entries(root, &context.place.from),
            map: reader.map(root),
            pending: None,
            started: false,
            gap: false,
            part: matches!(reader.entry(root, &context.place.from), Ok(None)),
            path: Vec::new(),
            open: Vec::new(),
        }
    }

    /// The next window, with the groups of hard links that it begins added to `groups`; `None` at the
    /// end.
    pub(crate) fn next_window(
        &mut self,
        groups: &mut Groups,
        note: &mut dyn FnMut(&[u8], Note),
    ) -> Result<Option<Window>> {
        let mut window = Window::default();
        let mut bytes = 0;
        loop {
            self.context.ledger.check()?;
            let limits = &self.context.limits;
            let count = window.jobs.len() + window.followers.len() + window.closed.len();
            if count >= limits.entries || bytes >= limits.bytes {
                return Ok(Some(window));
            }
            let next = match self.pending.take() {
                Some(next) => Some(next),
                None => self.next_entry()?,
            };
            // Directories that end before this entry, one at a time: chains may be long.
            if let Some(closed) = self.close(next.as_ref().map(|(key, _)| key.as_bytes())) {
                bytes += closed.0.len() + size_of::<Entry>();
                window.closed.push(closed);
                self.pending = next;
                if self.pending.is_some() || !self.open.is_empty() {
                    continue;
                }
                return Ok(Some(window));
            }
            let Some((key, entry)) = next else {
                if self.open.is_empty() && window.jobs.is_empty() && window.followers.is_empty() {
                    return Ok((!window.closed.is_empty()).then_some(window));
                }
                if self.open.is_empty() {
                    return Ok(Some(window));
                }
                continue;
            };
            bytes += key.as_bytes().len() + size_of::<Job>() + heap_bytes(&entry);
            self.take(key.into_bytes(), entry, &mut window, groups, note)?;
        }
    }

    /// The next entry that can be read. What can't be is a problem, and does not stand in the way of
    /// the rest.
    fn next_entry(&mut self) -> Result<Option<(PathKey, Entry)>> {
        let Self {
            entries,
            context,
            gap: seen,
            ..
        } = self;
        let next = entries.next_readable(&mut |gap, error| {
            *seen = true;
            let message = format!("{} entries up to here are lost: {error}", gap.entries);
            context.ledger.damaged();
            context.ledger.problem(&gap.last, message, true);
        });
        Ok(next?)
    }

    /// Opens directories around `key` whose entries were lost, with nothing known of them.
    fn open_lost(
        &mut self,
        key: &[u8],
        window: &mut Window,
        groups: &mut Groups,
        note: &mut dyn FnMut(&[u8], Note),
    ) -> Result<()> {
        if !self.started {
            self.started = true;
            let from = self.context.place.from.as_bytes().to_vec();
            if key != from {
                let entry = self.lost_directory();
                self.begin(from, entry, true, window, groups, note)?;
            }
        }
        while let Some(top) = self.open.last() {
            let beneath = if top.key_len == 0 { 0 } else { top.key_len + 1 };
            let Some(end) = key[beneath.min(key.len())..]
                .iter()
                .position(|&byte| byte == 0)
            else {
                break;
            };
            let directory = key[..beneath + end].to_vec();
            let state = match top.state {
                State::Blocked => State::Blocked,
                outer => self.enter(&directory, outer, true, note)?,
            };
            let entry = self.lost_directory();
            self.push(directory, entry, true, state);
        }
        Ok(())
    }

    /// Closes the innermost directory if `key` is not beneath it.
    fn close(&mut self, key: Option<&[u8]>) -> Option<(Vec<u8>, Entry)> {
        loop {
            let top = self.open.last()?;
            let directory = &self.path[..top.key_len];
            let beneath = key.is_some_and(|key| {
                key.strip_prefix(directory)
                    .is_some_and(|rest| directory.is_empty() || rest.first() == Some(&0))
            });
            if beneath {
                return None;
            }
            let top = self.open.pop()?;
            let key = self.path[..top.key_len].to_vec();
            let outer = self.open.last().map_or(0, |outer| outer.key_len);
            self.path.truncate(outer);
            let stays = match top.state {
                State::Blocked | State::Guarded => true,
                State::Existing | State::Empty => top.lost,
                State::Fresh => false,
            };
            if !stays {
                return Some((key, top.entry));
            }
        }
    }

    fn take(
        &mut self,
        key: Vec<u8>,
        entry: Entry,
        window: &mut Window,
        groups: &mut Groups,
        note: &mut dyn FnMut(&[u8], Note),
    ) -> Result<()> {
        if self.gap || self.part {
            self.open_lost(&key, window, groups, note)?;
        }
        if !self.started {
            self.started = true;
            return self.begin(key, entry, false, window, groups, note);
        }
        let state = match self.open.last() {
            Some(top) if parent(&key).map(<[u8]>::len) == Some(top.key_len) => top.state,
            _ => {
                let why = "refused: the snapshot has no directory that could hold it";
                self.context.ledger.problem(&key, why.to_owned(), true);
                return Ok(());
            }
        };
        if entry.kind == Kind::Directory {
            let state = match state {
                State::Blocked => State::Blocked,
                _ => self.enter(&key, state, false, note)?,
            };
            self.push(key, entry, false, state);
        } else if state != State::Blocked {
            let guarded = state == State::Guarded;
            let job = Job::new(key, entry, state.is_bare(), guarded);
            add(job, window, groups);
        }
        Ok(())
    }

    /// The first entry is what was asked for.
    fn begin(
        &mut self,
        key: Vec<u8>,
        entry: Entry,
        lost: bool,
        window: &mut Window,
        groups: &mut Groups,
        note: &mut dyn FnMut(&[u8], Note),
    ) -> Result<()> {
        if key != self.context.place.from.as_bytes() {
            return Err(not_found(&self.context.place.from));
        }
        if entry.kind != Kind::Directory {
            let job = Job::new(key, entry, self.context.tree.is_none(), false);
            add(job, window, groups);
            return Ok(());
        }
        let state = if self.context.tree.is_none() {
            note(&key, Note::Made);
            State::Fresh
        } else {
            let listed = self.look_into(&key, lost, note);
            self.unless_refused(&key, listed)?
        };
        self.push(key, entry, lost, state);
        Ok(())
    }

    /// What a directory becomes of which the map says nothing.
    fn lost_directory(&self) -> Entry {
        if self.part {
            around_part()
        } else {
            lost_directory()
        }
    }

    fn push(&mut self, key: Vec<u8>, entry: Entry, lost: bool, state: State) {
        self.open.push(Open {
            key_len: key.len(),
            entry,
            lost,
            state,
        });
        self.path = key;
    }

    /// Makes a directory, or finds it there.
    fn enter(
        &mut self,
        key: &[u8],
        outer: State,
        lost: bool,
        note: &mut dyn FnMut(&[u8], Note),
    ) -> Result<State> {
        let entered = self.try_enter(key, outer, lost, note);
        self.unless_refused(key, entered)
    }

    fn unless_refused(&self, key: &[u8], state: SourceResult<State>) -> Result<State> {
        match state {
            Ok(state) => Ok(state),
            Err(error @ (SourceError::Full { .. } | SourceError::Cancelled)) => Err(error.into()),
            Err(error) => {
                let message = format!("{error}; nothing beneath it was restored");
                self.context.ledger.problem(key, message, true);
                Ok(State::Blocked)
            }
        }
    }

    fn try_enter(
        &mut self,
        key: &[u8],
        outer: State,
        lost: bool,
        note: &mut dyn FnMut(&[u8], Note),
    ) -> SourceResult<State> {
        let context = self.context;
        if context.dry && outer.is_bare() {
            note(key, Note::Made);
            return Ok(State::Fresh);
        }
        let (directory, name) = context.parent(key)?;
        if outer.is_bare() && make(&directory, name)? {
            return Ok(State::Fresh);
        }
        let stat = directory.stat(name)?;
        let target_key = context.place.target_key(key);
        let guarded = match &stat {
            _ if outer == State::Guarded => Some(Guarded::Protected),
            Some(stat) => context.guard.check(target_key, stat),
            None => None,
        };
        let is_directory = matches!(&stat, Some(stat) if stat.kind == Kind::Directory);
        match guarded {
            Some(_) if !is_directory => {
                return Err(directory.error("write", name, std::io::Error::other(WHY)));
            }
            Some(Guarded::Protected) => {
                note(key, Note::Kept);
                return Ok(State::Guarded);
            }
            _ => {}
        }
        match stat {
            Some(stat) if stat.kind == Kind::Directory => {
                if !context.dry && !context.options.root_user {
                    make_enterable(&directory, name);
                }
                self.look_into(key, lost, note)
            }
            Some(_) => {
                note(key, Note::MadeInPlaceOfOther);
                if !context.dry {
                    directory.remove(name, Removal::File)?;
                    make(&directory, name)?;
                }
                Ok(State::Fresh)
            }
            None => {
                note(key, Note::Made);
                if !context.dry {
                    make(&directory, name)?;
                }
                Ok(State::Fresh)
            }
        }
    }

    /// Looks into a directory that was there, and removes what the snapshot lacks where that is asked.
    fn look_into(
        &self,
        key: &[u8],
        lost: bool,
        note: &mut dyn FnMut(&[u8], Note),
    ) -> SourceResult<State> {
        let context = self.context;
        note(key, Note::Kept);
        // What is mounted is not what the snapshot looked at, and neither is what it has no word of.
        let target = context.place.target_key(key);
        let delete =
            context.options.delete && !lost && !context.guard.mounted(&*context.directory(target)?);
        if !delete && !key_is_base(context, key) {
            return Ok(State::Existing);
        }
        let names = context.directory(target)?.names()?;
        if names.is_empty() {
            return Ok(State::Empty);
        }
        if delete {
            for name in &names {
                self.remove_extra(key, target, name, note)?;
            }
        }
        Ok(State::Existing)
    }

    fn remove_extra(
        &self,
        key: &[u8],
        target: &[u8],
        name: &[u8],
        note: &mut dyn FnMut(&[u8], Note),
    ) -> SourceResult<()> {
        let context = self.context;
        let known = PathKey::from_bytes(key.to_vec()).and_then(|key| key.child(name));
        let Ok(extra) = known else {
            return Ok(());
        };
        // What can't be looked up is kept.
        if !matches!(self.map.get(extra.as_bytes()), Ok(None)) {
            return Ok(());
        }
        if self.is_excluded(extra.as_bytes(), target, name)? {
            note(extra.as_bytes(), Note::Kept);
            return Ok(());
        }
        match remove(context, target, name) {
            Ok(removed) if removed.names == 0 => {
                note(extra.as_bytes(), Note::Kept);
                Ok(())
            }
            Ok(removed) => {
                context.ledger.tell(&mut crate::ledger::Tally {
                    deleted: removed.names,
                    ..Default::default()
                });
                note(
                    extra.as_bytes(),
                    Note::Removed {
                        names: removed.names,
                        bytes: removed.bytes,
                    },
                );
                Ok(())
            }
            Err(SourceError::Cancelled) => Err(SourceError::Cancelled),
            Err(error) => {
                context
                    .ledger
                    .problem(extra.as_bytes(), error.to_string(), false);
                Ok(())
            }
        }
    }
}

impl Gatherer<'_, '_, '_> {
    /// Whether a backup would have left the name out.
    fn is_excluded(&self, extra: &[u8], target: &[u8], name: &[u8]) -> SourceResult<bool> {
        let keep = &self.context.options.keep;
        let directory = self.context.directory(target)?;
        let Some(stat) = directory.stat(name)? else {
            return Ok(false);
        };
        // Markers are asked for in the one directory: patterns are anchored at the root of the source.
        let marked = || keep.explain(&directory.path(b""), name);
        Ok(keep.entry(extra, &stat).is_some()
            || matches!(marked(), Some(Reason::Cache | Reason::Present(_))))
    }
}

fn key_is_base(context: &Context<'_>, key: &[u8]) -> bool {
    key == context.place.from.as_bytes()
}

/// Makes a directory that only we may enter; `false` where the name is taken.
fn make(directory: &Directory, name: &[u8]) -> SourceResult<bool> {
    match directory.make_directory(name, 0o700) {
        Ok(()) => Ok(true),
        Err(SourceError::Io { source, .. })
            if source.kind() == std::io::ErrorKind::AlreadyExists =>
        {
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

/// Adds an entry other than a directory.
fn add(job: Job, window: &mut Window, groups: &mut Groups) {
    let leads = match job.entry.link {
        None => true,
        Some(link) => match groups.entry(link) {
            std::collections::hash_map::Entry::Occupied(_) => false,
            std::collections::hash_map::Entry::Vacant(group) => {
                group.insert(job.key.clone().into());
                true
            }
        },
    };
    if leads {
        window.jobs.push(job);
    } else {
        window.followers.push(job);
    }
}

/// About how much memory an entry takes beside itself.
fn heap_bytes(entry: &Entry) -> usize {
    use model::{Content, Extent, Xattrs};
    let content = match &entry.content {
        Content::Inline(bytes) => bytes.len(),
        Content::Extents(extents) => extents.len() * size_of::<Extent>(),
        _ => 0,
    };
    let xattrs = match &entry.xattrs {
        Xattrs::Inline(list) => list.iter().map(|x| 48 + x.name.len() + x.value.len()).sum(),
        Xattrs::Blob(_) => 0,
    };
    content + xattrs + entry.target.len()
}

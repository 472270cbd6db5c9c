//! Sensing by inotify: a watch on every directory, for users without privileges.
//!
//! It names no processes. A directory that comes into being is watched first and then listed; all
//! beneath it is dirty, so that what was made before the watch stood is not missed. Keys of watches are
//! never computed from a rename: the tree is asked again, and the kernel gives the same number for a
//! directory that is watched already.

use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use std::time::Duration;

use model::key::PathKey;
use rustix::fs::inotify::{CreateFlags, ReadFlags, Reader, WatchFlags};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, RawDir, inotify};
use rustix::io::Errno;

use crate::files::beneath::{open_beneath, open_parent};
use crate::files::stat::Stat;
use crate::files::watch::places::join;
use crate::files::watch::report::{BlurReason, FileId, Moment, What};
use crate::files::watch::sensor::{PAUSE, READS_BEFORE_PAUSE, Sensor, SharedSet};
use crate::files::watch::set::Touch;
use crate::files::watch::watches::Watches;

/// Bytes taken at once, and room for a listing: as the scan has.
const BUFFER_BYTES: usize = 64 * 1024;

/// Renames whose other end may still come: it follows at once if there is one.
const PENDING_MAX: usize = 1024;

const WATCHED: WatchFlags = WatchFlags::CREATE
    .union(WatchFlags::DELETE)
    .union(WatchFlags::MOVED_FROM)
    .union(WatchFlags::MOVED_TO)
    .union(WatchFlags::MODIFY)
    .union(WatchFlags::CLOSE_WRITE)
    .union(WatchFlags::ATTRIB)
    .union(WatchFlags::ONLYDIR);

/// Why the tree can't be watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// No more instances, or none at all.
    Instance(Errno),
    /// No more watches; so many were set.
    Full(usize),
}

#[derive(Debug)]
pub(super) struct Inotify {
    queue: OwnedFd,
    root: OwnedFd,
    root_watch: Option<i32>,
    ignore: Vec<PathKey>,
    watches: Watches,
    /// First halves of renames.
    pending: Vec<Pending>,
    buffer: Vec<MaybeUninit<u8>>,
    /// Directories that could not be watched.
    unwatched: u64,
    full: bool,
    /// Reads in a row that found something.
    reads_in_a_row: u32,
}

#[derive(Debug)]
struct Pending {
    cookie: u32,
    old: Vec<u8>,
    directory: bool,
    /// The watches that stood beneath.
    watches: Vec<i32>,
    at: Moment,
}

/// One event, owned, as handling it may set watches.
#[derive(Debug)]
struct Note {
    watch: i32,
    mask: ReadFlags,
    cookie: u32,
    name: Option<Vec<u8>>,
}

impl Inotify {
    /// Watches every directory beneath `root`.
    pub(super) fn open(root: OwnedFd, ignore: Vec<PathKey>) -> Result<Self, Refused> {
        let queue = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)
            .map_err(Refused::Instance)?;
        let mut this = Self {
            queue,
            root,
            root_watch: None,
            ignore,
            watches: Watches::default(),
            pending: Vec::new(),
            buffer: vec![MaybeUninit::uninit(); BUFFER_BYTES],
            unwatched: 0,
            full: false,
            reads_in_a_row: 0,
        };
        this.watch_beneath(Vec::new());
        if this.full {
            return Err(Refused::Full(this.watches.len()));
        }
        Ok(this)
    }

    /// Directories that could not be watched at the start.
    pub(super) fn unwatched(&self) -> u64 {
        self.unwatched
    }

    /// Watches the directory at `key` and all beneath, if there is one. Gives back how many could not be.
    fn watch_beneath(&mut self, key: Vec<u8>) -> u64 {
        let before = self.unwatched;
        let mut waiting = vec![key];
        let mut list = vec![MaybeUninit::uninit(); BUFFER_BYTES];
        while let Some(key) = waiting.pop() {
            if self.ignore.iter().any(|ignored| ignored.contains(&key)) {
                continue;
            }
            match self.watch(&key, &mut list, &mut waiting) {
                // Gone again, out of the tree (`EXDEV`), or something else by now: that comes as an event.
                Ok(()) | Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::XDEV) => {}
                Err(errno) => {
                    self.full |= matches!(errno, Errno::NOSPC | Errno::NOMEM);
                    self.unwatched += 1;
                }
            }
        }
        self.unwatched - before
    }

    /// Watches one directory, then lists it for the directories in it.
    fn watch(
        &mut self,
        key: &[u8],
        list: &mut [MaybeUninit<u8>],
        waiting: &mut Vec<Vec<u8>>,
    ) -> rustix::io::Result<()> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW;
        let directory = open_beneath(self.root.as_fd(), key, flags, Mode::empty())?;
        // The magic link leads to this very directory, whatever its path is by now.
        let link = format!("/proc/self/fd/{}", directory.as_raw_fd());
        let mut what = WATCHED;
        if key.is_empty() {
            what |= WatchFlags::MOVE_SELF | WatchFlags::DELETE_SELF;
        }
        let watch = inotify::add_watch(&self.queue, link, what)?;
        self.watches.set(watch, key);
        if key.is_empty() {
            self.root_watch = Some(watch);
        }
        // Opened only now that it is watched: btrfs lists nothing that came after the opening, and of what came
        // before the watch no event tells.
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = rustix::fs::openat(&directory, c".", flags, Mode::empty())?;
        let mut entries = RawDir::new(&directory, list);
        while let Some(entry) = entries.next() {
            let entry = entry?;
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            let kind = match entry.file_type() {
                FileType::Unknown => {
                    rustix::fs::statat(&directory, name, AtFlags::SYMLINK_NOFOLLOW)
                        .map_or(FileType::Unknown, |stat| {
                            FileType::from_raw_mode(stat.st_mode)
                        })
                }
                kind => kind,
            };
            if kind == FileType::Directory {
                waiting.push(join(key, name.to_bytes()));
            }
        }
        Ok(())
    }

    /// The same, saying so if something can't be watched.
    fn watch_again(&mut self, key: Vec<u8>, set: &SharedSet, now: Moment) {
        if self.watch_beneath(key) > 0 {
            set.lock().blur(BlurReason::Unwatched, now);
        }
    }

    /// Events were lost: all watches are set anew.
    fn start_over(&mut self, set: &SharedSet, now: Moment) {
        let mut watches: Vec<i32> = Vec::new();
        for pending in self.pending.drain(..) {
            watches.extend(pending.watches);
        }
        watches.extend(
            self.watches
                .take_beneath(b"")
                .into_iter()
                .map(|(_, watch)| watch),
        );
        self.watch_again(Vec::new(), set, now);
        self.drop_unused(watches);
    }

    fn drop_unused(&self, watches: Vec<i32>) {
        for watch in watches {
            if self.watches.key(watch).is_none() {
                // Fails if the directory is gone, which is as good.
                let _ = inotify::remove_watch(&self.queue, watch);
            }
        }
    }

    fn take(&mut self, note: &Note, set: &SharedSet, now: Moment) {
        if note.mask.contains(ReadFlags::QUEUE_OVERFLOW) {
            set.lock().blur(BlurReason::Overflow, now);
            return self.start_over(set, now);
        }
        if note.mask.contains(ReadFlags::IGNORED) {
            return self.watches.remove(note.watch);
        }
        if Some(note.watch) == self.root_watch
            && note
                .mask
                .intersects(ReadFlags::MOVE_SELF | ReadFlags::DELETE_SELF | ReadFlags::UNMOUNT)
        {
            return set.lock().blur(BlurReason::RootMoved, now);
        }
        let Some(directory) = self.watches.key(note.watch) else {
            return;
        };
        let key = join(directory, note.name.as_deref().unwrap_or_default());
        if self.ignore.iter().any(|ignored| ignored.contains(&key)) {
            return;
        }
        let is_directory = note.mask.contains(ReadFlags::ISDIR);
        if note.mask.contains(ReadFlags::MOVED_FROM) {
            return self.take_from(note.cookie, key, is_directory, set, now);
        }
        if note.mask.contains(ReadFlags::MOVED_TO) {
            return self.take_to(note.cookie, key, is_directory, set, now);
        }
        let comes = note.mask.contains(ReadFlags::CREATE);
        let comes_or_goes = comes || note.mask.contains(ReadFlags::DELETE);
        {
            let mut set = set.lock();
            set.touch(
                &key,
                touch(what(note.mask), is_directory && comes_or_goes, now),
            );
            if comes_or_goes {
                set.touch_parent(&key, now, None);
            }
        }
        if comes && is_directory {
            self.watch_again(key, set, now);
        } else if comes {
            self.look_for_names(&key, set);
        }
    }

    fn take_from(
        &mut self,
        cookie: u32,
        old: Vec<u8>,
        directory: bool,
        set: &SharedSet,
        now: Moment,
    ) {
        set.lock()
            .touch(&old, touch(What::RENAMED_FROM, directory, now));
        let mut watches = Vec::new();
        if directory {
            watches.extend(
                self.watches
                    .take_beneath(&old)
                    .into_iter()
                    .map(|(_, watch)| watch),
            );
            // Another directory may stand there by now.
            self.watch_again(old.clone(), set, now);
        }
        if self.pending.len() >= PENDING_MAX {
            self.flush(set);
        }
        self.pending.push(Pending {
            cookie,
            old,
            directory,
            watches,
            at: now,
        });
    }

    fn take_to(
        &mut self,
        cookie: u32,
        new: Vec<u8>,
        directory: bool,
        set: &SharedSet,
        now: Moment,
    ) {
        let from = self
            .pending
            .iter()
            .position(|pending| pending.cookie == cookie);
        let from = from.map(|at| self.pending.remove(at));
        if directory {
            self.watches.take_beneath(&new);
            self.watch_again(new.clone(), set, now);
        } else {
            self.look_for_names(&new, set);
        }
        let (old, watches) = from.map_or((None, Vec::new()), |from| (Some(from.old), from.watches));
        set.lock().rename(
            old,
            Some(new),
            directory,
            touch(What::none(), directory, now),
        );
        self.drop_unused(watches);
    }

    /// Renames whose other end has not come lead out of the tree.
    fn flush(&mut self, set: &SharedSet) {
        for pending in std::mem::take(&mut self.pending) {
            let touch = touch(What::none(), pending.directory, pending.at);
            set.lock()
                .rename(Some(pending.old), None, pending.directory, touch);
            self.drop_unused(pending.watches);
        }
    }

    /// A name was made: if it is one of several of a file, that file may be written through it, and the
    /// name be gone before anybody asks.
    fn look_for_names(&self, key: &[u8], set: &SharedSet) {
        let stat = open_parent(self.root.as_fd(), key).and_then(|(directory, name)| {
            let name = std::ffi::CString::new(name).map_err(|_| Errno::INVAL)?;
            Stat::at(&directory, &name)
        });
        match stat {
            Ok(stat) if stat.nlink > 1 => set.lock().file(FileId {
                dev: stat.dev,
                ino: stat.ino,
            }),
            Ok(_) => {}
            Err(_) => set.lock().all_linked(),
        }
    }
}

impl Sensor for Inotify {
    fn descriptor(&self) -> BorrowedFd<'_> {
        self.queue.as_fd()
    }

    fn read(&mut self, set: &SharedSet) -> bool {
        let mut buffer = std::mem::take(&mut self.buffer);
        let mut notes = Vec::new();
        let mut reader = Reader::new(&self.queue, &mut buffer);
        let ended = loop {
            match reader.next() {
                Ok(event) => notes.push(Note {
                    watch: event.wd(),
                    mask: event.events(),
                    cookie: event.cookie(),
                    name: event.file_name().map(|name| name.to_bytes().to_vec()),
                }),
                Err(Errno::INTR) => continue,
                Err(errno) => break Some(errno),
            }
            if reader.is_buffer_empty() {
                break None;
            }
        };
        self.buffer = buffer;
        let now = Moment::now();
        match ended {
            Some(Errno::AGAIN) => self.flush(set),
            Some(_) => set.lock().blur(BlurReason::Unreadable, now),
            None => {}
        }
        set.lock().count(notes.len() as u64);
        let any = !notes.is_empty();
        self.reads_in_a_row = if any {
            self.reads_in_a_row.saturating_add(1)
        } else {
            0
        };
        for note in notes {
            self.take(&note, set, now);
        }
        any
    }

    fn pause(&self) -> Duration {
        if self.reads_in_a_row >= READS_BEFORE_PAUSE {
            PAUSE
        } else {
            Duration::ZERO
        }
    }
}

fn touch(what: What, subtree: bool, at: Moment) -> Touch<'static> {
    Touch {
        what,
        subtree,
        at,
        actor: None,
    }
}

fn what(mask: ReadFlags) -> What {
    [
        (ReadFlags::CREATE, What::CREATED),
        (ReadFlags::DELETE, What::DELETED),
        (ReadFlags::MODIFY, What::MODIFIED),
        (ReadFlags::ATTRIB, What::ATTRIBUTES),
        (ReadFlags::CLOSE_WRITE, What::CLOSED),
        (ReadFlags::ISDIR, What::DIRECTORY),
    ]
    .into_iter()
    .filter(|(bit, _)| mask.contains(*bit))
    .fold(What::none(), |all, (_, what)| all.with(what))
}

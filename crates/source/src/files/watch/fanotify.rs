//! Sensing by fanotify: one mark on the whole file system, events with names, objects and processes.
//!
//! It needs no state per file or directory and no walk at the start. What happens outside of the tree
//! is seen too and dropped here.

use std::collections::HashSet;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use model::key::PathKey;
use rustix::io::Errno;

use crate::files::watch::actors::{Actors, Sight};
use crate::files::watch::event::{
    ATTRIB, CLOSE_WRITE, CREATE, DELETE, Event, Events, Handle, MODIFY, ONDIR, OVERFLOW, Place,
    Process, RENAME,
};
use crate::files::watch::places::{Found, Object, Places, join};
use crate::files::watch::report::{BlurReason, Moment, What};
use crate::files::watch::sensor::{PAUSE, READS_BEFORE_PAUSE, Sensor, SharedSet};
use crate::files::watch::set::{KnownActor, Touch};
use crate::files::watch::system;

/// Bytes taken at once: about 170 events, 270 of the shortest. Not more, because the kernel looks for
/// each process when it hands its event out, and we look at the process only after that.
///
/// Each event brings a descriptor that is open until it is taken apart: with the 256 of processes that
/// are held on to ([`HELD_MAX`](super::actors::HELD_MAX)), at most about 530 of the usual 1024.
const BUFFER_BYTES: usize = 16 * 1024;

/// Reads in a row without reaching the end of the queue before its length is asked for.
const READS_BETWEEN_QUESTIONS: u32 = 256;

/// Most events that may wait in the kernel, at about 200 bytes each: 200 MB. Beyond it they are thrown
/// away, and that is said.
const WAITING_MAX: u64 = 1_000_000;

/// What the kernel counts for one waiting event when asked how much there is to read.
const WAITING_EVENT_BYTES: u64 = 24;

/// How the group is opened.
#[derive(Debug, Clone, Copy)]
pub(super) struct Settings {
    /// Whether the kernel may queue without end; our own limit holds then.
    pub(super) unlimited_queue: bool,
    /// Whether what this very process does counts.
    pub(super) own_changes: bool,
}

/// Why fanotify can't be used here.
#[derive(Debug, Clone, Copy)]
pub(super) struct Refused {
    pub(super) action: &'static str,
    pub(super) errno: Errno,
}

#[derive(Debug)]
pub(super) struct Fanotify {
    group: OwnedFd,
    places: Places,
    actors: Actors,
    own_pid: Option<i32>,
    buffer: Vec<u8>,
    reads_in_a_row: u32,
    /// Of those, the last that brought no new process.
    reads_without_news: u32,
}

impl Fanotify {
    /// Watches the file system of `root`, counting what happens beneath it.
    pub(super) fn open(
        root: OwnedFd,
        ignore: Vec<PathKey>,
        settings: Settings,
    ) -> Result<Self, Refused> {
        let refused = |action| move |errno| Refused { action, errno };
        let group = system::fanotify_init(settings.unlimited_queue)
            .map_err(refused("open a fanotify group"))?;
        system::mark_file_system(group.as_fd(), root.as_fd())
            .map_err(refused("watch this file system"))?;
        // The kernel is not asked to leave out what is ignored: its mark would go along with a directory
        // that gets another name, and what is done there then would be missed.
        let places = Places::new(root, ignore).map_err(refused("open directories by handle"))?;
        let own_pid = (!settings.own_changes).then(|| std::process::id() as i32);
        Ok(Self {
            group,
            places,
            actors: Actors::default(),
            own_pid,
            buffer: vec![0; BUFFER_BYTES],
            reads_in_a_row: 0,
            reads_without_news: 0,
        })
    }

    /// Throws away what waits, so that memory stays bounded.
    fn skim(&mut self, set: &SharedSet) {
        loop {
            match system::read_events(&self.group, &mut self.buffer) {
                Ok(0) | Err(_) => break,
                Ok(len) => {
                    let events = Events::new(&self.buffer[..len]).flatten();
                    set.lock().count(events.map(close_process).count() as u64);
                }
            }
        }
        self.places.forget_all();
        set.lock().blur(BlurReason::Flood, Moment::now());
    }

    fn is_flooded(&mut self) -> bool {
        self.reads_in_a_row += 1;
        if !self.reads_in_a_row.is_multiple_of(READS_BETWEEN_QUESTIONS) {
            return false;
        }
        let waiting = rustix::io::ioctl_fionread(&self.group).unwrap_or(0);
        waiting / WAITING_EVENT_BYTES > WAITING_MAX
    }
}

impl Sensor for Fanotify {
    fn descriptor(&self) -> BorrowedFd<'_> {
        self.group.as_fd()
    }

    fn read(&mut self, set: &SharedSet) -> bool {
        let len = match system::read_events(&self.group, &mut self.buffer) {
            Ok(0) => {
                self.actors.forget_ended();
                self.reads_in_a_row = 0;
                return false;
            }
            Ok(len) => len,
            Err(_) => {
                set.lock().blur(BlurReason::Unreadable, Moment::now());
                return false;
            }
        };
        let now = Moment::now();
        self.actors.begin(now);
        let met = self.actors.looked_at();
        let mut taker = Taker {
            places: &mut self.places,
            set,
            now,
            unnamed: HashSet::new(),
        };
        // Processes first: they may end while directories are asked for.
        let mut events: Vec<(Event<'_>, Option<Arc<KnownActor>>)> = Vec::new();
        let mut count = 0;
        for event in Events::new(&self.buffer[..len]) {
            count += 1;
            let Ok(event) = event else {
                taker.places.forget_all();
                set.lock().blur(BlurReason::Unreadable, now);
                continue;
            };
            let sight = close_process(event);
            if self.own_pid == Some(event.pid) && event.mask & OVERFLOW == 0 {
                taker.own(event);
                continue;
            }
            let actor = (event.mask & OVERFLOW == 0)
                .then(|| self.actors.find(event.pid.cast_unsigned(), sight));
            events.push((event, actor));
        }
        for (event, actor) in events {
            taker.take(event, actor.as_ref());
        }
        taker.look_up_unnamed();
        set.lock().count(count);
        let news = self.actors.looked_at() != met;
        self.reads_without_news = if news {
            0
        } else {
            self.reads_without_news.saturating_add(1)
        };
        if self.is_flooded() {
            self.skim(set);
        }
        true
    }

    fn pause(&self) -> Duration {
        if self.reads_without_news >= READS_BEFORE_PAUSE {
            PAUSE
        } else {
            Duration::ZERO
        }
    }
}

/// Takes the descriptor out of an event.
fn close_process(event: Event<'_>) -> Sight {
    match event.process {
        Process::Descriptor(descriptor) => {
            system::adopt(descriptor).map_or(Sight::Unknown, Sight::Present)
        }
        Process::Gone => Sight::Gone,
        Process::Unknown => Sight::Unknown,
    }
}

/// Where a name is.
#[derive(Debug, PartialEq, Eq)]
enum Named {
    Key(Vec<u8>),
    /// Somewhere beneath.
    Beneath(Vec<u8>),
    Outside,
    /// In a directory that is gone: its own removal makes everything beneath dirty.
    Gone,
    /// The moment is blurred.
    Unknown,
}

impl Named {
    fn key(self) -> Option<Vec<u8>> {
        match self {
            Self::Key(key) => Some(key),
            Self::Beneath(_) | Self::Outside | Self::Gone | Self::Unknown => None,
        }
    }
}

/// Takes events into the set.
struct Taker<'a, 'b> {
    places: &'a mut Places,
    set: &'a SharedSet,
    now: Moment,
    /// Objects that were touched without a name: their names, if they have any left, are not known.
    unnamed: HashSet<Handle<'b>>,
}

impl<'b> Taker<'_, 'b> {
    /// What this process did itself doesn't count, but directories are elsewhere now.
    fn own(&mut self, event: Event<'b>) {
        if event.mask & ONDIR == 0 {
            return;
        }
        if event.mask & RENAME != 0 {
            let (old, new) = self.names(&event);
            self.forget_moved(&old, &new);
        }
        if event.mask & DELETE != 0
            && let Some(object) = event.object
        {
            self.places.forget(object);
        }
    }

    fn take(&mut self, event: Event<'b>, actor: Option<&Arc<KnownActor>>) {
        if event.mask & OVERFLOW != 0 {
            // Renames may be among what was lost.
            self.places.forget_all();
            self.set.lock().blur(BlurReason::Overflow, self.now);
            return;
        }
        if event.mask & (RENAME | DELETE) != 0
            && event
                .object
                .is_some_and(|object| self.places.is_root(object))
        {
            self.set.lock().blur(BlurReason::RootMoved, self.now);
            // Who removed it removed all that was in it, and no other event says so.
            if event.mask & DELETE != 0 {
                self.touch(b"", What::DELETED.with(What::DIRECTORY), true, actor);
            }
        }
        if event.mask & RENAME != 0 {
            self.take_rename(event, actor);
            return;
        }
        let Some(place) = event.place else {
            self.unnamed.extend(event.object);
            return;
        };
        match self.name(place) {
            Named::Key(key) => self.take_key(&key, event, actor),
            Named::Beneath(key) => {
                self.touch(&key, What::DIRECTORY.with(what(event.mask)), true, actor);
            }
            Named::Outside | Named::Gone | Named::Unknown => {}
        }
    }

    fn take_key(&mut self, key: &[u8], event: Event<'b>, actor: Option<&Arc<KnownActor>>) {
        let directory = event.mask & ONDIR != 0;
        let comes_or_goes = event.mask & (CREATE | DELETE) != 0;
        if directory && event.mask & DELETE != 0 {
            self.places.forget_beneath(key);
            if let Some(object) = event.object {
                self.places.forget(object);
            }
        }
        // All that lies in a new directory is new, and all that lay in a removed one is gone.
        self.touch(key, what(event.mask), directory && comes_or_goes, actor);
        if comes_or_goes {
            self.set.lock().touch_parent(key, self.now, actor);
        }
    }

    fn take_rename(&mut self, event: Event<'b>, actor: Option<&Arc<KnownActor>>) {
        let directory = event.mask & ONDIR != 0;
        let (old, new) = self.names(&event);
        for named in [&old, &new] {
            if let Named::Beneath(key) = named {
                self.touch(key, What::DIRECTORY, true, actor);
            }
        }
        let left = matches!(new, Named::Outside | Named::Unknown);
        if directory {
            self.forget_moved(&old, &new);
        } else if left && matches!(old, Named::Key(_)) {
            // What was written through the name that left is in the file's other names too.
            self.unnamed.extend(event.object);
        }
        let (old, new) = (old.key(), new.key());
        if old.is_some() || new.is_some() {
            let touch = Touch {
                what: What::none(),
                subtree: directory,
                at: self.now,
                actor,
            };
            self.set.lock().rename(old, new, directory, touch);
        }
    }

    /// Where something was before a rename, and where it is after it.
    fn names(&mut self, event: &Event<'_>) -> (Named, Named) {
        let mut name = |place: Option<Place<'_>>| match place {
            Some(place) => self.name(place),
            None => Named::Outside,
        };
        (name(event.old), name(event.new))
    }

    /// A directory was moved. Which names it and what lies in it are remembered under can't be told: those of
    /// the directories above are asked for now, and they may have been moved since. So nothing of the tree is
    /// relied on any more; such moves are rare.
    fn forget_moved(&mut self, old: &Named, new: &Named) {
        let is_outside = |named| matches!(named, &Named::Outside);
        if !(is_outside(old) && is_outside(new)) {
            self.places.forget_all();
        }
    }

    fn name(&mut self, place: Place<'_>) -> Named {
        match self.places.find(place.directory) {
            Found::Inside(directory) => {
                let key = join(&directory, place.name);
                if self.places.is_ignored(&key) {
                    return Named::Outside;
                }
                Named::Key(key)
            }
            Found::Beneath(directory) => Named::Beneath(directory.to_vec()),
            Found::Outside => Named::Outside,
            Found::Gone => Named::Gone,
            Found::Unknown => {
                self.set.lock().blur(BlurReason::Unnamed, self.now);
                Named::Unknown
            }
        }
    }

    /// Finds out which of the objects that were touched without a name are files with names left.
    fn look_up_unnamed(&mut self) {
        for handle in std::mem::take(&mut self.unnamed) {
            match self.places.object(handle) {
                Object::File(file) => self.set.lock().file(file),
                Object::Directory => {
                    let place = Place {
                        directory: handle,
                        name: b"",
                    };
                    if let Named::Key(key) | Named::Beneath(key) = self.name(place) {
                        self.touch(&key, What::ATTRIBUTES.with(What::DIRECTORY), true, None);
                    }
                }
                Object::Gone => {}
                Object::Unknown => self.set.lock().all_linked(),
            }
        }
    }

    fn touch(&self, key: &[u8], what: What, subtree: bool, actor: Option<&Arc<KnownActor>>) {
        let touch = Touch {
            what,
            subtree,
            at: self.now,
            actor,
        };
        self.set.lock().touch(key, touch);
    }
}

fn what(mask: u64) -> What {
    [
        (CREATE, What::CREATED),
        (DELETE, What::DELETED),
        (MODIFY, What::MODIFIED),
        (ATTRIB, What::ATTRIBUTES),
        (CLOSE_WRITE, What::CLOSED),
        (ONDIR, What::DIRECTORY),
    ]
    .into_iter()
    .filter(|(bit, _)| mask & bit != 0)
    .fold(What::none(), |all, (_, what)| all.with(what))
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::files::watch::set::DirtySet;

    /// A directory is moved, and `then` is done before anybody asks for the name of the one that it was in.
    fn is_found_where_it_is(then: &str) {
        let temp = tempfile::tempdir().unwrap();
        let path = |inner: &str| temp.path().join(inner);
        std::fs::create_dir_all(path("old/moved/below")).unwrap();
        let open = |path: &std::path::Path| OwnedFd::from(std::fs::File::open(path).unwrap());
        let Ok(mut places) = Places::new(open(temp.path()), Vec::new()) else {
            println!("SKIP: directories can't be opened by handles here");
            return;
        };
        let handle = |inner: &str| system::handle_of(open(&path(inner)).as_fd(), c"").unwrap();
        let (root, old) = (handle(""), handle("old"));
        let (moved, below) = (handle("old/moved"), handle("old/moved/below"));
        let inside = |key: &[u8]| Found::Inside(Arc::from(key));
        assert_eq!(places.find(&moved), inside(b"old\0moved"));
        assert_eq!(places.find(&below), inside(b"old\0moved\0below"));
        let mut command = std::process::Command::new("sh");
        command.current_dir(temp.path());
        command.args(["-ec", &format!("mv old/moved new; {then}")]);
        assert!(command.status().unwrap().success());
        let set = SharedSet(Mutex::new(DirtySet::new(100, Moment(0))));
        let mut taker = Taker {
            places: &mut places,
            set: &set,
            now: Moment(1),
            unnamed: HashSet::new(),
        };
        let place = |directory, name| Some(Place { directory, name });
        let event = Event {
            mask: RENAME | ONDIR,
            pid: 0,
            process: Process::Unknown,
            object: Some(&moved),
            place: None,
            old: place(&old, b"moved"),
            new: place(&root, b"new"),
        };
        taker.take(event, None);
        assert_eq!(places.find(&moved), inside(b"new"));
        assert_eq!(places.find(&below), inside(b"new\0below"));
    }
    #[test]
    fn what_was_moved_is_found_where_it_is() {
        is_found_where_it_is("rmdir old");
        is_found_where_it_is("mv old elsewhere");
    }
}

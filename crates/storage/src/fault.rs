//! A wrapper that fails when it is told to, for tests of what a full disk, a broken network or a crash
//! leaves behind.
//!
//! Operations are numbered from 0 as they come: every verb of [`Verb`] is one. A sweep lets the work run
//! once, reads [`FaultyStorage::operations`], and runs it again with a fault at each number.

use crate::count::Verb;
use crate::error::Result;
use crate::error::StorageError;
use crate::name::ObjectKind;
use crate::name::ObjectName;
use crate::storage::ObjectWriter;
use crate::storage::Storage;
use rustix::io::Errno;
use std::fmt;
use std::io;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

/// How an operation fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// The device reports an error.
    Io,
    /// No space is left.
    Full,
    /// The place can't be reached.
    Unreachable,
}

#[derive(Debug, Clone, Copy)]
enum Fault {
    /// One operation fails, and has done nothing.
    Once(u64, FaultKind),
    /// This operation and all later ones fail, and have done nothing.
    From(u64, FaultKind),
    /// One operation is done, but its answer is an error.
    Unanswered(u64, FaultKind),
    /// Everything ends before this operation.
    Crash(u64),
}

#[derive(Debug, Default)]
struct State {
    operations: u64,
    log: Vec<Verb>,
    fault: Option<Fault>,
}

/// Fails when it is told to.
#[derive(Debug)]
pub struct FaultyStorage<S> {
    inner: S,
    state: Mutex<State>,
}

impl<S> FaultyStorage<S> {
    /// Faultless until told otherwise.
    pub fn new(inner: S) -> Self {
        Self {
            inner,
            state: Mutex::default(),
        }
    }

    /// Operation `number` fails without having done anything.
    pub fn fail_at(&self, number: u64, kind: FaultKind) {
        self.lock().fault = Some(Fault::Once(number, kind));
    }

    /// Operation `number` and all after it fail without having done anything.
    pub fn fail_from(&self, number: u64, kind: FaultKind) {
        self.lock().fault = Some(Fault::From(number, kind));
    }

    /// Operation `number` is done but reports an error, as when the answer of a server is lost.
    pub fn lose_answer_at(&self, number: u64, kind: FaultKind) {
        self.lock().fault = Some(Fault::Unanswered(number, kind));
    }

    /// The machine stops before operation `number`: nothing works any more and what was not committed is
    /// gone. The storage behind, see [`FaultyStorage::inner`], is what the next start finds.
    pub fn crash_at(&self, number: u64) {
        self.lock().fault = Some(Fault::Crash(number));
    }

    /// No fault any more.
    pub fn heal(&self) {
        self.lock().fault = None;
    }

    /// How many operations there were, failed ones included: the number of the next.
    pub fn operations(&self) -> u64 {
        self.lock().operations
    }

    /// Every operation so far, in order.
    pub fn log(&self) -> Vec<Verb> {
        self.lock().log.clone()
    }

    /// The storage behind it.
    pub fn inner(&self) -> &S {
        &self.inner
    }

    /// The storage behind it.
    pub fn into_inner(self) -> S {
        self.inner
    }

    fn run<T>(
        &self,
        verb: Verb,
        what: &dyn fmt::Display,
        work: impl FnOnce() -> Result<T>,
    ) -> Result<T> {
        run(&self.state, verb, what, work)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

impl<S: Storage> Storage for FaultyStorage<S> {
    fn create(&self, name: &ObjectName) -> Result<Box<dyn ObjectWriter + '_>> {
        let inner = self.run(Verb::Create, name, || self.inner.create(name))?;
        Ok(Box::new(FaultyWriter {
            inner,
            name: *name,
            state: &self.state,
        }))
    }

    fn put_new(&self, name: &ObjectName, bytes: &[u8]) -> Result<()> {
        self.run(Verb::PutNew, name, || self.inner.put_new(name, bytes))
    }

    fn replace(&self, name: &ObjectName, bytes: &[u8]) -> Result<()> {
        self.run(Verb::Replace, name, || self.inner.replace(name, bytes))
    }

    fn read(&self, name: &ObjectName) -> Result<Vec<u8>> {
        self.run(Verb::Read, name, || self.inner.read(name))
    }

    fn read_range(&self, name: &ObjectName, offset: u64, buffer: &mut [u8]) -> Result<()> {
        self.run(Verb::ReadRange, name, || {
            self.inner.read_range(name, offset, buffer)
        })
    }

    fn list(&self, kind: ObjectKind) -> Result<Vec<(ObjectName, u64)>> {
        self.run(Verb::List, &kind.word(), || self.inner.list(kind))
    }

    fn size(&self, name: &ObjectName) -> Result<u64> {
        self.run(Verb::Size, name, || self.inner.size(name))
    }

    fn remove(&self, name: &ObjectName) -> Result<()> {
        self.run(Verb::Remove, name, || self.inner.remove(name))
    }
}

struct FaultyWriter<'a> {
    inner: Box<dyn ObjectWriter + 'a>,
    name: ObjectName,
    state: &'a Mutex<State>,
}

impl ObjectWriter for FaultyWriter<'_> {
    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        run(self.state, Verb::Append, &self.name, || {
            self.inner.append(bytes)
        })
    }

    fn written(&self) -> u64 {
        self.inner.written()
    }

    fn flush_hint(&mut self) {
        self.inner.flush_hint();
    }

    fn commit(self: Box<Self>) -> Result<()> {
        let Self { inner, name, state } = *self;
        // If the fault comes first, `inner` is dropped here with the closure: nothing stays behind.
        run(state, Verb::Commit, &name, move || inner.commit())
    }
}

fn run<T>(
    state: &Mutex<State>,
    verb: Verb,
    what: &dyn fmt::Display,
    work: impl FnOnce() -> Result<T>,
) -> Result<T> {
    let (number, fault) = {
        let mut state = lock(state);
        let number = state.operations;
        state.operations += 1;
        state.log.push(verb);
        (number, state.fault)
    };
    match fault {
        Some(Fault::Once(at, kind)) if number == at => Err(failure(verb, what, kind)),
        Some(Fault::From(at, kind)) if number >= at => Err(failure(verb, what, kind)),
        Some(Fault::Unanswered(at, kind)) if number == at => {
            work()?;
            Err(failure(verb, what, kind))
        }
        Some(Fault::Crash(at)) if number >= at => {
            let source = io::Error::other("the machine has stopped (a test says so)");
            Err(StorageError::Io {
                action: verb.word(),
                what: what.to_string(),
                source,
            })
        }
        _ => work(),
    }
}

fn failure(verb: Verb, what: &dyn fmt::Display, kind: FaultKind) -> StorageError {
    let error = match kind {
        FaultKind::Io => Errno::IO,
        FaultKind::Full => Errno::NOSPC,
        FaultKind::Unreachable => Errno::HOSTUNREACH,
    };
    StorageError::from_io(verb.word(), what, error)
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::MemoryStorage;
    use model::PackId;

    const NAME: ObjectName = ObjectName::Pack(PackId([7; 16]));

    fn write(storage: &dyn Storage) -> Result<()> {
        let mut writer = storage.create(&NAME)?;
        writer.append(b"one ")?;
        writer.append(b"two")?;
        writer.commit()
    }

    #[test]
    fn a_fault_at_each_operation_leaves_nothing() {
        let counted = FaultyStorage::new(MemoryStorage::new());
        write(&counted).unwrap();
        assert_eq!(
            counted.log(),
            [Verb::Create, Verb::Append, Verb::Append, Verb::Commit]
        );
        for number in 0..counted.operations() {
            for kind in [FaultKind::Io, FaultKind::Full, FaultKind::Unreachable] {
                let storage = FaultyStorage::new(MemoryStorage::new());
                storage.fail_at(number, kind);
                let error = write(&storage).unwrap_err();
                assert_eq!(error.is_full(), kind == FaultKind::Full);
                assert!(storage.inner().objects().is_empty());
                write(&storage).unwrap();
            }
            let storage = FaultyStorage::new(MemoryStorage::new());
            storage.crash_at(number);
            write(&storage).unwrap_err();
            storage.list(ObjectKind::Pack).unwrap_err();
            assert!(storage.into_inner().objects().is_empty());
        }
    }

    #[test]
    fn a_lost_answer_has_done_its_work() {
        let storage = FaultyStorage::new(MemoryStorage::new());
        storage.lose_answer_at(3, FaultKind::Unreachable);
        write(&storage).unwrap_err();
        assert_eq!(storage.inner().objects()[&NAME], b"one two");
    }

    #[test]
    fn failing_goes_on_until_healed() {
        let storage = FaultyStorage::new(MemoryStorage::new());
        storage.fail_from(1, FaultKind::Full);
        storage.list(ObjectKind::Pack).unwrap();
        assert!(write(&storage).unwrap_err().is_full());
        assert!(write(&storage).unwrap_err().is_full());
        storage.heal();
        write(&storage).unwrap();
    }
}

//! A wrapper that counts what is asked of a storage, for tests that say how many reads something takes.

use crate::error::Result;
use crate::name::ObjectKind;
use crate::name::ObjectName;
use crate::storage::ObjectWriter;
use crate::storage::Storage;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

/// What can be asked of a storage and its writers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verb {
    /// [`Storage::create`]
    Create,
    /// [`ObjectWriter::append`]
    Append,
    /// [`ObjectWriter::commit`]
    Commit,
    /// [`Storage::put_new`]
    PutNew,
    /// [`Storage::replace`]
    Replace,
    /// [`Storage::read`]
    Read,
    /// [`Storage::read_range`]
    ReadRange,
    /// [`Storage::list`]
    List,
    /// [`Storage::size`]
    Size,
    /// [`Storage::remove`]
    Remove,
}

impl Verb {
    /// The word for messages.
    pub fn word(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Append => "write",
            Self::Commit => "store",
            Self::PutNew => "store",
            Self::Replace => "replace",
            Self::Read | Self::ReadRange => "read",
            Self::List => "list",
            Self::Size => "look at",
            Self::Remove => "remove",
        }
    }
}

/// How often each verb was used, failures included, and how many bytes went each way.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counters {
    calls: BTreeMap<Verb, u64>,
    /// Bytes that were read successfully.
    pub read_bytes: u64,
    /// Bytes that were appended, put or replaced successfully.
    pub written_bytes: u64,
}

impl Counters {
    /// How often the verb was used.
    pub fn calls(&self, verb: Verb) -> u64 {
        self.calls.get(&verb).copied().unwrap_or(0)
    }

    /// How often any verb was used.
    pub fn operations(&self) -> u64 {
        self.calls.values().sum()
    }

    /// Reads of whole objects and of ranges.
    pub fn reads(&self) -> u64 {
        self.calls(Verb::Read) + self.calls(Verb::ReadRange)
    }
}

/// Counts what passes through. Clones of the storage behind it are not counted.
#[derive(Debug)]
pub struct CountingStorage<S> {
    inner: S,
    counters: Arc<Mutex<Counters>>,
}

impl<S> CountingStorage<S> {
    /// Counts from zero.
    pub fn new(inner: S) -> Self {
        Self {
            inner,
            counters: Arc::default(),
        }
    }

    /// What was counted so far.
    pub fn counters(&self) -> Counters {
        lock(&self.counters).clone()
    }

    /// What was counted so far; counts from zero again.
    pub fn take(&self) -> Counters {
        std::mem::take(&mut *lock(&self.counters))
    }

    /// The storage behind it.
    pub fn inner(&self) -> &S {
        &self.inner
    }

    fn count(&self, verb: Verb) {
        count(&self.counters, verb);
    }
}

impl<S: Storage> Storage for CountingStorage<S> {
    fn create(&self, name: &ObjectName) -> Result<Box<dyn ObjectWriter + '_>> {
        self.count(Verb::Create);
        let inner = self.inner.create(name)?;
        Ok(Box::new(CountingWriter {
            inner,
            counters: &self.counters,
        }))
    }

    fn put_new(&self, name: &ObjectName, bytes: &[u8]) -> Result<()> {
        self.count(Verb::PutNew);
        self.inner.put_new(name, bytes)?;
        lock(&self.counters).written_bytes += bytes.len() as u64;
        Ok(())
    }

    fn replace(&self, name: &ObjectName, bytes: &[u8]) -> Result<()> {
        self.count(Verb::Replace);
        self.inner.replace(name, bytes)?;
        lock(&self.counters).written_bytes += bytes.len() as u64;
        Ok(())
    }

    fn read(&self, name: &ObjectName) -> Result<Vec<u8>> {
        self.count(Verb::Read);
        let bytes = self.inner.read(name)?;
        lock(&self.counters).read_bytes += bytes.len() as u64;
        Ok(bytes)
    }

    fn read_range(&self, name: &ObjectName, offset: u64, buffer: &mut [u8]) -> Result<()> {
        self.count(Verb::ReadRange);
        self.inner.read_range(name, offset, buffer)?;
        lock(&self.counters).read_bytes += buffer.len() as u64;
        Ok(())
    }

    fn list(&self, kind: ObjectKind) -> Result<Vec<(ObjectName, u64)>> {
        self.count(Verb::List);
        self.inner.list(kind)
    }

    fn size(&self, name: &ObjectName) -> Result<u64> {
        self.count(Verb::Size);
        self.inner.size(name)
    }

    fn remove(&self, name: &ObjectName) -> Result<()> {
        self.count(Verb::Remove);
        self.inner.remove(name)
    }
}

struct CountingWriter<'a> {
    inner: Box<dyn ObjectWriter + 'a>,
    counters: &'a Mutex<Counters>,
}

impl ObjectWriter for CountingWriter<'_> {
    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        count(self.counters, Verb::Append);
        self.inner.append(bytes)?;
        lock(self.counters).written_bytes += bytes.len() as u64;
        Ok(())
    }

    fn written(&self) -> u64 {
        self.inner.written()
    }

    fn flush_hint(&mut self) {
        self.inner.flush_hint();
    }

    fn commit(self: Box<Self>) -> Result<()> {
        count(self.counters, Verb::Commit);
        self.inner.commit()
    }
}

fn count(counters: &Mutex<Counters>, verb: Verb) {
    *lock(counters).calls.entry(verb).or_default() += 1;
}

fn lock(counters: &Mutex<Counters>) -> MutexGuard<'_, Counters> {
    counters.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::MemoryStorage;
    use model::PackId;

    #[test]
    fn verbs_and_bytes_are_counted() {
        let storage = CountingStorage::new(MemoryStorage::new());
        let name = ObjectName::Pack(PackId([1; 16]));
        storage.put_new(&name, b"12345").unwrap();
        storage.put_new(&name, b"12345").unwrap_err();
        storage.read_range(&name, 1, &mut [0; 3]).unwrap();
        storage.read_range(&name, 4, &mut [0; 3]).unwrap_err();
        let counters = storage.take();
        assert_eq!((counters.read_bytes, counters.written_bytes), (3, 5));
        assert_eq!((counters.calls(Verb::PutNew), counters.reads()), (2, 2));
        assert_eq!(counters.operations(), 4);
        assert_eq!(storage.counters(), Counters::default());
    }
}

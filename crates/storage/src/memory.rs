//! Storage in memory, for tests. Clones share the same objects.

use crate::error::Result;
use crate::error::StorageError;
use crate::name::ObjectKind;
use crate::name::ObjectName;
use crate::storage::ObjectWriter;
use crate::storage::Storage;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

type Objects = BTreeMap<ObjectName, Vec<u8>>;

/// Storage in memory. Clones share the same objects; [`MemoryStorage::fork`] copies them.
#[derive(Clone, Default)]
pub struct MemoryStorage {
    objects: Arc<Mutex<Objects>>,
}

impl MemoryStorage {
    /// Empty storage.
    pub fn new() -> Self {
        Self::default()
    }

    /// Storage that holds these objects.
    pub fn from_objects(objects: BTreeMap<ObjectName, Vec<u8>>) -> Self {
        Self {
            objects: Arc::new(Mutex::new(objects)),
        }
    }

    /// A copy of every object.
    pub fn objects(&self) -> BTreeMap<ObjectName, Vec<u8>> {
        self.lock().clone()
    }

    /// Storage of its own with a copy of every object.
    pub fn fork(&self) -> Self {
        Self::from_objects(self.objects())
    }

    /// Sets the bytes of an object behind the back of whoever uses it.
    pub fn set(&self, name: ObjectName, bytes: Vec<u8>) {
        self.lock().insert(name, bytes);
    }

    /// Removes an object behind the back of whoever uses it; says whether it was there.
    pub fn delete(&self, name: &ObjectName) -> bool {
        self.lock().remove(name).is_some()
    }

    fn lock(&self) -> MutexGuard<'_, Objects> {
        // The map is whole after every statement, so a panic elsewhere has not broken it.
        self.objects.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with<T>(&self, name: &ObjectName, look: impl FnOnce(&[u8]) -> Result<T>) -> Result<T> {
        match self.lock().get(name) {
            Some(bytes) => look(bytes),
            None => Err(StorageError::Missing { name: *name }),
        }
    }
}

impl std::fmt::Debug for MemoryStorage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MemoryStorage")
            .field("objects", &self.lock().len())
            .finish()
    }
}

impl Storage for MemoryStorage {
    fn create(&self, name: &ObjectName) -> Result<Box<dyn ObjectWriter + '_>> {
        Ok(Box::new(MemoryWriter {
            storage: self,
            name: *name,
            bytes: Vec::new(),
        }))
    }

    fn replace(&self, name: &ObjectName, bytes: &[u8]) -> Result<()> {
        self.set(*name, bytes.to_vec());
        Ok(())
    }

    fn read(&self, name: &ObjectName) -> Result<Vec<u8>> {
        self.with(name, |bytes| {
            let (have, limit) = (bytes.len() as u64, name.kind().bytes_max());
            if have > limit {
                return Err(StorageError::TooLarge {
                    name: *name,
                    have,
                    limit,
                });
            }
            Ok(bytes.to_vec())
        })
    }

    fn read_range(&self, name: &ObjectName, offset: u64, buffer: &mut [u8]) -> Result<()> {
        self.with(name, |bytes| {
            let have = bytes.len() as u64;
            let wanted = offset.saturating_add(buffer.len() as u64);
            if wanted > have {
                return Err(StorageError::Truncated {
                    name: *name,
                    wanted,
                    have,
                });
            }
            let start = offset as usize;
            buffer.copy_from_slice(&bytes[start..start + buffer.len()]);
            Ok(())
        })
    }

    fn list(&self, kind: ObjectKind) -> Result<Vec<(ObjectName, u64)>> {
        let objects = self.lock();
        let of_kind = objects.iter().filter(|(name, _)| name.kind() == kind);
        Ok(of_kind
            .map(|(name, bytes)| (*name, bytes.len() as u64))
            .collect())
    }

    fn size(&self, name: &ObjectName) -> Result<u64> {
        self.with(name, |bytes| Ok(bytes.len() as u64))
    }

    fn remove(&self, name: &ObjectName) -> Result<()> {
        if self.delete(name) {
            Ok(())
        } else {
            Err(StorageError::Missing { name: *name })
        }
    }
}

struct MemoryWriter<'a> {
    storage: &'a MemoryStorage,
    name: ObjectName,
    bytes: Vec<u8>,
}

impl ObjectWriter for MemoryWriter<'_> {
    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn written(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn commit(self: Box<Self>) -> Result<()> {
        let mut objects = self.storage.lock();
        if objects.contains_key(&self.name) {
            return Err(StorageError::AlreadyExists { name: self.name });
        }
        objects.insert(self.name, self.bytes);
        Ok(())
    }
}

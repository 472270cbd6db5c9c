//! What a place that holds a repository can do. Conveniences belong to callers, cross-cutting
//! behaviour to wrappers.

use crate::error::Result;
use crate::name::ObjectKind;
use crate::name::ObjectName;
use std::fmt::Debug;
use std::sync::Arc;

/// A place that holds named objects. Blocking, shared between threads.
///
/// What returned without an error survives a crash of program and machine. What failed has left nothing
/// under its name, unless the answer of the storage itself was lost.
pub trait Storage: Send + Sync + Debug {
    /// Begins an object. Nothing is visible under the name before the commit; dropping the writer
    /// without a commit leaves nothing behind. Whether the name is free is decided by the commit.
    fn create(&self, name: &ObjectName) -> Result<Box<dyn ObjectWriter + '_>>;

    /// Stores a whole object under a name that is free.
    fn put_new(&self, name: &ObjectName, bytes: &[u8]) -> Result<()> {
        let mut writer = self.create(name)?;
        writer.append(bytes)?;
        writer.commit()
    }

    /// Stores a whole object, whether or not the name is taken: readers see the old or the new one,
    /// never a mixture. Only for the few objects that may change; no pack and no snapshot does.
    fn replace(&self, name: &ObjectName, bytes: &[u8]) -> Result<()>;

    /// The whole object; refused above [`ObjectKind::bytes_max`].
    fn read(&self, name: &ObjectName) -> Result<Vec<u8>>;

    /// Fills the buffer from `offset` on, or fails with `Truncated`.
    fn read_range(&self, name: &ObjectName, offset: u64, buffer: &mut [u8]) -> Result<()>;

    /// All objects of a kind with their lengths, sorted by name. Strangers are passed over.
    fn list(&self, kind: ObjectKind) -> Result<Vec<(ObjectName, u64)>>;

    /// Length of the object.
    fn size(&self, name: &ObjectName) -> Result<u64>;

    /// Removes an object, durably; `Missing` if there is none. Only for what has been superseded.
    fn remove(&self, name: &ObjectName) -> Result<()>;
}

/// An object that is being written.
pub trait ObjectWriter: Send {
    /// Adds bytes at the end. After an error the writer can only be dropped.
    fn append(&mut self, bytes: &[u8]) -> Result<()>;

    /// How many bytes were added.
    fn written(&self) -> u64;

    /// Says that now is a good time to begin carrying what was added to the disk, so that the commit
    /// has less to wait for. Promises nothing.
    fn flush_hint(&mut self) {}

    /// Makes the object durable and visible, in this order. Fails with `AlreadyExists` if the name is
    /// taken.
    fn commit(self: Box<Self>) -> Result<()>;
}

macro_rules! forward {
    ($pointer:ident) => {
        impl<S: Storage + ?Sized> Storage for $pointer<S> {
            fn create(&self, name: &ObjectName) -> Result<Box<dyn ObjectWriter + '_>> {
                (**self).create(name)
            }

            fn put_new(&self, name: &ObjectName, bytes: &[u8]) -> Result<()> {
                (**self).put_new(name, bytes)
            }

            fn replace(&self, name: &ObjectName, bytes: &[u8]) -> Result<()> {
                (**self).replace(name, bytes)
            }

            fn read(&self, name: &ObjectName) -> Result<Vec<u8>> {
                (**self).read(name)
            }

            fn read_range(&self, name: &ObjectName, offset: u64, buffer: &mut [u8]) -> Result<()> {
                (**self).read_range(name, offset, buffer)
            }

            fn list(&self, kind: ObjectKind) -> Result<Vec<(ObjectName, u64)>> {
                (**self).list(kind)
            }

            fn size(&self, name: &ObjectName) -> Result<u64> {
                (**self).size(name)
            }

            fn remove(&self, name: &ObjectName) -> Result<()> {
                (**self).remove(name)
            }
        }
    };
}

forward!(Arc);
forward!(Box);

//! The key of a file in the map: its path components joined by a zero byte.
//!
//! A zero byte can't occur in a name and sorts below every other byte, so byte order of the joined key
//! is component-wise order: a directory is directly followed by everything beneath it. The root of a
//! source is the empty key.

use std::borrow::Borrow;
use std::fmt;

/// Longest name that Linux file systems take, in bytes.
pub const NAME_BYTES_MAX: usize = 255;

/// Deepest nesting that a key may have. Real trees stay below a few thousand; the limit stops a hostile
/// repository from making us descend without end.
pub const DEPTH_MAX: usize = 100_000;

/// Why bytes are not a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyError {
    /// A component is empty.
    EmptyName,
    /// A component is `.` or `..`.
    DotName,
    /// A component contains `/`.
    Slash,
    /// A component is longer than [`NAME_BYTES_MAX`].
    NameTooLong,
    /// More than [`DEPTH_MAX`] components.
    TooDeep,
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::EmptyName => "a path component is empty",
            Self::DotName => "a path component is . or ..",
            Self::Slash => "a path component contains a slash",
            Self::NameTooLong => "a path component is longer than 255 bytes",
            Self::TooDeep => "the path has too many components",
        })
    }
}

impl std::error::Error for KeyError {}

/// A checked key: every component is a name that a directory can hold.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PathKey(Vec<u8>);

impl PathKey {
    /// The key of the root of a source.
    pub const fn root() -> Self {
        Self(Vec::new())
    }

    /// Whether these bytes are a key that a tree could hold.
    pub fn check(bytes: &[u8]) -> Result<(), KeyError> {
        if bytes.is_empty() {
            return Ok(());
        }
        let mut depth = 0;
        for name in bytes.split(|&byte| byte == 0) {
            check_name(name)?;
            depth += 1;
            if depth > DEPTH_MAX {
                return Err(KeyError::TooDeep);
            }
        }
        Ok(())
    }

    /// Takes the bytes of a stored key, refusing what no directory could hold.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self, KeyError> {
        Self::check(&bytes).map(|()| Self(bytes))
    }

    /// The key of a path relative to the root, with `/` between the components. Leading, trailing and
    /// doubled slashes and `.` components are passed over; `..` is refused.
    pub fn from_path(path: &[u8]) -> Result<Self, KeyError> {
        let mut joined = Vec::with_capacity(path.len());
        for name in path.split(|&byte| byte == b'/') {
            if name.is_empty() || name == b"." {
                continue;
            }
            if !joined.is_empty() {
                joined.push(0);
            }
            joined.extend_from_slice(name);
        }
        Self::from_bytes(joined)
    }

    /// The key of the entry `name` in this directory.
    pub fn child(&self, name: &[u8]) -> Result<Self, KeyError> {
        check_name(name)?;
        let mut bytes = Vec::with_capacity(self.0.len() + 1 + name.len());
        bytes.extend_from_slice(&self.0);
        if !bytes.is_empty() {
            bytes.push(0);
        }
        bytes.extend_from_slice(name);
        Ok(Self(bytes))
    }

    /// The key of the directory that holds this entry; `None` for the root.
    pub fn parent(&self) -> Option<Self> {
        parent(&self.0).map(|bytes| Self(bytes.to_vec()))
    }

    /// Last component; empty for the root.
    pub fn name(&self) -> &[u8] {
        self.0.rsplit(|&byte| byte == 0).next().unwrap_or_default()
    }

    /// The components, outermost first; none for the root.
    pub fn names(&self) -> impl Iterator<Item = &[u8]> {
        self.0
            .split(|&byte| byte == 0)
            .filter(|name| !name.is_empty())
    }

    /// The stored form.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The stored form, owned.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// The path with `/` between the components; empty for the root.
    pub fn to_path(&self) -> Vec<u8> {
        to_path(&self.0)
    }

    /// Whether this is the root.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `key` is this entry or lies beneath it.
    pub fn contains(&self, key: &[u8]) -> bool {
        self.is_root()
            || key
                .strip_prefix(self.0.as_slice())
                .is_some_and(|rest| rest.first().is_none_or(|&b| b == 0))
    }

    /// First key after this entry and everything beneath it; `None` when nothing can follow (the root).
    pub fn subtree_end(&self) -> Option<Vec<u8>> {
        if self.is_root() {
            return None;
        }
        let mut end = self.0.clone();
        end.push(1);
        Some(end)
    }
}

/// The stored key of the directory that holds `key`; `None` for the root.
pub fn parent(key: &[u8]) -> Option<&[u8]> {
    if key.is_empty() {
        return None;
    }
    Some(
        key.iter()
            .rposition(|&byte| byte == 0)
            .map_or(&[], |at| &key[..at]),
    )
}

/// A stored key as a path with `/` between the components.
pub fn to_path(key: &[u8]) -> Vec<u8> {
    key.iter()
        .map(|&byte| if byte == 0 { b'/' } else { byte })
        .collect()
}

fn check_name(name: &[u8]) -> Result<(), KeyError> {
    match name {
        b"" => Err(KeyError::EmptyName),
        b"." | b".." => Err(KeyError::DotName),
        _ if name.len() > NAME_BYTES_MAX => Err(KeyError::NameTooLong),
        _ if name.contains(&b'/') || name.contains(&0) => Err(KeyError::Slash),
        _ => Ok(()),
    }
}

impl fmt::Debug for PathKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PathKey({:?})", String::from_utf8_lossy(&self.to_path()))
    }
}

impl Borrow<[u8]> for PathKey {
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

impl AsRef<[u8]> for PathKey {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subtree_is_one_range() {
        let dir = PathKey::from_path(b"a").unwrap();
        let inside = PathKey::from_path(b"a/b").unwrap();
        let beside = PathKey::from_path(b"a-b").unwrap();
        assert!(dir < inside && inside < beside);
        assert!(dir.contains(inside.as_bytes()) && !dir.contains(beside.as_bytes()));
        let end = dir.subtree_end().unwrap();
        assert!(inside.as_bytes() < end.as_slice() && beside.as_bytes() >= end.as_slice());
        assert_eq!(inside.parent(), Some(dir));
    }

    #[test]
    fn names_that_no_directory_holds_are_refused() {
        for (bytes, error) in [
            (b"a\0..".to_vec(), KeyError::DotName),
            (b"a\0\0b".to_vec(), KeyError::EmptyName),
            (b"/etc".to_vec(), KeyError::Slash),
            (vec![b'x'; 256], KeyError::NameTooLong),
            (b"a\0".to_vec(), KeyError::EmptyName),
        ] {
            assert_eq!(PathKey::from_bytes(bytes), Err(error));
        }
        assert_eq!(PathKey::from_path(b"/a//./b/").unwrap().to_path(), b"a/b");
        assert!(PathKey::from_path(b"../x").is_err());
    }
}

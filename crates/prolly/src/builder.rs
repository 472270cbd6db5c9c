//! Bulk build: a sorted stream of entries becomes a tree, level by level, in one pass.

use model::BlobId;

use crate::boundary::{Boundary, Params, ParamsError};
use crate::node::{Child, KEY_BYTES_MAX, NODE_BYTES_MAX, VALUE_BYTES_MAX};
use crate::store::{Measure, NodeSink};
use crate::writer::{NodeWriter, OutOfOrder};

/// Why a map could not be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError<E> {
    /// The parameters are out of their limits.
    #[error("failed to build the map with these parameters")]
    Params {
        /// What is wrong with them.
        source: ParamsError,
    },
    /// A key was not greater than the one before it.
    #[error("map entries out of order at key {}", key.escape_ascii())]
    Unordered {
        /// The offending key.
        key: Vec<u8>,
    },
    /// A key, a value or a node is longer than allowed.
    #[error("{what} is {found} bytes long, at most {max} are allowed")]
    TooLong {
        /// What is too long.
        what: &'static str,
        /// How long it is.
        found: usize,
        /// How long it may be.
        max: usize,
    },
    /// The sink did not take a node.
    #[error("failed to store a map node")]
    Sink {
        /// Why.
        source: E,
    },
}

/// Builds a map from entries in ascending key order. Keeps one open node per level.
#[derive(Debug)]
pub struct Builder<'s, S> {
    params: Params,
    measure: Measure,
    sink: &'s mut S,
    levels: Vec<Level>,
}

/// The open node of a level.
#[derive(Debug)]
struct Level {
    boundary: Boundary,
    writer: NodeWriter,
    /// The child pushed last.
    last_child: Option<BlobId>,
}

impl<'s, S: NodeSink> Builder<'s, S> {
    /// A builder of an empty map. Parameters out of their limits are refused at the first entry.
    pub fn new(params: Params, measure: Measure, sink: &'s mut S) -> Self {
        Self {
            params,
            measure,
            sink,
            levels: Vec::new(),
        }
    }

    /// Appends an entry, whose key must be greater than all before it.
    pub fn push(&mut self, key: &[u8], value: &[u8]) -> Result<(), BuildError<S::Error>> {
        within("a key", key.len(), KEY_BYTES_MAX)?;
        within("a value", value.len(), VALUE_BYTES_MAX)?;
        let bytes = (self.measure)(key, value);
        let level = self.level(0)?;
        let acc = level.writer.weight();
        level
            .writer
            .push_value(key, value, bytes)
            .map_err(|OutOfOrder| unordered(key))?;
        if level.boundary.ends(acc, level.writer.entries(), key) {
            self.close(0)?;
        }
        Ok(())
    }

    /// Completes the map and returns its root; `None` if it is empty.
    pub fn finish(mut self) -> Result<Option<BlobId>, BuildError<S::Error>> {
        let mut at = 0;
        while at + 1 < self.levels.len() {
            if self.levels[at].writer.entries() > 0 {
                self.close(at)?;
            }
            at += 1;
        }
        let Some(top) = self.levels.last_mut() else {
            return Ok(None);
        };
        // A level of one node is the root; a level above it would only repeat that.
        match (top.last_child, top.writer.entries()) {
            (_, 0) => Ok(None),
            (Some(child), 1) => Ok(Some(child)),
            _ => put(top, self.sink).map(|child| Some(child.id)),
        }
    }

    /// Whether a node of `level` that stands next in the stream would begin a new node here too.
    pub(crate) fn is_aligned(&self, level: u8) -> bool {
        self.levels
            .iter()
            .take(usize::from(level) + 1)
            .all(|level| level.writer.entries() == 0)
    }

    /// Appends a whole node of `level`, which the caller knows to be what the entries below it give.
    pub(crate) fn push_node(
        &mut self,
        level: u8,
        key: &[u8],
        child: &Child,
    ) -> Result<(), BuildError<S::Error>> {
        debug_assert!(self.is_aligned(level));
        let at = usize::from(level) + 1;
        if self.push_child(at, key, child)? {
            self.close(at)?;
        }
        Ok(())
    }

    /// Completes the open node at level `at`, and the ones above that end with it.
    fn close(&mut self, mut at: usize) -> Result<(), BuildError<S::Error>> {
        loop {
            self.level(at + 1)?;
            let level = &mut self.levels[at];
            let child = put(level, self.sink)?;
            level.writer.clear();
            let key = level.writer.last_key().to_vec();
            at += 1;
            if !self.push_child(at, &key, &child)? {
                return Ok(());
            }
        }
    }

    /// Appends a child at level `at`; tells whether the node ends after it.
    fn push_child(
        &mut self,
        at: usize,
        key: &[u8],
        child: &Child,
    ) -> Result<bool, BuildError<S::Error>> {
        let level = self.level(at)?;
        let acc = level.writer.weight();
        level
            .writer
            .push_child(key, child)
            .map_err(|OutOfOrder| unordered(key))?;
        level.last_child = Some(child.id);
        Ok(level.boundary.ends(acc, level.writer.entries(), key))
    }

    fn level(&mut self, at: usize) -> Result<&mut Level, BuildError<S::Error>> {
        while self.levels.len() <= at {
            // Each level has at most half the nodes of the one below: never near 256.
            let number = self.levels.len() as u8;
            let boundary = Boundary::new(&self.params, number)
                .map_err(|source| BuildError::Params { source })?;
            self.levels.push(Level {
                boundary,
                writer: NodeWriter::new(number),
                last_child: None,
            });
        }
        Ok(&mut self.levels[at])
    }
}

fn put<S: NodeSink>(level: &mut Level, sink: &mut S) -> Result<Child, BuildError<S::Error>> {
    let (node, count, bytes) = level.writer.seal();
    within("a map node", node.len(), NODE_BYTES_MAX)?;
    let id = sink
        .put(node)
        .map_err(|source| BuildError::Sink { source })?;
    Ok(Child { id, count, bytes })
}

fn within<E>(what: &'static str, found: usize, max: usize) -> Result<(), BuildError<E>> {
    if found > max {
        return Err(BuildError::TooLong { what, found, max });
    }
    Ok(())
}

fn unordered<E>(key: &[u8]) -> BuildError<E> {
    BuildError::Unordered { key: key.to_vec() }
}

//! Room: what a plan takes of the file system that it is run on.

/// What a plan takes of the target.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Needs {
    /// Bytes of files that are written.
    pub bytes: u64,
    /// Files and directories that are made.
    pub inodes: u64,
    /// Bytes that are free; `None` where that can't be known.
    pub free_bytes: Option<u64>,
    /// Inodes that are free; `None` where there is no such limit.
    pub free_inodes: Option<u64>,
}

impl Needs {
    /// Whether there is room. A hundredth is left free: the last blocks of a file system are slow, and
    /// others write too.
    pub fn fit(&self) -> bool {
        let room =
            |free: Option<u64>, wanted: u64| free.is_none_or(|free| wanted <= free - free / 100);
        room(self.free_bytes, self.bytes) && room(self.free_inodes, self.inodes)
    }
}

//! What a restore did.

/// A path that is not what the snapshot says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Relative to the root of the snapshot, with slashes.
    pub path: Vec<u8>,
    /// What is wrong.
    pub message: String,
    /// The path, or bytes of it, are missing; otherwise only attributes are.
    pub content_missing: bool,
}

/// What a restore did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Entries other than directories that now are what the snapshot says.
    pub files: u64,
    /// Directories that now are there.
    pub directories: u64,
    /// Sum of the sizes of these files.
    pub bytes: u64,
    /// Bytes of files written; holes and zeros are not.
    pub written_bytes: u64,
    /// Of the files, those that were so before and were not touched.
    pub unchanged: u64,
    /// Names removed.
    pub deleted: u64,
    /// What went wrong, in no order: the first [`Report::LISTED_MAX`] of them.
    pub problems: Vec<Problem>,
    /// How many problems there were.
    pub problems_total: u64,
    /// How many of them mean that content is missing.
    pub missing_total: u64,
    /// How many problems are damage of the repository.
    pub damaged_total: u64,
    /// Path, and what could not be set there: the first [`Report::LISTED_MAX`].
    pub not_set: Vec<(Vec<u8>, String)>,
    /// How many attributes could not be set.
    pub not_set_total: u64,
    /// Files that were read back and found right.
    pub verified: u64,
}

impl Report {
    /// How many problems, and how many attributes not set, are listed.
    pub const LISTED_MAX: usize = 10_000;

    /// Whether all content is there.
    pub fn is_whole(&self) -> bool {
        self.missing_total == 0
    }
}

//! A moment, as file systems and snapshots record it.

/// Seconds and nanoseconds since 1970-01-01T00:00:00Z; seconds are negative before it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp {
    /// Whole seconds, rounded towards the past.
    pub secs: i64,
    /// Nanoseconds within the second, below 1,000,000,000.
    pub nanos: u32,
}

impl Timestamp {
    /// The moment `secs` seconds and `nanos` nanoseconds after 1970.
    pub const fn new(secs: i64, nanos: u32) -> Self {
        Self { secs, nanos }
    }

    /// Nanoseconds since 1970: wide enough for every moment and for every difference of two.
    pub const fn as_nanos(self) -> i128 {
        self.secs as i128 * 1_000_000_000 + self.nanos as i128
    }

    /// The moment so many nanoseconds after 1970, or the last or first one that there is.
    pub fn from_nanos(nanos: i128) -> Self {
        let limit = if nanos < 0 { i64::MIN } else { i64::MAX };
        let secs = i64::try_from(nanos.div_euclid(1_000_000_000)).unwrap_or(limit);
        Self::new(secs, nanos.rem_euclid(1_000_000_000) as u32)
    }
}

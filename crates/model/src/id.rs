//! Identifiers as distinct types, so that one can't be passed for another.
//!
//! Every id is a fixed number of bytes, written in lower-case hexadecimal.

use std::fmt;
use std::str::FromStr;

/// Why a text is not an id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdParseError {
    /// How many hexadecimal digits the id has.
    pub digits: usize,
}

impl fmt::Display for IdParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected {} hexadecimal digits", self.digits)
    }
}

impl std::error::Error for IdParseError {}

fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

macro_rules! id_type {
    ($(#[$meta:meta])* $name:ident, $len:literal) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; $len]);

        impl $name {
            /// Length in bytes.
            pub const LEN: usize = $len;

            /// The id whose bytes these are; `None` if there are more or fewer than [`Self::LEN`].
            pub fn from_slice(bytes: &[u8]) -> Option<Self> {
                <[u8; $len]>::try_from(bytes).ok().map(Self)
            }

            /// The bytes.
            pub fn as_bytes(&self) -> &[u8; $len] {
                &self.0
            }

            /// All digits, in lower case.
            pub fn to_hex(self) -> String {
                self.to_string()
            }

            /// The first eight digits, as shown to people.
            pub fn short(self) -> String {
                let mut hex = self.to_string();
                hex.truncate(8);
                hex
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl FromStr for $name {
            type Err = IdParseError;

            fn from_str(text: &str) -> Result<Self, IdParseError> {
                let wrong = IdParseError { digits: 2 * $len };
                let text = text.as_bytes();
                if text.len() != 2 * $len {
                    return Err(wrong);
                }
                let mut bytes = [0; $len];
                for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
                    let (Some(high), Some(low)) = (digit(pair[0]), digit(pair[1])) else {
                        return Err(wrong);
                    };
                    *byte = high << 4 | low;
                }
                Ok(Self(bytes))
            }
        }
    };
}

id_type!(
    /// Name of a blob (a chunk of a file, a map node, a list): keyed BLAKE3 of its plaintext.
    BlobId, 32
);
id_type!(
    /// Name of a snapshot: keyed BLAKE3 of its record.
    SnapshotId, 32
);
id_type!(
    /// Name of a pack: random.
    PackId, 16
);
id_type!(
    /// Name of an index run: random.
    RunId, 16
);
id_type!(
    /// Name of a repository: random, made once.
    RepositoryId, 16
);
id_type!(
    /// Name of a key slot: random.
    KeyId, 16
);
id_type!(
    /// Name of a log: keyed BLAKE3 of what it is the log of.
    LogId, 16
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_round_trips_and_refuses_the_rest() {
        let id = PackId([0xab; 16]);
        assert_eq!(id.to_hex().parse::<PackId>(), Ok(id));
        assert_eq!(id.short(), "abababab");
        assert!("ab".parse::<PackId>().is_err());
        assert!("g".repeat(32).parse::<PackId>().is_err());
    }
}

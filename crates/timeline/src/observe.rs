//! From a change to what the rules need to know of it.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::FileExt;

use merge::content::sniff::{self, Kind as Sniffed};
use model::incident::{Facts, Looks, Observed};
use model::{Content, Entry, Extent, Kind, PathKey, Timestamp};
use repository::Repository;
use source::files::TreeReader;

use crate::contents::content_id;
use crate::state::Changed;

/// First bytes that are looked at. Who damages a twenty-fifth of each file leaves the first block alone;
/// most letters and programs are shorter than this, and were read a moment ago.
const SAMPLE_BYTES: usize = 64 << 10;

/// Bytes from which noise can be told from other binary bytes by how many different ones there are.
/// Below, chance decides.
const SHORT_BYTES_MIN: usize = 64;

/// Bytes from which entropy is measured (see `merge`).
const SHORT_BYTES_MAX: usize = 512;

/// Bytes whose hash tells a cut file from a new one.
const HEAD_BYTES: usize = 512;

/// Earlier versions that are read back for one point: rules fire on far fewer, and each costs reading
/// a segment.
const BEFORE_READ_MAX: usize = 256;

/// Where bytes are read from.
#[derive(Debug)]
pub(crate) struct Observer<'a> {
    /// Where earlier versions are.
    pub(crate) repository: &'a Repository,
    /// The live tree; `None` where values are at hand anyway.
    pub(crate) tree: Option<&'a TreeReader>,
}

impl Observer<'_> {
    /// What the rules need to know of a point's changes.
    ///
    /// `actors` has for each change a place in the list of actors.
    pub(crate) fn observe(
        &self,
        changed: &[Changed],
        actors: &[Option<u32>],
        time: Timestamp,
    ) -> Vec<Observed> {
        let mut reads = 0;
        changed
            .iter()
            .zip(actors)
            .map(|(one, actor)| {
                let rewritten = is_rewritten(one);
                let after_bytes = match &one.after {
                    Some(after) if holds_bytes(after) => self.live_sample(&one.key, after),
                    _ => None,
                };
                let suspicious = after_bytes.as_deref().is_none_or(|bytes| {
                    looks(bytes) != Looks::Compressible
                        || magic_ok(one.key.name(), bytes) == Some(false)
                });
                let read_before = rewritten && suspicious || one.after.is_none();
                let before_bytes = match &one.before {
                    Some(before) if read_before && reads < BEFORE_READ_MAX => {
                        reads += 1;
                        self.stored_sample(before)
                    }
                    _ => None,
                };
                Observed {
                    key: one.key.clone(),
                    time,
                    actor: *actor,
                    before: one
                        .before
                        .as_ref()
                        .map(|entry| self.facts(&one.key, entry, before_bytes.as_deref())),
                    after: one
                        .after
                        .as_ref()
                        .map(|entry| self.facts(&one.key, entry, after_bytes.as_deref())),
                }
            })
            .collect()
    }

    fn facts(&self, key: &PathKey, entry: &Entry, sample: Option<&[u8]>) -> Facts {
        Facts {
            is_directory: entry.kind == Kind::Directory,
            size: entry.size,
            content: content_id(self.repository, entry),
            metadata: metadata(entry),
            head: sample
                .filter(|bytes| bytes.len() >= HEAD_BYTES)
                .map(|bytes| hash(&bytes[..HEAD_BYTES])),
            magic_ok: sample.and_then(|bytes| magic_ok(key.name(), bytes)),
            looks: sample.map_or(Looks::Unknown, looks),
        }
    }

    fn live_sample(&self, key: &PathKey, entry: &Entry) -> Option<Vec<u8>> {
        if let Content::Inline(bytes) = &entry.content {
            return Some(bytes.clone());
        }
        let Some(tree) = self.tree else {
            return self.stored_sample(entry);
        };
        let (file, _) = tree.open_file(key.as_bytes()).ok()?;
        let mut bytes = vec![0; SAMPLE_BYTES];
        let len = std::fs::File::from(file).read_at(&mut bytes, 0).ok()?;
        bytes.truncate(len);
        Some(bytes)
    }

    fn stored_sample(&self, entry: &Entry) -> Option<Vec<u8>> {
        let first = match &entry.content {
            Content::Inline(bytes) => return Some(bytes.clone()),
            Content::Blob(id) => *id,
            Content::Extents(extents) => match extents.first()? {
                Extent::Data { id, .. } => *id,
                zeros => return Some(vec![0; zeros.len().min(SAMPLE_BYTES as u64) as usize]),
            },
            Content::Empty | Content::ExtentList(_) => return None,
        };
        let mut bytes = self.repository.read_blob(&first).ok()?;
        bytes.truncate(SAMPLE_BYTES);
        Some(bytes)
    }
}

fn holds_bytes(entry: &Entry) -> bool {
    entry.kind == Kind::File && entry.size > 0
}

fn is_rewritten(one: &Changed) -> bool {
    match (&one.before, &one.after) {
        (Some(before), Some(after)) => !before.same_content(after),
        _ => false,
    }
}

/// Names mode, owner and attributes: only ever compared within the life of one watcher.
fn metadata(entry: &Entry) -> u64 {
    let mut hasher = DefaultHasher::new();
    (entry.mode, entry.uid, entry.gid, &entry.xattrs).hash(&mut hasher);
    hasher.finish()
}

fn hash(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    hasher.finish()
}

fn looks(bytes: &[u8]) -> Looks {
    if !bytes.is_empty() && bytes.iter().all(|&byte| byte == 0) {
        return Looks::Zeros;
    }
    match sniff::kind(bytes) {
        Sniffed::Binary if is_short_noise(bytes) => Looks::Random,
        Sniffed::Empty => Looks::Unknown,
        // Wrappings of the makers of ciphertext are no formats that people work in.
        Sniffed::Known("openssl" | "pgp" | "age") | Sniffed::Noise | Sniffed::EncodedText => {
            Looks::Random
        }
        Sniffed::Known("elf" | "sqlite") | Sniffed::Text | Sniffed::Binary => Looks::Compressible,
        Sniffed::Known(_) => Looks::KnownPacked,
    }
}

/// Whether a short file has about as many different bytes as chance gives: n random bytes show
/// 256 (1 - e^(-n/256)) of the 256, and stay above nine tenths of it. Tables and programs repeat themselves.
fn is_short_noise(bytes: &[u8]) -> bool {
    if !(SHORT_BYTES_MIN..SHORT_BYTES_MAX).contains(&bytes.len()) {
        return false;
    }
    let mut seen = [false; 256];
    for &byte in bytes {
        seen[usize::from(byte)] = true;
    }
    let different = seen.iter().filter(|seen| **seen).count();
    let expected = 256.0 * (1.0 - (-(bytes.len() as f64) / 256.0).exp());
    different as f64 >= 0.9 * expected
}

/// Names that promise text: what people write and programs read.
const TEXTS: [&[u8]; 26] = [
    b".txt", b".md", b".rst", b".tex", b".csv", b".tsv", b".json", b".xml", b".html", b".css",
    b".js", b".ts", b".yaml", b".yml", b".toml", b".ini", b".conf", b".sh", b".py", b".rs", b".c",
    b".h", b".cpp", b".java", b".go", b".eml",
];

/// No byte in text of any encoding that extends ASCII, and none of UTF-16, which begins with a mark: a
/// few bytes of noise hold some of these.
fn is_text(bytes: &[u8]) -> bool {
    let wide = bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff");
    wide || !bytes
        .iter()
        .any(|byte| matches!(byte, 0..=6 | 14..=26 | 28..=31 | 127))
}

/// What files of these names begin with. From the registrations of their media types and `file(1)`.
const PROMISES: [(&[u8], &[&[u8]]); 12] = [
    (b".pdf", &[b"%PDF-"]),
    (b".png", &[b"\x89PNG\r\n\x1a\n"]),
    (b".jpg", &[b"\xff\xd8\xff"]),
    (b".jpeg", &[b"\xff\xd8\xff"]),
    (b".gif", &[b"GIF8"]),
    (b".zip", &[b"PK\x03\x04", b"PK\x05\x06"]),
    (b".odt", &[b"PK\x03\x04"]),
    (b".docx", &[b"PK\x03\x04"]),
    (b".xlsx", &[b"PK\x03\x04"]),
    (b".gz", &[b"\x1f\x8b"]),
    (b".xz", &[b"\xfd7zXZ\0"]),
    (b".sqlite", &[b"SQLite format 3\0"]),
];

/// Whether the first bytes are what the name promises; `None` where it promises nothing that is known.
fn magic_ok(name: &[u8], bytes: &[u8]) -> Option<bool> {
    let lower = name.to_ascii_lowercase();
    if TEXTS.iter().any(|ending| lower.ends_with(ending)) {
        return Some(is_text(bytes));
    }
    let (_, magics) = PROMISES
        .iter()
        .find(|(ending, _)| lower.ends_with(ending))?;
    Some(magics.iter().any(|magic| bytes.starts_with(magic)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Even bytes without a generator.
    fn noise(length: u64) -> Vec<u8> {
        let mix = |index: u64| (index + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        (0..length)
            .map(|index| {
                ((mix(index) ^ (mix(index) >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 56) as u8
            })
            .collect()
    }

    #[test]
    fn short_noise_is_told_from_short_tables() {
        for length in [64, 200, 300, 511] {
            assert_eq!(looks(&noise(length)), Looks::Random, "{length}");
        }
        let table: Vec<u8> = (0..200_u32)
            .flat_map(|number| (number % 40).to_le_bytes())
            .collect();
        assert_eq!(looks(&table[..500]), Looks::Compressible);
        assert_eq!(looks(b"a short letter"), Looks::Compressible);
    }

    #[test]
    fn a_piece_of_noise_breaks_the_promise_of_text() {
        let mut letter = "für alle, immer wieder\n".repeat(900).into_bytes();
        assert_eq!(magic_ok(b"letter.txt", &letter), Some(true));
        assert_eq!(magic_ok(b"old.TXT", b"f\xfcr alle"), Some(true), "Latin-1");
        letter.splice(9_000..9_200, noise(200));
        assert_eq!(magic_ok(b"letter.txt", &letter), Some(false));
        assert_eq!(magic_ok(b"letter.xyz", &letter), None);
    }
}
